//! Will serve a [`rawrz_vfs::Tree`] through WinFsp on Windows. The adapter is not in this build yet; [`mount`] says so.

use std::path::Path;
use std::sync::Arc;

use rawrz_vfs::Tree;

/// Why a tree could not be mounted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This build has no adapter for Windows.
    #[error(
        "mounting on Windows needs the WinFsp adapter, which is not in this build yet; use `rawrz-mount export`"
    )]
    NotInThisBuild,
}

/// Refuses: there is nothing here yet that could mount.
///
/// # Errors
/// Always [`Error::NotInThisBuild`].
pub fn mount(_tree: Arc<Tree>, _mountpoint: &Path) -> Result<(), Error> {
    Err(Error::NotInThisBuild)
}
