//! The test binary, started again as a process of its own that serves a mount, perhaps as another user.
//!
//! Each test file that uses it has a test named `helper` that calls [`run`]; without the environment it does nothing.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rawrz_fs_unix::Options;

use super::sources::sample;

const MOUNTPOINT: &str = "RAWRZ_TEST_HELPER_MOUNTPOINT";
const ALLOW_OTHER: &str = "RAWRZ_TEST_HELPER_ALLOW_OTHER";
const PREFIX: &str = "HELPER ";

/// The body of the `helper` tests.
pub fn run() {
    let Some(mountpoint) = env::var_os(MOUNTPOINT) else { return };
    let options = Options {
        name: "helper".into(),
        allow_other: env::var_os(ALLOW_OTHER).is_some(),
        ..Options::default()
    };
    match rawrz_fs_unix::mount(sample().0, Path::new(&mountpoint), &options) {
        Ok(mount) => {
            println!("\n{PREFIX}ready");
            mount.wait().unwrap();
        }
        Err(error) => println!("\n{PREFIX}{error}"),
    }
}

/// A process that serves [`sample`]; killed when dropped.
pub struct Helper {
    pub child: Child,
    /// `ready`, or the error that the mount gave.
    pub said: String,
}

impl Helper {
    /// Starts it; `prefix` is a command that runs another, as `setpriv --reuid=1`.
    pub fn start(prefix: &[&str], mountpoint: &Path, allow_other: bool) -> Self {
        let exe = env::current_exe().unwrap();
        let mut words = prefix.iter().map(|w| w.to_string()).chain([exe.to_str().unwrap().to_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["--exact", "helper", "--nocapture"])
            .env(MOUNTPOINT, mountpoint)
            .stdout(Stdio::piped());
        if allow_other {
            command.env(ALLOW_OTHER, "1");
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.map_while(Result::ok).find_map(|l| l.strip_prefix(PREFIX).map(str::to_owned));
        Self { child, said: said.expect("the helper says how the mount went") }
    }

    /// Kills it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
