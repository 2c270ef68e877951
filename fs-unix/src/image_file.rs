//! A FUSE file system of one file, `image`: an [`Image`], for the kernel to mount.

use std::ffi::OsStr;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, ReplyAttr, ReplyData, ReplyEntry, ReplyOpen, Request,
};
use rawrz_vfs::NodeId;

use crate::adapter::negotiate;
use crate::erofs::{BLOCK, Image, Piece};
use crate::files::{Files, room};

/// The file's name.
pub(crate) const NAME: &str = "image";

const ROOT: INodeNo = INodeNo(1);
const IMAGE: INodeNo = INodeNo(2);
const TTL: Duration = Duration::MAX;

/// The image, and where the bytes of its files come from.
pub(crate) struct ImageFile {
    pub(crate) image: Image,
    pub(crate) files: Arc<Files>,
}

impl ImageFile {
    fn attr(&self, ino: INodeNo) -> FileAttr {
        let (kind, perm, size) = match ino {
            ROOT => (FileType::Directory, 0o555, 0),
            _ => (FileType::RegularFile, 0o444, self.image.len()),
        };
        let never = SystemTime::UNIX_EPOCH;
        FileAttr {
            ino,
            size,
            blocks: size.div_ceil(512),
            atime: never,
            mtime: never,
            ctime: never,
            crtime: never,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: BLOCK as u32,
            flags: 0,
        }
    }
}

impl Filesystem for ImageFile {
    /// Refuses a kernel that cannot pass files through: nobody would see what is mounted here.
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        if !config.capabilities().contains(InitFlags::FUSE_PASSTHROUGH) {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "FUSE passes no files through here"));
        }
        negotiate(config, InitFlags::FUSE_ASYNC_DIO);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if parent == ROOT && name == NAME {
            reply.entry(&TTL, &self.attr(IMAGE), Generation(0));
        } else {
            reply.error(Errno::ENOENT);
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attr(ino));
    }

    /// DIRECT_IO: EROFS has the pages, and none are kept twice.
    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH);
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let len = size as usize;
        match self.image.piece(offset) {
            Piece::File { id, offset, len: left } if u64::from(size) <= left => {
                self.files.send(id, reply, |files, scratch| files.bytes(id, offset, len, scratch));
            }
            // A file's last block and what fills it up, or what is no file.
            piece => {
                let id = if let Piece::File { id, .. } = piece { id } else { NodeId::ROOT };
                self.files.send(id, reply, |files, scratch| {
                    let room = room(scratch, len);
                    let read = |id, offset, buf: &mut [u8]| files.read_at(id, offset, buf);
                    let filled = self.image.read_at(offset, room, read)?;
                    Ok(&room[..filled])
                });
            }
        }
    }
}
