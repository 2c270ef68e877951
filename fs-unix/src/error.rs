use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Why a mount could not be made or undone. Messages say what to do where there is something to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The mountpoint is not there.
    #[error("the mountpoint {} does not exist; create it first (mkdir)", .0.display())]
    Missing(PathBuf),
    /// The mountpoint is no directory.
    #[error("the mountpoint {} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// The mountpoint has something in it that the mount would hide.
    #[error("the mountpoint {} is not empty: it holds {:?}", mountpoint.display(), holds)]
    NotEmpty {
        /// The directory.
        mountpoint: PathBuf,
        /// One name in it.
        holds: OsString,
    },
    /// Something is mounted there already.
    #[error("{} is already the mountpoint of {:?} ({fs_type})", mountpoint.display(), source_name)]
    AlreadyMounted {
        /// The directory.
        mountpoint: PathBuf,
        /// Type of what is mounted, as `fuse.rawrz`.
        fs_type: String,
        /// Its name, as `rawrz:NAME` or a device.
        source_name: OsString,
    },
    /// One of our mounts is there whose server is gone; [`crate::unmount`] removes it.
    #[error("{} is a stale mount: its server has ended without unmounting it", .0.display())]
    Stale(PathBuf),
    /// There is no FUSE on this machine, or not in this container.
    #[error(
        "/dev/fuse cannot be opened ({0}): load the kernel module (modprobe fuse), or start the container with \
         --device /dev/fuse --cap-add SYS_ADMIN"
    )]
    NoDevice(io::Error),
    /// The device is closed to the user, and fusermount3 opens it in the user's name.
    #[error(
        "/dev/fuse is closed to this user: open it (chmod 666 /dev/fuse, as distributions ship it, or by its group), or \
         mount as root"
    )]
    DeviceClosed,
    /// An ordinary user needs the setuid helper.
    #[error(
        "mounting as an ordinary user needs fusermount3, which is not installed: install the package fuse3, or run as root"
    )]
    NoFusermount,
    /// `allow_other` is not allowed to ordinary users here.
    #[error("--allow-other needs the line user_allow_other in /etc/fuse.conf when the user is not root")]
    AllowOtherDenied,
    /// The kernel or fusermount3 said no.
    #[error("{by} refused to mount on {}: {reason}", mountpoint.display())]
    MountRefused {
        /// Who refused.
        by: &'static str,
        /// Where.
        mountpoint: PathBuf,
        /// In the refuser's words.
        reason: String,
    },
    /// The kernel or fusermount3 would not unmount.
    #[error("{by} refused to unmount {}: {reason}", mountpoint.display())]
    UnmountRefused {
        /// Who refused.
        by: &'static str,
        /// Where.
        mountpoint: PathBuf,
        /// In the refuser's words.
        reason: String,
    },
    /// Nothing is mounted there.
    #[error("nothing is mounted on {}", .0.display())]
    NotMounted(PathBuf),
    /// Another file system is mounted there, which is none of our business.
    #[error("{} is not a mount of rawrz-mount but of {fs_type}", mountpoint.display())]
    NotOurs {
        /// The directory.
        mountpoint: PathBuf,
        /// Type of what is mounted.
        fs_type: String,
    },
    /// Another file system was mounted over ours and has to go first.
    #[error("another file system ({fs_type}) was mounted over {}: unmount that first", mountpoint.display())]
    Covered {
        /// The directory.
        mountpoint: PathBuf,
        /// Type of what covers it.
        fs_type: String,
    },
    /// The kernel cannot keep the files as EROFS, or not for this user.
    #[error(
        "files cannot be kept as EROFS here ({0}): that takes root, in no container of its own, and Linux 6.12 or later with \
         EROFS in files (CONFIG_EROFS_FS_BACKED_BY_FILE)"
    )]
    NoErofs(#[source] io::Error),
    /// Linux has it, this system does not.
    #[error("{0} is not there on this system")]
    NotOnThisSystem(&'static str),
    /// The session between kernel and server failed.
    #[error("the FUSE session failed")]
    Session(#[source] io::Error),
    /// A system call on the way failed.
    #[error("{action} {}", path.display())]
    Io {
        /// What was tried, as "cannot read".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }
}
