//! Files that llama.cpp's converter made with its options for fused tensors show the same folder as those made without.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rawrz::arch;
use rawrz::gguf::Gguf;
use rawrz::hf::Shards;
use rawrz::model::{Model, Options};
use support::mounted::Mounted;
use support::probe::{fixtures, fuse_available, llama_cpp, python, require, root, shared};

type Tensors = BTreeSet<(String, String, Vec<u8>)>;

/// Class, configuration and every tensor's name, shape, dtype and bytes.
fn contents(path: &Path, class: &str) -> Result<(String, Tensors), String> {
    let options = Options { class: Some(class.to_owned()), tokenizer: false, ..Options::default() };
    let model = Model::open(path, &options).map_err(|error| format!("{error:?}"))?;
    let weights = model.weights.unwrap();
    let tensors = weights.tensors.iter().map(|tensor| {
        let mut bytes = vec![0; tensor.len() as usize];
        tensor.read_exact_at(0, &mut bytes).unwrap();
        (tensor.name.clone(), format!("{} {:?}", tensor.dtype, tensor.shape), bytes)
    });
    Ok((serde_json::to_string_pretty(&weights.config).unwrap(), tensors.collect()))
}

/// Whether the converter takes the folder; some made cases say that it does not.
fn converts(case: &Path) -> bool {
    fs::read_to_string(case.join("parts")).map_or(true, |parts| parts.contains("roundtrip"))
}

fn check(test: &str, corpus: &Path) {
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let Some(llama_cpp) = require(test, "llama.cpp's converter", llama_cpp()) else { return };
    let proofs: BTreeSet<_> = arch::ALL.iter().flat_map(|s| s.proof.iter().map(|p| (*p, s.class))).collect();
    let cases: Vec<(PathBuf, &str)> = proofs
        .into_iter()
        .map(|(proof, class)| (corpus.join(proof), class))
        .filter(|(case, _)| case.exists() && converts(case))
        .map(|(case, class)| (case.join("model-bf16.gguf"), class))
        .collect();
    assert!(!cases.is_empty());
    let dir = tempfile::tempdir().unwrap();
    let out = |i: usize| dir.path().join(format!("{i}.gguf"));
    let mut mounts = Vec::new();
    let mut command = Command::new(python);
    command.arg(root().join("tests/tools/convert_fused.py")).env("LLAMA_CPP", llama_cpp);
    for (i, (gguf, _)) in cases.iter().enumerate() {
        let mount = Mounted::new(gguf, &Options::default(), Shards::Auto);
        command.arg(mount.path()).arg(gguf).arg(out(i));
        mounts.push(mount);
    }
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    let failed: Vec<_> = report.lines().filter(|line| !line.ends_with(" ok")).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && failed.is_empty(), "{}\n{stderr}", failed.join("\n"));

    let (mut fused, mut failed) = (0, Vec::new());
    for (i, (gguf, class)) in cases.iter().enumerate() {
        let names = |path: &Path| -> BTreeSet<_> {
            Gguf::open(path).unwrap().tensors.iter().map(|t| t.name.clone()).collect()
        };
        fused += usize::from(names(gguf) != names(&out(i)));
        // A class whose originals are fused shares its layout with one whose files were made so.
        let plain = contents(gguf, class).unwrap();
        let difference = match contents(&out(i), class) {
            Err(error) => error,
            Ok(made) if made.0 != plain.0 => format!("config.json: {} not {}", made.0, plain.0),
            Ok(made) if made.1 != plain.1 => "tensors differ".to_owned(),
            Ok(_) => continue,
        };
        failed.push(format!("{}: {difference}", gguf.display()));
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    println!("{fused} of {} cases have fused tensors", cases.len());
    assert!(fused > 0);
}

#[test]
fn committed_cases_show_the_same_when_fused() {
    check("committed_cases_show_the_same_when_fused", &fixtures().join("corpus"));
}

#[test]
fn made_cases_show_the_same_when_fused() {
    check("made_cases_show_the_same_when_fused", &fixtures().join("arch"));
}

#[test]
fn corpus_cases_show_the_same_when_fused() {
    let test = "corpus_cases_show_the_same_when_fused";
    let Some(shared) = require(test, "the shared test data", shared()) else { return };
    check(test, &shared.join("corpus"));
}
