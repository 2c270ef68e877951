//! The live mounts of this user: one JSON file each in the runtime directory, for `list`, `unmount` and other programs.
//!
//! Each server holds a lock on its file (flock) for as long as it lives. The kernel lets go of it however the server
//! ends, so a file that can be locked is what a dead server left behind, and whoever finds it removes it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::door;

/// One live mount.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// The model's file.
    pub source: PathBuf,
    /// Where it is mounted.
    pub mountpoint: PathBuf,
    /// The Hugging Face class shown, if the file has weights.
    pub class: Option<String>,
    /// How many bytes the folder shows.
    pub bytes: u64,
    /// The server's process.
    pub pid: u32,
    /// The kernel's number of the mount, where it tells.
    pub mount_id: Option<u64>,
    /// When it was mounted, in seconds since 1970.
    pub started: u64,
    /// The log file, which is there if something was logged; none for a mount in the foreground.
    pub log: Option<PathBuf>,
}

impl Entry {
    /// Whether the mount is still in the file tree. An unmounted one lives on while files of it are open.
    pub fn is_mounted(&self) -> bool {
        self.mount_id == door::mount_id(&self.mountpoint)
    }
}

/// An entry of this process. Dropping it removes the file.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    _lock: File,
}

impl Record {
    /// Writes the entry of this process, after whatever dead servers left behind was removed.
    ///
    /// # Errors
    /// What the system says; also if a path is not UTF-8, which JSON cannot hold.
    pub fn write(entry: &Entry) -> io::Result<Self> {
        live();
        let dir = dir()?;
        let stem = format!("{}-{}", entry.pid, entry.started);
        let (draft, path) = (dir.join(format!("{stem}.new")), dir.join(format!("{stem}.json")));
        let mut file = File::create(&draft)?;
        file.lock()?;
        // Named only when it is locked and whole: nobody sees half an entry or takes it for a dead one.
        let text = serde_json::to_vec(entry).map_err(io::Error::from);
        let written = text.and_then(|text| file.write_all(&text)).and_then(|()| fs::rename(&draft, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&draft); // the first error is the one to tell
            return Err(error);
        }
        Ok(Self { path, _lock: file })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, path = %self.path.display(), "state left behind");
        }
    }
}

/// The best directory that can be had, made if need be.
fn dir() -> io::Result<PathBuf> {
    let mut error = io::ErrorKind::NotFound.into();
    for dir in door::runtime_dirs() {
        match door::make_private(&dir) {
            Ok(()) => return Ok(dir),
            Err(e) => error = e,
        }
    }
    Err(error)
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// All live mounts of this user, oldest first. Removes what dead servers left behind.
pub fn live() -> Vec<Entry> {
    let dirs = door::runtime_dirs().into_iter().filter(|dir| door::is_private(dir));
    let files = dirs.filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten().map(|file| file.path());
    let mut entries: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "json")).filter_map(|p| read(&p)).collect();
    entries.sort_by_key(|e| (e.started, e.pid));
    entries
}

/// The entry in a file, if its server lives.
fn read(path: &Path) -> Option<Entry> {
    let file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => serde_json::from_reader(file).ok(),
        Err(TryLockError::Error(_)) => None,
        Ok(()) => {
            // Gone already, or the next caller's to remove.
            let _ = fs::remove_file(path);
            None
        }
    }
}
