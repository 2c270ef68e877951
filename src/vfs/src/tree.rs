use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::{Error, FileContent, Verbatim};

/// Names a node for as long as the process lives: ids are given in order and never reused, also not by later trees
/// grown from this one, so an adapter may hand them to a kernel that remembers them.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The top directory of every tree.
    pub const ROOT: Self = Self(0);
}

/// What a node is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with bytes.
    File,
    /// A symbolic link.
    Symlink,
}

/// What `stat` shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attr {
    /// What the node is.
    pub kind: Kind,
    /// Length in bytes of a file or of a link's target, 0 for a directory.
    pub len: u64,
    /// When the content was made.
    pub modified: SystemTime,
}

/// One name in a directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DirEntry {
    /// The name, one path component.
    pub name: OsString,
    /// The node it names.
    pub id: NodeId,
    /// What that node is.
    pub kind: Kind,
}

#[derive(Clone)]
enum Body {
    Directory(Vec<DirEntry>),
    File(Arc<dyn FileContent>),
    Symlink(PathBuf),
}

#[derive(Clone)]
struct Node {
    id: NodeId,
    parent: NodeId,
    modified: SystemTime,
    body: Body,
}

impl Node {
    fn kind(&self) -> Kind {
        match self.body {
            Body::Directory(_) => Kind::Directory,
            Body::File(_) => Kind::File,
            Body::Symlink(_) => Kind::Symlink,
        }
    }
}

/// One immutable snapshot of a tree of files. Shared behind an [`Arc`]; reads take no lock.
pub struct Tree {
    nodes: Vec<Node>, // ascending ids, ROOT first
    next: u64,
}

impl Tree {
    /// Starts a tree that holds an empty root directory.
    pub fn builder(modified: SystemTime) -> TreeBuilder {
        let root =
            Node { id: NodeId::ROOT, parent: NodeId::ROOT, modified, body: Body::Directory(Vec::new()) };
        TreeBuilder { tree: Self { nodes: vec![root], next: 1 } }
    }

    /// Starts a later snapshot of this tree: ids of nodes that stay are kept, new nodes get ids never given before.
    pub fn grow(&self) -> TreeBuilder {
        TreeBuilder { tree: Self { nodes: self.nodes.clone(), next: self.next } }
    }

    /// What `stat` shows of a node.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no node has the id.
    pub fn attr(&self, id: NodeId) -> Result<Attr, Error> {
        let node = self.node(id)?;
        let len = match &node.body {
            Body::Directory(_) => 0,
            Body::File(content) => content.len(),
            Body::Symlink(target) => target.as_os_str().len() as u64,
        };
        Ok(Attr { kind: node.kind(), len, modified: node.modified })
    }

    /// The node that `name` names in the directory `dir`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotADirectory`].
    pub fn lookup(&self, dir: NodeId, name: &OsStr) -> Result<NodeId, Error> {
        let entries = self.entries(dir)?;
        let at = entries.binary_search_by(|e| e.name.as_os_str().cmp(name)).map_err(|_| Error::NotFound)?;
        Ok(entries[at].id)
    }

    /// The node at a path below the root.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotADirectory`].
    pub fn resolve<'a>(&self, path: impl IntoIterator<Item = &'a OsStr>) -> Result<NodeId, Error> {
        path.into_iter().try_fold(NodeId::ROOT, |dir, name| self.lookup(dir, name))
    }

    /// The names in a directory, sorted, without `.` and `..`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotADirectory`].
    pub fn entries(&self, dir: NodeId) -> Result<&[DirEntry], Error> {
        match &self.node(dir)?.body {
            Body::Directory(entries) => Ok(entries),
            Body::File(_) | Body::Symlink(_) => Err(Error::NotADirectory),
        }
    }

    /// The directory that holds a node; the root holds itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no node has the id.
    pub fn parent(&self, id: NodeId) -> Result<NodeId, Error> {
        Ok(self.node(id)?.parent)
    }

    /// The path of a node below the root, for messages; empty for the root.
    ///
    /// # Errors
    /// [`Error::NotFound`] if no node has the id.
    pub fn path(&self, id: NodeId) -> Result<PathBuf, Error> {
        let mut names = Vec::new();
        let mut at = id;
        while at != NodeId::ROOT {
            let parent = self.parent(at)?;
            let entry = self.entries(parent)?.iter().find(|e| e.id == at).ok_or(Error::NotFound)?;
            names.push(entry.name.as_os_str());
            at = parent;
        }
        Ok(names.into_iter().rev().collect())
    }

    /// Where a symbolic link points.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the node is no link.
    pub fn link_target(&self, id: NodeId) -> Result<&Path, Error> {
        match &self.node(id)?.body {
            Body::Symlink(target) => Ok(target),
            Body::Directory(_) | Body::File(_) => Err(Error::NotFound),
        }
    }

    /// Reads from `offset` into `buf` and returns the number of bytes, less than `buf.len()` only at the end.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::IsDirectory`], [`Error::NotFound`].
    pub fn read_at(&self, id: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        let content = self.content(id)?;
        let len = clamp(content, offset, buf.len());
        if len == 0 {
            return Ok(0);
        }
        content.read_exact_at(offset, &mut buf[..len])?;
        Ok(len)
    }

    /// The range from `offset`, cut at the end of the file, as a range of a source, if it is stored in one piece.
    ///
    /// # Errors
    /// [`Error::IsDirectory`], [`Error::NotFound`].
    pub fn verbatim_at(&self, id: NodeId, offset: u64, len: usize) -> Result<Option<Verbatim<'_>>, Error> {
        let content = self.content(id)?;
        match clamp(content, offset, len) {
            0 => Ok(None),
            len => Ok(content.verbatim_at(offset, len)),
        }
    }

    /// The source that a whole file is, byte for byte, for adapters that can hand an open file to the kernel.
    ///
    /// # Errors
    /// [`Error::IsDirectory`], [`Error::NotFound`].
    pub fn backing(&self, id: NodeId) -> Result<Option<Verbatim<'_>>, Error> {
        let content = self.content(id)?;
        let Ok(len) = usize::try_from(content.len()) else { return Ok(None) };
        let whole = content.verbatim_at(0, len);
        Ok(whole.filter(|v| v.offset == 0 && v.source.len() == content.len()))
    }

    /// All files and their lengths in bytes, by id.
    pub fn files(&self) -> impl Iterator<Item = (NodeId, u64)> {
        self.nodes.iter().filter_map(|node| match &node.body {
            Body::File(content) => Some((node.id, content.len())),
            Body::Directory(_) | Body::Symlink(_) => None,
        })
    }

    /// Sum of the lengths of all files, in bytes.
    pub fn total_len(&self) -> u64 {
        self.files().map(|(_, len)| len).sum()
    }

    /// Number of nodes, the root included.
    pub fn node_count(&self) -> u64 {
        self.nodes.len() as u64
    }

    fn content(&self, id: NodeId) -> Result<&dyn FileContent, Error> {
        match &self.node(id)?.body {
            Body::File(content) => Ok(&**content),
            Body::Directory(_) => Err(Error::IsDirectory),
            Body::Symlink(_) => Err(Error::NotFound),
        }
    }

    fn node(&self, id: NodeId) -> Result<&Node, Error> {
        // In a tree that was never grown the id is the index.
        let at = match self.nodes.get(id.0 as usize) {
            Some(node) if node.id == id => id.0 as usize,
            _ => self.nodes.binary_search_by_key(&id, |n| n.id).map_err(|_| Error::NotFound)?,
        };
        Ok(&self.nodes[at])
    }
}

fn clamp(content: &dyn FileContent, offset: u64, len: usize) -> usize {
    content.len().saturating_sub(offset).min(len as u64) as usize
}

/// Builds a [`Tree`], or a later snapshot of one.
pub struct TreeBuilder {
    tree: Tree,
}

impl TreeBuilder {
    /// Adds an empty directory, or returns the one that is there.
    ///
    /// # Panics
    /// If `parent` is no directory of this tree, or the name is taken by something else: views own their names.
    pub fn directory(&mut self, parent: NodeId, name: impl Into<OsString>, modified: SystemTime) -> NodeId {
        let name = name.into();
        match self.tree.lookup(parent, &name) {
            Ok(id) => id,
            Err(_) => self.add(parent, name, modified, Body::Directory(Vec::new())),
        }
    }

    /// The node that `name` names in the directory `dir`, if there is one by now.
    pub fn find(&self, dir: NodeId, name: &OsStr) -> Option<NodeId> {
        self.tree.lookup(dir, name).ok()
    }

    /// Adds a file.
    ///
    /// # Panics
    /// As [`TreeBuilder::directory`].
    pub fn file(
        &mut self,
        parent: NodeId,
        name: impl Into<OsString>,
        modified: SystemTime,
        content: Arc<dyn FileContent>,
    ) -> NodeId {
        self.add(parent, name.into(), modified, Body::File(content))
    }

    /// Adds a file at a path below `parent` whose components are separated by `/`, with the directories it needs.
    ///
    /// # Panics
    /// As [`TreeBuilder::directory`].
    pub fn file_at(
        &mut self,
        parent: NodeId,
        path: &str,
        modified: SystemTime,
        content: Arc<dyn FileContent>,
    ) -> NodeId {
        match path.rsplit_once('/') {
            None => self.file(parent, path, modified, content),
            Some((directories, name)) => {
                let dir =
                    directories.split('/').fold(parent, |dir, part| self.directory(dir, part, modified));
                self.file(dir, name, modified, content)
            }
        }
    }

    /// Adds a symbolic link.
    ///
    /// # Panics
    /// As [`TreeBuilder::directory`].
    pub fn symlink(
        &mut self,
        parent: NodeId,
        name: impl Into<OsString>,
        modified: SystemTime,
        target: impl Into<PathBuf>,
    ) -> NodeId {
        self.add(parent, name.into(), modified, Body::Symlink(target.into()))
    }

    /// Removes a node and all below it; its ids are not given again.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::NotADirectory`].
    pub fn remove(&mut self, parent: NodeId, name: &OsStr) -> Result<(), Error> {
        let mut doomed = vec![self.tree.lookup(parent, name)?];
        let mut at = 0;
        while let Some(&id) = doomed.get(at) {
            if let Ok(entries) = self.tree.entries(id) {
                doomed.extend(entries.iter().map(|e| e.id));
            }
            at += 1;
        }
        self.entries_mut(parent).retain(|e| e.name != name);
        self.tree.nodes.retain(|n| !doomed.contains(&n.id));
        Ok(())
    }

    /// The finished snapshot.
    pub fn build(self) -> Arc<Tree> {
        Arc::new(self.tree)
    }

    fn add(&mut self, parent: NodeId, name: OsString, modified: SystemTime, body: Body) -> NodeId {
        let id = NodeId(self.tree.next);
        self.tree.next += 1;
        let node = Node { id, parent, modified, body };
        let entry = DirEntry { name, id, kind: node.kind() };
        let entries = self.entries_mut(parent);
        match entries.binary_search_by(|e| e.name.cmp(&entry.name)) {
            Ok(_) => panic!("{:?} is in the tree already", entry.name),
            Err(at) => entries.insert(at, entry),
        }
        self.tree.nodes.push(node);
        id
    }

    fn entries_mut(&mut self, dir: NodeId) -> &mut Vec<DirEntry> {
        let at =
            self.tree.nodes.binary_search_by_key(&dir, |n| n.id).expect("the parent is a node of this tree");
        match &mut self.tree.nodes[at].body {
            Body::Directory(entries) => entries,
            Body::File(_) | Body::Symlink(_) => panic!("the parent is a directory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;

    fn file(text: &str) -> Arc<dyn FileContent> {
        Arc::new(Bytes::from(text))
    }

    fn sample() -> (Arc<Tree>, NodeId) {
        let mut b = Tree::builder(SystemTime::UNIX_EPOCH);
        b.file(NodeId::ROOT, "b", SystemTime::UNIX_EPOCH, file("hello"));
        let id = b.file_at(NodeId::ROOT, "d/e/f", SystemTime::UNIX_EPOCH, file("deep"));
        b.symlink(NodeId::ROOT, "a", SystemTime::UNIX_EPOCH, "b");
        (b.build(), id)
    }

    fn path(s: &str) -> impl Iterator<Item = &OsStr> {
        s.split('/').map(OsStr::new)
    }

    #[test]
    fn entries_are_sorted_and_resolve() {
        let (tree, deep) = sample();
        let names: Vec<_> = tree.entries(NodeId::ROOT).unwrap().iter().map(|e| e.name.clone()).collect();
        assert_eq!(names, ["a", "b", "d"]);
        assert_eq!(tree.resolve(path("d/e/f")), Ok(deep));
        assert_eq!(tree.resolve(path("d/x")), Err(Error::NotFound));
        assert_eq!(tree.resolve(path("b/x")), Err(Error::NotADirectory));
        assert_eq!(tree.link_target(tree.resolve(path("a")).unwrap()).unwrap(), Path::new("b"));
        assert_eq!(tree.path(deep).unwrap(), Path::new("d/e/f"));
        assert_eq!(tree.path(NodeId::ROOT).unwrap(), Path::new(""));
    }

    #[test]
    fn reads_are_cut_at_the_end() {
        let (tree, _) = sample();
        let id = tree.resolve(path("b")).unwrap();
        let mut buf = [0; 8];
        assert_eq!(tree.read_at(id, 3, &mut buf), Ok(2));
        assert_eq!(&buf[..2], b"lo");
        assert_eq!(tree.read_at(id, 5, &mut buf), Ok(0));
        assert_eq!(tree.read_at(id, u64::MAX, &mut buf), Ok(0));
        assert_eq!(tree.read_at(NodeId::ROOT, 0, &mut buf), Err(Error::IsDirectory));
        assert_eq!(tree.read_at(NodeId(99), 0, &mut buf), Err(Error::NotFound));
    }

    #[test]
    fn a_later_snapshot_reuses_no_id() {
        let (old, deep) = sample();
        let mut b = old.grow();
        b.remove(NodeId::ROOT, OsStr::new("d")).unwrap();
        let again = b.file_at(NodeId::ROOT, "d/e/f", SystemTime::UNIX_EPOCH, file("new"));
        let new = b.build();
        assert_ne!(again, deep);
        assert_eq!(new.attr(deep), Err(Error::NotFound));
        assert_eq!(old.attr(deep).unwrap().len, 4);
        assert_eq!(new.resolve(path("d/e/f")), Ok(again));
        assert_eq!(new.resolve(path("b")), old.resolve(path("b")));
    }
}
