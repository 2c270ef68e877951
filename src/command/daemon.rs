//! Serving in the background: the command starts itself again, and waits for word from that process.
//!
//! The process that stays says one line of JSON on its standard output: that the folder is ready, or why it is not.
//! It is a new process and not a fork of this one: threads do not survive a fork, and a fork needs unsafe code.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{env, thread};

use serde::{Deserialize, Serialize};

use super::summary::Summary;
use super::{Failure, door};

/// The argument that makes a process the one that stays.
const SERVE: &str = "--serve";
/// How long the folder may take to get ready: opening a model reads its metadata only.
const PATIENCE: Duration = Duration::from_secs(30);
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
    let summary = hear(stdout).unwrap_or_else(|silence| give_up(&mut child, mountpoint, silence))?;
    if let Err(error) = read_a_page(&mountpoint.join(&summary.probe)) {
        // The unmount ends the server; what it says adds nothing to the error.
        let _ = door::unmount(mountpoint);
        return Err(Failure::mount(format!("the folder was mounted, but cannot be read: {error}")));
    }
    Ok(summary)
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

/// The other process's word, or why there is none.
fn hear(stdout: ChildStdout) -> Result<Result<Summary, Failure>, RecvTimeoutError> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut line = Vec::new();
        let read = BufReader::new(stdout.take(WORD_LEN)).read_until(b'\n', &mut line);
        if let Ok(word) = read.map_err(serde_json::Error::io).and_then(|_| serde_json::from_slice(&line)) {
            // Nobody listens any more after the time is up.
            let _ = send.send(word);
        }
    });
    receive.recv_timeout(PATIENCE).map(|word| match word {
        Word::Failed(failure) => Err(failure),
        Word::Ready(summary) => Ok(summary),
    })
}

/// Makes sure that a process that did not say a word leaves nothing behind.
fn give_up(child: &mut Child, mountpoint: &Path, silence: RecvTimeoutError) -> Result<Summary, Failure> {
    if silence == RecvTimeoutError::Timeout {
        // It fails where the process has ended in this moment.
        let _ = child.kill();
    }
    let ended = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    if door::is_stale(mountpoint) {
        door::unmount(mountpoint)?;
    }
    Err(Failure::mount(match silence {
        RecvTimeoutError::Timeout => format!("the folder did not get ready within {} s", PATIENCE.as_secs()),
        RecvTimeoutError::Disconnected => {
            format!("the background process ended before it was ready ({ended})")
        }
    })
    .or("--foreground shows what it does; see also the log file"))
}

/// Reads the first page of a file, for safetensors the beginning of the header.
fn read_a_page(path: &Path) -> io::Result<()> {
    File::open(path)?.take(4096).read_to_end(&mut Vec::new()).map(drop)
}
