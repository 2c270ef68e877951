//! A small process that outlives the server: when the server has been killed, it unmounts.
//!
//! fusermount3 has such a mode (`auto_unmount`), but its process cannot look at a mount that is closed to other users,
//! so it would need `allow_other`. Ours runs as the user and needs nothing. It holds the read end of a pipe that only
//! the server writes to, so the pipe ends when the server does, however it does.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Error;
use crate::attach::{detach, is_dead, mounts};
use crate::mountinfo::{self, Entry};

/// How long a server's end of the connection may take to close after its end of the pipe did.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to start the watchdog: a program that does nothing but call [`watch`] with the arguments that are put behind
/// `args`.
#[derive(Clone, Debug)]
pub struct Watchdog {
    /// The program, usually the running one.
    pub program: PathBuf,
    /// What makes it a watchdog.
    pub args: Vec<OsString>,
}

/// The body of a watchdog process: waits for the end of standard input, then unmounts what `args` name if it is still
/// there and dead.
///
/// # Errors
/// [`Error::UnmountRefused`]; [`Error::Io`] if `args` are not those that [`crate::mount`] gave.
pub fn watch(args: &[OsString]) -> Result<(), Error> {
    let [mountpoint, device] = args else {
        return Err(Error::io("cannot watch", "")(io::ErrorKind::InvalidInput.into()));
    };
    // Nothing is ever written; an error means as much as the end.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    let mountpoint = Path::new(mountpoint);
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && is_there(mountpoint, device)? {
        if is_dead(mountpoint) {
            return detach(mountpoint);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Whether the mount is there and on top. A device number is given again only once the mount is gone, and then what has
/// it is not dead.
fn is_there(mountpoint: &Path, device: &OsStr) -> Result<bool, Error> {
    let entries = mounts()?;
    Ok(mountinfo::topmost(&entries, mountpoint).is_some_and(|top| device == OsStr::new(&top.device)))
}

/// A running watchdog. Dropped after the mount, it finds nothing to do and ends.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn start(watchdog: &Watchdog, mount: &Entry) -> Result<Self, Error> {
        let child = Command::new(&watchdog.program)
            .args(&watchdog.args)
            .arg(&mount.mountpoint)
            .arg(&mount.device)
            .current_dir("/")
            .process_group(0) // a signal to the server's group must not end it too
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(Error::io("cannot start the watchdog", &watchdog.program))?;
        Ok(Self(child))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        if let Err(error) = self.0.wait() {
            tracing::warn!(%error, "cannot wait for the watchdog");
        }
    }
}
