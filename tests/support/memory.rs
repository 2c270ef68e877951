//! Bytes in memory as a source.

use std::time::SystemTime;

use rawrz_vfs::{Error, Identity, Source};

pub struct Memory {
    bytes: Vec<u8>,
    identity: Identity,
}

impl From<Vec<u8>> for Memory {
    fn from(bytes: Vec<u8>) -> Self {
        let identity =
            Identity { device: 0, inode: 0, len: bytes.len() as u64, modified: SystemTime::UNIX_EPOCH };
        Self { bytes, identity }
    }
}

impl Source for Memory {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let from = self.bytes.get(offset as usize..).ok_or(Error::Io)?;
        buf.copy_from_slice(from.get(..buf.len()).ok_or(Error::Io)?);
        Ok(())
    }

    fn holds(&self, end: u64) -> bool {
        end <= self.len()
    }
}
