//! The setuid helper through which ordinary users mount and unmount (package fuse3, fusermount3(1)).

use std::env;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::cmsg_space;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use crate::Error;

const BY: &str = "fusermount3";

/// Mounts and returns the FUSE device, which the helper opens itself and hands over.
///
/// Where `/dev/fuse` is closed to the user (0600) it depends on the helper. libfuse 2.9 opens it as root. libfuse 3
/// opens it in the user's name (3.14: setfsuid before open, seen with strace), so there is no way in, and the error
/// says so; it would do with the capability DAC_OVERRIDE in place of the setuid bit.
pub(crate) fn mount(mountpoint: &Path, options: &str) -> Result<OwnedFd, Error> {
    let program = find().ok_or(Error::NoFusermount)?;
    let (ours, theirs) = UnixStream::pair().map_err(Error::Session)?;
    // The socket goes over as descriptor 0: the standard library passes that on without the unsafe `pre_exec` that
    // clearing close-on-exec in the child would need.
    let child = Command::new(&program)
        .arg("-o")
        .arg(options)
        .arg("--")
        .arg(mountpoint)
        .env("_FUSE_COMMFD", "0")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io("cannot run", &program))?;
    let device = receive(&ours);
    let (succeeded, said) = finish(child);
    match device {
        Some(device) if succeeded => Ok(device),
        _ if said.contains("user_allow_other") => Err(Error::AllowOtherDenied),
        _ if said.contains("/dev/fuse: Permission denied") => Err(Error::DeviceClosed),
        _ => Err(Error::MountRefused { by: BY, mountpoint: mountpoint.into(), reason: said }),
    }
}

/// Unmounts lazily: the name is gone at once, open files live on until they are closed.
pub(crate) fn unmount(mountpoint: &Path) -> Result<(), Error> {
    let program = find().ok_or(Error::NoFusermount)?;
    let child = Command::new(&program)
        .args(["-u", "-z", "--"])
        .arg(mountpoint)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Error::io("cannot run", &program))?;
    match finish(child) {
        (true, _) => Ok(()),
        (false, said) => Err(Error::UnmountRefused { by: BY, mountpoint: mountpoint.into(), reason: said }),
    }
}

/// The helper: `FUSERMOUNT_PATH` if set, else looked for on the `PATH` and where distributions put it.
fn find() -> Option<PathBuf> {
    if let Some(path) = env::var_os("FUSERMOUNT_PATH") {
        return Some(path.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<_> = env::split_paths(&path)
        .chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].map(PathBuf::from))
        .collect();
    ["fusermount3", "fusermount"]
        .iter()
        .flat_map(|name| dirs.iter().map(move |dir| dir.join(name)))
        .find(|program| program.is_file())
}

/// The descriptor that the helper sends once it has mounted; none if it ends without.
fn receive(socket: &UnixStream) -> Option<OwnedFd> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut iov = [IoSliceMut::new(&mut byte)];
    loop {
        match recvmsg(socket, &mut iov, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => return None,
            Ok(_) => break,
        }
    }
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    })
}

/// Waits for the helper; returns whether it succeeded and what it said.
fn finish(mut child: Child) -> (bool, String) {
    let mut said = Vec::new();
    if let Some(stderr) = &mut child.stderr {
        // What could not be read is missing from a message, no more.
        let _ = stderr.read_to_end(&mut said);
    }
    let succeeded = child.wait().is_ok_and(|status| status.success());
    let said = String::from_utf8_lossy(&said);
    // It begins its messages with the path it was called by.
    let said = said.trim().split_once("fusermount3: ").map_or(said.trim(), |(_, said)| said);
    (succeeded, said.to_owned())
}
