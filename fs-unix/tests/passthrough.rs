//! Files that the kernel reads itself.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // in helpers of tests too
#![allow(unsafe_code)] // mapping a file is unsafe; the files mapped here do not change

mod support;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::Arc;
use std::thread;

use memmap2::{Mmap, MmapOptions};
use rawrz_fs_unix::{Options, may_pass_through};
use rawrz_vfs::{Bytes, NodeId, Source, Tree};
use support::probe::require;
use support::sources::{FileSource, Stored, random_file};
use support::{Mounted, moment, need_fuse};

const LEN: usize = (5 << 20) + 123;

fn may(test: &str) -> bool {
    let able = may_pass_through().then_some(());
    need_fuse(test) && require(test, "CAP_SYS_ADMIN and Linux 6.9", able).is_some()
}

/// A tree with `whole.bin`, which is `file`, and `part.bin`, which is some of it.
fn tree(file: File) -> Arc<Tree> {
    let len = file.metadata().unwrap().len();
    let source: Arc<dyn Source> = Arc::new(FileSource::new(file));
    let stored =
        |start, len| Arc::new(Stored { header: Vec::new(), source: Arc::clone(&source), start, len });
    let mut tree = Tree::builder(moment());
    tree.file(NodeId::ROOT, "whole.bin", moment(), stored(0, len));
    tree.file(NodeId::ROOT, "part.bin", moment(), stored(1, len - 1));
    tree.file(NodeId::ROOT, "config.json", moment(), Arc::new(Bytes::from("{}\n")));
    tree.build()
}

fn mounted(file: File) -> Mounted {
    Mounted::with(tree(file), &Options { passthrough: true, ..Options::default() })
}

fn direct(mounted: &Mounted) -> Vec<u8> {
    let flag = rustix::fs::OFlags::DIRECT.bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flag).open(mounted.path("whole.bin")).unwrap();
    // The backing file asks for aligned memory.
    let mut memory = MmapOptions::new().len(LEN.next_multiple_of(4096)).map_anon().unwrap();
    let mut filled = 0;
    loop {
        match file.read_at(&mut memory[filled..], filled as u64).unwrap() {
            0 => return memory[..filled].to_vec(),
            n => filled += n,
        }
    }
}

#[test]
fn a_whole_file_is_read_without_us() {
    if !may("a_whole_file_is_read_without_us") {
        return;
    }
    let (file, expected) = random_file(LEN);
    let mounted = mounted(file);
    let path = mounted.path("whole.bin");
    assert!(fs::read(&path).unwrap() == expected);
    let opened = File::open(&path).unwrap();
    // SAFETY: nothing changes the file.
    let (shared, private) =
        unsafe { (Mmap::map(&opened).unwrap(), MmapOptions::new().map_copy(&opened).unwrap()) };
    assert!(shared[..] == expected[..] && private[..] == expected[..]);
    assert!(direct(&mounted) == expected);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert!(fs::read(&path).unwrap() == expected));
        }
    });
    assert_eq!(mounted.mount().stats().bytes(), 0);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.len(), metadata.modified().unwrap()), (LEN as u64, moment()));
    let error = OpenOptions::new().write(true).open(&path).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    // What is no whole file is served beside it.
    assert!(fs::read(mounted.path("part.bin")).unwrap() == expected[1..]);
    assert_eq!(fs::read(mounted.path("config.json")).unwrap(), b"{}\n");
    assert_eq!(mounted.mount().stats().bytes(), LEN as u64 - 1 + 3);
}

#[test]
fn without_the_option_it_is_served() {
    if !need_fuse("without_the_option_it_is_served") {
        return;
    }
    let (file, expected) = random_file(LEN);
    let mounted = Mounted::new(tree(file));
    assert!(fs::read(mounted.path("whole.bin")).unwrap() == expected);
    assert_eq!(mounted.mount().stats().bytes(), LEN as u64);
}

/// A file of a mount that passes through is on a stacked file system, which the kernel does not take.
#[test]
fn what_the_kernel_does_not_take_is_served() {
    if !may("what_the_kernel_does_not_take_is_served") {
        return;
    }
    let (file, expected) = random_file(LEN);
    let below = mounted(file);
    let above = mounted(File::open(below.path("whole.bin")).unwrap());
    for _ in 0..2 {
        assert!(fs::read(above.path("whole.bin")).unwrap() == expected);
    }
    assert!(above.mount().stats().bytes() >= LEN as u64);
}

#[test]
fn a_truncated_file_ends_where_it_was_cut() {
    if !may("a_truncated_file_ends_where_it_was_cut") {
        return;
    }
    let (file, expected) = random_file(LEN);
    let cut = file.try_clone().unwrap();
    let mounted = mounted(file);
    let opened = File::open(mounted.path("whole.bin")).unwrap();
    cut.set_len(1 << 20).unwrap();
    let mut buf = vec![0xAA; 2 << 20];
    assert_eq!(opened.read_at(&mut buf, 0).unwrap(), 1 << 20);
    assert!(buf[..1 << 20] == expected[..1 << 20]);
    assert_eq!(opened.read_at(&mut buf, 2 << 20).unwrap(), 0);
}
