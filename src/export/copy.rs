//! Bytes of one file of a tree, to a file on disk and against one.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use rawrz_vfs::{self as vfs, NodeId, Tree, Verbatim};

/// Bytes that are moved at a time. Pieces start at multiples of it, so of a page too, as file systems ask of ranges that
/// they share instead of copying.
const PIECE_LEN: usize = 1 << 20;

/// What went wrong, by whose fault.
pub enum Met {
    /// The file on disk.
    Disk(io::Error),
    /// The tree.
    Source(vfs::Error),
}

/// One file of a tree.
pub struct Copy<'a> {
    tree: &'a Tree,
    id: NodeId,
    len: u64,
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

impl<'a> Copy<'a> {
    /// The file `id`, which has `len` bytes.
    pub fn new(tree: &'a Tree, id: NodeId, len: u64) -> Self {
        let piece = usize::try_from(len).unwrap_or(usize::MAX).min(PIECE_LEN);
        Self { tree, id, len, ours: vec![0; piece], theirs: vec![0; piece] }
    }

    /// The first byte from `offset` on that is not the same in the tree and in `file`, or where the shorter of both ends.
    pub fn compare(
        &mut self,
        mut file: &File,
        mut offset: u64,
        tell: &mut dyn FnMut(u64),
    ) -> Result<u64, Met> {
        file.seek(SeekFrom::Start(offset)).map_err(Met::Disk)?;
        while offset < self.len {
            let len = self.tree.read_at(self.id, offset, &mut self.ours).map_err(Met::Source)?;
            let there = read_up_to(file, &mut self.theirs[..len]).map_err(Met::Disk)?;
            let (ours, theirs) = (&self.ours[..there], &self.theirs[..there]);
            let same = match ours == theirs {
                true => there,
                false => ours.iter().zip(theirs).take_while(|(a, b)| a == b).count(),
            };
            tell(same as u64);
            offset += same as u64;
            if same < len {
                break;
            }
        }
        Ok(offset)
    }

    /// Writes the bytes from `offset` on to `file`, which ends there.
    pub fn write(&mut self, mut file: &File, mut offset: u64, tell: &mut dyn FnMut(u64)) -> Result<(), Met> {
        file.seek(SeekFrom::Start(offset)).map_err(Met::Disk)?;
        while offset < self.len {
            // An odd start after a resumed piece is made even by a short piece.
            let piece = PIECE_LEN - (offset % PIECE_LEN as u64) as usize;
            let verbatim = self.tree.verbatim_at(self.id, offset, piece).map_err(Met::Source)?;
            let len = match verbatim.and_then(|range| share(&range, file)) {
                Some(len) => len,
                None => {
                    let len = piece.min(self.ours.len());
                    let buf = &mut self.ours[..len];
                    let len = self.tree.read_at(self.id, offset, buf).map_err(Met::Source)?;
                    file.write_all(&buf[..len]).map_err(Met::Disk)?;
                    len
                }
            };
            tell(len as u64);
            offset += len as u64;
        }
        Ok(())
    }
}

/// Fills `buf` as far as the file goes.
fn read_up_to(mut file: &File, buf: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buf.len() {
        match file.read(&mut buf[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

/// Has the kernel append a stored range to `file`, and returns how much of it it did. btrfs and XFS share the blocks where
/// both offsets are whole blocks; others copy without a detour through this process. `None` where the kernel does not.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn share(range: &Verbatim<'_>, file: &File) -> Option<usize> {
    let mut offset = range.offset;
    // A source that has become shorter copies nothing; the read that follows says so.
    rustix::fs::copy_file_range(range.source.file()?, Some(&mut offset), file, None, range.len)
        .ok()
        .filter(|&len| len > 0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn share(_: &Verbatim<'_>, _: &File) -> Option<usize> {
    None
}

/// Has the next read come from the disk, not from what the kernel remembers of the write; the file must be synced. Elsewhere
/// than on Linux, and on file systems that live in memory, the read tells less.
pub fn forget(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed); // advice: nothing depends on it
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
