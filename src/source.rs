//! A model file on disk: mapped once, read by position.
//!
//! The mapping is for the kernel, not for us. A GGUF that is truncated while it is mounted must cost its reader an
//! error and nothing more, so no request touches mapped bytes: stored ranges are replied straight from the mapping (the
//! kernel's copy fails cleanly where the file ended) and blocks to decode are read with `pread` into scratch. What
//! remains is the moment between [`Source::holds`] and the kernel's copy: a file cut within it can make the rest of
//! its last page read as zeros.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::SystemTime;

use memmap2::Mmap;
use rawrz_vfs::{Error, Identity, Source};

/// A local file, opened for reading and mapped.
pub struct MappedFile {
    file: File,
    mapping: Mmap,
    identity: Identity,
}

impl MappedFile {
    /// Opens and maps the file at `path`.
    ///
    /// # Errors
    /// What the system says; a directory or a device is [`io::ErrorKind::InvalidInput`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let (device, inode) = file_number(&metadata);
        let identity = Identity { device, inode, len: metadata.len(), modified };
        // SAFETY: the mapping is private to this type and read-only. Other processes may still change the file, so its
        // bytes are never read here or by a caller in this process: they are only passed to the kernel (module doc).
        #[allow(unsafe_code)]
        let mapping = unsafe { Mmap::map(&file)? };
        Ok(Self { file, mapping, identity })
    }
}

impl Source for MappedFile {
    fn len(&self) -> u64 {
        self.identity.len
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        read_exact_at(&self.file, offset, buf).map_err(|error| {
            tracing::warn!(offset, len = buf.len(), %error, "the model file could not be read");
            Error::Io
        })
    }

    fn holds(&self, end: u64) -> bool {
        self.file.metadata().is_ok_and(|m| end <= m.len())
    }

    fn mapping(&self) -> Option<&[u8]> {
        Some(&self.mapping)
    }

    fn file(&self) -> Option<&File> {
        Some(&self.file)
    }
}

#[cfg(unix)]
fn file_number(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, buf: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buf, offset)
}

#[cfg(windows)]
fn file_number(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0) // std tells a file's number on Windows only in nightly; length and time still identify the file
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
    while !buf.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buf, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                buf = &mut buf[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_truncated_file_is_an_error_never_zeros() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 100]).unwrap();
        let source = MappedFile::open(file.path()).unwrap();
        let mut buf = [0; 10];
        source.read_exact_at(90, &mut buf).unwrap();
        assert_eq!(buf, [7; 10]);
        assert!(source.holds(100));
        file.as_file().set_len(95).unwrap();
        assert!(!source.holds(100));
        assert_eq!(source.read_exact_at(90, &mut buf), Err(Error::Io));
        assert_eq!(source.len(), 100);
    }
}
