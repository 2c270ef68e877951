//! What the command needs of the system, on Windows. The adapter there does not mount yet, and says so; until it does,
//! there is no live mount to end, record or watch.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawrz_vfs::Tree;

pub use rawrz_fs_windows::Error;

use super::request::Request;
use crate::cli::Backend;

/// A live mount; there is none.
pub struct Mount(Infallible);

impl Mount {
    /// Where it is.
    pub fn mountpoint(&self) -> &Path {
        match self.0 {}
    }

    /// A handle that ends the mount from another thread.
    pub fn unmounter(&self) -> Unmounter {
        match self.0 {}
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// None.
    pub fn wait(self) -> Result<(), Error> {
        match self.0 {}
    }
}

/// Ends a mount from another thread.
pub struct Unmounter;

/// Mounts a tree.
///
/// # Errors
/// See [`Error`].
pub fn mount(tree: Arc<Tree>, mountpoint: &Path, _: &Request) -> Result<Mount, Error> {
    rawrz_fs_windows::mount(tree, mountpoint)?;
    Err(Error::NotInThisBuild)
}

/// How the system keeps what it has read of a mount.
pub fn backend(mount: &Mount) -> Backend {
    match mount.0 {}
}

/// Ends a mount.
///
/// # Errors
/// Always [`Error::NotInThisBuild`].
pub fn unmount(_: &Path) -> Result<(), Error> {
    Err(Error::NotInThisBuild)
}

/// Windows ends a mount with its server.
///
/// # Errors
/// Always [`Error::NotInThisBuild`].
pub fn watch(_: &[OsString]) -> Result<(), Error> {
    Err(Error::NotInThisBuild)
}

/// Whether this system can show symbolic links: not as a model's blob, which asks for a privilege.
pub const LINKS: bool = false;

/// Whether the kernel can be handed a file to read itself.
pub fn can_pass_through() -> bool {
    false
}

/// Ends a process; there is no way to ask.
///
/// # Errors
/// What the system says.
pub fn ask_to_end(child: &mut std::process::Child) -> io::Result<()> {
    child.kill()
}

/// Windows ends a mount with its server: there are no dead ones.
pub fn is_stale(_: &Path) -> bool {
    false
}

/// What to do about an error, where its message does not say.
pub fn remedy(_: &Error) -> Option<String> {
    None
}

/// Signals that end a mount.
pub struct EndSignals;

impl EndSignals {
    /// Catches them.
    ///
    /// # Errors
    /// None.
    pub fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    /// Has them unmount.
    pub fn unmount_with(self, _: Unmounter) {}
}

/// The process that stays has its own console already.
///
/// # Errors
/// None.
pub fn leave_terminal() -> io::Result<()> {
    Ok(())
}

/// Closes nothing: the process ends after its word.
///
/// # Errors
/// None.
pub fn close_stdout() -> io::Result<()> {
    Ok(())
}

/// Windows does not number mounts.
pub fn mount_id(_: &Path) -> Option<u64> {
    None
}

/// Where the state of live mounts would be.
pub fn runtime_dirs() -> Vec<PathBuf> {
    Vec::new()
}

/// A directory that only this user can enter: those of the user's profile are.
///
/// # Errors
/// What the system says.
pub fn make_private(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)
}

/// Whether a directory is closed to other users.
pub fn is_private(dir: &Path) -> bool {
    dir.is_dir()
}
