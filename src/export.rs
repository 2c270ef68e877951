//! Writes a tree out as an ordinary folder, for machines without mounts.
//!
//! A file has the name `NAME.partial` until it is whole, so whoever finds a name finds all of its bytes. An export that was
//! cut short goes on where it stopped: what is there already is compared with the tree, never trusted.

mod copy;

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rawrz_vfs::{self as vfs, DirEntry, Kind, NodeId, Tree};

use self::copy::{Copy, Met};

/// What a file is called until it is whole.
const PARTIAL: &str = ".partial";

/// How far an export is, told after every piece.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The file, relative to the folder.
    pub path: &'a Path,
    /// What is being done to it.
    pub step: Step,
    /// Bytes done since the last word.
    pub len: u64,
}

/// What is being done to a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// What an earlier export left is compared with the tree.
    Compare,
    /// Bytes are written.
    Write,
    /// The written file is read again from the disk and compared.
    Verify,
}

/// What an export did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Summary {
    /// Files that were written, or finished.
    pub written: usize,
    /// Files that an earlier export had finished.
    pub kept: usize,
    /// Bytes that were not there before.
    pub len: u64,
}

/// Why a tree cannot be written out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another export writes the same file.
    #[error("{} is being written by another export", path.display())]
    Busy {
        /// The unfinished file.
        path: PathBuf,
    },
    /// A finished file is not the one that would be written.
    #[error("{} is there and differs from what would be written, from byte {offset} on", path.display())]
    Differs {
        /// The file.
        path: PathBuf,
        /// The first byte that differs, or where the shorter of both ends.
        offset: u64,
    },
    /// The directory holds something that is not of the folder.
    #[error("{} is there, and is not part of the folder", path.display())]
    Foreign {
        /// What it holds.
        path: PathBuf,
    },
    /// The file system has not enough room.
    #[error("{} needs {needed} bytes more, and its file system has {free}", path.display())]
    Full {
        /// The directory.
        path: PathBuf,
        /// Bytes that are yet to be written.
        needed: u64,
        /// Bytes that can be written.
        free: u64,
    },
    /// The system refuses.
    #[error("{}", path.display())]
    Io {
        /// What could not be made, read or written.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The tree has a link, which an export does not write.
    #[error("{} is a symbolic link", path.display())]
    Link {
        /// Its path in the tree.
        path: PathBuf,
    },
    /// The tree could not be read.
    #[error("the bytes of {} could not be read", path.display())]
    Source {
        /// The file, relative to the folder.
        path: PathBuf,
        /// Why not.
        source: vfs::Error,
    },
    /// What is on the disk is not what was written.
    #[error("{} was written, and reads differently at byte {offset}", path.display())]
    Unsound {
        /// The unfinished file.
        path: PathBuf,
        /// The first byte that differs.
        offset: u64,
    },
}

/// Writes `tree` into `directory`, which is made if it is not there, and may hold nothing but files of the same tree.
///
/// With `verify` what was written is read again from the disk and compared before a file gets its name. `progress` hears of
/// every byte in [`Step::Compare`], or in [`Step::Write`] and then, with `verify`, in [`Step::Verify`].
///
/// # Errors
/// See [`Error`]. What was written stays, and the next export goes on from it.
pub fn export(
    tree: &Tree,
    directory: &Path,
    verify: bool,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<Summary, Error> {
    let mut files = Vec::new();
    plan(tree, NodeId::ROOT, directory, Path::new(""), &mut files)?;
    fs::create_dir_all(directory).map_err(io_error(directory))?;
    check_room(directory, &files)?;
    let mut summary = Summary::default();
    for file in &files {
        file.export(tree, verify, progress, &mut summary)?;
    }
    Ok(summary)
}

/// One file to write.
struct Planned {
    id: NodeId,
    /// Its path in the folder.
    path: PathBuf,
    target: PathBuf,
    len: u64,
    /// Bytes of the file or of its unfinished form that are there, if the file system tells.
    there: u64,
}

/// Lists the files below `directory` and refuses what is in their way, before anything is written.
fn plan(
    tree: &Tree,
    node: NodeId,
    directory: &Path,
    path: &Path,
    files: &mut Vec<Planned>,
) -> Result<(), Error> {
    let entries = tree.entries(node).map_err(source_error(path))?;
    refuse_foreign(directory, entries)?;
    for entry in entries {
        let (path, target) = (path.join(&entry.name), directory.join(&entry.name));
        match entry.kind {
            Kind::Directory => plan(tree, entry.id, &target, &path, files)?,
            Kind::File => {
                let len = tree.attr(entry.id).map_err(source_error(&path))?.len;
                let there = |path: &Path| fs::metadata(path).map(|m| m.len()).ok();
                let there = there(&target).or_else(|| there(&partial(&target))).unwrap_or(0);
                files.push(Planned { id: entry.id, path, target, len, there });
            }
            Kind::Symlink => return Err(Error::Link { path }),
        }
    }
    Ok(())
}

/// Refuses a directory that holds what the tree does not, or holds it as something else.
fn refuse_foreign(directory: &Path, entries: &[DirEntry]) -> Result<(), Error> {
    let found = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(io_error(directory))?,
    };
    for item in found {
        let item = item.map_err(io_error(directory))?;
        let kind = item.file_type().map_err(io_error(&item.path()))?;
        let ours = entries.iter().any(|entry| match entry.kind {
            Kind::Directory => kind.is_dir() && item.file_name() == entry.name,
            _ => {
                kind.is_file() && (item.file_name() == entry.name || item.file_name() == partial_name(entry))
            }
        });
        if !ours {
            return Err(Error::Foreign { path: item.path() });
        }
    }
    Ok(())
}

/// Says now what would be found out after hours.
#[cfg(unix)]
fn check_room(directory: &Path, files: &[Planned]) -> Result<(), Error> {
    let room = rustix::fs::statvfs(directory).map_err(|errno| io_error(directory)(errno.into()))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    let needed = files.iter().map(|f| f.len.saturating_sub(f.there)).sum();
    if needed > free {
        return Err(Error::Full { path: directory.to_owned(), needed, free });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_room(_: &Path, _: &[Planned]) -> Result<(), Error> {
    Ok(()) // the standard library does not tell; the write that finds no room does
}

impl Planned {
    fn export(
        &self,
        tree: &Tree,
        verify: bool,
        progress: &mut dyn FnMut(Progress<'_>),
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let mut tell = |step, len| progress(Progress { path: &self.path, step, len });
        let mut copy = Copy::new(tree, self.id, self.len);
        match File::open(&self.target) {
            Ok(file) => {
                self.keep(&file, &mut copy, &mut tell)?;
                summary.kept += 1;
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&self.target)(error)),
        }
        if let Some(parent) = self.target.parent() {
            fs::create_dir_all(parent).map_err(io_error(parent))?;
        }
        let path = partial(&self.target);
        let file = self.claim(&path)?;
        let sound = self.resume(&file, &path, &mut copy, &mut tell)?;
        copy.write(&file, sound, &mut |len| tell(Step::Write, len)).map_err(|met| self.failed(&path, met))?;
        file.sync_data().map_err(io_error(&path))?;
        if verify {
            copy::forget(&file);
            let end = copy.compare(&file, sound, &mut |len| tell(Step::Verify, len));
            let end = end.map_err(|met| self.failed(&path, met))?;
            if end != self.len {
                return Err(Error::Unsound { path, offset: end });
            }
        }
        let modified = tree.attr(self.id).map_err(source_error(&self.path))?.modified;
        file.set_modified(modified).map_err(io_error(&path))?;
        fs::rename(&path, &self.target).map_err(io_error(&self.target))?;
        summary.written += 1;
        summary.len += self.len - sound;
        Ok(())
    }

    /// Checks a file that an earlier export finished.
    fn keep(&self, file: &File, copy: &mut Copy, tell: &mut dyn FnMut(Step, u64)) -> Result<(), Error> {
        let len = file.metadata().map_err(io_error(&self.target))?.len();
        copy::forget(file);
        let end = copy.compare(file, 0, &mut |len| tell(Step::Compare, len));
        let end = end.map_err(|met| self.failed(&self.target, met))?;
        if end != self.len || len != self.len {
            return Err(Error::Differs { path: self.target.clone(), offset: end });
        }
        Ok(())
    }

    /// Opens the unfinished file for this export alone.
    fn claim(&self, path: &Path) -> Result<File, Error> {
        let options = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = options.map_err(io_error(path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path: path.to_owned() }),
            // A file system without locks: the user is trusted not to run two exports there.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
            Err(TryLockError::Error(error)) => Err(io_error(path)(error)),
        }
    }

    /// How many bytes of the unfinished file are sound; what follows them is cut off.
    fn resume(
        &self,
        file: &File,
        path: &Path,
        copy: &mut Copy,
        tell: &mut dyn FnMut(Step, u64),
    ) -> Result<u64, Error> {
        file.sync_data().map_err(io_error(path))?;
        copy::forget(file);
        let end = copy.compare(file, 0, &mut |len| tell(Step::Compare, len));
        let end = end.map_err(|met| self.failed(path, met))?;
        file.set_len(end).map_err(io_error(path))?;
        Ok(end)
    }

    fn failed(&self, path: &Path, met: Met) -> Error {
        match met {
            Met::Disk(source) => io_error(path)(source),
            Met::Source(source) => source_error(&self.path)(source),
        }
    }
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PARTIAL);
    name.into()
}

fn partial_name(entry: &DirEntry) -> OsString {
    let mut name = entry.name.clone();
    name.push(PARTIAL);
    name
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { path: path.to_owned(), source }
}

fn source_error(path: &Path) -> impl FnOnce(vfs::Error) -> Error {
    move |source| Error::Source { path: path.to_owned(), source }
}
