//! The folder of every case that proves a spec, through a real mount, against the original Hugging Face folder: tensors,
//! config, tokenizer, output, and llama.cpp's converter making the same GGUF of it again.
//!
//! The checks are Python (tests/fixtures/conformance/check_folder.py), run over all cases in one process.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rawrz::arch;
use rawrz::hf::Shards;
use rawrz::model::{Options, Precision};
use rawrz::quant::Dtype;
use support::mounted::Mounted;
use support::probe::{fixtures, fuse_available, llama_cpp, python, require, root, shared};
use support::twins::Twins;

const PARTS: &str = "tensors,config,tokenizer,output,roundtrip";

const NO_SCORES: &str = "the converter takes the Unigram vocabulary for WordPiece, and drops its scores";
const OTHER_SPLIT: &str =
    "the file names DeepSeek's pre-tokenizer; the case's own tokenizer.json splits as Llama 3's does";

/// Parts of cases that cannot pass, each with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "BertForSequenceClassification",
        "output",
        "reads the pooling layer, which the converter drops (atlas 2.3-23)",
    ),
    ("CamembertModel", "roundtrip", NO_SCORES),
    ("CamembertModel", "tokenizer", NO_SCORES),
    ("DeepseekV2ForCausalLM", "tokenizer", OTHER_SPLIT),
    ("DeepseekV3ForCausalLM", "tokenizer", OTHER_SPLIT),
    (
        "Gemma4ForCausalLM",
        "tokenizer",
        "ids are equal; the file says that <|user|> is a control token, so decoding leaves it out",
    ),
    (
        "MiniMaxM2ForCausalLM",
        "output",
        "the original itself fails: its config has rotary_dim 8, its reference was computed without",
    ),
    (
        "RobertaModel",
        "tensors",
        "two rows of positions that the converter cuts are zero; nothing reads them (atlas 2.1, V)",
    ),
    (
        "XLMRobertaModel",
        "tensors",
        "two rows of positions that the converter cuts are zero; nothing reads them (atlas 2.1, V)",
    ),
];

/// The parts that a case is checked in: all of them, or those that its file `parts` names.
fn parts(case: &Path) -> Vec<String> {
    let declared = fs::read_to_string(case.join("parts"));
    declared.unwrap_or_else(|_| PARTS.into()).trim().split(',').map(str::to_owned).collect()
}

/// Mounts each case and checks all of them at once; what fails beyond the exceptions is a failure.
fn check(test: &str, cases: &[PathBuf]) {
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let Some(llama_cpp) = require(test, "llama.cpp's converter", llama_cpp()) else { return };
    let options = Options { precision: Precision::As(Dtype::Bf16), ..Options::default() };
    let mounts: Vec<_> = cases
        .iter()
        .map(|case| Mounted::new(&case.join("model-bf16.gguf"), &options, Shards::Auto))
        .collect();
    let mut command = Command::new(python);
    command
        .arg(root().join("tests/tools/check_many.py"))
        .args(["--parts", PARTS])
        .env("LLAMA_CPP", llama_cpp);
    for (mount, case) in mounts.iter().zip(cases) {
        command.arg(mount.path()).arg(case);
    }
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    println!("{report}");
    let excepted = |line: &str| {
        EXCEPTIONS.iter().any(|(case, part, _)| line.starts_with(&format!("{case} {part} FAIL")))
    };
    let failed: Vec<_> = report.lines().filter(|l| !l.contains(" ok") && !excepted(l)).collect();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(failed.is_empty(), "{}\n{stderr}", failed.join("\n"));
    let expected: usize = cases.iter().map(|case| parts(case).len()).sum();
    assert_eq!(report.lines().count(), expected, "{report}\n{stderr}");
}

fn cases(corpus: &Path) -> Vec<PathBuf> {
    let proofs: BTreeSet<_> = arch::ALL.iter().flat_map(|spec| spec.proof).collect();
    proofs
        .into_iter()
        .map(|proof| corpus.join(proof))
        .filter(|case| case.join("model-bf16.gguf").exists())
        .collect()
}

#[test]
fn committed_cases_equal_their_originals() {
    let cases = cases(&fixtures().join("corpus"));
    assert!(!cases.is_empty());
    check("committed_cases_equal_their_originals", &cases);
}

#[test]
fn corpus_cases_equal_their_originals() {
    let test = "corpus_cases_equal_their_originals";
    let Some(shared) = require(test, "the shared test data", shared()) else { return };
    check(test, &cases(&shared.join("corpus")));
}

#[test]
fn made_cases_equal_their_originals() {
    let cases = cases(&fixtures().join("arch"));
    assert!(!cases.is_empty());
    check("made_cases_equal_their_originals", &cases);
}

/// What a made case is checked in is what it has the files for, and a case that no spec cites is checked in nothing.
#[test]
fn made_cases_say_what_they_have() {
    let made = fs::read_dir(fixtures().join("arch")).unwrap().map(|e| e.unwrap().path());
    let made: Vec<_> = made.filter(|folder| folder.join("case.py").exists()).collect();
    let cited = cases(&fixtures().join("arch"));
    for case in &made {
        assert!(cited.contains(case), "no spec cites {}", case.display());
        let declared = parts(case);
        let has = |part| declared.iter().any(|p| p == part);
        assert!(has("tensors") && has("config"), "{} checks too little", case.display());
        assert_eq!(has("output"), case.join("reference.safetensors").exists(), "{}", case.display());
        assert_eq!(has("tokenizer"), case.join("hf/tokenizer.json").exists(), "{}", case.display());
    }
    assert_eq!(made.len(), cited.len());
}

/// Sizes that neither the corpus nor real models have, made here and now (tests/fixtures/dimensions), in their own types
/// and in blocks.
#[test]
fn cases_of_other_sizes_equal_their_originals() {
    let test = "cases_of_other_sizes_equal_their_originals";
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let Some(llama_cpp) = require(test, "llama.cpp's converter", llama_cpp()) else { return };
    let made = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command.arg(fixtures().join("dimensions/make")).arg(made.path()).env("LLAMA_CPP", llama_cpp);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    let cases: Vec<_> = names.lines().map(|name| made.path().join(name)).collect();
    assert!(!cases.is_empty());
    for case in &cases {
        Twins::new(&case.join("model-bf16.gguf")).check(&case.display().to_string());
    }
    check(test, &cases);
}

/// A proof that no folder has proves nothing.
#[test]
fn every_proof_is_a_case() {
    let Some(shared) = require("every_proof_is_a_case", "the shared test data", shared()) else { return };
    for spec in arch::ALL {
        for proof in spec.proof {
            let exists = [shared.join("corpus"), fixtures().join("corpus"), fixtures().join("arch")]
                .iter()
                .any(|folder| folder.join(proof).is_dir());
            assert!(exists, "{} names the case {proof}, which is not there", spec.class);
        }
    }
}
