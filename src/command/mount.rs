//! Mounting: in the background through another process, or in this one.

use std::path::{self, Path, PathBuf};
use std::{env, io, process};

use super::folder::Folder;
use super::ollama::{self, BlobMode, Readers};
use super::print::line;
use super::request::Request;
use super::state::{Entry, Record};
use super::summary::Summary;
use super::{Failure, daemon, door, log, state};
use crate::cli::{DigestKind, Mount, Places};

/// Mounts.
///
/// # Errors
/// The model cannot be shown, or the mount failed.
pub fn run(places: &Places, args: &Mount) -> Result<(), Failure> {
    if args.serve {
        serve_in_background(places, args)
    } else if args.foreground {
        log::to_stderr(args.verbose)?;
        let (live, mut summary) = begin(places, args, None)?;
        let failure = summary.launched.take_if(|launched| launched.is_err()).and_then(Result::err);
        line(summary);
        if let Some(failure) = failure {
            eprintln!("{failure}");
        }
        live.serve()
    } else {
        if args.store.ollama_digest == DigestKind::Full && !args.store.no_ollama {
            ollama::hash_ahead(&*Folder::model(&places.source, &args.view)?)?;
        }
        let mut summary = daemon::start(&places.mountpoint)?;
        let failure = summary.launched.take_if(|launched| launched.is_err()).and_then(Result::err);
        line(summary);
        failure.map_or(Ok(()), Err)
    }
}

/// The process that stays. It has no terminal: failures after the word go to the log.
fn serve_in_background(places: &Places, args: &Mount) -> Result<(), Failure> {
    let (live, word) = match begin_alone(places, args) {
        Ok((live, summary)) => (Some(live), Ok(summary)),
        Err(failure) => (None, Err(failure)),
    };
    if let Err(error) = daemon::say(word) {
        tracing::warn!(%error, "whoever asked for the mount is gone; it ends");
        return Ok(()); // dropping `live` unmounts
    }
    live.map_or(Ok(()), Live::serve).inspect_err(|failure| tracing::error!("{failure}"))
}

/// [`begin`], away from the terminal and with a log of its own.
fn begin_alone(places: &Places, args: &Mount) -> Result<(Live, Summary), Failure> {
    let log = log::path(&name(places, args));
    if let Some(log) = &log {
        log::to_file(log.clone(), args.verbose)?;
    }
    door::leave_terminal().map_err(failed("cannot leave the terminal"))?;
    begin(places, args, log)
}

/// A mount, what the world knows of it, and the signals that end it.
struct Live {
    mount: door::Mount,
    signals: door::EndSignals,
    record: Option<Record>,
    ollama: Option<ollama::Launched>,
}

impl Live {
    /// Starts Ollama on the mount; returns where it answers.
    fn launch(&mut self, entry: &Entry) -> Result<String, Failure> {
        let launched = ollama::launch(entry)?;
        Ok(self.ollama.insert(launched).url.clone())
    }

    fn serve(self) -> Result<(), Failure> {
        self.signals.unmount_with(self.mount.unmounter());
        let ended = self.mount.wait();
        drop(self.ollama);
        drop(self.record);
        Ok(ended?)
    }
}

/// Opens, mounts and records.
fn begin(places: &Places, args: &Mount, log: Option<PathBuf>) -> Result<(Live, Summary), Failure> {
    let full = |path: &Path| {
        path::absolute(path).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
    };
    let (source, mountpoint) = (full(&places.source)?, full(&places.mountpoint)?);
    if is_below(&source, &mountpoint) {
        let text = format!("{} lies below the mountpoint, and the mount would hide it", source.display());
        return Err(Failure::usage(text).or("give a mountpoint beside the file"));
    }
    let readers = if args.allow_other { Readers::Others } else { Readers::Own };
    let folder = Folder::with_store(&source, &args.view, &args.store, readers)?;
    let mut notes = Vec::new();
    if door::is_stale(&mountpoint) {
        door::unmount(&mountpoint)?;
        notes.push("took the place of a dead mount, whose server had ended without unmounting it".to_owned());
    }
    let has_store = folder.store.is_some();
    notes.extend(has_store.then(|| ollama::leftovers(&mountpoint)).flatten());
    let name = args.name.clone().unwrap_or_else(|| folder.model.stem());
    let request = Request {
        name: &name,
        allow_other: args.allow_other,
        auto_unmount: args.auto_unmount,
        passthrough: folder.store.as_ref().is_some_and(|s| s.blob == BlobMode::Passthrough),
        backend: args.backend,
        threads: args.threads.map(usize::from),
    };
    // From here on a signal must unmount; until here it may just end the process.
    let signals = door::EndSignals::catch().map_err(failed("cannot catch signals"))?;
    let mount = door::mount(folder.tree.clone(), &mountpoint, &request)?;
    let entry = entry(name, source, &mount, &folder, log);
    let record = Record::write(&entry)
        .inspect_err(|error| notes.push(format!("`list` will not show it: cannot write its state: {error}")))
        .ok();
    let warnings = if has_store { ollama::warnings(&entry.mountpoint, readers) } else { Vec::new() };
    let backend = door::backend(&mount);
    let mut summary = Summary::new(&entry.name, &folder, &entry.mountpoint, backend, notes, warnings);
    // Keeps no directory busy that others may want to unmount.
    env::set_current_dir("/").map_err(failed("cannot leave the directory"))?;
    let mut live = Live { mount, signals, record, ollama: None };
    if args.launch_ollama {
        summary.launched = Some(if has_store { live.launch(&entry) } else { Err(ollama::nothing_to_run()) });
    }
    Ok((live, summary))
}

fn entry(name: String, source: PathBuf, mount: &door::Mount, folder: &Folder, log: Option<PathBuf>) -> Entry {
    Entry {
        name,
        source,
        mountpoint: mount.mountpoint().to_owned(),
        class: folder.model.weights.as_ref().map(|w| w.spec.class.to_owned()),
        bytes: folder.len(),
        pid: process::id(),
        mount_id: door::mount_id(mount.mountpoint()),
        started: state::now(),
        log,
    }
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |error| Failure::mount(format!("{what}: {error}"))
}

/// Whether a file is below a directory, links resolved as far as they can be (a dead mount can not).
fn is_below(file: &Path, dir: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let (file, dir) = (real(file), real(dir));
    file != dir && file.starts_with(dir)
}

/// What to name the log by: it is wanted before the model is open.
fn name(places: &Places, args: &Mount) -> String {
    let stem = || places.source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    args.name.clone().unwrap_or_else(stem)
}
