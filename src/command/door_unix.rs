//! What the command needs of the system, through FUSE and Unix. The only file that names the adapter.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::{env, fs, process, thread};

use etcetera::BaseStrategy;
use rawrz_fs_unix::{Backend, Options, Target, Unmounter, Watchdog, inspect};
use rawrz_vfs::Tree;
use rustix::fs::{AtFlags, CWD, StatxFlags};
use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

pub use rawrz_fs_unix::{Error, Mount, unmount, watch};

use super::request::Request;
use crate::cli;

/// Mounts a tree.
///
/// # Errors
/// See [`Error`].
pub fn mount(tree: Arc<Tree>, mountpoint: &Path, request: &Request) -> Result<Mount, Error> {
    let watchdog = || {
        let program = env::current_exe().map_err(|source| Error::Io {
            action: "cannot find the running program",
            path: PathBuf::new(),
            source,
        })?;
        Ok(Watchdog { program, args: vec!["internal-watchdog".into(), "--".into()] })
    };
    let options = Options {
        name: request.name.to_owned(),
        allow_other: request.allow_other,
        auto_unmount: request.auto_unmount.then(watchdog).transpose()?,
        backend: request.backend.map(|backend| match backend {
            cli::Backend::Erofs => Backend::Erofs,
            cli::Backend::Fuse => Backend::Fuse,
        }),
        passthrough: request.passthrough,
        threads: request.threads,
    };
    rawrz_fs_unix::mount(tree, mountpoint, &options)
}

/// How the kernel keeps what it has read of a mount.
pub fn backend(mount: &Mount) -> cli::Backend {
    match mount.backend() {
        Backend::Erofs => cli::Backend::Erofs,
        Backend::Fuse => cli::Backend::Fuse,
    }
}

/// Whether this system can show symbolic links.
pub const LINKS: bool = true;

/// Whether the kernel can be handed a file to read itself.
pub fn can_pass_through() -> bool {
    rawrz_fs_unix::may_pass_through()
}

/// Asks a process to end.
///
/// # Errors
/// What the system says.
pub fn ask_to_end(child: &mut Child) -> io::Result<()> {
    Ok(rustix::process::kill_process(Pid::from_child(child), Signal::TERM)?)
}

/// Whether a dead mount of ours is on a path.
pub fn is_stale(mountpoint: &Path) -> bool {
    inspect(mountpoint).is_ok_and(|target| target == Target::Stale)
}

/// What to do about an error, where its message does not say.
pub fn remedy(error: &Error) -> Option<String> {
    match error {
        Error::NotADirectory(_) => Some("give an empty directory".into()),
        Error::NotEmpty { .. } => {
            Some("give an empty directory: a mount would hide what this one holds".into())
        }
        Error::AlreadyMounted { mountpoint, fs_type, .. } if fs_type == Target::OURS => {
            Some(format!("`rawrz-mount unmount {}` ends that mount", mountpoint.display()))
        }
        Error::AlreadyMounted { .. } => Some("give another directory".into()),
        _ => None,
    }
}

/// Signals that end a mount, caught from now on.
pub struct EndSignals(Signals);

impl EndSignals {
    /// Catches them; until [`EndSignals::unmount_with`] they wait.
    ///
    /// # Errors
    /// What the system says.
    pub fn catch() -> io::Result<Self> {
        Signals::new([SIGHUP, SIGINT, SIGTERM]).map(Self)
    }

    /// The first signal unmounts, the second ends the process at once.
    pub fn unmount_with(mut self, unmounter: Unmounter) {
        thread::spawn(move || {
            let mut unmounted = false;
            for signal in &mut self.0 {
                if unmounted {
                    process::exit(128 + signal); // as shells report a death by signal
                }
                tracing::info!(signal, "unmounting");
                if let Err(error) = unmounter.unmount() {
                    tracing::error!(%error, "cannot unmount; a second signal ends the server");
                }
                unmounted = true;
            }
        });
    }
}

/// Leaves the terminal and the directory that the process was started from.
///
/// # Errors
/// What the system says.
pub fn leave_terminal() -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// Points standard output to nowhere, which tells whoever reads it that nothing more will come.
///
/// # Errors
/// What the system says.
pub fn close_stdout() -> io::Result<()> {
    let null = File::options().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(null)?)
}

/// The kernel's number of the mount that a path is on. Asks nothing of the mount's server, which may hang.
pub fn mount_id(path: &Path) -> Option<u64> {
    let flags = AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    let status = rustix::fs::statx(CWD, path, flags, StatxFlags::MNT_ID).ok()?;
    StatxFlags::from_bits_retain(status.stx_mask).contains(StatxFlags::MNT_ID).then_some(status.stx_mnt_id)
}

/// Where the state of live mounts may be, best first: the user's runtime directory, or where there is none (no login
/// session: a container, a service) a directory of this user in the temporary one.
pub fn runtime_dirs() -> Vec<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    let session = etcetera::base_strategy::Xdg::new().ok().and_then(|xdg| xdg.runtime_dir());
    let sessions = session.into_iter().chain([PathBuf::from(format!("/run/user/{uid}"))]);
    let mut dirs: Vec<_> = sessions.filter(|dir| is_ours(dir)).map(|dir| dir.join("rawrz")).collect();
    dirs.dedup();
    dirs.push(env::temp_dir().join(format!("rawrz-{uid}")));
    dirs
}

/// Makes a directory that only this user can enter.
///
/// # Errors
/// What the system says, or that the directory is there and another user's: in a temporary directory anyone may have
/// put it there.
pub fn make_private(dir: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    match is_private(dir) {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not this user's alone")),
    }
}

/// Whether a directory is this user's and closed to all others.
pub fn is_private(dir: &Path) -> bool {
    is_ours(dir) && fs::symlink_metadata(dir).is_ok_and(|m| m.permissions().mode() & 0o077 == 0)
}

/// Whether a path is a directory of this user, not a link to one.
fn is_ours(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok_and(|m| m.is_dir() && m.uid() == rustix::process::geteuid().as_raw())
}
