//! The one place where the tree's errors become FUSE's numbers.

use fuser::Errno;
use rawrz_vfs::Error;

/// Exhaustive on purpose: a new case of [`Error`] must be given its number here before this compiles.
pub(crate) fn errno(error: Error) -> Errno {
    match error {
        Error::Io => Errno::EIO,
        Error::IsDirectory => Errno::EISDIR,
        Error::NotADirectory => Errno::ENOTDIR,
        Error::NotFound => Errno::ENOENT,
    }
}
