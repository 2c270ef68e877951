//! `--launch-ollama`: a server that lives as long as the mount.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::command::state::Entry;
use crate::command::{Failure, door};

/// How long a server may take to answer. Less than the background process may take in all.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server may take to end before it is made to.
const GRACE: Duration = Duration::from_secs(5);
/// How often is looked whether it answers.
const STEP: Duration = Duration::from_millis(50);
/// How often is looked whether the mount and the server are still there.
const WATCH: Duration = Duration::from_millis(500);
/// Where Ollama listens unless told otherwise.
const HOST: &str = "127.0.0.1";
const PORT: u16 = 11434;
/// The first version that names blobs as the mount does (commit 703684a82 of March 2024); before it `sha256:HEX`.
const OLDEST: [u32; 3] = [0, 1, 30];

/// A server that was started, stopped on drop.
pub struct Launched {
    child: Arc<Mutex<Child>>,
    /// Where it answers, as `http://HOST:PORT`.
    pub url: String,
}

/// Starts `ollama serve` on a mount, and waits until it answers. What it logs goes to a file beside the mount's log, or
/// to standard error. It is stopped when the mount is gone.
///
/// # Errors
/// If there is no Ollama, it is too old, something else answers in its place, or it does not answer.
pub fn launch(mount: &Entry) -> Result<Launched, Failure> {
    let log = mount.log.as_ref().map(|log| log.with_extension("ollama.log"));
    let (host, port) = address(&env::var("OLLAMA_HOST").unwrap_or_default());
    let failed =
        |text: String| Failure::ollama(format!("cannot start Ollama: {text}; the folder stays mounted"));
    if version(&host, port).is_some() {
        let text = format!("something answers at {host}:{port} already");
        return Err(failed(text).or("stop that server, or set OLLAMA_HOST to another port"));
    }
    let mut command = Command::new("ollama");
    command.arg("serve").env("OLLAMA_MODELS", &mount.mountpoint).current_dir("/").stdin(Stdio::null());
    if let Some(log) = &log {
        let (out, err) = log_file(log).map_err(|error| failed(format!("{}: {error}", log.display())))?;
        command.stdout(out).stderr(err);
    }
    let child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed("there is no program `ollama`".to_owned())
            .or("install it, or set OLLAMA_MODELS to the mountpoint for one elsewhere"),
        _ => failed(error.to_string()),
    })?;
    let launched = Launched { child: Arc::new(Mutex::new(child)), url: format!("http://{host}:{port}") };
    let found = wait(&launched, &host, port).map_err(|text| match &log {
        Some(log) => failed(text).or(format!("its log: {}", log.display())),
        None => failed(text),
    })?;
    if is_too_old(&found) {
        let text = format!("version {found} does not know this kind of store");
        return Err(failed(text).or("0.1.30 is the first that does"));
    }
    launched.watch(mount.mountpoint.clone(), mount.mount_id);
    Ok(launched)
}

/// The failure to start Ollama on a folder that has no store.
pub fn nothing_to_run() -> Failure {
    Failure::ollama("an adapter alone is nothing that Ollama runs; the folder stays mounted")
}

/// A log file for standard output and standard error.
fn log_file(path: &Path) -> io::Result<(File, File)> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let file = File::options().create(true).append(true).open(path)?;
    Ok((file.try_clone()?, file))
}

/// The version that the server tells once it answers.
fn wait(launched: &Launched, host: &str, port: u16) -> Result<String, String> {
    let started = Instant::now();
    loop {
        if let Ok(Some(status)) = launched.lock().try_wait() {
            return Err(format!("it ended at once ({status})"));
        }
        if let Some(version) = version(host, port) {
            return Ok(version);
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("it did not answer at {host}:{port} within {} s", PATIENCE.as_secs()));
        }
        thread::sleep(STEP);
    }
}

impl Launched {
    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the server once the mount is gone: it would keep files of it open for minutes.
    fn watch(&self, mountpoint: PathBuf, mount_id: Option<u64>) {
        let child = Arc::downgrade(&self.child);
        thread::spawn(move || {
            while let Some(child) = child.upgrade() {
                let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
                if let Ok(Some(status)) = child.try_wait() {
                    tracing::warn!(%status, "Ollama has ended");
                    break;
                }
                if door::mount_id(&mountpoint) != mount_id {
                    stop(&mut child);
                    break;
                }
                drop(child);
                thread::sleep(WATCH);
            }
        });
    }
}

impl Drop for Launched {
    fn drop(&mut self) {
        stop(&mut self.lock());
    }
}

/// Asks a server to end, so that it ends its runners, and makes it.
fn stop(child: &mut Child) {
    let is_running = |child: &mut Child| matches!(child.try_wait(), Ok(None));
    if !is_running(child) {
        return;
    }
    if let Err(error) = door::ask_to_end(child) {
        tracing::debug!(%error, "Ollama cannot be asked to end");
    }
    let asked = Instant::now();
    while is_running(child) && asked.elapsed() < GRACE {
        thread::sleep(STEP);
    }
    if is_running(child) {
        // It has ended by itself if this fails.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Host and port to reach the server at, from OLLAMA_HOST: `[SCHEME://]HOST[:PORT][/PATH]`, any part of which may be
/// missing.
fn address(text: &str) -> (String, u16) {
    let text = text.trim().trim_matches(['"', '\'']);
    let (text, port) = match text.split_once("://") {
        Some(("http", rest)) => (rest, 80),
        Some((_, rest)) => (rest, PORT),
        None => (text, PORT),
    };
    let text = text.split('/').next().unwrap_or_default();
    let is_ip = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, number)) if !is_ip(text) => (host, number.parse().unwrap_or(port)),
        _ => (text, port),
    };
    // A server that listens on every address listens on this one.
    let host = match host.trim_matches(['[', ']']) {
        "" | "0.0.0.0" => HOST,
        "::" => "::1",
        host => host,
    };
    (if host.contains(':') { format!("[{host}]") } else { host.to_owned() }, port)
}

/// What an Ollama server at this address says its version is; `None` if none answers.
fn version(host: &str, port: u16) -> Option<String> {
    let addresses = (host.trim_matches(['[', ']']), port).to_socket_addrs().ok()?;
    let mut stream = addresses.into_iter().find_map(|a| TcpStream::connect_timeout(&a, STEP * 20).ok())?;
    stream.set_read_timeout(Some(STEP * 40)).ok()?;
    write!(stream, "GET /api/version HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n").ok()?;
    let mut answer = String::new();
    // Whatever else answers may answer without end.
    stream.take(1 << 16).read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(body["version"].as_str()?.to_owned())
}

/// Whether a version is known to be too old; what is built from source calls itself 0.0.0.
fn is_too_old(version: &str) -> bool {
    let parts: Vec<u32> = version.split(['.', '-']).map_while(|part| part.parse().ok()).collect();
    parts.len() == 3 && parts[..] != [0, 0, 0] && parts[..] < OLDEST[..]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Ollama reads it (`envconfig/config.go`).
    #[test]
    fn addresses_are_read_as_ollama_does() {
        for (text, host, port) in [
            ("", HOST, PORT),
            ("0.0.0.0", HOST, PORT),
            ("example.org", "example.org", PORT),
            ("127.0.0.1:1234", HOST, 1234),
            (":1234", HOST, 1234),
            ("http://localhost:81/x", "localhost", 81),
            ("http://localhost/x", "localhost", 80),
            ("\"1.2.3.4\"", "1.2.3.4", PORT),
            ("[::]:9", "[::1]", 9),
            ("[::1]", "[::1]", PORT),
            ("::1", "[::1]", PORT),
        ] {
            assert_eq!(address(text), (host.to_owned(), port), "{text}");
        }
    }

    #[test]
    fn old_versions_are_known() {
        for (version, expected) in [
            ("0.1.29", true),
            ("0.1.30", false),
            ("0.24.0", false),
            ("0.0.0", false),
            ("0.1.20-rc1", true),
            ("x", false),
        ] {
            assert_eq!(is_too_old(version), expected, "{version}");
        }
    }
}
