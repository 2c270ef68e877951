//! Quantised files of every case: the folder of a file of blocks is that of a file of the blocks' values, bit for bit in fp32.
//! So whatever a spec does to rows, it does to rows of blocks too.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rawrz::quant;
use support::blocks;
use support::probe::{fixtures, llama_cpp, python, require, root, shared};
use support::twins::Twins;

/// Types that gguf-py (of llama-cpp-python 0.3.36) has no decoder for; tests/golden.rs has ggml's own values of these.
const NOT_IN_GGUF_PY: &[&str] = &["Q1_0", "Q2_0"];

/// The models of the cases in a folder, by name.
fn models(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut models: Vec<_> = entries.map(|e| e.unwrap().path().join("model-bf16.gguf")).collect();
    models.retain(|model| model.exists());
    models.sort();
    models
}

fn committed() -> Vec<PathBuf> {
    [models(&fixtures().join("corpus")), models(&fixtures().join("arch"))].concat()
}

/// A model's twins: with rows as they are, and widened.
fn pairs(model: &Path) -> [(Twins, String); 2] {
    let name = |rows| format!("{}, {rows} rows", model.display());
    [(Twins::new(model), name("the case's")), (Twins::wide(model), name("widened"))]
}

fn check(models: &[PathBuf]) {
    let mut used = BTreeSet::new();
    for model in models {
        for (twins, name) in pairs(model) {
            used.extend(twins.types());
            twins.check(&name);
        }
    }
    let all: BTreeSet<_> = blocks::formats().map(|f| f.name).collect();
    assert_eq!(used, all);
}

#[test]
fn committed_cases_are_the_same_in_blocks_and_in_values() {
    check(&committed());
}

#[test]
fn corpus_cases_are_the_same_in_blocks_and_in_values() {
    let test = "corpus_cases_are_the_same_in_blocks_and_in_values";
    let Some(shared) = require(test, "the shared test data", shared()) else { return };
    check(&models(&shared.join("corpus")));
}

/// The values beside the blocks are not only this engine's: gguf-py decodes the same from the same files.
#[test]
fn the_values_are_those_that_gguf_py_decodes() {
    let test = "the_values_are_those_that_gguf_py_decodes";
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let Some(llama_cpp) = require(test, "llama.cpp's gguf-py", llama_cpp()) else { return };
    let corpus = shared().map_or_else(Vec::new, |shared| models(&shared.join("corpus")));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(root().join("tests/tools/gguf_py_values.py")).env("LLAMA_CPP", llama_cpp);
    let mut expected = Vec::new();
    for (twins, name) in committed().iter().chain(&corpus).flat_map(|model| pairs(model)) {
        let file = folder.path().join(format!("{}.gguf", expected.len()));
        fs::write(&file, twins.quantised.to_bytes()).unwrap();
        command.arg(file);
        let both = twins.quantised.tensors.iter().zip(&twins.plain.tensors);
        let floats = both.filter(|(of_blocks, _)| blocks::is_float(of_blocks.type_id));
        let values = floats.map(|(of_blocks, of_values)| {
            let format = quant::format(of_blocks.type_id).unwrap().name;
            (format, (of_values.name.clone(), crc32fast::hash(&of_values.data)))
        });
        expected.push((name, values.collect::<Vec<_>>()));
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let decoded: Vec<BTreeMap<String, Option<u32>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(decoded.len(), expected.len());
    for (decoded, (name, expected)) in decoded.iter().zip(&expected) {
        for (format, (tensor, values)) in expected {
            match decoded[tensor] {
                Some(checksum) => assert_eq!(checksum, *values, "{name}: {tensor} in {format}"),
                None => assert!(NOT_IN_GGUF_PY.contains(format), "gguf-py decodes no {format}"),
            }
        }
    }
}
