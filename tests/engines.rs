//! Engines on mounts: each makes of a mount what it makes of the original folder. `tests/engines/run` does the work.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::fs;
use std::process::{Command, Output};
use std::sync::OnceLock;

use rawrz::arch;
use rawrz::engines::{self, Evidence};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use support::probe::{fuse_available, require, root, shared};

/// An entry of tests/engines/engines.json.
#[derive(Deserialize)]
struct Engine {
    name: String,
    /// Whether it is too large to be a test.
    #[serde(default)]
    by_hand: bool,
    /// Whether it opens every class alike.
    #[serde(default)]
    any: bool,
}

/// A row of the runner's.
#[derive(Debug, Deserialize)]
#[allow(dead_code)] // fields that failures print
struct Row {
    engine: Option<String>,
    version: Option<String>,
    model: String,
    class: Option<String>,
    /// Whether the model can be mounted.
    shown: bool,
    /// Why the engine is not tried with this class.
    unsupported: Option<String>,
    /// Why it cannot open the model as an ordinary folder either, where that is known.
    excepted: Option<String>,
    /// Whether the outputs are the same; nothing if the engine fails on the ordinary folder.
    same: Option<bool>,
    why: Option<String>,
    /// What it answered.
    said: Option<String>,
}

fn script(name: &str) -> Command {
    let mut command = Command::new("python3");
    command
        .arg(root().join("tests/engines").join(name))
        .args(["--binary", env!("CARGO_BIN_EXE_rawrz-mount")]);
    command
}

/// The engines that tests run.
fn tested() -> Vec<Engine> {
    let text = fs::read_to_string(root().join("tests/engines/engines.json")).unwrap();
    serde_json::from_str::<Vec<Engine>>(&text).unwrap().into_iter().filter(|e| !e.by_hand).collect()
}

/// Whether what the runner calls by this name is there.
fn installed(name: &str) -> Option<()> {
    let output = script("run").arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().any(|line| line == format!("{name}\tinstalled")).then_some(())
}

/// Runs the runner, which writes JSON and prints a table of it.
fn run<T: DeserializeOwned>(command: &mut Command) -> (T, Output) {
    let dir = tempfile::tempdir().unwrap();
    let report = dir.path().join("rows.json");
    let output = command.arg("--json").arg(&report).output().unwrap();
    let text = fs::read(&report).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (serde_json::from_slice(&text).unwrap(), output)
}

/// What every installed engine made of every model (`of_tests` of runner/models.py): one run, whose mounts all engines share.
fn rows() -> &'static (Vec<Row>, Output) {
    static ROWS: OnceLock<(Vec<Row>, Output)> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut command = script("run");
        for engine in tested().iter().filter(|e| installed(&e.name).is_some()) {
            command.args(["--engine", &engine.name]);
        }
        run(&mut command)
    })
}

fn check(name: &str) {
    let test = name.replace(['-', '.', ' '], "_").replace('\'', "");
    let Some(()) = require(&test, "FUSE", fuse_available().then_some(())) else { return };
    let Some(()) = require(&test, &format!("{name} (tests/engines/install)"), installed(name)) else {
        return;
    };
    require(&format!("{test}/originals"), "the shared test data", shared());
    let engine = tested().into_iter().find(|e| e.name == name).unwrap();
    let (rows, output) = rows();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let mine: Vec<_> = rows.iter().filter(|row| row.engine.as_deref() == Some(name)).collect();
    for row in &mine {
        match row.same {
            None => assert!(row.unsupported.is_some() || row.excepted.is_some(), "{row:?}"),
            Some(same) => assert!(same, "{row:?}"),
        }
        assert!(engine.any || row.same.is_none() || is_in_the_table(row), "run tests/engines/known: {row:?}");
    }
    assert!(mine.iter().any(|row| row.same == Some(true)), "{name} has opened nothing: {rows:?}");
    for row in rows.iter().filter(|row| !row.shown) {
        assert!(!has_a_spec(&row.model), "{} is not shown", row.model);
    }
}

/// Whether `inspect` tells of what the row has proved.
fn is_in_the_table(row: &Row) -> bool {
    let told = engines::known(row.class.as_deref().unwrap());
    let proved = told.iter().filter(|engine| engine.evidence == Evidence::Run);
    proved
        .map(|e| (e.name, e.version))
        .any(|e| Some(e.0) == row.engine.as_deref() && Some(e.1) == row.version.as_deref())
}

fn has_a_spec(case: &str) -> bool {
    arch::ALL.iter().any(|spec| spec.proof.contains(&case))
}

#[test]
fn candle() {
    check("candle");
}

#[test]
fn llama_cpps_converter() {
    check("llama.cpp's converter");
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
    let mut names: Vec<_> = tested().into_iter().map(|engine| engine.name).collect();
    names.sort();
    let checked = [
        "candle",
        "llama.cpp's converter",
        "mistral.rs",
        "mlx-lm",
        "safetensors",
        "sentence-transformers",
        "transformers",
    ];
    assert_eq!(names, checked);
}

/// A model as strangers made it, Gemma 3 270M in Q4_K_M: its mount against transformers' own reading of the file.
#[test]
fn a_real_model_completes_as_from_its_gguf_file() {
    let test = "a_real_model_completes_as_from_its_gguf_file";
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    let what = "gguf-file and gemma3-270m (tests/engines/install)";
    let Some(()) = require(test, what, installed("gguf-file").and(installed("gemma3-270m"))) else { return };
    let (rows, output) = run::<Vec<Row>>(script("run").arg("--gguf-file"));
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let [row] = rows.as_slice() else { panic!("one row, not {rows:?}") };
    assert_eq!(row.same, Some(true), "{row:?}");
    // What transformers 5.23 completes "The capital of France is" with, by `gguf_file=` in bf16.
    let said = " the capital of the country of France. It is the capital of";
    assert!(row.said.as_ref().is_some_and(|text| text.starts_with(said)), "{row:?}");
}

/// What `inspect` and README tell is what the installed engines say.
#[test]
fn the_table_of_classes_is_what_the_engines_say() {
    let test = "the_table_of_classes_is_what_the_engines_say";
    let missing = tested().into_iter().find(|engine| installed(&engine.name).is_none());
    let Some(()) = require(test, "every engine (tests/engines/install all)", missing.is_none().then_some(()))
    else {
        return;
    };
    let output = script("known").arg("--check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
