//! Mounting without being root, through fusermount3: where `/dev/fuse` is open to all, as distributions ship it, and
//! where it is closed, as in many containers and on this project's machines.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rawrz_fs_unix::{Target, inspect, unmount};
use support::helper::{self, Flags, Helper};
use support::sources::sample;
use support::{mounts_at, need_fuse, need_program, need_root};
use tempfile::TempDir;

const USER: u32 = 65534;
const AS_USER: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

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
        && ["fusermount3", "setpriv", "findmnt"].iter().all(|program| need_program(test, program))
}

/// `/dev/fuse` with other permissions, until dropped; one test at a time.
struct Device {
    before: u32,
    _turn: MutexGuard<'static, ()>,
}

const DEVICE: &str = "/dev/fuse";

impl Device {
    fn with_mode(mode: u32) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let before = fs::metadata(DEVICE).unwrap().mode();
        fs::set_permissions(DEVICE, fs::Permissions::from_mode(mode)).unwrap();
        Self { before, _turn: turn }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        fs::set_permissions(DEVICE, fs::Permissions::from_mode(self.before)).unwrap();
    }
}

/// A directory of the user's, in a place that the user can reach.
fn users_directory() -> TempDir {
    let dir = TempDir::new().unwrap();
    chown(dir.path(), Some(USER), Some(USER)).unwrap();
    dir
}

fn as_user(command: &[&str], path: &Path) -> Output {
    Command::new(AS_USER[0]).args(&AS_USER[1..]).args(command).arg(path).output().unwrap()
}

fn mounts_and_reads(as_user_with: &[&str]) {
    let dir = users_directory();
    let mut helper = Helper::start(as_user_with, dir.path(), Flags::default());
    assert_eq!(helper.said, "ready");
    assert_eq!(mounts_at(dir.path()), ["fuse.rawrz rawrz:helper"]);

    let read = as_user(&["cat"], &dir.path().join("stored.bin"));
    assert!(read.stdout == sample().1, "{}", String::from_utf8_lossy(&read.stderr));
    let stat = as_user(&["stat", "-c", "%u %a"], &dir.path().join("config.json"));
    assert_eq!(String::from_utf8_lossy(&stat.stdout), format!("{USER} 444\n"));
    // Without --allow-other nobody else gets in, root included; what is mounted can be said all the same.
    assert_eq!(fs::read(dir.path().join("config.json")).unwrap_err().raw_os_error(), Some(13), "EACCES");
    assert!(matches!(inspect(dir.path()).unwrap(), Target::Live { fs_type, .. } if fs_type == Target::OURS));

    let unmounted = as_user(&["fusermount3", "-u"], dir.path());
    assert!(unmounted.status.success(), "{}", String::from_utf8_lossy(&unmounted.stderr));
    assert!(helper.child.wait().unwrap().success(), "an unmount from outside is a clean end");
    assert!(mounts_at(dir.path()).is_empty());
}

#[test]
fn a_user_mounts_where_the_device_is_open_to_all() {
    if ready("a_user_mounts_where_the_device_is_open_to_all") {
        let _device = Device::with_mode(0o666);
        mounts_and_reads(&AS_USER);
    }
}

/// fuser 0.18 gives up here without a try. fusermount3 as it is installed may not get further, and is then told apart
/// from other refusals.
#[test]
fn a_closed_device_is_named_unless_the_helper_can_open_it() {
    if !ready("a_closed_device_is_named_unless_the_helper_can_open_it") {
        return;
    }
    let _device = Device::with_mode(0o600);
    let dir = users_directory();
    let helper = Helper::start(&AS_USER, dir.path(), Flags::default());
    if helper.said == "ready" {
        let read = as_user(&["cat"], &dir.path().join("config.json"));
        assert_eq!(read.stdout, b"{}\n");
        unmount(dir.path()).unwrap();
    } else {
        assert!(helper.said.starts_with("/dev/fuse is closed to this user: open it"), "{}", helper.said);
        assert!(mounts_at(dir.path()).is_empty());
    }
}

/// The device is closed to the user, but not to the helper: a copy with capabilities in place of the setuid bit.
#[test]
fn a_user_mounts_where_only_the_helper_can_open_the_device() {
    let test = "a_user_mounts_where_only_the_helper_can_open_the_device";
    if !ready(test) || !need_program(test, "setcap") {
        return;
    }
    let _device = Device::with_mode(0o600);
    let tools = TempDir::new().unwrap();
    fs::set_permissions(tools.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = tools.path().join("fusermount3");
    let installed = Command::new("sh").args(["-c", "command -v fusermount3"]).output().unwrap().stdout;
    fs::copy(String::from_utf8(installed).unwrap().trim(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let capabilities = "cap_dac_override,cap_sys_admin+ep";
    assert!(Command::new("setcap").arg(capabilities).arg(&program).status().unwrap().success());
    let path = format!("FUSERMOUNT_PATH={}", program.display());
    mounts_and_reads(&[&AS_USER[..], &["env", &path]].concat());
}

#[test]
fn a_users_own_unmount_goes_through_fusermount() {
    if !ready("a_users_own_unmount_goes_through_fusermount") {
        return;
    }
    let _device = Device::with_mode(0o666);
    let dir = users_directory();
    let mut helper = Helper::start(&AS_USER, dir.path(), Flags { unmount_on_eof: true, ..Flags::default() });
    assert_eq!(helper.said, "ready");
    drop(helper.child.stdin.take());
    assert!(helper.child.wait().unwrap().success());
    assert!(mounts_at(dir.path()).is_empty());
}

#[test]
fn a_users_watchdog_needs_no_allow_other() {
    if !ready("a_users_watchdog_needs_no_allow_other") {
        return;
    }
    let _device = Device::with_mode(0o666);
    let dir = users_directory();
    let mut helper = Helper::start(&AS_USER, dir.path(), Flags { auto_unmount: true, ..Flags::default() });
    assert_eq!(helper.said, "ready");
    helper.kill();
    let start = Instant::now();
    while !mounts_at(dir.path()).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(10), "the watchdog unmounts");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn allow_other_is_as_the_system_allows_and_a_refusal_says_what_to_do() {
    if !ready("allow_other_is_as_the_system_allows_and_a_refusal_says_what_to_do") {
        return;
    }
    let _device = Device::with_mode(0o666);
    let dir = users_directory();
    let helper = Helper::start(&AS_USER, dir.path(), Flags { allow_other: true, ..Flags::default() });
    let conf = fs::read_to_string("/etc/fuse.conf").unwrap_or_default();
    if conf.lines().any(|l| l.trim() == "user_allow_other") {
        assert_eq!(helper.said, "ready");
        assert_eq!(fs::read(dir.path().join("config.json")).unwrap(), b"{}\n"); // by root
        unmount(dir.path()).unwrap();
    } else {
        assert!(helper.said.contains("user_allow_other in /etc/fuse.conf"), "{}", helper.said);
        assert!(mounts_at(dir.path()).is_empty());
    }
}

#[test]
fn a_refusal_is_told_in_the_helpers_words() {
    if !ready("a_refusal_is_told_in_the_helpers_words") {
        return;
    }
    let _device = Device::with_mode(0o666);
    let dir = TempDir::new().unwrap(); // root's
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let helper = Helper::start(&AS_USER, dir.path(), Flags::default());
    assert!(helper.said.starts_with("fusermount3 refused to mount on "), "{}", helper.said);
    assert!(helper.said.contains("no write access"), "{}", helper.said);
}

#[test]
fn the_missing_helper_is_named() {
    if !ready("the_missing_helper_is_named") {
        return;
    }
    let _device = Device::with_mode(0o600);
    let dir = users_directory();
    let command = ["env", "FUSERMOUNT_PATH=/nonexistent/fusermount3"];
    let helper = Helper::start(&[&AS_USER[..], &command].concat(), dir.path(), Flags::default());
    assert!(helper.said.contains("/nonexistent/fusermount3"), "{}", helper.said);
}

/// fusermount3 splits its options at commas.
#[test]
fn any_name_passes_through_the_helper() {
    if !ready("any_name_passes_through_the_helper") {
        return;
    }
    let _device = Device::with_mode(0o666);
    for (name, shown) in [
        ("a,allow_other,b", "a,allow_other,b"),
        (r"back\slash\,comma\", r"back\134slash\134,comma\134"),
        ("sp ace #\u{e9}", "sp\\040ace\\040\\043\u{e9}"),
    ] {
        let dir = users_directory();
        let helper = Helper::start(&AS_USER, dir.path(), Flags { name: Some(name), ..Flags::default() });
        assert_eq!(helper.said, "ready");
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = table.lines().find(|l| l.contains(dir.path().to_str().unwrap())).unwrap();
        let fields: Vec<_> = line.split(' ').collect();
        assert!(line.contains(&format!(" - fuse.rawrz rawrz:{shown} ")), "{line}");
        for flag in ["ro", "nosuid", "nodev", "noexec", "noatime"] {
            assert!(fields[5].split(',').any(|f| f == flag), "{flag}: {line}");
        }
        let options = fields.last().unwrap();
        assert!(options.contains("default_permissions") && !options.contains("allow_other"), "{line}");
        unmount(dir.path()).unwrap();
    }
}

#[test]
fn a_user_reads_what_root_shares() {
    if !ready("a_user_reads_what_root_shares") {
        return;
    }
    let dir = users_directory();
    let helper = Helper::start(&[], dir.path(), Flags { allow_other: true, ..Flags::default() });
    assert_eq!(helper.said, "ready");
    let read = as_user(&["cat"], &dir.path().join("config.json"));
    assert_eq!(read.stdout, b"{}\n");
    unmount(dir.path()).unwrap();
}

/// What root unmounts of a user's, and a user's dead mount as root sees it.
#[test]
fn root_takes_away_a_users_dead_mount() {
    if !ready("root_takes_away_a_users_dead_mount") {
        return;
    }
    let _device = Device::with_mode(0o666);
    let dir = users_directory();
    let mut helper = Helper::start(&AS_USER, dir.path(), Flags::default());
    assert_eq!(helper.said, "ready");
    helper.kill();
    unmount(dir.path()).unwrap();
    assert!(mounts_at(dir.path()).is_empty());
}
