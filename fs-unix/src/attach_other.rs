//! Mounting where there is no `/proc`: fuser does it. Not tested; see the crate's documentation.

use std::path::{Path, PathBuf};
use std::process::Command;

use fuser::{Config, MountOption, Session, SessionACL};

use crate::adapter::Adapter;
use crate::watchdog::{Guard, Watchdog};
use crate::{Error, Options, Target};

/// A mount.
#[derive(Debug)]
pub(crate) struct Attachment {
    mountpoint: PathBuf,
}

pub(crate) fn attach(
    adapter: Adapter,
    mountpoint: &Path,
    options: &Options,
) -> Result<(Session<Adapter>, Attachment), Error> {
    // fuser takes what follows a comma or a backslash for options.
    let name = options.name.replace(|c: char| c.is_control() || matches!(c, ',' | '\\'), "_");
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName(format!("rawrz:{name}")),
        MountOption::Subtype("rawrz".into()),
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::DefaultPermissions,
    ];
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    let session = Session::new(adapter, mountpoint, &config).map_err(|error| Error::MountRefused {
        by: "the system",
        mountpoint: mountpoint.into(),
        reason: error.to_string(),
    })?;
    Ok((session, Attachment { mountpoint: mountpoint.into() }))
}

/// Without a mount table to ask, a mountpoint counts as free.
pub(crate) fn inspect(_: &Path) -> Result<Target, Error> {
    Ok(Target::Free)
}

/// Without a mount table to ask, this unmounts whatever is there.
pub(crate) fn unmount(mountpoint: &Path) -> Result<(), Error> {
    let status =
        Command::new("umount").arg(mountpoint).status().map_err(Error::io("cannot unmount", mountpoint))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::UnmountRefused { by: "umount", mountpoint: mountpoint.into(), reason: status.to_string() })
}

pub(crate) fn probe(_: &Path) -> Result<(), Error> {
    Ok(())
}

impl Attachment {
    pub(crate) fn detach(&self) -> Result<(), Error> {
        unmount(&self.mountpoint)
    }

    pub(crate) fn guard(&self, _: &Watchdog) -> Result<Guard, Error> {
        Err(Error::NotOnThisSystem("--auto-unmount"))
    }

    /// fuser's session has unmounted.
    pub(crate) fn sweep(self) {}
}
