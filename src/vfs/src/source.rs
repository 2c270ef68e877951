use std::fs::File;
use std::time::SystemTime;

use crate::Error;

/// What tells one state of a source from another: if any of it differs, the bytes may differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Device number of the file system, 0 where there is none.
    pub device: u64,
    /// File number on that device, 0 where there is none.
    pub inode: u64,
    /// Length in bytes.
    pub len: u64,
    /// Time of the last change to the content.
    pub modified: SystemTime,
}

/// A place that stored bytes come from: a local file today, anything with positioned reads tomorrow.
///
/// A source has the length that it had when it was opened, for ever. One that has since become shorter answers
/// [`Error::Io`] for what is gone, never zeros.
pub trait Source: Send + Sync {
    /// Length in bytes when it was opened.
    fn len(&self) -> u64;

    /// Whether it holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the source was when it was opened.
    fn identity(&self) -> &Identity;

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// [`Error::Io`] if any byte of the range cannot be had.
    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error>;

    /// Whether the source still holds all bytes up to `end`, asked of the system now.
    fn holds(&self, end: u64) -> bool;

    /// The mapped bytes, where the source is mapped.
    ///
    /// Only to be handed to the kernel (a write from the mapping fails cleanly if the file was truncated); a program
    /// that touches bytes past a truncation itself dies of SIGBUS. Ask [`Source::holds`] first: the rest of a
    /// shortened file's last page reads as zeros.
    fn mapping(&self) -> Option<&[u8]> {
        None
    }

    /// The open file whose bytes are the source's, where there is one, for adapters that can hand it to the kernel.
    fn file(&self) -> Option<&File> {
        None
    }
}
