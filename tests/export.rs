//! Folders written to disk: whole, after an export that was cut short, and where they may not be written.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use rawrz::export::{Error, Progress, Step, Summary, export};
use rawrz::hf::Shards;
use rawrz::model::Options;
use rawrz_vfs::{Kind, NodeId, Tree};
use support::mounted::tree;
use support::probe::{fixtures, has_program, is_root, require};
use support::rewrite::writer;

fn model(name: &str) -> PathBuf {
    fixtures().join(name)
}

fn quantised() -> Arc<Tree> {
    tree(&model("quant/llama-q4_k_m.gguf"), &Options::default(), Shards::UpTo(400_000))
}

fn write(tree: &Tree, directory: &Path) -> Result<Summary, Error> {
    export(tree, directory, true, &mut |_| {})
}

/// Path to bytes of every file of a tree.
fn files(tree: &Tree) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![NodeId::ROOT];
    while let Some(directory) = directories.pop() {
        for entry in tree.entries(directory).unwrap() {
            match entry.kind {
                Kind::Directory => directories.push(entry.id),
                Kind::File | Kind::Symlink => {
                    let mut bytes = vec![0; tree.attr(entry.id).unwrap().len as usize];
                    assert_eq!(tree.read_at(entry.id, 0, &mut bytes), Ok(bytes.len()));
                    files.insert(tree.path(entry.id).unwrap(), bytes);
                }
            }
        }
    }
    files
}

/// Path to bytes of every file below a directory.
fn found(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(at) = directories.pop() {
        for item in fs::read_dir(at).unwrap() {
            let path = item.unwrap().path();
            match path.is_dir() {
                true => directories.push(path),
                false => {
                    files.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap());
                }
            }
        }
    }
    files
}

fn partial(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

fn weights(tree: &Tree) -> (PathBuf, Vec<u8>) {
    files(tree).into_iter().find(|(path, _)| path.extension().is_some_and(|e| e == "safetensors")).unwrap()
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rawrz-mount")).arg("export").args(arguments).output().unwrap()
}

#[test]
fn a_written_folder_equals_the_tree() {
    let cases = ["quant/llama-q4_k_m.gguf", "quant/split/llama-00001-of-00003.gguf"];
    let split = fs::read_dir(model("quant/split")).unwrap().next().unwrap().unwrap().path();
    for (source, shards) in [(model(cases[0]), Shards::UpTo(400_000)), (split, Shards::Auto)] {
        let tree = tree(&source, &Options::default(), shards);
        let dir = tempfile::tempdir().unwrap();
        let summary = write(&tree, dir.path()).unwrap();
        let expected = files(&tree);
        assert_eq!(found(dir.path()), expected);
        assert_eq!(summary, Summary { written: expected.len(), kept: 0, len: tree.total_len() });
        for path in expected.keys() {
            let id = tree.resolve(path.iter()).unwrap();
            let modified = fs::metadata(dir.path().join(path)).unwrap().modified().unwrap();
            assert_eq!(modified, tree.attr(id).unwrap().modified, "{path:?}");
        }
    }
}

/// Stored ranges of many pieces, which the kernel copies; between them, and in every cut, bytes that are decoded.
#[test]
fn verbatim_ranges_of_many_pieces_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("big.gguf");
    let mut model = writer(&model("corpus/LlamaForCausalLM/model-bf16.gguf"));
    let ffn = model.tensors.iter().position(|t| t.name == "blk.0.ffn_down.weight").unwrap();
    let feed_forward = model.tensors[ffn].dims[0];
    let wide = 40_000;
    for tensor in &mut model.tensors {
        for dim in tensor.dims.iter_mut().filter(|dim| **dim == feed_forward) {
            *dim = wide;
        }
        let elements: u64 = tensor.dims.iter().product();
        let width = if tensor.type_id == 0 { 4 } else { 2 };
        let bytes = (0..elements * width).map(|i| (i.wrapping_mul(2_654_435_761) >> 17) as u8);
        tensor.data = bytes.collect();
    }
    let key = model.metadata.iter_mut().find(|(key, _)| key == "llama.feed_forward_length").unwrap();
    key.1 = u32::try_from(wide).unwrap().into();
    fs::write(&source, model.to_bytes()).unwrap();
    let tree = tree(&source, &Options::default(), Shards::One);
    assert!(tree.total_len() > 5 << 20, "{}", tree.total_len());
    let folder = dir.path().join("folder");
    write(&tree, &folder).unwrap();
    assert!(found(&folder) == files(&tree));
}

#[test]
fn an_export_goes_on_where_it_stopped() {
    let tree = quantised();
    let (path, bytes) = weights(&tree);
    let half = bytes.len() / 2;
    let mut damaged = bytes[..half].to_vec();
    damaged[half / 2] ^= 1;
    let mut long = bytes.clone();
    long.extend(b"more");
    for (left, sound) in
        [(&bytes[..half], half), (&damaged, half / 2), (&long, bytes.len()), (&bytes, bytes.len())]
    {
        let dir = tempfile::tempdir().unwrap();
        fs::write(partial(&dir.path().join(&path)), left).unwrap();
        let summary = write(&tree, dir.path()).unwrap();
        assert!(found(dir.path()) == files(&tree));
        assert_eq!(summary.len, tree.total_len() - sound as u64);
        let again = write(&tree, dir.path()).unwrap();
        assert_eq!(again, Summary { written: 0, kept: files(&tree).len(), len: 0 });
    }
}

#[test]
fn progress_hears_of_every_byte() {
    let tree = quantised();
    let dir = tempfile::tempdir().unwrap();
    let mut heard = BTreeMap::new();
    let mut run = |verify| {
        heard.clear();
        let mut hear = |p: Progress<'_>| *heard.entry(format!("{:?}", p.step)).or_insert(0) += p.len;
        export(&tree, dir.path(), verify, &mut hear).unwrap();
        let of = |step: Step| heard.get(&format!("{step:?}")).copied().unwrap_or(0);
        [of(Step::Compare), of(Step::Write), of(Step::Verify)]
    };
    let all = tree.total_len();
    assert_eq!(run(true), [0, all, all]);
    assert_eq!(run(true), [all, 0, 0]);
}

#[test]
fn what_differs_or_is_foreign_is_refused_and_stays() {
    let tree = quantised();
    let (path, bytes) = weights(&tree);
    let dir = tempfile::tempdir().unwrap();
    write(&tree, dir.path()).unwrap();
    let target = dir.path().join(&path);

    let mut changed = bytes.clone();
    changed[5000] ^= 1;
    for (content, first) in
        [(&changed[..], 5000), (&bytes[..100], 100), (&[&bytes[..], b"x"].concat(), bytes.len())]
    {
        fs::write(&target, content).unwrap();
        match write(&tree, dir.path()) {
            Err(Error::Differs { path, offset }) => {
                assert_eq!((path, offset), (target.clone(), first as u64))
            }
            other => panic!("{other:?}"),
        }
        assert!(fs::read(&target).unwrap() == content);
    }
    fs::write(&target, bytes).unwrap();

    for foreign in ["pytorch_model.bin", "gguf/notes.txt", "model.safetensors.partial"] {
        let foreign = dir.path().join(foreign);
        fs::write(&foreign, "mine").unwrap();
        assert!(matches!(write(&tree, dir.path()), Err(Error::Foreign { path }) if path == foreign));
        assert_eq!(fs::read(&foreign).unwrap(), b"mine");
        fs::remove_file(foreign).unwrap();
    }
    // A link in the place of a file could lead anywhere.
    fs::remove_file(&target).unwrap();
    std::os::unix::fs::symlink("/dev/null", &target).unwrap();
    assert!(matches!(write(&tree, dir.path()), Err(Error::Foreign { path }) if path == target));
}

#[test]
fn two_exports_of_one_file_do_not_mix() {
    let tree = quantised();
    let (path, _) = weights(&tree);
    let dir = tempfile::tempdir().unwrap();
    let unfinished = partial(&dir.path().join(path));
    let other = File::create(&unfinished).unwrap();
    other.lock().unwrap();
    assert!(matches!(write(&tree, dir.path()), Err(Error::Busy { path }) if path == unfinished));
    drop(other);
    write(&tree, dir.path()).unwrap();
}

#[test]
fn a_truncated_source_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for source in ["quant/llama-q4_k_m.gguf", "corpus/LlamaForCausalLM/model-bf16.gguf"] {
        let copy = dir.path().join("model.gguf");
        fs::copy(model(source), &copy).unwrap();
        let tree = tree(&copy, &Options::default(), Shards::Auto);
        File::options()
            .write(true)
            .open(&copy)
            .unwrap()
            .set_len(fs::metadata(&copy).unwrap().len() / 2)
            .unwrap();
        let folder = dir.path().join("folder");
        assert!(matches!(write(&tree, &folder), Err(Error::Source { .. })));
        assert!(!folder.join("model.safetensors").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn the_command_says_what_it_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let (source, folder) = (model("quant/llama-q8_0.gguf"), dir.path().join("new/folder"));
    let arguments = [source.to_str().unwrap(), folder.to_str().unwrap(), "--precision", "fp32"];
    let first = command(&arguments);
    let said = String::from_utf8(first.stdout).unwrap();
    assert!(
        first.status.success() && said.contains("LlamaForCausalLM, F32") && said.contains("found right"),
        "{said}"
    );
    let options = Options { precision: "fp32".parse().unwrap(), ..Options::default() };
    assert!(found(&folder) == files(&tree(&source, &options, Shards::Auto)));
    let again = command(&arguments);
    assert!(String::from_utf8(again.stdout).unwrap().contains("0 files written"));

    let other = command(&arguments[..2]);
    let said = String::from_utf8(other.stderr).unwrap();
    assert_eq!(other.status.code(), Some(3), "{said}");
    assert!(said.contains("differs") && said.contains("empty directory"), "{said}");
}

/// In file systems of their own: one too small for the folder, and one that holds the bytes but not the blocks that small
/// files fill up.
#[test]
fn a_full_disk_is_told_in_time_or_leaves_what_can_go_on() {
    let test = "a_full_disk_is_told_in_time_or_leaves_what_can_go_on";
    let able = is_root()
        && has_program("unshare", "--version")
        && Command::new("unshare").args(["-m", "true"]).status().unwrap().success();
    let Some(()) = require(test, "root, and unshare", able.then_some(())) else { return };
    let source = model("quant/llama-q4_k_m.gguf");
    let total = tree(&source, &Options::default(), Shards::Auto).total_len();
    let dir = tempfile::tempdir().unwrap();
    let run = |len: u64, then: &str| {
        let script = format!(
            "mount -t tmpfs -o size={len} none '{0}' && \"$0\" export '{1}' '{0}'; {then}",
            dir.path().display(),
            source.display()
        );
        Command::new("unshare")
            .args(["-m", "sh", "-c", &script, env!("CARGO_BIN_EXE_rawrz-mount")])
            .output()
            .unwrap()
    };
    let early = run(total / 2, "exit");
    assert_eq!(early.status.code(), Some(3));
    let said = String::from_utf8(early.stderr).unwrap();
    assert!(said.contains("bytes more") && said.contains("free some room"), "{said}");

    let grow = format!(
        "mount -o remount,size=1g '{0}' && \"$0\" export '{1}' '{0}'",
        dir.path().display(),
        source.display()
    );
    let late = run(total, &grow);
    let said = String::from_utf8(late.stderr).unwrap();
    assert!(said.contains("No space left") && said.contains("goes on"), "{said}");
    assert!(late.status.success() && String::from_utf8(late.stdout).unwrap().contains("there already"));
}
