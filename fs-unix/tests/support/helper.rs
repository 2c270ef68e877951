//! The test binary, started again as a process of its own that serves a mount, perhaps as another user.
//!
//! Each test file that uses it has a test named `helper` that calls [`run`]; without the environment it does nothing.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use rawrz_fs_unix::{Options, Watchdog};

use super::sources::sample;

const MOUNTPOINT: &str = "RAWRZ_TEST_HELPER_MOUNTPOINT";
const ALLOW_OTHER: &str = "RAWRZ_TEST_HELPER_ALLOW_OTHER";
const AUTO_UNMOUNT: &str = "RAWRZ_TEST_HELPER_AUTO_UNMOUNT";
const UNMOUNT_ON_EOF: &str = "RAWRZ_TEST_HELPER_UNMOUNT_ON_EOF";
const THREADS: &str = "RAWRZ_TEST_HELPER_THREADS";
const NAME: &str = "RAWRZ_TEST_HELPER_NAME";
const PREFIX: &str = "HELPER ";

/// The body of the `helper` tests.
pub fn run() {
    let Some(mountpoint) = env::var_os(MOUNTPOINT) else { return };
    let options = Options {
        name: env::var(NAME).unwrap_or_else(|_| "helper".into()),
        allow_other: env::var_os(ALLOW_OTHER).is_some(),
        auto_unmount: env::var_os(AUTO_UNMOUNT).map(|_| watchdog()),
        backend: None,
        passthrough: false,
        threads: env::var(THREADS).ok().map(|n| n.parse().unwrap()),
    };
    match rawrz_fs_unix::mount(sample().0, Path::new(&mountpoint), &options) {
        Ok(mount) => {
            println!("\n{PREFIX}ready");
            if env::var_os(UNMOUNT_ON_EOF).is_some() {
                io::stdin().read_to_end(&mut Vec::new()).unwrap();
                mount.unmount().unwrap();
            } else {
                mount.wait().unwrap();
            }
        }
        Err(error) => println!("\n{PREFIX}{error}"),
    }
}

/// The body of the `watchdog` tests.
pub fn run_watchdog() {
    if env::var_os(AUTO_UNMOUNT).is_some() {
        let args: Vec<_> = env::args_os().collect();
        rawrz_fs_unix::watch(&args[args.len() - 2..]).unwrap();
    }
}

/// The test binary as a watchdog. The arguments behind these look like names of tests, of which there are none.
fn watchdog() -> Watchdog {
    let args = ["--exact", "watchdog"].map(Into::into).to_vec();
    Watchdog { program: env::current_exe().unwrap(), args }
}

/// What a helper's mount is given besides the mountpoint.
#[derive(Clone, Copy, Default)]
pub struct Flags {
    pub allow_other: bool,
    pub auto_unmount: bool,
    /// Unmount when standard input ends, rather than wait to be unmounted.
    pub unmount_on_eof: bool,
    /// The mount's name, `helper` unless given.
    pub name: Option<&'static str>,
    pub threads: Option<&'static str>,
}

/// A process that serves [`sample`]; killed when dropped.
pub struct Helper {
    pub child: Child,
    /// `ready`, or the error that the mount gave.
    pub said: String,
    _stdout: BufReader<ChildStdout>, // libtest fails if it cannot print its result
}

impl Helper {
    /// Starts it; `prefix` is a command that runs another, as `setpriv --reuid=1`.
    pub fn start(prefix: &[&str], mountpoint: &Path, flags: Flags) -> Self {
        let exe = env::current_exe().unwrap();
        let mut words = prefix.iter().map(|w| w.to_string()).chain([exe.to_str().unwrap().to_owned()]);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["--exact", "helper", "--nocapture"])
            .env(MOUNTPOINT, mountpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let flag = |set: bool| set.then_some("1");
        for (variable, value) in [
            (ALLOW_OTHER, flag(flags.allow_other)),
            (AUTO_UNMOUNT, flag(flags.auto_unmount)),
            (UNMOUNT_ON_EOF, flag(flags.unmount_on_eof)),
            (NAME, flags.name),
            (THREADS, flags.threads),
        ] {
            command.envs(value.map(|value| (variable, value)));
        }
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let said = stdout
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|l| l.strip_prefix(PREFIX).map(str::to_owned));
        Self { child, said: said.expect("the helper says how the mount went"), _stdout: stdout }
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
