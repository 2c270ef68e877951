//! Serving in the background: the command starts itself again, and waits for word from that process.
//!
//! The process that stays says one line of JSON on its standard output: that the folder is ready, or why it is not.
//! It is a new process and not a fork of this one: threads do not survive a fork, and a fork needs unsafe code.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, thread};

use serde::{Deserialize, Serialize};

use super::summary::Summary;
use super::{Failure, door};

/// The argument that makes a process the one that stays.
const SERVE: &str = "--serve";
/// How long the folder may take to get ready: opening a model reads its metadata only.
const PATIENCE: Duration = Duration::from_secs(30);
/// Where to look for more.
const LOOK: &str = "--foreground -v shows what it does";
/// Bytes that a word may have.
const WORD_LEN: u64 = 1 << 20;

/// What the process that stays says, once.
#[derive(Debug, Deserialize, Serialize)]
enum Word {
    Failed(Failure),
    Ready(Summary),
}

/// Starts this command again in the background with the same arguments. Returns when the folder can be read.
///
/// # Errors
/// The other process's failure, or that it did not get ready.
pub fn start(mountpoint: &Path) -> Result<Summary, Failure> {
    let broken = |error: io::Error| Failure::mount(format!("cannot start the background process: {error}"));
    let mut child = Command::new(env::current_exe().map_err(broken)?)
        .arg(SERVE)
        .args(env::args_os().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null()) // it logs to its file
        .spawn()
        .map_err(broken)?;
    let stdout = child.stdout.take().expect("piped above");
    let summary = match within(PATIENCE, move || hear(stdout)) {
        Some(Ok(Word::Ready(summary))) => summary,
        Some(Ok(Word::Failed(failure))) => return Err(failure),
        Some(Err(_)) => return Err(died(&mut child, mountpoint)),
        None => return Err(hangs(&mut child)),
    };
    let probe = mountpoint.join(&summary.probe);
    match within(PATIENCE, move || read_a_page(probe)) {
        Some(Ok(())) => Ok(summary),
        Some(Err(error)) => {
            // The unmount ends the server; what it says adds nothing to the error.
            let _ = door::unmount(mountpoint);
            Err(Failure::mount(format!("the folder was mounted, but cannot be read: {error}")))
        }
        None => Err(hangs(&mut child)),
    }
}

/// Says how it went to the process that waits, if this is the one that stays.
///
/// # Errors
/// If nobody waits any more.
pub fn say(word: Result<Summary, Failure>) -> io::Result<()> {
    let word = word.map_or_else(Word::Failed, Word::Ready);
    let mut line = serde_json::to_vec(&word)?;
    line.push(b'\n');
    io::stdout().write_all(&line)?;
    if let Err(error) = door::close_stdout() {
        tracing::debug!(%error, "standard output stays open");
    }
    Ok(())
}

/// The other process's word.
fn hear(stdout: ChildStdout) -> io::Result<Word> {
    let mut line = Vec::new();
    BufReader::new(stdout.take(WORD_LEN)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// Reads the first page of a file, for safetensors the beginning of the header.
fn read_a_page(path: PathBuf) -> io::Result<()> {
    File::open(path)?.take(4096).read_to_end(&mut Vec::new()).map(drop)
}

/// What the work gives, if it is done in time. Otherwise its thread is left behind.
fn within<T: Send + 'static>(time: Duration, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (send, receive) = mpsc::channel();
    // Nobody listens any more after the time is up.
    thread::spawn(move || send.send(work()));
    receive.recv_timeout(time).ok()
}

/// The failure of a process that ended without a word; makes sure that it left no dead mount.
fn died(child: &mut Child, mountpoint: &Path) -> Failure {
    let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    if door::is_stale(mountpoint)
        && let Err(error) = door::unmount(mountpoint)
    {
        return error.into();
    }
    Failure::mount(format!("the background process ended before the folder was ready ({ended})")).or(LOOK)
}

/// The failure of a process that does not get ready, which ends here. The mountpoint is not looked at: that could hang
/// as well. If a dead mount is there, the next mount takes its place.
fn hangs(child: &mut Child) -> Failure {
    // It fails where the process has ended in this moment.
    let _ = child.kill();
    Failure::mount(format!("the folder did not get ready within {} s", PATIENCE.as_secs())).or(LOOK)
}
