//! Contents for test trees: stored in a file, computed, failing.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use memmap2::Mmap;
use rawrz_vfs::{Bytes, Error, FileContent, Identity, NodeId, Source, Tree, Verbatim};

use super::{Random, moment};

/// A mapped file, as the real source is.
pub struct FileSource {
    file: File,
    mapping: Mmap,
    identity: Identity,
}

impl FileSource {
    #[allow(unsafe_code)]
    pub fn new(file: File) -> Self {
        let len = file.metadata().unwrap().len();
        // SAFETY: the bytes are never touched here, only handed to the kernel, which survives a truncation.
        let mapping = unsafe { Mmap::map(&file).unwrap() };
        let identity = Identity { device: 0, inode: 0, len, modified: SystemTime::UNIX_EPOCH };
        Self { file, mapping, identity }
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.identity.len
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.file.read_exact_at(buf, offset).map_err(|_| Error::Io)
    }

    fn holds(&self, end: u64) -> bool {
        self.file.metadata().is_ok_and(|m| m.len() >= end)
    }

    fn mapping(&self) -> Option<&[u8]> {
        Some(&self.mapping)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

/// A header in memory and behind it a range of a source; reads that touch both are assembled.
pub struct Stored {
    pub header: Vec<u8>,
    pub source: Arc<dyn Source>,
    /// Where the stored range starts in the source.
    pub start: u64,
    pub len: u64,
}

impl FileContent for Stored {
    fn len(&self) -> u64 {
        self.header.len() as u64 + self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let header = self.header.get(offset as usize..).unwrap_or_default();
        let inline = header.len().min(buf.len());
        buf[..inline].copy_from_slice(&header[..inline]);
        let behind = offset.saturating_sub(self.header.len() as u64);
        self.source.read_exact_at(self.start + behind, &mut buf[inline..])
    }

    fn verbatim_at(&self, offset: u64, len: usize) -> Option<Verbatim<'_>> {
        let behind = offset.checked_sub(self.header.len() as u64)?;
        Some(Verbatim { source: &self.source, offset: self.start + behind, len })
    }
}

/// The byte at `offset` of a computed file.
pub fn computed_byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// A file whose bytes are computed, as decoded tensors are.
pub struct Computed(pub u64);

impl FileContent for Computed {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        for (byte, offset) in buf.iter_mut().zip(offset..) {
            *byte = computed_byte(offset);
        }
        Ok(())
    }
}

/// A file whose handler panics on every read but those at 0.
pub struct Panicking {
    pub len: u64,
    pub panics: AtomicUsize,
}

impl FileContent for Panicking {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        if offset != 0 {
            self.panics.fetch_add(1, Ordering::Relaxed);
            panic!("a panic made on purpose");
        }
        buf.fill(b'p');
        Ok(())
    }
}

/// `len` random bytes in an unlinked file and in memory.
pub fn random_file(len: usize) -> (File, Vec<u8>) {
    let mut random = Random(len as u64 | 1);
    let bytes: Vec<u8> = (0..len).map(|_| random.below(256) as u8).collect();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    (file, bytes)
}

/// The tree of most tests, and the bytes of `stored.bin`.
///
/// `config.json`, `empty`, `computed.bin` (3,000,001 bytes), `stored.bin` (a 5,000-byte header in memory, then 6 MiB of
/// a file from its byte 333 on), `sub/deeper/file`, `link -> sub/deeper/file`.
pub fn sample() -> (Arc<Tree>, Vec<u8>) {
    let (file, bytes) = random_file(333 + (6 << 20) + 100);
    let header: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
    let mut whole = header.clone();
    whole.extend_from_slice(&bytes[333..333 + (6 << 20)]);
    let source: Arc<dyn Source> = Arc::new(FileSource::new(file));
    let stored = Stored { header, source, start: 333, len: 6 << 20 };

    let root = NodeId::ROOT;
    let mut tree = Tree::builder(moment());
    tree.file(root, "config.json", moment(), Arc::new(Bytes::from("{}\n")));
    tree.file(root, "empty", moment(), Arc::new(Bytes::from("")));
    tree.file(root, "computed.bin", moment(), Arc::new(Computed(3_000_001)));
    tree.file(root, "stored.bin", moment(), Arc::new(stored));
    tree.file_at(root, "sub/deeper/file", moment(), Arc::new(Bytes::from("deep")));
    tree.symlink(root, "link", moment(), "sub/deeper/file");
    (tree.build(), whole)
}
