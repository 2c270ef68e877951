//! The file system calls: each asks the tree and replies.
//!
//! No handle table, no inode table, no lock on the way of a read: an inode is its node's id plus one (FUSE's root is 1,
//! the tree's is 0), ids are never reused, so `forget` has nothing to do and every generation is 0.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo,
    InitFlags, IoctlFlags, KernelConfig, LockOwner, OpenAccMode, OpenFlags, PollEvents, PollFlags,
    PollNotifier, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus,
    ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite,
    ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use rawrz_vfs::{Error, Kind, NodeId};

use crate::files::Files;
use crate::passthrough::Passthrough;

/// How long the kernel may believe a name or an attribute. The tree never changes under a mount; without this every
/// `stat` and `open` would come back to us.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);

const GENERATION: Generation = Generation(0);

/// Unit of `st_blksize` and `statfs`: the page, which is what the kernel reads in.
const BLOCK: u32 = 4096;

/// What is asked of the kernel where it offers it. Not among them, with reason: AUTO_INVAL_DATA (a getattr for every
/// read), ABORT_ERROR (fuser 0.18 takes its ECONNABORTED for a failure), and what fuser 0.18 accepts but cannot honour
/// (OVER_IO_URING, HAS_RESEND, REQUEST_TIMEOUT, ALLOW_IDMAP, SECURITY_CTX, HAS_INODE_DAX).
const CAPABILITIES: InitFlags = InitFlags::FUSE_PARALLEL_DIROPS
    .union(InitFlags::FUSE_DO_READDIRPLUS)
    .union(InitFlags::FUSE_READDIRPLUS_AUTO)
    .union(InitFlags::FUSE_EXPLICIT_INVAL_DATA)
    .union(InitFlags::FUSE_CACHE_SYMLINKS);

/// Who owns the files shown.
#[derive(Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

pub(crate) struct Adapter {
    files: Arc<Files>,
    owner: Owner,
    passthrough: Passthrough,
}

impl Adapter {
    pub(crate) fn new(files: Arc<Files>, owner: Owner, passthrough: Passthrough) -> Self {
        Self { files, owner, passthrough }
    }

    fn attr(&self, id: NodeId) -> Result<FileAttr, Error> {
        let attr = self.files.tree.attr(id)?;
        let (kind, perm, nlink) = match attr.kind {
            Kind::Directory => (FileType::Directory, 0o555, 2 + self.subdirectories(id)?),
            Kind::File => (FileType::RegularFile, 0o444, 1),
            Kind::Symlink => (FileType::Symlink, 0o777, 1),
        };
        Ok(FileAttr {
            ino: ino(id),
            size: attr.len,
            // What the file would take if it were stored, though it takes nothing: with 0 blocks GNU tar -S takes a
            // file for one hole and archives zeros without reading it (test `sparse_aware_tools_copy_the_bytes`).
            blocks: attr.len.div_ceil(512),
            atime: attr.modified,
            mtime: attr.modified,
            ctime: attr.modified,
            crtime: attr.modified,
            kind,
            perm,
            nlink,
            uid: self.owner.uid,
            gid: self.owner.gid,
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        })
    }

    /// `find` stops looking for directories once it has seen `nlink - 2` of them, so the count must be right.
    fn subdirectories(&self, id: NodeId) -> Result<u32, Error> {
        let count = self.files.tree.entries(id)?.iter().filter(|e| e.kind == Kind::Directory).count();
        Ok(u32::try_from(count).unwrap_or(u32::MAX - 2))
    }

    /// Passes a directory's names from `cookie` on to `add`, until it says that the reply is full. A cookie is the
    /// number of names that went before; `.` and `..` are the first two.
    fn list(
        &self,
        id: NodeId,
        cookie: u64,
        mut add: impl FnMut(NodeId, u64, Kind, &OsStr) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let entries = self.files.tree.entries(id)?;
        let dots = [(id, "."), (self.files.tree.parent(id)?, "..")]
            .map(|(id, name)| (id, Kind::Directory, OsStr::new(name)));
        let names = dots.into_iter().chain(entries.iter().map(|e| (e.id, e.kind, e.name.as_os_str())));
        let skip = usize::try_from(cookie).unwrap_or(usize::MAX);
        for ((id, kind, name), next) in names.zip(1..).skip(skip) {
            if add(id, next, kind, name)? {
                break;
            }
        }
        Ok(())
    }
}

/// Asks the kernel for what it offers of `capabilities`, and for room for many reads at a time.
pub(crate) fn negotiate(config: &mut KernelConfig, capabilities: InitFlags) {
    let offered = config.capabilities();
    // Cannot fail: only bits that are offered are asked for.
    let _ = config.add_capabilities(capabilities & offered);
    // Readahead counts against these; at the threshold the kernel drops its asynchronous part. Both setters refuse
    // 0 only. max_write stays at fuser's 16 MiB: the size of a READ is derived from it.
    let _ = config.set_max_background(64);
    let _ = config.set_congestion_threshold(48);
}

fn ino(id: NodeId) -> INodeNo {
    INodeNo(id.0 + 1)
}

/// Inode 0 does not exist, and no node has the id it becomes.
fn node(ino: INodeNo) -> NodeId {
    NodeId(ino.0.wrapping_sub(1))
}

fn file_type(kind: Kind) -> FileType {
    match kind {
        Kind::Directory => FileType::Directory,
        Kind::File => FileType::RegularFile,
        Kind::Symlink => FileType::Symlink,
    }
}

impl Filesystem for Adapter {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        negotiate(config, CAPABILITIES);
        self.passthrough.negotiate(config);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let parent = node(parent);
        match self.files.answer(parent, || self.attr(self.files.tree.lookup(parent, name)?)) {
            Ok(attr) => reply.entry(&TTL, &attr, GENERATION),
            Err(errno) => reply.error(errno),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.files.answer(node(ino), || self.attr(node(ino))) {
            Ok(attr) => reply.attr(&TTL, &attr),
            Err(errno) => reply.error(errno),
        }
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        match self.files.answer(node(ino), || self.files.tree.link_target(node(ino))) {
            Ok(target) => reply.data(target.as_os_str().as_bytes()),
            Err(errno) => reply.error(errno),
        }
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        let id = node(ino);
        if let Err(errno) = self.files.answer(id, || self.files.tree.attr(id)) {
            return reply.error(errno);
        }
        let Err(reply) = self.passthrough.open(&self.files.tree, id, flags, reply) else { return };
        // KEEP_CACHE: without it each open drops the file's pages from the page cache. Never DIRECT_IO: loaders map files.
        // NOFLUSH: nothing to flush on close.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE | FopenFlags::FOPEN_NOFLUSH);
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let id = node(ino);
        self.files.send(id, reply, |files, scratch| files.bytes(id, offset, size as usize, scratch));
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.passthrough.close(node(ino), handle);
        reply.ok();
    }

    fn readdir(&self, _: &Request, ino: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listed = self.files.answer(node(ino), || {
            self.list(node(ino), offset, |id, next, kind, name| {
                Ok(reply.add(crate::adapter::ino(id), next, file_type(kind), name))
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let listed = self.files.answer(node(ino), || {
            self.list(node(ino), offset, |id, next, _, name| {
                Ok(reply.add(crate::adapter::ino(id), next, name, &TTL, &self.attr(id)?, GENERATION))
            })
        });
        match listed {
            Ok(()) => reply.ok(),
            Err(errno) => reply.error(errno),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let tree = &self.files.tree;
        match self.files.answer(NodeId::ROOT, || Ok((tree.total_len(), tree.node_count()))) {
            Ok((bytes, files)) => {
                reply.statfs(bytes.div_ceil(u64::from(BLOCK)), 0, 0, files, 0, BLOCK, 255, BLOCK);
            }
            Err(errno) => reply.error(errno),
        }
    }

    // Answered ENOSYS, silently, after which the kernel stops asking and does what is right without us: no extended
    // attributes, fsync succeeds, files are always ready, and SEEK_DATA and SEEK_HOLE find one run of data up to the
    // end. fuser's own answers are the same but log a warning each.

    fn getxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn listxattr(&self, _: &Request, _: INodeNo, _: u32, reply: ReplyXattr) {
        reply.error(Errno::ENOSYS);
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.error(Errno::ENOSYS);
    }

    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        reply.error(Errno::ENOSYS);
    }

    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(Errno::ENOSYS);
    }

    /// Asked by every `isatty`.
    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(Errno::ENOTTY);
    }

    // Everything that would change something. The mount is read-only, so the kernel refuses these itself; they come
    // here only if root remounts it read-write.

    fn setattr(
        &self,
        _: &Request,
        _: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        reply.error(Errno::EROFS);
    }

    fn mknod(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn mkdir(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn unlink(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn rmdir(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn rename(
        &self,
        _: &Request,
        _: INodeNo,
        _: &OsStr,
        _: INodeNo,
        _: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        reply.error(Errno::EROFS);
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(Errno::EROFS);
    }

    fn create(&self, _: &Request, _: INodeNo, _: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        reply.error(Errno::EROFS);
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: u64,
        _: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        reply.error(Errno::EROFS);
    }

    fn setxattr(&self, _: &Request, _: INodeNo, _: &OsStr, _: &[u8], _: i32, _: u32, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }

    fn removexattr(&self, _: &Request, _: INodeNo, _: &OsStr, reply: ReplyEmpty) {
        reply.error(Errno::EROFS);
    }
}
