//! What is at a mountpoint, whoever put it there.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{Error, attach};

/// The state of a would-be mountpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Nothing is mounted there.
    Free,
    /// A file system is mounted there.
    Live {
        /// Its type; [`Target::OURS`] for one of this crate's mounts.
        fs_type: String,
        /// Its name, as `rawrz:NAME`.
        source: OsString,
    },
    /// One of our mounts is there whose server has ended without unmounting it; every access fails with ENOTCONN.
    Stale,
}

impl Target {
    /// The file system type of this crate's mounts.
    pub const OURS: &str = "fuse.rawrz";
}

/// Says what is mounted on a path.
///
/// # Errors
/// [`Error::Missing`] if there is no such path, [`Error::Io`] if the mounts cannot be read.
pub fn inspect(mountpoint: &Path) -> Result<Target, Error> {
    attach::inspect(&absolute(mountpoint)?)
}

/// Unmounts what this crate has mounted on a path, also from another process, also if its server is dead.
///
/// Lazily: the folder is gone at once, files that are open stay readable until they are closed.
///
/// # Errors
/// [`Error::NotMounted`], [`Error::NotOurs`] if the path shows another file system, [`Error::UnmountRefused`].
pub fn unmount(mountpoint: &Path) -> Result<(), Error> {
    attach::unmount(&absolute(mountpoint)?)
}

/// Checks that a folder can be mounted on a path, and returns the path in full.
pub(crate) fn check(mountpoint: &Path) -> Result<PathBuf, Error> {
    let path = absolute(mountpoint)?;
    match attach::inspect(&path)? {
        Target::Free => {}
        Target::Live { fs_type, source } => {
            return Err(Error::AlreadyMounted { mountpoint: path, fs_type, source_name: source });
        }
        Target::Stale => return Err(Error::Stale(path)),
    }
    if !path.metadata().map_err(Error::io("cannot look at", &path))?.is_dir() {
        return Err(Error::NotADirectory(path));
    }
    match first_entry(&path).map_err(Error::io("cannot list", &path))? {
        Some(holds) => Err(Error::NotEmpty { mountpoint: path, holds }),
        None => Ok(path),
    }
}

/// A name in the directory that a mount would hide. Ollama makes `blobs` and `manifests` in a store that it finds
/// empty; as long as they are empty themselves, hiding them loses nothing.
fn first_entry(dir: &Path) -> io::Result<Option<OsString>> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let ollamas = name == "blobs" || name == "manifests";
        if !(ollamas && entry.file_type()?.is_dir() && fs::read_dir(entry.path())?.next().is_none()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The path as the mount table has it. A dead or foreign mount cannot be looked at itself (ENOTCONN, EACCES), so for
/// one of those only the directory that holds it is resolved.
fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let error = match path.canonicalize() {
        Ok(path) => return Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Error::Missing(path.into())),
        Err(error) => error,
    };
    let parent = path.parent().map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    match (parent.and_then(|p| p.canonicalize().ok()), path.file_name()) {
        (Some(parent), Some(name)) => Ok(parent.join(name)),
        _ => Err(Error::io("cannot resolve", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ollamas_empty_directories_may_be_hidden() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(check(&root).unwrap(), root);
        fs::create_dir(root.join("blobs")).unwrap();
        fs::create_dir(root.join("manifests")).unwrap();
        assert_eq!(check(&root).unwrap(), root);
        fs::write(root.join("blobs/sha256-0"), "x").unwrap();
        assert!(matches!(check(&root), Err(Error::NotEmpty { holds, .. }) if holds == "blobs"));
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(check(file.path()), Err(Error::NotADirectory(_))));
        assert!(matches!(check(&file.path().with_extension("none")), Err(Error::Missing(_))));
        assert!(matches!(unmount(file.path()), Err(Error::NotMounted(_))));
    }
}
