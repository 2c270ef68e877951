use std::sync::Arc;

use crate::{Error, Source};

/// A range of a source whose bytes are a file's bytes, named rather than read, so that each adapter moves it its own
/// way: a reply from the mapping, a positioned read, passthrough.
#[derive(Clone, Copy)]
pub struct Verbatim<'a> {
    /// Where the bytes are.
    pub source: &'a Arc<dyn Source>,
    /// First byte, relative to the start of the source.
    pub offset: u64,
    /// Number of bytes.
    pub len: usize,
}

impl Verbatim<'_> {
    /// This range and the next as one, if they are neighbours in the same source.
    pub fn joined(self, next: &Self) -> Option<Self> {
        let neighbours =
            Arc::ptr_eq(self.source, next.source) && self.offset + self.len as u64 == next.offset;
        neighbours.then_some(Self { len: self.len + next.len, ..self })
    }
}

/// The bytes of one virtual file.
pub trait FileContent: Send + Sync {
    /// Length in bytes; never changes.
    fn len(&self) -> u64;

    /// Whether the file is empty.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` from `offset`. The range lies within the file: [`crate::Tree::read_at`] sees to that.
    ///
    /// # Errors
    /// [`Error::Io`] if the source fails.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error>;

    /// The range `offset..offset + len` as a range of a source, if all of it is stored there in one piece.
    fn verbatim_at(&self, _offset: u64, _len: usize) -> Option<Verbatim<'_>> {
        None
    }
}

/// A file held in memory.
pub struct Bytes(Arc<Vec<u8>>);

impl<T: Into<Vec<u8>>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        Self(Arc::new(bytes.into()))
    }
}

impl Bytes {
    /// A file of bytes that others hold too.
    pub fn shared(bytes: Arc<Vec<u8>>) -> Self {
        Self(bytes)
    }
}

impl FileContent for Bytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let start = usize::try_from(offset).map_err(|_| Error::Io)?;
        let end = start.checked_add(buf.len()).ok_or(Error::Io)?;
        buf.copy_from_slice(self.0.get(start..end).ok_or(Error::Io)?);
        Ok(())
    }
}
