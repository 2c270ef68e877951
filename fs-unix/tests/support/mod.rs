//! What the mount tests share: probes for what the machine has, small trees over memory and over a file, and the test
//! binary as a second process that serves a mount.

#![allow(dead_code)] // each test binary uses its own part

pub mod helper;
#[path = "../../../tests/support/probe.rs"]
pub mod probe;
pub mod sources;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use rawrz_fs_unix::{Backend, Mount, Options};
use rawrz_vfs::Tree;
use tempfile::TempDir;

/// Says whether a mount can be made here at all.
pub fn need_fuse(test: &str) -> bool {
    let device = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    need(test, "a /dev/fuse that opens", device.is_ok())
        && (probe::is_root() || need_program(test, "fusermount3"))
}

/// Says whether this is root, who mounts without the setuid helper and may change `/dev/fuse`.
pub fn need_root(test: &str) -> bool {
    need(test, "root", probe::is_root())
}

/// Says whether a program is installed.
pub fn need_program(test: &str, program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    need(test, program, found.is_ok())
}

fn need(test: &str, what: &str, met: bool) -> bool {
    probe::require(test, what, met.then_some(())).is_some()
}

/// The ways in which the kernel can keep files here.
pub fn backends(test: &str) -> Vec<Backend> {
    let mut backends = vec![Backend::Fuse];
    backends.extend(need_erofs(test).then_some(Backend::Erofs));
    backends
}

/// Says whether the kernel can keep files as EROFS.
pub fn need_erofs(test: &str) -> bool {
    let options = Options { backend: Some(Backend::Erofs), ..Options::default() };
    let dir = TempDir::new().unwrap();
    let tried = rawrz_fs_unix::mount(Tree::builder(moment()).build(), dir.path(), &options);
    need(test, "EROFS in files, passed through", tried.and_then(Mount::unmount).is_ok())
}

/// A tree mounted on a directory of its own.
pub struct Mounted {
    pub mount: Option<Mount>,
    pub dir: TempDir,
}

impl Mounted {
    pub fn new(tree: Arc<Tree>) -> Self {
        Self::with(tree, &Options { name: "test".into(), ..Options::default() })
    }

    pub fn through(backend: Backend, tree: Arc<Tree>) -> Self {
        let mounted =
            Self::with(tree, &Options { name: "test".into(), backend: Some(backend), ..Options::default() });
        assert_eq!(mounted.mount().backend(), backend);
        mounted
    }

    pub fn with(tree: Arc<Tree>, options: &Options) -> Self {
        let dir = TempDir::new().unwrap();
        let mount = rawrz_fs_unix::mount(tree, dir.path(), options).unwrap();
        Self { mount: Some(mount), dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn mount(&self) -> &Mount {
        self.mount.as_ref().expect("taken by the test itself")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(self.mount.take()); // before the directory is removed
    }
}

/// When everything in the test trees was made.
pub fn moment() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// The mounts on a path, as `type source`, from the bottom up. Read on its own, not through the code under test.
pub fn mounts_at(path: &Path) -> Vec<String> {
    let output = Command::new("findmnt")
        .args(["--noheadings", "--raw", "--output", "FSTYPE,SOURCE", "--mountpoint"])
        .arg(path)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Pseudo-random numbers (xorshift64*), the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n
    }
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}
