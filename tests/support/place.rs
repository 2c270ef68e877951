//! A place for the command: a mountpoint, and directories of its own for whatever it keeps.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rawrz::gguf::writer::Writer;
use serde_json::Value as Json;
use tempfile::TempDir;

/// A place of its own for one test: a mountpoint, and directories for state and log.
pub struct Place {
    program: &'static str,
    pub dir: TempDir,
}

impl Place {
    pub fn new(program: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in ["cache", "mnt", "run", "state"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { program, dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    pub fn mountpoint(&self) -> PathBuf {
        self.path("mnt")
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        self.own(&mut command);
        command
    }

    pub fn own<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env_remove("RAWRZ_LOG")
            .stdin(Stdio::null())
    }

    pub fn run(&self, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
        self.command().args(arguments.iter().map(|a| a.as_ref())).output().unwrap()
    }

    /// Runs a command that must succeed, and returns what it prints.
    pub fn succeed(&self, arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail with this exit code, and say all of this.
    pub fn fail(&self, exit_code: i32, arguments: &[&dyn AsRef<std::ffi::OsStr>], says: &[&str]) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(exit_code), "{said}");
        for text in says {
            assert!(said.contains(text), "{text:?} is not in {said:?}");
        }
    }

    pub fn entries(&self) -> Vec<Json> {
        serde_json::from_str(&self.succeed(&[&"list", &"--json"])).unwrap()
    }

    pub fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.lines().any(|line| line.split(' ').nth(4) == self.mountpoint().to_str())
    }

    pub fn model(&self, name: &str, file: &Writer) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, file.to_bytes()).unwrap();
        path
    }
}

/// Leaves no mount behind where a test failed.
impl Drop for Place {
    fn drop(&mut self) {
        while self.is_mounted() && self.run(&[&"unmount", &self.mountpoint()]).status.success() {}
    }
}

pub fn signal(pid: u64, signal: &str) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

/// Waits for something that must happen soon.
pub fn wait_for(what: &str, mut happened: impl FnMut() -> bool) {
    let started = Instant::now();
    while !happened() {
        assert!(started.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        sleep(Duration::from_millis(10));
    }
}

pub fn exists(pid: u64) -> bool {
    // A dead child of a process that does not wait for it is a zombie, whose command line is empty.
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}
