//! The life of a mount: made, served by threads of this process, ended from outside, by an [`Unmounter`] or by drop.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rawrz_vfs::Tree;

use crate::adapter::{Adapter, Owner};
use crate::attach::{Attachment, attach, probe};
use crate::files::Files;
use crate::native::Native;
use crate::passthrough::{Passthrough, may_pass_through};
use crate::watchdog::{Guard, Watchdog};
use crate::{Error, Stats, target};

/// How long an unmounted mount goes on serving files that are still open before [`Mount::wait`] gives up on them. Long
/// enough for reads under way; a program that keeps a file mapped must not keep us from ending.
const LINGER: Duration = Duration::from_secs(5);

/// How to mount.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the mount table shows after `rawrz:`; `rawrz` alone if empty.
    pub name: String,
    /// Lets other users in, root included; where the server is not root, `/etc/fuse.conf` must allow it.
    pub allow_other: bool,
    /// Has a second process unmount the folder if this one is killed.
    pub auto_unmount: Option<Watchdog>,
    /// How the kernel keeps the files; as EROFS where that can be had, unless given.
    pub backend: Option<Backend>,
    /// Hands files that are a source's whole to the kernel, which reads them itself, where it may
    /// ([`crate::may_pass_through`]). What is read so is not counted in [`Stats::bytes`]. Without, they are served,
    /// whatever the backend: every way of reading is then answered here.
    pub passthrough: bool,
    /// Number of worker threads; as many as cores, at least 2 and at most 16, unless given. Linux only.
    pub threads: Option<usize>,
}

impl Options {
    /// Requests are served to the end by the worker that takes them, so workers are what decodes in parallel.
    pub(crate) fn workers(&self) -> usize {
        let cores = || thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 16));
        self.threads.unwrap_or_else(cores).max(1)
    }
}

/// How the kernel keeps files that it has read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Backend {
    /// In pages of up to 2 MiB, through an EROFS file system that is mounted out of sight. Linux 6.12, and
    /// CAP_SYS_ADMIN in the first user namespace.
    Erofs,
    /// In pages of 4 KiB.
    Fuse,
}

/// Mounts a tree. When this returns the folder can be read.
///
/// # Errors
/// [`Error`] says why not: about the mountpoint, about FUSE on this machine, or in the words of who refused.
pub fn mount(tree: Arc<Tree>, mountpoint: &Path, options: &Options) -> Result<Mount, Error> {
    let mountpoint = target::check(mountpoint)?;
    let stats = Arc::new(Stats::default());
    let owner = Owner { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() };
    let files = Arc::new(Files::new(tree, Arc::clone(&stats)));
    let native = native(&files, options)?;
    let backend = if native.is_some() { Backend::Erofs } else { Backend::Fuse };
    let adapter = Adapter::new(files, owner, Passthrough::new(options.passthrough, native));
    let (session, attachment) = attach(adapter, &mountpoint, options)?;
    let shared = Arc::new(Shared {
        state: Mutex::new(State { attachment: Some(attachment), stopped: None, ended: None }),
        changed: Condvar::new(),
    });
    let unmounter = Unmounter(Arc::clone(&shared));
    // From here on dropping `mount` undoes the mount.
    let mut mount = Mount { unmounter, mountpoint, stats, backend, _guard: None };
    let serving = Arc::clone(&shared);
    thread::Builder::new()
        .name("rawrz-session".into())
        .spawn(move || serving.end(session.run()))
        .map_err(Error::Session)?;
    if let Err(error) = probe(&mount.mountpoint) {
        mount.unmount()?; // the session's own error says more
        return Err(error);
    }
    if let Some(watchdog) = &options.auto_unmount
        && let Some(attachment) = &shared.lock().attachment
    {
        mount._guard = Some(attachment.guard(watchdog)?);
    }
    Ok(mount)
}

/// Has the kernel keep the files as EROFS, where that is wanted and can be had.
fn native(files: &Arc<Files>, options: &Options) -> Result<Option<Native>, Error> {
    let mount = || Native::mount(Arc::clone(files), options.workers());
    match options.backend {
        Some(Backend::Fuse) => Ok(None),
        Some(Backend::Erofs) => mount().map(Some).map_err(Error::NoErofs),
        None if !may_pass_through() => Ok(None),
        None => Ok(mount()
            .inspect_err(|error| tracing::info!(%error, "no EROFS here: files are kept in pages of 4 KiB"))
            .ok()),
    }
}

/// A live mount. Dropping it unmounts.
#[derive(Debug)]
pub struct Mount {
    unmounter: Unmounter,
    mountpoint: PathBuf,
    stats: Arc<Stats>,
    backend: Backend,
    _guard: Option<Guard>, // dropped after the mount has ended
}

impl Mount {
    /// Where it is, as an absolute path without links.
    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// What it has done so far.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// How the kernel keeps its files.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// A handle that ends the mount from another thread.
    pub fn unmounter(&self) -> Unmounter {
        self.unmounter.clone()
    }

    /// Waits until the mount has ended: unmounted from outside, or by an [`Unmounter`]. In the second case files still
    /// open are served for 5 more seconds; they fail when the process ends.
    ///
    /// # Errors
    /// [`Error::Session`] if the session broke.
    pub fn wait(self) -> Result<(), Error> {
        self.unmounter.0.wait()
    }

    /// Unmounts and waits as [`Mount::wait`] does.
    ///
    /// # Errors
    /// As [`Unmounter::unmount`]; the mount is then served on until the process ends.
    pub fn unmount(self) -> Result<(), Error> {
        self.unmounter.unmount()?;
        self.unmounter.0.wait()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let ended = self.unmounter.unmount().and_then(|()| self.unmounter.0.wait());
        if let Err(error) = ended {
            tracing::warn!(%error, mountpoint = %self.mountpoint.display(), "the mount did not end cleanly");
        }
    }
}

/// Ends a mount from any thread, one that waits for signals for instance.
#[derive(Clone, Debug)]
pub struct Unmounter(Arc<Shared>);

impl Unmounter {
    /// Takes the mount out of the file tree at once, whether busy or not, and lets [`Mount::wait`] return. Does nothing
    /// if the mount has ended, or was unmounted by someone else and something different is mounted there by now.
    ///
    /// # Errors
    /// [`Error::Covered`] if another file system was mounted over it, [`Error::UnmountRefused`].
    pub fn unmount(&self) -> Result<(), Error> {
        let mut state = self.0.lock();
        if state.stopped.is_none()
            && let Some(attachment) = &state.attachment
        {
            attachment.detach()?;
            state.stopped = Some(Instant::now());
            self.0.changed.notify_all();
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    attachment: Option<Attachment>, // until the session has ended
    stopped: Option<Instant>,       // when we unmounted
    ended: Option<io::Result<()>>,  // how the session ended; the error is handed out once
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, result: io::Result<()>) {
        let mut state = self.lock();
        if let Some(attachment) = state.attachment.take() {
            attachment.sweep();
        }
        state.ended = Some(match result {
            // How a connection looks that was broken on purpose, if the kernel was asked to tell.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(()),
            result => result,
        });
        self.changed.notify_all();
    }

    fn wait(&self) -> Result<(), Error> {
        let mut state = self.lock();
        loop {
            if let Some(ended) = &mut state.ended {
                return std::mem::replace(ended, Ok(())).map_err(Error::Session);
            }
            state = match state.stopped.map(|stopped| LINGER.saturating_sub(stopped.elapsed())) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => return Ok(()),
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
