//! How a mount comes to be on Linux, and how it goes away.
//!
//! fuser 0.18 gets the protocol only, through `Session::from_fd`; its own mounting and unmounting are not used. They
//! leave a dead mount behind when root unmounts a busy one, can unmount a different file system that was mounted on
//! the same path later (an inverted test), take a comma in the name for the next option, do not show the subtype, need
//! `allow_other` for `auto_unmount`, and do not turn to fusermount3 where `/dev/fuse` is closed to the user.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use fuser::{Config, Session, SessionACL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags};

use crate::adapter::Adapter;
use crate::mountinfo::{self, Entry};
use crate::watchdog::{Guard, Watchdog};
use crate::{Error, Options, Target, fusermount};

const DEVICE: &str = "/dev/fuse";

/// Readahead of a mount in KiB, where it can be set. Measured, 128 (the kernel's default) against 1024: reads of a cold
/// file through mmap 0.6 against 1.3-1.5 GB/s; more than 1024 gave nothing or less.
const READ_AHEAD_KB: u32 = 1024;

/// A mount as the kernel knows it.
#[derive(Debug)]
pub(crate) struct Attachment {
    pub(crate) mountpoint: PathBuf,
    entry: Entry,
    /// The FUSE device, to ask whether the connection lives. Whoever holds it keeps the connection open.
    device: OwnedFd,
}

/// Mounts on `mountpoint`, which [`crate::target`] has checked, and shakes hands with the kernel.
pub(crate) fn attach(
    adapter: Adapter,
    mountpoint: &Path,
    options: &Options,
) -> Result<(Session<Adapter>, Attachment), Error> {
    let (device, openable) = mount(mountpoint, options)?;
    let watched = device.try_clone().map_err(Error::Session)?;
    let mut config = Config::default();
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(options.workers());
    // Each further descriptor is opened from the device's path: only where we may.
    config.clone_fd = openable;
    let ready = Session::from_fd(adapter, device, config.acl, config)
        .map_err(Error::Session)
        .and_then(|session| Ok((session, entry(mountpoint)?)));
    match ready {
        Ok((session, entry)) => {
            raise_read_ahead(&Path::new("/sys/class/bdi").join(&entry.device), READ_AHEAD_KB);
            Ok((session, Attachment { mountpoint: mountpoint.into(), entry, device: watched }))
        }
        Err(error) => {
            // The first error is the one to tell.
            let _ = detach(mountpoint);
            Err(error)
        }
    }
}

/// Mounts by mount(2), or through fusermount3 where the device is closed to us or mounting is not allowed to us.
/// Returns the device and whether we could open it ourselves.
fn mount(mountpoint: &Path, options: &Options) -> Result<(OwnedFd, bool), Error> {
    let device = match open_device() {
        Ok(device) => Some(OwnedFd::from(device)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(error) => return Err(Error::NoDevice(error)),
    };
    let openable = device.is_some();
    if let Some(device) = device {
        match mount_directly(&device, mountpoint, options) {
            Ok(()) => return Ok((device, openable)),
            Err(Errno::PERM) => {}
            Err(errno) => {
                let reason = io::Error::from(errno).to_string();
                return Err(Error::MountRefused { by: "the kernel", mountpoint: mountpoint.into(), reason });
            }
        }
    }
    Ok((fusermount::mount(mountpoint, &fusermount_options(options))?, openable))
}

pub(crate) fn open_device() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(DEVICE)
}

fn mount_directly(device: &OwnedFd, mountpoint: &Path, options: &Options) -> Result<(), Errno> {
    let data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions{}",
        device.as_raw_fd(),
        rustix::process::getuid().as_raw(),
        rustix::process::getgid().as_raw(),
        if options.allow_other { ",allow_other" } else { "" },
    );
    let data = CString::new(data).map_err(|_| Errno::INVAL)?;
    let flags = MountFlags::RDONLY
        | MountFlags::NOSUID
        | MountFlags::NODEV
        | MountFlags::NOEXEC
        | MountFlags::NOATIME;
    rustix::mount::mount(source_name(options), mountpoint, Target::OURS, flags, data.as_c_str())
}

fn fusermount_options(options: &Options) -> String {
    let allow_other = if options.allow_other { ",allow_other" } else { "" };
    let name = escape(&source_name(options));
    format!("ro,nosuid,nodev,noexec,noatime,default_permissions{allow_other},subtype=rawrz,fsname={name}")
}

/// The name in the mount table. Control characters have no place there (and a NUL would end it).
fn source_name(options: &Options) -> String {
    match options.name.as_str() {
        "" => "rawrz".into(),
        name => format!("rawrz:{}", name.replace(|c: char| c.is_control(), "?")),
    }
}

/// fusermount3 splits its options at commas and takes a backslash as the escape for both.
fn escape(name: &str) -> String {
    name.replace('\\', r"\\").replace(',', r"\,")
}

/// Raises the readahead of what `bdi`, a directory of /sys, stands for, which only root may. One that somebody has set
/// higher stays.
pub(crate) fn raise_read_ahead(bdi: &Path, to: u32) {
    let path = bdi.join("read_ahead_kb");
    let current = fs::read_to_string(&path).ok().and_then(|kb| kb.trim().parse::<u32>().ok());
    if current.is_some_and(|kb| kb >= to) {
        return;
    }
    match fs::write(&path, to.to_string()) {
        Ok(()) => tracing::debug!(path = %path.display(), from = current, to, "readahead raised"),
        Err(error) => tracing::debug!(path = %path.display(), %error, "readahead left as it is"),
    }
}

fn entry(mountpoint: &Path) -> Result<Entry, Error> {
    let entries = mounts()?;
    mountinfo::topmost(&entries, mountpoint)
        .filter(|e| e.fs_type == Target::OURS)
        .cloned()
        .ok_or_else(|| Error::NotMounted(mountpoint.into()))
}

pub(crate) fn mounts() -> Result<Vec<Entry>, Error> {
    mountinfo::read().map_err(Error::io("cannot read", "/proc/self/mountinfo"))
}

/// Says what is mounted on a path, which is absolute and free of links.
pub(crate) fn inspect(mountpoint: &Path) -> Result<Target, Error> {
    Ok(match mountinfo::topmost(&mounts()?, mountpoint) {
        None => Target::Free,
        Some(entry) if entry.fs_type == Target::OURS && is_dead(mountpoint) => Target::Stale,
        Some(entry) => Target::Live { fs_type: entry.fs_type.clone(), source: entry.source.clone() },
    })
}

/// Unmounts what this crate has mounted on a path.
pub(crate) fn unmount(mountpoint: &Path) -> Result<(), Error> {
    match inspect(mountpoint)? {
        Target::Free => Err(Error::NotMounted(mountpoint.into())),
        Target::Live { fs_type, .. } if fs_type != Target::OURS => {
            Err(Error::NotOurs { mountpoint: mountpoint.into(), fs_type })
        }
        Target::Live { .. } | Target::Stale => detach(mountpoint),
    }
}

/// Whether the FUSE mount at a path has lost its server. statfs, since the kernel always passes that on; attributes of
/// a dead mount may still come from its cache.
pub(crate) fn is_dead(mountpoint: &Path) -> bool {
    rustix::fs::statfs(mountpoint).is_err_and(|errno| errno == Errno::NOTCONN)
}

/// Asks the mount on a path something that only its server can answer.
pub(crate) fn probe(mountpoint: &Path) -> Result<(), Error> {
    rustix::fs::statfs(mountpoint).map(drop).map_err(|errno| Error::Session(errno.into()))
}

/// Unmounts lazily whatever is on top at a path.
pub(crate) fn detach(mountpoint: &Path) -> Result<(), Error> {
    match rustix::mount::unmount(mountpoint, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => fusermount::unmount(mountpoint),
        Err(errno) => Err(Error::UnmountRefused {
            by: "the kernel",
            mountpoint: mountpoint.into(),
            reason: io::Error::from(errno).to_string(),
        }),
    }
}

impl Attachment {
    /// Unmounts this mount and no other: nothing is done if it is gone already, whatever is on the path by now.
    ///
    /// Mount and device numbers are given anew once a mount is gone, so they prove nothing by themselves. As long as
    /// the connection lives, though, so does our file system, and its device number is its own.
    pub(crate) fn detach(&self) -> Result<(), Error> {
        if !self.is_connected() {
            return Ok(());
        }
        let entries = mounts()?;
        let is_ours = |e: &Entry| e.device == self.entry.device && e.mountpoint == self.mountpoint;
        match mountinfo::topmost(&entries, &self.mountpoint) {
            Some(top) if is_ours(top) => detach(&self.mountpoint),
            Some(top) if entries.iter().any(is_ours) => {
                Err(Error::Covered { mountpoint: self.mountpoint.clone(), fs_type: top.fs_type.clone() })
            }
            _ => Ok(()), // detached by someone else; files are still open
        }
    }

    /// Starts a process that unmounts this mount if we are killed.
    pub(crate) fn guard(&self, watchdog: &Watchdog) -> Result<Guard, Error> {
        Guard::start(watchdog, &self.entry)
    }

    /// Removes what is left on the path after the session has ended: nothing after an unmount, a dead mount if the
    /// connection was broken (`umount -f`, an abort through `/sys/fs/fuse`). Gives the device back first, without which
    /// the connection would live on with nobody to serve it.
    pub(crate) fn sweep(self) {
        drop(self.device);
        let left = mounts().is_ok_and(|entries| {
            mountinfo::topmost(&entries, &self.mountpoint).is_some_and(|top| *top == self.entry)
        });
        if left
            && is_dead(&self.mountpoint)
            && let Err(error) = detach(&self.mountpoint)
        {
            tracing::warn!(%error, "a dead mount is left behind");
        }
    }

    /// poll reports an error on the device once the connection is gone (fuse_dev_poll in the kernel).
    fn is_connected(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.device.as_fd(), PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        loop {
            match poll(&mut fds, Some(&now)) {
                Err(Errno::INTR) => continue,
                Err(_) => return false,
                Ok(_) => return !fds[0].revents().contains(PollFlags::ERR),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_options() {
        let options = Options { name: "a,allow_other\\,\n\0b".into(), ..Options::default() };
        assert_eq!(source_name(&options), "rawrz:a,allow_other\\,??b");
        assert!(fusermount_options(&options).ends_with(r",subtype=rawrz,fsname=rawrz:a\,allow_other\\\,??b"));
    }
}
