//! An EROFS file system whose files are a tree's, laid out in arithmetic: its first blocks are made here, the rest is
//! what the files hold, read when it is asked for.
//!
//! Format: fs/erofs/erofs_fs.h of Linux 6.18. Little endian, blocks of 4 KiB. The superblock is at byte 1024; an inode's
//! number is its place in units of 32 bytes; an inode of layout "flat plain" says at which block its content starts, and
//! has all of it in one piece. So the image is: superblock, inodes, the root's names, then file after file, each from a
//! block of its own. A file is named by its node's id in 16 hexadecimal digits.

use std::ops::Range;

use rawrz_vfs::{Error, NodeId};

/// Unit of the image, and of what is read of it.
pub(crate) const BLOCK: u64 = 4096;
const SUPERBLOCK_AT: usize = 1024;
const SUPERBLOCK_LEN: usize = 128;
const MAGIC: u32 = 0xe0f5_e1e2;
/// Unit of inode numbers.
const SLOT: u64 = 32;
/// The longer of the two kinds of inode: the shorter has 32 bits for a file's length.
const INODE_LEN: usize = 64;
const INODES_AT: usize = SUPERBLOCK_AT + SUPERBLOCK_LEN;
/// `i_format`: an inode of 64 bytes (bit 0), flat plain (0 in bits 1 to 3).
const EXTENDED_FLAT_PLAIN: u16 = 1;
const DIRECTORY: (u16, u8) = (0o040_555, 2); // st_mode, file type of a name
const FILE: (u16, u8) = (0o100_444, 1);
const NAME_ENTRY_LEN: usize = 12;

/// A file's place in the image.
struct Placed {
    id: NodeId,
    bytes: Range<u64>,
}

/// The image: what it is made of, and no byte of its files.
pub(crate) struct Image {
    /// Superblock, inodes and names, whole blocks.
    metadata: Vec<u8>,
    /// By place.
    files: Vec<Placed>,
    len: u64,
}

impl Image {
    /// Lays out files, given by id and length, in ascending order of ids. Returns none if they take more than
    /// 16 TiB, the most that the format's 32-bit block numbers reach.
    pub(crate) fn new(files: &[(NodeId, u64)]) -> Option<Self> {
        let names = Names::new(files.iter().map(|&(id, _)| id));
        let inodes_end = INODES_AT + (1 + files.len()) * INODE_LEN;
        let names_at = (inodes_end as u64).next_multiple_of(BLOCK);
        let files_at = (names_at + names.bytes.len() as u64).next_multiple_of(BLOCK);
        let mut end = files_at;
        let mut placed = Vec::with_capacity(files.len());
        for &(id, len) in files {
            placed.push(Placed { id, bytes: end..end.checked_add(len)? });
            end = end.checked_add(len)?.checked_next_multiple_of(BLOCK)?;
        }
        let blocks = u32::try_from(end / BLOCK).ok()?;

        let mut metadata = vec![0; SUPERBLOCK_AT];
        metadata.extend(superblock(blocks, 1 + placed.len() as u64));
        metadata.extend(inode(DIRECTORY.0, names_at..names_at + names.len, 0, 2)?);
        for (i, file) in placed.iter().enumerate() {
            metadata.extend(inode(FILE.0, file.bytes.clone(), i + 1, 1)?);
        }
        metadata.resize(usize::try_from(names_at).ok()?, 0);
        metadata.extend(names.bytes);
        Some(Self { metadata, files: placed, len: end })
    }

    /// Length in bytes, whole blocks.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What the bytes from `offset` on are, as far as they are the same.
    pub(crate) fn piece(&self, offset: u64) -> Piece<'_> {
        if let Some(metadata) = usize::try_from(offset).ok().and_then(|at| self.metadata.get(at..))
            && !metadata.is_empty()
        {
            return Piece::Metadata(metadata);
        }
        let next = self.files.partition_point(|file| file.bytes.start <= offset);
        match self.files[..next].last() {
            Some(Placed { id, bytes }) if offset < bytes.end => {
                Piece::File { id: *id, offset: offset - bytes.start, len: bytes.end - offset }
            }
            _ => {
                let end = self.files.get(next).map_or(self.len, |next| next.bytes.start);
                Piece::Padding(end.saturating_sub(offset))
            }
        }
    }

    /// Fills `buf` from `offset`, and returns the number of bytes: less than asked for only at the end. `read` fills its
    /// buffer from an offset of a file.
    ///
    /// # Errors
    /// Those of `read`, [`Error::Io`] if it fills less.
    pub(crate) fn read_at(
        &self,
        offset: u64,
        buf: &mut [u8],
        read: impl Fn(NodeId, u64, &mut [u8]) -> Result<usize, Error>,
    ) -> Result<usize, Error> {
        let len = self.len.saturating_sub(offset).min(buf.len() as u64) as usize;
        let mut rest = &mut buf[..len];
        while !rest.is_empty() {
            let piece = self.piece(offset + (len - rest.len()) as u64);
            let (now, later) = rest.split_at_mut(piece.len().min(rest.len() as u64) as usize);
            match piece {
                Piece::Metadata(bytes) => now.copy_from_slice(&bytes[..now.len()]),
                Piece::File { id, offset, .. } => {
                    if read(id, offset, now)? < now.len() {
                        return Err(Error::Io);
                    }
                }
                Piece::Padding(_) => now.fill(0),
            }
            rest = later;
        }
        Ok(len)
    }
}

/// What a stretch of the image is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Piece<'a> {
    /// Superblock, inodes and names, up to their end.
    Metadata(&'a [u8]),
    /// A file's bytes from `offset` up to its end, `len` of them.
    File { id: NodeId, offset: u64, len: u64 },
    /// So many bytes that fill up a file's last block.
    Padding(u64),
}

impl Piece<'_> {
    fn len(self) -> u64 {
        match self {
            Self::Metadata(bytes) => bytes.len() as u64,
            Self::File { len, .. } | Self::Padding(len) => len,
        }
    }
}

/// The name of a node's file in the root.
pub(crate) fn name(id: NodeId) -> String {
    format!("{:016x}", id.0)
}

/// Number of the inode at a place in the list of them; the root is the first.
fn inode_number(place: usize) -> u64 {
    (INODES_AT + place * INODE_LEN) as u64 / SLOT
}

fn superblock(blocks: u32, inodes: u64) -> [u8; SUPERBLOCK_LEN] {
    let mut block = [0; SUPERBLOCK_LEN]; // no checksum, no features, no UUID, built in 1970
    let root = inode_number(0) as u16;
    block[0..4].copy_from_slice(&MAGIC.to_le_bytes());
    block[12] = BLOCK.ilog2() as u8;
    block[14..16].copy_from_slice(&root.to_le_bytes());
    block[16..24].copy_from_slice(&inodes.to_le_bytes());
    block[36..40].copy_from_slice(&blocks.to_le_bytes());
    // 40..44: the block that inode numbers count from, 0.
    block
}

/// An inode at a place in the list, whose content is at `bytes` of the image.
fn inode(mode: u16, bytes: Range<u64>, place: usize, links: u32) -> Option<[u8; INODE_LEN]> {
    let mut inode = [0; INODE_LEN]; // of root, of 1970: who may read and what stat shows is the mount's above
    inode[0..2].copy_from_slice(&EXTENDED_FLAT_PLAIN.to_le_bytes());
    inode[4..6].copy_from_slice(&mode.to_le_bytes());
    inode[8..16].copy_from_slice(&(bytes.end - bytes.start).to_le_bytes());
    inode[16..20].copy_from_slice(&u32::try_from(bytes.start / BLOCK).ok()?.to_le_bytes());
    inode[20..24].copy_from_slice(&u32::try_from(place + 1).ok()?.to_le_bytes());
    inode[44..48].copy_from_slice(&links.to_le_bytes());
    Some(inode)
}

/// The root's content: blocks of names in ascending order, each block entries first, then their names.
struct Names {
    /// Whole blocks.
    bytes: Vec<u8>,
    /// Bytes up to the end of the last name.
    len: u64,
}

impl Names {
    fn new(ids: impl Iterator<Item = NodeId>) -> Self {
        let dots = [".", ".."].map(|dots| (dots.to_owned(), 0, DIRECTORY.1));
        let files = ids.zip(1..).map(|(id, place)| (name(id), place, FILE.1));
        let mut names = Self { bytes: Vec::new(), len: 0 };
        let mut block = Vec::new();
        let mut taken = 0;
        for entry in dots.into_iter().chain(files) {
            let len = NAME_ENTRY_LEN + entry.0.len();
            if taken + len > BLOCK as usize {
                names.push(&block);
                block.clear();
                taken = 0;
            }
            taken += len;
            block.push(entry);
        }
        names.push(&block);
        names
    }

    fn push(&mut self, block: &[(String, usize, u8)]) {
        let mut name_at = block.len() * NAME_ENTRY_LEN;
        for (name, place, kind) in block {
            self.bytes.extend(inode_number(*place).to_le_bytes());
            self.bytes.extend((name_at as u16).to_le_bytes());
            self.bytes.extend([*kind, 0]);
            name_at += name.len();
        }
        self.bytes.extend(block.iter().flat_map(|(name, ..)| name.bytes()));
        self.len = self.bytes.len() as u64;
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK as usize), 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Lengths around the edges of blocks; enough files for names in several blocks.
    fn files() -> Vec<(NodeId, u64)> {
        let lens = [0, 1, 4095, 4096, 4097, 0, 8192, 10_000];
        (0..400).map(|i| (NodeId(3 + 2 * i), lens[i as usize % lens.len()])).collect()
    }

    fn byte(id: NodeId, at: u64) -> u8 {
        (id.0 * 31 + at * 7 + 1) as u8
    }

    fn read(id: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        buf.iter_mut().zip(offset..).for_each(|(b, at)| *b = byte(id, at));
        Ok(buf.len())
    }

    fn whole(image: &Image) -> Vec<u8> {
        let mut bytes = vec![0xAA; image.len() as usize + 10];
        let len = image.read_at(0, &mut bytes, read).unwrap();
        assert_eq!(len as u64, image.len());
        bytes.truncate(len);
        bytes
    }

    #[test]
    fn any_cut_is_a_cut_of_the_whole() {
        let image = Image::new(&files()).unwrap();
        let whole = whole(&image);
        for (start, len) in (0..whole.len()).step_by(1021).zip([1, 4096, 33_000, 5].into_iter().cycle()) {
            let mut cut = vec![0xAA; len];
            let filled = image.read_at(start as u64, &mut cut, read).unwrap();
            assert!(cut[..filled] == whole[start..whole.len().min(start + len)], "{len} from {start}");
        }
        assert_eq!(image.read_at(image.len() + 1, &mut [0], read), Ok(0));
    }

    /// The kernel reads the image in `tests/native.rs`; here it is read by the format's own rules.
    #[test]
    fn files_are_where_their_inodes_say() {
        let image = Image::new(&files()).unwrap();
        let whole = whole(&image);
        let number = |at: usize, len: usize| {
            whole[at..at + len].iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)) as usize
        };
        assert_eq!(number(1024, 4), 0xe0f5_e1e2);
        assert_eq!(number(1024 + 36, 4) * 4096, whole.len());
        let content = |inode: usize| {
            let start = number(inode * 32 + 16, 4) * 4096;
            start..start + number(inode * 32 + 8, 8)
        };
        let root = content(number(1024 + 14, 2));
        let mut names = Vec::new();
        for block in root.clone().step_by(4096) {
            let end = root.end.min(block + 4096);
            let count = number(block + 8, 2) / 12;
            let name_at = |i: usize| if i < count { block + number(block + i * 12 + 8, 2) } else { end };
            for i in 0..count {
                let name = &whole[name_at(i)..name_at(i + 1)];
                let name: Vec<_> = name.iter().copied().take_while(|&b| b != 0).collect();
                names.push((String::from_utf8(name).unwrap(), number(block + i * 12, 8)));
            }
        }
        assert!(names.is_sorted() && names.len() == 402);
        for ((name, inode), (id, len)) in names[2..].iter().zip(files()) {
            assert_eq!(*name, super::name(id));
            let bytes = &whole[content(*inode)];
            assert!(
                bytes.len() as u64 == len && (0..len).all(|at| bytes[at as usize] == byte(id, at)),
                "{name}"
            );
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_not_laid_out() {
        assert!(Image::new(&[(NodeId(1), 15 << 40), (NodeId(2), 1 << 40)]).is_none());
        assert!(Image::new(&[(NodeId(1), u64::MAX), (NodeId(2), u64::MAX)]).is_none());
        assert!(Image::new(&[(NodeId(1), 15 << 40)]).is_some());
    }
}
