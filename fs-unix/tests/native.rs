//! Files that the kernel keeps as EROFS.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // in helpers of tests too
#![allow(unsafe_code)] // mapping a file is unsafe; the files mapped here do not change

mod support;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;
use rawrz_fs_unix::{Backend, Options};
use rawrz_vfs::{Bytes, Error, FileContent, NodeId, Tree};
use support::sources::{computed_byte, sample};
use support::{Mounted, moment, mounts_at, need_erofs, need_fuse, wait_until};

const LARGE: u64 = 64 << 20;

/// A file of computed bytes.
struct Computed(u64);

impl FileContent for Computed {
    fn len(&self) -> u64 {
        self.0
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        buf.iter_mut().zip(offset..).for_each(|(byte, at)| *byte = computed_byte(at));
        Ok(())
    }
}

fn ready(test: &str) -> bool {
    need_fuse(test) && need_erofs(test)
}

fn large() -> Mounted {
    let mut tree = Tree::builder(moment());
    tree.file(NodeId::ROOT, "large.bin", moment(), Arc::new(Computed(LARGE)));
    Mounted::through(Backend::Erofs, tree.build())
}

fn open_directly(path: &Path) -> io::Result<File> {
    let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
    OpenOptions::new().read(true).custom_flags(direct).open(path)
}

/// Page faults of this thread so far that found their page in memory.
fn faults() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap();
    fields.split_whitespace().nth(7).unwrap().parse().unwrap()
}

#[test]
fn many_files_of_all_lengths() {
    if !ready("many_files_of_all_lengths") {
        return;
    }
    let len = |i: u64| [0, 1, 4095, 4096, 4097, 70_000][i as usize % 6] + i / 6;
    let mut tree = Tree::builder(moment());
    let folder = tree.directory(NodeId::ROOT, "folder", moment());
    for i in 0..500 {
        let parent = if i % 2 == 0 { NodeId::ROOT } else { folder };
        tree.file(parent, format!("{i}"), moment(), Arc::new(Computed(len(i))));
    }
    let mounted = Mounted::through(Backend::Erofs, tree.build());
    for i in 0..500 {
        let path = mounted.path(&if i % 2 == 0 { format!("{i}") } else { format!("folder/{i}") });
        let expected: Vec<_> = (0..len(i)).map(computed_byte).collect();
        assert!(fs::read(&path).unwrap() == expected, "{i}");
        assert_eq!(fs::metadata(&path).unwrap().len(), len(i));
    }
}

/// What it is for. 64 MiB are 1024 faults of FUSE, which maps 64 KiB at a time.
#[test]
fn a_mapping_takes_few_faults() {
    if !ready("a_mapping_takes_few_faults") {
        return;
    }
    let mounted = large();
    let file = File::open(mounted.path("large.bin")).unwrap();
    let touch = || {
        // SAFETY: the content of the tree does not change.
        let mapping = unsafe { Mmap::map(&file).unwrap() };
        let before = faults();
        assert!((0..LARGE).step_by(4096).all(|at| mapping[at as usize] == computed_byte(at)));
        faults() - before
    };
    touch();
    let faults = touch();
    assert!(faults < 256, "{faults} page faults");
    assert_eq!(mounted.mount().stats().bytes(), LARGE, "each byte was asked for once");
}

/// O_DIRECT is not to be had of EROFS in a file: it is served, or refused as file systems do that do not have it.
#[test]
fn direct_io_is_served_or_refused() {
    if !ready("direct_io_is_served_or_refused") {
        return;
    }
    let mounted = large();
    let path = mounted.path("large.bin");
    let check = |file: &File| {
        let mut buf = vec![0; 1 << 20];
        file.read_exact_at(&mut buf, 4096).unwrap();
        assert!(buf.iter().zip(4096..).all(|(&byte, at)| byte == computed_byte(at)));
    };
    let direct = open_directly(&path).unwrap();
    check(&direct);
    let passing = File::open(&path).unwrap();
    check(&passing);
    check(&direct);
    assert_eq!(open_directly(&path).unwrap_err().raw_os_error(), Some(22), "EINVAL");
    drop(passing);
    wait_until("the close has arrived", || open_directly(&path).is_ok());
    check(&direct);
}

/// The mount table shows the one mount, and what is out of sight goes with it, after the last file of it.
#[test]
fn nothing_else_is_seen_and_nothing_stays() {
    if !ready("nothing_else_is_seen_and_nothing_stays") {
        return;
    }
    let table = || fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut mounted = large();
    let here = mounted.dir.path().to_str().unwrap();
    assert_eq!(mounts_at(mounted.dir.path()), ["fuse.rawrz rawrz:test"]);
    assert!(!table().lines().any(|line| line.contains(" - erofs ") && line.contains(here)));
    let file = File::open(mounted.path("large.bin")).unwrap();
    // SAFETY: the content of the tree does not change.
    let mapping = unsafe { Mmap::map(&file).unwrap() };
    drop(file);
    let mount = mounted.mount.take().unwrap();
    mount.unmounter().unmount().unwrap();
    assert!(mounts_at(mounted.dir.path()).is_empty());
    assert_eq!(mapping[LARGE as usize - 1], computed_byte(LARGE - 1), "a mapping is served on");
    drop(mapping);
    mount.wait().unwrap();
}

/// Mounts out of sight end with the mount: each has a thread of this name.
#[test]
fn mounts_out_of_sight_do_not_pile_up() {
    if !ready("mounts_out_of_sight_do_not_pile_up") {
        return;
    }
    for _ in 0..30 {
        let mounted = Mounted::through(Backend::Erofs, sample().0);
        assert_eq!(fs::read(mounted.path("config.json")).unwrap(), b"{}\n");
    }
    let threads = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|name| name.trim() == "rawrz-image").count()
    };
    wait_until("those of other tests are left", || threads() < 15);
}

#[test]
fn two_mounts_keep_their_own() {
    if !ready("two_mounts_keep_their_own") {
        return;
    }
    let mounted = ["one", "two"].map(|text| {
        let mut tree = Tree::builder(moment());
        tree.file(NodeId::ROOT, "file", moment(), Arc::new(Bytes::from(text)));
        Mounted::through(Backend::Erofs, tree.build())
    });
    assert_eq!(mounted.each_ref().map(|m| fs::read_to_string(m.path("file")).unwrap()), ["one", "two"]);
}

/// Where it can be had it is what a mount is given that does not ask.
#[test]
fn it_is_the_default() {
    if !ready("it_is_the_default") {
        return;
    }
    let mounted = Mounted::with(sample().0, &Options::default());
    assert_eq!(mounted.mount().backend(), Backend::Erofs);
}
