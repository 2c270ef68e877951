use rawrz_vfs::Source;

use super::{Error, limits};

/// Bytes fetched at a time: large enough that a vocabulary costs a few reads, small enough to be nothing.
const WINDOW: usize = 1 << 20;

/// Reads a source forward. No method panics or reserves more than the source holds.
pub struct Cursor<'a> {
    source: &'a dyn Source,
    position: u64,
    window: Vec<u8>,
    window_start: u64,
    /// Lengths and counts are u32 in version 1, u64 since.
    pub narrow: bool,
}

impl<'a> Cursor<'a> {
    pub fn new(source: &'a dyn Source) -> Self {
        Self { source, position: 0, window: Vec::new(), window_start: 0, narrow: false }
    }

    /// The offset of the next byte.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes from here to the end.
    pub fn remaining(&self) -> u64 {
        self.source.len().saturating_sub(self.position)
    }

    /// The next `len` bytes, which belong to `what`.
    pub fn bytes(&mut self, len: u64, what: &str) -> Result<&[u8], Error> {
        if len > self.remaining() {
            return Err(Error::malformed(
                self.position,
                format!("{what}: {len} bytes needed, the file ends after {}", self.remaining()),
            ));
        }
        let start = self.position;
        let end = start + len;
        if start < self.window_start || end > self.window_start + self.window.len() as u64 {
            let wanted = len.max(WINDOW as u64).min(self.remaining());
            self.window.resize(wanted as usize, 0);
            self.source
                .read_exact_at(start, &mut self.window)
                .map_err(|_| Error::io(start, format!("{what}: the file could not be read")))?;
            self.window_start = start;
        }
        self.position = end;
        let at = (start - self.window_start) as usize;
        Ok(&self.window[at..at + len as usize])
    }

    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        Ok(self.bytes(N as u64, what)?.try_into().expect("bytes() gives the length it was asked for"))
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub fn u64(&mut self, what: &str) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A length or count, in the width of the file's version.
    pub fn length(&mut self, what: &str) -> Result<u64, Error> {
        if self.narrow { self.u32(what).map(u64::from) } else { self.u64(what) }
    }

    /// A string's bytes, of at most `limit`.
    pub fn string(&mut self, limit: u64, what: &str) -> Result<&[u8], Error> {
        let at = self.position;
        let len = self.length(what)?;
        if len > limit.min(limits::STRING_LEN) && len <= self.remaining() {
            return Err(Error::limit(at, format!("{what}: a string of {len} bytes, more than {limit}")));
        }
        self.bytes(len, what)
    }
}
