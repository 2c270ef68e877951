//! Files that the kernel keeps in its own way: in an EROFS file system, made of what this process serves and mounted
//! nowhere in the file tree. The mount that people see passes its files through to it.
//!
//! FUSE keeps a file in pages of 4 KiB, each filled and mapped by itself; EROFS keeps it in pages of up to 2 MiB. 2 GB
//! touched through a mapping, on Linux 6.18 and two cores: from the page cache 0.21 s and 30,600 page faults with FUSE,
//! 0.01 s and 1,200 with EROFS (and with ext4); decoded from Q4_K into the page cache 0.75 s and 0.33 s.
//!
//! The kernel's rules: mounting EROFS and passing through need CAP_SYS_ADMIN in the first user namespace; an EROFS may lie
//! in a file from 6.12 on (`CONFIG_EROFS_FS_BACKED_BY_FILE`). Both mounts go when their descriptors and the last file on
//! them are closed, also if this process is killed.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use fuser::{Config, Session, SessionACL};
use rawrz_vfs::NodeId;
use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

use crate::attach::{open_device, raise_read_ahead};
use crate::erofs::{self, Image};
use crate::files::Files;
use crate::image_file::{self, ImageFile};

/// What the kernel asks for at a time, in KiB (fs.fuse.max_pages_limit, unless root has changed it).
const REQUEST_KB: u32 = 1024;

/// Readahead in KiB: a request for each worker, since readahead is what keeps them all busy for one reader, and at least
/// two of the largest pages. 2 GB decoded from Q4_K by 16 workers, through a mapping and by read: 0.53 and 0.71 s with
/// 1024, 0.17 and 0.34 s with 4096, 0.08 and 0.29 s with 16384.
fn read_ahead_kb(workers: usize) -> u32 {
    REQUEST_KB * workers.clamp(4, 16) as u32
}

/// An EROFS file system of all files of a tree.
#[derive(Debug)]
pub(crate) struct Native(OwnedFd);

impl Native {
    /// Mounts it.
    ///
    /// # Errors
    /// What the system says where it cannot: no such file system, no permission.
    pub(crate) fn mount(files: Arc<Files>, workers: usize) -> io::Result<Self> {
        let placed: Vec<_> = files.tree.files().collect();
        let image = Image::new(&placed).ok_or(io::ErrorKind::FileTooLarge)?;
        let image = serve(ImageFile { image, files }, workers)?;
        // The kernel opens the file by a path, and there is none but the descriptor's.
        let source = format!("/proc/self/fd/{}", image.as_raw_fd());
        let before = bdis();
        // directio (6.15): many reads at a time, where without it one follows the other.
        let root = detached("erofs", &[("source", &source)], &["directio"])?;
        for bdi in bdis().iter().filter(|bdi| !before.contains(bdi)) {
            raise_read_ahead(bdi, read_ahead_kb(workers));
        }
        Ok(Self(root))
    }

    /// Opens a node's file.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn open(&self, id: NodeId) -> io::Result<OwnedFd> {
        Ok(openat(&self.0, erofs::name(id), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }
}

/// Serves the image on threads of its own, and opens it. They end with the mount, which ends with the file.
fn serve(image: ImageFile, workers: usize) -> io::Result<OwnedFd> {
    let device = OwnedFd::from(open_device()?);
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let root = detached(
        "fuse",
        &[
            ("source", "rawrz"),
            ("fd", &device.as_raw_fd().to_string()),
            ("rootmode", "40000"),
            ("user_id", &uid.to_string()),
            ("group_id", &gid.to_string()),
        ],
        &["allow_other"], // whoever reads a file above reads here
    )?;
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.n_threads = Some(workers);
    config.clone_fd = true;
    let session = Session::from_fd(image, device, config.acl, config)?;
    thread::Builder::new().name("rawrz-image".into()).spawn(move || {
        if let Err(error) = session.run() {
            tracing::debug!(%error, "the image's session ended");
        }
    })?;
    Ok(openat(&root, image_file::NAME, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// A mount that is nowhere in the file tree. A flag that the kernel does not know is left out.
fn detached(kind: &str, options: &[(&str, &str)], flags: &[&str]) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_flag(&context, "ro")?;
    for (key, value) in options {
        fsconfig_set_string(&context, *key, *value)?;
    }
    for flag in flags {
        if let Err(error) = fsconfig_set_flag(&context, *flag) {
            tracing::debug!(kind, flag, %error, "not taken");
        }
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

/// Where the readahead of EROFS mounts in files is set. Their names count up and tell nothing of which mount they
/// are, so the ones that were not there before are ours; one that somebody else has mounted at the same moment reads ahead
/// further than it did.
fn bdis() -> Vec<PathBuf> {
    let all = fs::read_dir("/sys/class/bdi").into_iter().flatten().flatten();
    all.filter(|bdi| bdi.file_name().to_string_lossy().starts_with("erofs-")).map(|bdi| bdi.path()).collect()
}
