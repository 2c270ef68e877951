//! Engines on mounts: each makes of a mount what it makes of the original folder. `tests/engines/run` does the work.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rawrz::arch;
use serde::Deserialize;
use support::probe::{fixtures, fuse_available, require, root, shared};

/// What an engine cannot open as an ordinary folder either, each with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    ("mlx-lm", "Gemma3ForCausalLM", "looks for a mask in the sixth layer, and the case has three"),
    ("mlx-lm", "GPT2LMHeadModel", "wants the names of the first GPT-2, without `transformer.`"),
    (
        "mlx-lm",
        "MixtralForCausalLM",
        "mlx's mixture of experts computes in fp32 alone on a CPU; `fp32` is its row",
    ),
];

/// A row of the runner's.
#[derive(Debug, Deserialize)]
#[allow(dead_code)] // fields that failures print
struct Row {
    model: String,
    /// Whether the model can be mounted.
    shown: bool,
    /// Why the engine is not tried with this class.
    unsupported: Option<String>,
    /// Whether the outputs are the same; nothing if the engine fails on the ordinary folder.
    same: Option<bool>,
    why: Option<String>,
}

fn runner() -> Command {
    let mut command = Command::new("python3");
    command.arg(root().join("tests/engines/run")).args(["--binary", env!("CARGO_BIN_EXE_rawrz-mount")]);
    command
}

/// Name and whether it is installed, of every engine.
fn engines() -> Vec<(String, bool)> {
    let output = runner().arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(n, is)| (n.to_owned(), is == "installed"))
        .collect()
}

/// What the repository holds, for where the originals are not: against exports.
fn committed() -> Vec<PathBuf> {
    let corpus = fs::read_dir(fixtures().join("corpus")).unwrap();
    let mut models: Vec<_> = corpus.map(|case| case.unwrap().path().join("model-bf16.gguf")).collect();
    models.push(fixtures().join("quant/llama-q4_k_m.gguf"));
    models
}

fn check(engine: &str) {
    let test = engine.replace(['-', '.'], "_");
    let Some(()) = require(&test, "FUSE", fuse_available().then_some(())) else { return };
    let installed = engines().into_iter().any(|(name, installed)| name == engine && installed);
    let what = format!("{engine} (tests/engines/install)");
    let Some(()) = require(&test, &what, installed.then_some(())) else { return };
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("rows.json");
    let mut command = runner();
    command.args(["--engine", engine, "--json"]).arg(&report);
    match require(&format!("{test}/originals"), "the shared test data", shared()) {
        Some(shared) => command.env("RAWRZ_SHARED", shared),
        None => command.args(committed()),
    };
    let output = command.output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let rows = fs::read(&report).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let rows: Vec<Row> = serde_json::from_slice(&rows).unwrap();
    let excepted = |row: &Row| EXCEPTIONS.iter().any(|(e, model, _)| *e == engine && *model == row.model);
    for row in &rows {
        match (row.shown, row.same) {
            (false, _) => assert!(!has_a_spec(&row.model), "{} is not shown", row.model),
            (true, None) => assert!(row.unsupported.is_some() || excepted(row), "{row:?}"),
            (true, Some(same)) => assert!(same && !excepted(row), "{row:?}"),
        }
    }
    assert!(rows.iter().any(|row| row.same == Some(true)), "{engine} has opened nothing: {rows:?}");
    assert!(output.status.success());
}

fn has_a_spec(case: &str) -> bool {
    arch::ALL.iter().any(|spec| spec.proof.contains(&case))
}

#[test]
fn candle() {
    check("candle");
}

#[test]
fn mistral_rs() {
    check("mistral.rs");
}

#[test]
fn mlx_lm() {
    check("mlx-lm");
}

#[test]
fn safetensors() {
    check("safetensors");
}

#[test]
fn sentence_transformers() {
    check("sentence-transformers");
}

#[test]
fn transformers() {
    check("transformers");
}

#[test]
fn every_engine_has_a_test() {
    let mut names: Vec<_> = engines().into_iter().map(|(name, _)| name).collect();
    names.sort();
    let tested = ["candle", "mistral.rs", "mlx-lm", "safetensors", "sentence-transformers", "transformers"];
    assert_eq!(names, tested);
}
