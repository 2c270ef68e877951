//! Ending a mount from another process.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::print::line;
use super::state::{self, Entry};
use super::{Failure, door};
use crate::cli::Unmount;

/// How long to wait for the server to end, so that `list` no longer shows it. It stays while files are open.
const PATIENCE: Duration = Duration::from_secs(1);

/// Unmounts what a mountpoint or a name stands for.
///
/// # Errors
/// If nothing of ours is there, several mounts have the name, or the system refuses.
pub fn run(args: &Unmount) -> Result<(), Failure> {
    let entries: Vec<_> = state::live().into_iter().filter(Entry::is_mounted).collect();
    let mountpoint = find(&args.target, &entries)?;
    door::unmount(&mountpoint)?;
    line(format_args!("unmounted {}", mountpoint.display()));
    let Some(entry) = entries.iter().find(|e| e.mountpoint == mountpoint) else { return Ok(()) };
    let started = Instant::now();
    while state::live().iter().any(|e| e.pid == entry.pid) {
        if started.elapsed() > PATIENCE {
            let pid = entry.pid;
            line(format_args!("files of it are still open; process {pid} serves them until they are closed"));
            break;
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The mountpoint meant: a path that something is mounted on, else a name.
fn find(target: &Path, entries: &[Entry]) -> Result<PathBuf, Failure> {
    let path = target.canonicalize().unwrap_or_else(|_| target.to_owned());
    if entries.iter().any(|e| e.mountpoint == path) {
        return Ok(path);
    }
    let named: Vec<_> = entries.iter().filter(|e| target.as_os_str() == e.name.as_str()).collect();
    match named.as_slice() {
        [] if is_missing(target) => {
            Err(Failure::mount(format!("there is no mount at or of the name {}", target.display()))
                .or("`rawrz-mount list` shows the live mounts"))
        }
        [] => Ok(path), // a dead mount, or another user's
        [entry] => Ok(entry.mountpoint.clone()),
        several => {
            let places: Vec<_> = several.iter().map(|e| e.mountpoint.display().to_string()).collect();
            let text =
                format!("{} mounts are named {}: {}", several.len(), target.display(), places.join(", "));
            Err(Failure::usage(text).or("give the mountpoint"))
        }
    }
}

/// A dead mount is not missing: it answers with another error.
fn is_missing(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
