//! Every architecture that llama.cpp's converter can write is shown or refused with a reason, and none is both.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use rawrz::arch;
use support::probe::{fixtures, llama_cpp, python, require};

/// The names of gguf-py's list (`MODEL_ARCH_NAMES`, llama.cpp 0c1e5709), one a line.
fn names() -> String {
    fs::read_to_string(fixtures().join("architectures.txt")).unwrap()
}

#[test]
fn every_architecture_is_shown_or_refused() {
    let names = names();
    let names: BTreeSet<_> = names.lines().collect();
    let shown: BTreeSet<_> = arch::ALL.iter().map(|spec| spec.gguf).collect();
    let refused: BTreeSet<_> = arch::REFUSED.iter().map(|(name, _)| *name).collect();
    let both: Vec<_> = shown.intersection(&refused).collect();
    assert!(both.is_empty(), "shown and refused: {both:?}");
    let known: BTreeSet<_> = shown.union(&refused).copied().collect();
    let missing: Vec<_> = names.difference(&known).collect();
    let invented: Vec<_> = known.difference(&names).collect();
    assert!(
        missing.is_empty() && invented.is_empty(),
        "neither shown nor refused: {missing:?}; of no list: {invented:?}"
    );
}

/// The copy is the list of the converter that the cases are made with.
#[test]
fn the_list_is_the_converters() {
    let test = "the_list_is_the_converters";
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let Some(llama_cpp) = require(test, "llama.cpp's converter", llama_cpp()) else { return };
    let program = "import gguf; print(*sorted(gguf.MODEL_ARCH_NAMES.values()), sep='\\n')";
    let output = Command::new(python)
        .args(["-c", program])
        .env("PYTHONPATH", llama_cpp.join("gguf-py"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), names());
}

/// A reason is for a user: a sentence that says more than the name.
#[test]
fn reasons_say_why() {
    for (name, why) in arch::REFUSED {
        assert!(why.split_whitespace().count() > 4, "{name}: {why}");
    }
}
