//! From mount to unmount: no mount is left behind, and none but our own is taken away.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod support;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rawrz_fs_unix::{Backend, Error, Mount, Options, Target, Watchdog, inspect, mount, unmount};
use rawrz_vfs::{FileContent, NodeId, Tree};
use support::helper::{self, Flags, Helper};
use support::sources::sample;
use support::{Mounted, mounts_at, need_fuse, need_program, need_root, wait_until};
use tempfile::TempDir;

/// How long files that are open after an unmount are waited for (session.rs).
const LINGER: Duration = Duration::from_secs(5);

#[test]
fn helper() {
    helper::run();
}

#[test]
fn watchdog() {
    helper::run_watchdog();
}

fn ready(test: &str) -> bool {
    need_fuse(test)
        && need_root(test)
        && ["findmnt", "mount", "umount"].iter().all(|program| need_program(test, program))
}

fn mount_sample(dir: &Path) -> Mount {
    mount(sample().0, dir, &Options { name: "life".into(), ..Options::default() }).unwrap()
}

fn run(program: &str, args: &[&str], path: &Path) -> bool {
    Command::new(program).args(args).arg(path).status().unwrap().success()
}

fn mount_tmpfs(path: &Path) {
    assert!(run("mount", &["-t", "tmpfs", "other"], path));
}

#[test]
fn unmount_and_drop_leave_an_empty_directory() {
    if !ready("unmount_and_drop_leave_an_empty_directory") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mount = mount_sample(dir.path());
    assert_eq!(mounts_at(dir.path()), ["fuse.rawrz rawrz:life"]);
    assert_eq!(mount.mountpoint(), dir.path().canonicalize().unwrap());
    let start = Instant::now();
    mount.unmount().unwrap();
    assert!(start.elapsed() < LINGER);
    assert!(mounts_at(dir.path()).is_empty());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    drop(mount_sample(dir.path()));
    assert!(mounts_at(dir.path()).is_empty());
}

#[test]
fn the_mountpoint_may_be_reached_through_a_link() {
    if !ready("the_mountpoint_may_be_reached_through_a_link") {
        return;
    }
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("real folder")).unwrap();
    std::os::unix::fs::symlink("real folder", dir.path().join("link")).unwrap();
    let mount = mount_sample(&dir.path().join("link"));
    assert_eq!(mounts_at(&dir.path().join("real folder")), ["fuse.rawrz rawrz:life"]);
    assert!(matches!(inspect(&dir.path().join("link")), Ok(Target::Live { .. })));
    mount.unmount().unwrap();
}

#[test]
fn what_is_mounted_is_not_mounted_over() {
    if !ready("what_is_mounted_is_not_mounted_over") {
        return;
    }
    let mounted = Mounted::new(sample().0);
    let again = mount(sample().0, mounted.dir.path(), &Options::default()).unwrap_err();
    assert!(
        matches!(&again, Error::AlreadyMounted { fs_type, source_name, .. }
            if fs_type == Target::OURS && source_name == "rawrz:test"),
        "{again}"
    );
    let proc = mount(sample().0, Path::new("/proc"), &Options::default()).unwrap_err();
    assert!(matches!(&proc, Error::AlreadyMounted { fs_type, .. } if fs_type == "proc"), "{proc}");
    let proc = unmount(Path::new("/proc")).unwrap_err();
    assert!(matches!(&proc, Error::NotOurs { fs_type, .. } if fs_type == "proc"), "{proc}");
}

/// fuser 0.18 leaves a dead mount here.
#[test]
fn a_busy_mount_is_gone_at_once_and_serves_open_files_for_a_while() {
    if !ready("a_busy_mount_is_gone_at_once_and_serves_open_files_for_a_while") {
        return;
    }
    let (tree, stored) = sample();
    let dir = TempDir::new().unwrap();
    let mount = mount(tree, dir.path(), &Options::default()).unwrap();
    let mut file = File::open(dir.path().join("stored.bin")).unwrap();
    let unmounter = mount.unmounter();
    let waiter = thread::spawn(move || mount.wait());
    unmounter.unmount().unwrap();
    assert!(mounts_at(dir.path()).is_empty());
    assert_eq!(inspect(dir.path()).unwrap(), Target::Free);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == stored);
    drop(file);
    let start = Instant::now();
    waiter.join().unwrap().unwrap();
    assert!(start.elapsed() < LINGER, "ends when the last file is closed");
}

#[test]
fn a_file_kept_open_does_not_keep_us_from_ending() {
    if !ready("a_file_kept_open_does_not_keep_us_from_ending") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mount = mount_sample(dir.path());
    let file = File::open(dir.path().join("stored.bin")).unwrap();
    let start = Instant::now();
    mount.unmount().unwrap();
    let took = start.elapsed();
    assert!(took >= LINGER && took < LINGER * 4, "{took:?}");
    assert!(mounts_at(dir.path()).is_empty());
    drop(file);
}

#[test]
fn an_unmount_from_outside_ends_the_wait() {
    if !ready("an_unmount_from_outside_ends_the_wait") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mount = mount_sample(dir.path());
    assert!(run("umount", &["-i"], dir.path()));
    mount.wait().unwrap();

    let mount = mount_sample(dir.path());
    unmount(dir.path()).unwrap();
    mount.wait().unwrap();
    assert!(mounts_at(dir.path()).is_empty());
}

/// `umount -f` breaks the connection even where the mount is busy and stays.
#[test]
fn a_broken_connection_leaves_no_dead_mount() {
    if !ready("a_broken_connection_leaves_no_dead_mount") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mount = mount_sample(dir.path());
    let file = File::open(dir.path().join("stored.bin")).unwrap();
    let native = mount.backend() == Backend::Erofs;
    assert!(!run("umount", &["-i", "-f"], dir.path()), "it is busy");
    mount.wait().unwrap();
    assert!(mounts_at(dir.path()).is_empty());
    // What is passed through has a connection of its own.
    let read = file.read_at(&mut [0; 10], 0).map_err(|error| error.raw_os_error());
    assert_eq!(read, if native { Ok(10) } else { Err(Some(107)) }, "ENOTCONN");
}

/// fuser 0.18 unmounts the other file system in this case.
#[test]
fn what_was_mounted_after_ours_stays() {
    if !ready("what_was_mounted_after_ours_stays") {
        return;
    }
    let dir = TempDir::new().unwrap();
    // Ours is gone ...
    let mount = mount_sample(dir.path());
    assert!(run("umount", &["-i"], dir.path()));
    mount_tmpfs(dir.path());
    mount.unmount().unwrap();
    assert_eq!(mounts_at(dir.path()), ["tmpfs other"]);
    assert!(run("umount", &[], dir.path()));
    // ... or out of sight, with files open ...
    let mount = mount_sample(dir.path());
    let file = File::open(dir.path().join("config.json")).unwrap();
    assert!(run("umount", &["-i", "-l"], dir.path()));
    mount_tmpfs(dir.path());
    mount.unmounter().unmount().unwrap();
    assert_eq!(mounts_at(dir.path()), ["tmpfs other"]);
    drop(file);
    mount.wait().unwrap();
    assert!(run("umount", &[], dir.path()));
    // ... or gone, and the next one is of the same kind and may have been given the same numbers.
    let first = mount_sample(dir.path());
    assert!(run("umount", &["-i"], dir.path()));
    let second = mount_sample(dir.path());
    first.unmount().unwrap();
    assert_eq!(mounts_at(dir.path()), ["fuse.rawrz rawrz:life"]);
    assert_eq!(fs::read(dir.path().join("config.json")).unwrap(), b"{}\n");
    second.unmount().unwrap();
}

/// The connection of the first mount is gone, but its session has not noticed: its only worker is in a read. Meanwhile
/// a second mount is made, which the kernel may give the first one's numbers.
#[test]
fn a_mount_that_took_the_place_of_a_busy_session_stays() {
    if !ready("a_mount_that_took_the_place_of_a_busy_session_stays") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (entered, arrived) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let content = Waiting { entered, released: Mutex::new(released) };
    let mut tree = Tree::builder(support::moment());
    tree.file(NodeId::ROOT, "file", support::moment(), Arc::new(content));
    // As FUSE: what is passed through is served to its end, also after a forced unmount.
    let options = Options { threads: Some(1), backend: Some(Backend::Fuse), ..Options::default() };
    let first = mount(tree.build(), dir.path(), &options).unwrap();
    let reader = thread::spawn({
        let file = dir.path().join("file");
        move || fs::read(file)
    });
    arrived.recv().unwrap();
    assert!(run("umount", &["-i", "-f", "-l"], dir.path()));
    assert!(reader.join().unwrap().is_err());
    let second = mount_sample(dir.path());
    first.unmounter().unmount().unwrap();
    assert_eq!(mounts_at(dir.path()), ["fuse.rawrz rawrz:life"]);
    release.send(()).unwrap();
    first.wait().unwrap();
    assert_eq!(mounts_at(dir.path()), ["fuse.rawrz rawrz:life"]);
    second.unmount().unwrap();
}

/// A file whose read waits to be released.
struct Waiting {
    entered: mpsc::Sender<()>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl FileContent for Waiting {
    fn len(&self) -> u64 {
        4096
    }

    fn read_exact_at(&self, _: u64, buf: &mut [u8]) -> Result<(), rawrz_vfs::Error> {
        self.entered.send(()).unwrap();
        self.released.lock().unwrap().recv().unwrap();
        buf.fill(0);
        Ok(())
    }
}

/// 16 workers need more descriptors than there are, which shows only after the mount is made.
#[test]
fn a_session_that_does_not_start_is_an_error_and_no_mount() {
    let test = "a_session_that_does_not_start_is_an_error_and_no_mount";
    if !ready(test) || !need_program(test, "prlimit") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let flags = Flags { threads: Some("16"), ..Flags::default() };
    let helper = Helper::start(&["prlimit", "--nofile=12:12"], dir.path(), flags);
    assert_eq!(helper.said, "the FUSE session failed");
    assert!(mounts_at(dir.path()).is_empty());
    drop(helper);
    let helper = Helper::start(&["prlimit", "--nofile=40:40"], dir.path(), flags);
    assert_eq!(helper.said, "ready");
    unmount(dir.path()).unwrap();
}

#[test]
fn what_covers_ours_stays_and_is_named() {
    if !ready("what_covers_ours_stays_and_is_named") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mount = mount_sample(dir.path());
    mount_tmpfs(dir.path());
    let refused = mount.unmounter().unmount().unwrap_err();
    assert!(matches!(&refused, Error::Covered { fs_type, .. } if fs_type == "tmpfs"), "{refused}");
    assert_eq!(mounts_at(dir.path()).len(), 2);
    assert!(run("umount", &[], dir.path()));
    assert_eq!(fs::read(dir.path().join("config.json")).unwrap(), b"{}\n");
    mount.unmount().unwrap();
    assert!(mounts_at(dir.path()).is_empty());
}

#[test]
fn a_killed_server_leaves_a_stale_mount_that_is_known_and_removed() {
    if !ready("a_killed_server_leaves_a_stale_mount_that_is_known_and_removed") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let mut helper = Helper::start(&[], dir.path(), Flags::default());
    assert_eq!(helper.said, "ready");
    assert_eq!(
        inspect(dir.path()).unwrap(),
        Target::Live { fs_type: Target::OURS.into(), source: "rawrz:helper".into() }
    );
    fs::metadata(dir.path()).unwrap(); // its attributes are cached from here on
    helper.kill();
    assert_eq!(inspect(dir.path()).unwrap(), Target::Stale);
    assert!(matches!(mount(sample().0, dir.path(), &Options::default()), Err(Error::Stale(_))));
    unmount(dir.path()).unwrap();
    assert_eq!(inspect(dir.path()).unwrap(), Target::Free);
    mount_sample(dir.path()).unmount().unwrap();
}

#[test]
fn the_watchdog_unmounts_for_a_killed_server() {
    if !ready("the_watchdog_unmounts_for_a_killed_server") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let flags = Flags { auto_unmount: true, ..Flags::default() };
    let mut helper = Helper::start(&[], dir.path(), flags);
    assert_eq!(helper.said, "ready");
    let file = File::open(dir.path().join("config.json")).unwrap(); // busy, too
    helper.kill();
    wait_until("the watchdog unmounts", || mounts_at(dir.path()).is_empty());
    drop(file);

    // What was mounted over it is not the watchdog's business.
    let mut helper = Helper::start(&[], dir.path(), flags);
    mount_tmpfs(dir.path());
    helper.kill();
    thread::sleep(Duration::from_millis(500));
    assert_eq!(mounts_at(dir.path()).len(), 2);
    assert!(run("umount", &[], dir.path()));
    unmount(dir.path()).unwrap();
}

#[test]
fn the_watchdog_ends_with_the_mount() {
    if !ready("the_watchdog_ends_with_the_mount") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let alive = dir.path().join("alive");
    fs::create_dir(dir.path().join("mnt")).unwrap();
    // A stand-in that shows when it starts and when its pipe ends.
    let script = format!("echo \"$@\" > {0}; cat; rm {0}", alive.display());
    let watchdog = Watchdog { program: "sh".into(), args: ["-c", &script, "sh"].map(Into::into).to_vec() };
    let options = Options { auto_unmount: Some(watchdog), ..Options::default() };
    let mount = mount(sample().0, &dir.path().join("mnt"), &options).unwrap();
    wait_until("the watchdog starts", || fs::read_to_string(&alive).is_ok_and(|s| s.ends_with('\n')));
    let args = fs::read_to_string(&alive).unwrap();
    assert!(args.starts_with(mount.mountpoint().to_str().unwrap()), "{args}");
    mount.unmount().unwrap();
    assert!(!alive.exists(), "unmount waits for the watchdog");
}

#[test]
fn without_the_watchdog_asked_for_there_is_no_mount() {
    if !ready("without_the_watchdog_asked_for_there_is_no_mount") {
        return;
    }
    let dir = TempDir::new().unwrap();
    let watchdog = Watchdog { program: "/nonexistent".into(), args: Vec::new() };
    let options = Options { auto_unmount: Some(watchdog), ..Options::default() };
    let error = mount(sample().0, dir.path(), &options).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path == Path::new("/nonexistent")), "{error}");
    assert!(mounts_at(dir.path()).is_empty());
}

#[test]
fn root_gets_more_readahead() {
    if !ready("root_gets_more_readahead") {
        return;
    }
    let mounted = Mounted::new(sample().0);
    let output = Command::new("findmnt")
        .args(["-n", "-o", "MAJ:MIN", "--mountpoint"])
        .arg(mounted.dir.path())
        .output();
    let device = String::from_utf8(output.unwrap().stdout).unwrap();
    let path = format!("/sys/class/bdi/{}/read_ahead_kb", device.trim());
    assert_eq!(fs::read_to_string(path).unwrap(), "1024\n");
}
