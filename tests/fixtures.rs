//! The committed fixtures are the shared test data's, not a version of their own.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::probe::{fixtures, require, shared};

/// Folders whose files are copies.
const COPIED: [&str; 5] = ["conformance", "corpus", "golden", "quant", "vocab"];
/// Files that stand for a larger original; the tests below compare them with it.
const DERIVED: [&str; 2] = ["tensors.json", "expected.json"];

/// Every file below a folder, by its path from `top`.
fn files(top: &Path, folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![top.join(folder)];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                pending.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(top).unwrap().to_owned());
            }
        }
    }
    found
}

fn parse(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn copies_equal_their_originals() {
    let Some(shared) = require("copies_equal_their_originals", "the shared test data", shared()) else {
        return;
    };
    for file in COPIED.iter().flat_map(|folder| files(&fixtures(), folder)) {
        if DERIVED.iter().any(|name| file.ends_with(name)) {
            continue;
        }
        let (copy, original) = (fs::read(fixtures().join(&file)), fs::read(shared.join(&file)));
        assert!(copy.unwrap() == original.unwrap(), "{} differs from its original", file.display());
    }
}

#[test]
fn digests_are_those_of_the_original_weights() {
    let Some(shared) = require("digests_are_those_of_the_original_weights", "the shared test data", shared())
    else {
        return;
    };
    let digests: Vec<_> =
        files(&fixtures(), "corpus").into_iter().filter(|f| f.ends_with("tensors.json")).collect();
    assert_eq!(digests.len(), fs::read_dir(fixtures().join("corpus")).unwrap().count());
    for file in digests {
        let bytes = fs::read(shared.join(&file).with_file_name("model.safetensors")).unwrap();
        let weights = SafeTensors::deserialize(&bytes).unwrap();
        let digest =
            |data: &[u8]| Sha256::digest(data).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let expected: BTreeMap<_, _> = weights
            .iter()
            .map(|(name, t)| (name.to_owned(), json!([t.dtype().to_string(), t.shape(), digest(t.data())])))
            .collect();
        assert_eq!(parse(&fixtures().join(&file)), json!(expected), "{}", file.display());
    }
}

#[test]
fn expected_values_are_part_of_the_original_table() {
    let Some(shared) =
        require("expected_values_are_part_of_the_original_table", "the shared test data", shared())
    else {
        return;
    };
    let (part, whole) =
        (parse(&fixtures().join("quant/expected.json")), parse(&shared.join("quant/expected.json")));
    let part = part.as_object().unwrap();
    assert!(!part.is_empty());
    for (file, expected) in part {
        assert_eq!(expected, &whole[file], "{file}");
    }
}

/// Everyone who clones the repository fetches the made cases.
#[test]
fn made_cases_are_small() {
    let size = |file: &PathBuf| fs::metadata(fixtures().join(file)).unwrap().len();
    let bytes: u64 = files(&fixtures(), "arch").iter().map(size).sum();
    assert!(bytes < 10_000_000, "tests/fixtures/arch holds {bytes} bytes");
}
