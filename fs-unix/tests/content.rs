//! The bytes of a file are the same whichever way they are read.

#![allow(clippy::unwrap_used)] // in helpers of tests too
#![allow(unsafe_code)] // mapping a file is unsafe; the files mapped here do not change

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::thread;

use memmap2::{Mmap, MmapOptions};
use support::sources::{computed_byte, sample};
use support::{Mounted, Random, backends, need_fuse};

/// Both kinds of content: replied from the mapping, and assembled.
fn files(stored: Vec<u8>) -> [(&'static str, Vec<u8>); 2] {
    [("stored.bin", stored), ("computed.bin", (0..3_000_001).map(computed_byte).collect())]
}

/// Empties FUSE's page cache of a file, so that the next read is ours to answer.
fn drop_cache(file: &File) {
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

#[test]
fn read_in_order() {
    if !need_fuse("read_in_order") {
        return;
    }
    for backend in backends("read_in_order") {
        let (tree, stored) = sample();
        let mounted = Mounted::through(backend, tree);
        for (name, expected) in files(stored) {
            let mut file = File::open(mounted.path(name)).unwrap();
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert!(bytes == expected, "{name}");
        }
        assert_eq!(fs::read(mounted.path("config.json")).unwrap(), b"{}\n");
        assert_eq!(fs::read(mounted.path("empty")).unwrap(), b"");
        assert_eq!(fs::read(mounted.path("link")).unwrap(), b"deep");
    }
}

#[test]
fn random_cuts() {
    if !need_fuse("random_cuts") {
        return;
    }
    for backend in backends("random_cuts") {
        let (tree, stored) = sample();
        let mounted = Mounted::through(backend, tree);
        for (name, expected) in files(stored) {
            let file = File::open(mounted.path(name)).unwrap();
            let mut random = Random(7);
            for round in 0..300 {
                if round % 10 == 0 {
                    drop_cache(&file);
                }
                let offset = random.below(expected.len() as u64 + 5000);
                let mut buf = vec![0xAA; random.below(300_000) as usize];
                let got = file.read_at(&mut buf, offset).unwrap();
                let rest = expected.get(offset as usize..).unwrap_or_default();
                assert_eq!(got, rest.len().min(buf.len()), "{name} at {offset}");
                assert!(buf[..got] == rest[..got], "{name} at {offset}");
            }
        }
    }
}

#[test]
fn private_and_shared_mappings() {
    if !need_fuse("private_and_shared_mappings") {
        return;
    }
    for backend in backends("private_and_shared_mappings") {
        let (tree, stored) = sample();
        let mounted = Mounted::through(backend, tree);
        for (name, expected) in files(stored) {
            let file = File::open(mounted.path(name)).unwrap();
            // SAFETY: the content of the tree does not change.
            let shared = unsafe { Mmap::map(&file).unwrap() };
            assert!(shared[..] == expected[..], "{name} shared");
            drop(shared);
            drop_cache(&file);
            // SAFETY: as above; what is written goes to pages of our own.
            let mut private = unsafe { MmapOptions::new().map_copy(&file).unwrap() };
            assert!(private[..] == expected[..], "{name} private");
            private[0] ^= 1;
            assert_eq!(fs::read(mounted.path(name)).unwrap()[0], expected[0]);
        }
    }
}

#[test]
fn direct_io() {
    if !need_fuse("direct_io") {
        return;
    }
    for backend in backends("direct_io") {
        let (tree, stored) = sample();
        let mounted = Mounted::through(backend, tree);
        for (name, expected) in files(stored) {
            let direct = rustix::fs::OFlags::DIRECT.bits() as i32;
            let file = OpenOptions::new().read(true).custom_flags(direct).open(mounted.path(name)).unwrap();
            let mut bytes = vec![0; expected.len() + 4096];
            let mut filled = 0;
            loop {
                match file.read_at(&mut bytes[filled..], filled as u64).unwrap() {
                    0 => break,
                    n => filled += n,
                }
            }
            assert!(bytes[..filled] == expected[..], "{name}");
        }
    }
}

#[test]
fn eight_readers_at_once() {
    if !need_fuse("eight_readers_at_once") {
        return;
    }
    for backend in backends("eight_readers_at_once") {
        let (tree, stored) = sample();
        let mounted = Mounted::through(backend, tree);
        let files = files(stored);
        let read_all = |dir: &Path, seed: u64| {
            let mut random = Random(seed);
            for _ in 0..20 {
                let (name, expected) = &files[random.below(2) as usize];
                let file = File::open(dir.join(name)).unwrap();
                if random.below(4) == 0 {
                    drop_cache(&file);
                }
                let offset = random.below(expected.len() as u64) as usize;
                let mut buf = vec![0; (random.below(1 << 20) as usize).min(expected.len() - offset)];
                file.read_exact_at(&mut buf, offset as u64).unwrap();
                assert!(buf == expected[offset..offset + buf.len()], "{name} at {offset}");
            }
        };
        thread::scope(|scope| {
            for seed in 1..=8 {
                let (read_all, dir) = (&read_all, mounted.dir.path());
                scope.spawn(move || read_all(dir, seed));
            }
        });
    }
}

#[test]
fn what_was_read_once_is_not_asked_again() {
    if !need_fuse("what_was_read_once_is_not_asked_again") {
        return;
    }
    for backend in backends("what_was_read_once_is_not_asked_again") {
        let (tree, stored) = sample();
        let mounted = Mounted::through(backend, tree);
        assert!(fs::read(mounted.path("stored.bin")).unwrap() == stored);
        let bytes = mounted.mount().stats().bytes();
        assert!(bytes >= stored.len() as u64);
        assert!(fs::read(mounted.path("stored.bin")).unwrap() == stored); // a new open: KEEP_CACHE
        assert_eq!(mounted.mount().stats().bytes(), bytes);
    }
}
