//! What the mount shows besides bytes: names, attributes, links, space; and that nothing can be changed.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rawrz_vfs::{Bytes, NodeId, Tree};
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use support::sources::{Computed, sample};
use support::{Mounted, moment, need_fuse, need_program, need_root};

#[test]
fn every_name_is_listed_with_its_attributes() {
    if !need_fuse("every_name_is_listed_with_its_attributes") {
        return;
    }
    let mounted = Mounted::new(sample().0);
    let root = mounted.dir.path();
    let mut names: Vec<_> = fs::read_dir(root).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["computed.bin", "config.json", "empty", "link", "stored.bin", "sub"]);
    for (name, len, mode) in [
        ("computed.bin", 3_000_001, 0o100_444),
        ("config.json", 3, 0o100_444),
        ("empty", 0, 0o100_444),
        ("stored.bin", 5000 + (6 << 20), 0o100_444),
        ("link", 15, 0o120_777),
        ("sub", 0, 0o040_555),
        ("sub/deeper/file", 4, 0o100_444),
    ] {
        let meta = fs::symlink_metadata(root.join(name)).unwrap();
        assert_eq!((meta.len(), meta.mode()), (len, mode), "{name}");
        assert_eq!(meta.modified().unwrap(), moment(), "{name}");
        assert_eq!((meta.blksize(), meta.blocks()), (4096, len.div_ceil(512)), "{name}");
        assert_eq!(meta.uid(), rustix::process::getuid().as_raw(), "{name}");
    }
    assert_eq!(fs::metadata(root).unwrap().nlink(), 3); // itself, its dot, sub's dots
    assert_eq!(fs::metadata(root.join("sub/deeper")).unwrap().nlink(), 2);
    assert_eq!(fs::read_link(root.join("link")).unwrap(), Path::new("sub/deeper/file"));
    let absent = fs::symlink_metadata(root.join("absent")).unwrap_err();
    assert_eq!(absent.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_directory_of_many_names_is_listed_once_each() {
    if !need_fuse("a_directory_of_many_names_is_listed_once_each") {
        return;
    }
    let mut tree = Tree::builder(moment());
    let expected: BTreeSet<String> =
        (0..5000).map(|i| format!("model-{i:05}-of-05000.safetensors")).collect();
    for name in &expected {
        tree.file(NodeId::ROOT, name, moment(), Arc::new(Computed(name.len() as u64)));
    }
    let mounted = Mounted::new(tree.build());
    let listed: Vec<_> = fs::read_dir(mounted.dir.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(listed.len(), expected.len());
    assert!(listed.iter().all(|e| e.metadata().unwrap().len() == 32 && e.file_type().unwrap().is_file()));
    let names: BTreeSet<_> = listed.iter().map(|e| e.file_name().into_string().unwrap()).collect();
    assert_eq!(names, expected);
    let dir = File::open(mounted.dir.path()).unwrap();
    let again = rustix::fs::Dir::read_from(&dir).unwrap().count();
    assert_eq!(again, expected.len() + 2);
}

#[test]
fn nothing_can_be_changed() {
    if !need_fuse("nothing_can_be_changed") {
        return;
    }
    let mounted = Mounted::new(sample().0);
    refuse_changes(mounted.dir.path());
    if !need_root("nothing_can_be_changed (remounted)") {
        return;
    }
    // The kernel refused all that. Remounted read-write by root, it asks us.
    let remounted =
        Command::new("mount").args(["-i", "-o", "remount,rw"]).arg(mounted.dir.path()).status().unwrap();
    assert!(remounted.success());
    refuse_changes(mounted.dir.path());
    assert_eq!(fs::read(mounted.path("config.json")).unwrap(), b"{}\n");
}

fn refuse_changes(root: &Path) {
    fn refused<T>(what: &str, result: io::Result<T>) {
        let error = result.err().unwrap_or_else(|| panic!("{what} must be refused"));
        assert_eq!(error.kind(), io::ErrorKind::ReadOnlyFilesystem, "{what}: {error}");
    }
    let file = root.join("config.json");
    refused("write", OpenOptions::new().write(true).open(&file));
    refused("append", OpenOptions::new().append(true).open(&file));
    refused("read and write", OpenOptions::new().read(true).write(true).open(&file));
    refused("truncate", OpenOptions::new().write(true).truncate(true).open(&file));
    refused("create", File::create(root.join("new")));
    refused("mkdir", fs::create_dir(root.join("new")));
    refused("symlink", std::os::unix::fs::symlink("x", root.join("new")));
    refused("link", fs::hard_link(&file, root.join("new")));
    refused("unlink", fs::remove_file(&file));
    refused("rmdir", fs::remove_dir(root.join("sub")));
    refused("rename", fs::rename(&file, root.join("new")));
    refused("chmod", fs::set_permissions(&file, fs::Permissions::from_mode(0o644)));
    refused("chown", std::os::unix::fs::chown(&file, Some(1), None));
    refused("utimes", {
        let times = fs::FileTimes::new().set_modified(moment());
        File::open(&file).unwrap().set_times(times)
    });
    let flags = rustix::fs::XattrFlags::empty();
    refused("setxattr", rustix::fs::setxattr(&file, "user.a", b"b", flags).map_err(Into::into));
    refused("removexattr", rustix::fs::removexattr(&file, "user.a").map_err(Into::into));
}

#[test]
fn attributes_and_holes_are_left_to_the_kernel() {
    if !need_fuse("attributes_and_holes_are_left_to_the_kernel") {
        return;
    }
    let mounted = Mounted::new(sample().0);
    let path = mounted.path("stored.bin");
    let file = File::open(&path).unwrap();
    for _ in 0..3 {
        assert_eq!(rustix::fs::getxattr(&path, "user.a", &mut [0u8; 8]), Err(Errno::OPNOTSUPP));
        assert_eq!(rustix::fs::listxattr(&path, &mut [0u8; 8]), Err(Errno::OPNOTSUPP));
        file.sync_all().unwrap();
        // One run of data, then the hole that every file ends with.
        assert_eq!(rustix::fs::seek(&file, SeekFrom::Data(5)), Ok(5));
        assert_eq!(rustix::fs::seek(&file, SeekFrom::Hole(5)), Ok(5000 + (6 << 20)));
        assert_eq!(rustix::fs::seek(&file, SeekFrom::Data(1 << 40)), Err(Errno::NXIO));
    }
    use std::io::IsTerminal;
    assert!(!file.is_terminal());
}

#[test]
fn space_is_all_used() {
    if !need_fuse("space_is_all_used") {
        return;
    }
    let mounted = Mounted::new(sample().0);
    let fs = rustix::fs::statfs(mounted.dir.path()).unwrap();
    let len: u64 = 3 + 3_000_001 + 5000 + (6 << 20) + 4;
    assert_eq!(fs.f_bsize, 4096);
    assert_eq!(fs.f_blocks, len.div_ceil(4096));
    assert_eq!((fs.f_bfree, fs.f_bavail), (0, 0));
    assert_eq!(fs.f_files, 9);
    assert_eq!(fs.f_namelen, 255);
}

/// With `st_blocks` 0 GNU tar would archive zeros here.
#[test]
fn sparse_aware_tools_copy_the_bytes() {
    let test = "sparse_aware_tools_copy_the_bytes";
    if !need_fuse(test) || !need_program(test, "tar") || !need_program(test, "cp") {
        return;
    }
    let (tree, stored) = sample();
    let mounted = Mounted::new(tree);
    let copies = tempfile::tempdir().unwrap();
    let archive = copies.path().join("archive.tar");
    for method in ["seek", "raw"] {
        let hole = format!("--hole-detection={method}");
        let run = |args: &[&str], dir: &Path| {
            let status =
                Command::new("tar").args(args).arg(&archive).arg("-C").arg(dir).arg("stored.bin").status();
            assert!(status.unwrap().success());
        };
        run(&["-S", &hole, "-cf"], mounted.dir.path());
        run(&["-xf"], copies.path());
        assert!(fs::read(copies.path().join("stored.bin")).unwrap() == stored, "tar, {method}");
        fs::remove_file(copies.path().join("stored.bin")).unwrap();
    }
    for mode in ["auto", "always", "never"] {
        let copy = copies.path().join(mode);
        let sparse = format!("--sparse={mode}");
        let status =
            Command::new("cp").arg(&sparse).arg(mounted.path("stored.bin")).arg(&copy).status().unwrap();
        assert!(status.success() && fs::read(copy).unwrap() == stored, "cp, {mode}");
    }
}

/// fuser 0.18 lets what follows a comma in the name become mount options.
#[test]
fn any_name_is_shown_as_it_is() {
    if !need_fuse("any_name_is_shown_as_it_is") {
        return;
    }
    for name in ["plain", "a,allow_other,b", r"back\slash\,comma", "sp ace\ttab#", "\u{e9}t\u{e9}"] {
        let options = rawrz_fs_unix::Options { name: name.into(), ..Default::default() };
        let mounted = Mounted::with(tiny(), &options);
        let text = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = text.lines().find(|l| l.contains(mounted.dir.path().to_str().unwrap())).unwrap();
        let source = line.split(" - fuse.rawrz ").nth(1).unwrap().split(' ').next().unwrap();
        let escaped = name.replace('\\', r"\134").replace(' ', r"\040").replace('#', r"\043");
        assert_eq!(source, format!("rawrz:{}", escaped.replace('\t', "?")));
        assert!(!line.ends_with("allow_other") && !line.contains("allow_other "), "{line}");
        for flag in ["ro", "nosuid", "nodev", "noexec", "noatime"] {
            assert!(line.split(' ').nth(5).unwrap().split(',').any(|f| f == flag), "{flag}: {line}");
        }
    }
}

fn tiny() -> Arc<Tree> {
    let mut tree = Tree::builder(moment());
    tree.file(NodeId::ROOT, "a", moment(), Arc::new(Bytes::from("a")));
    tree.build()
}
