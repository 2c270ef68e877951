//! The tokenizer files against the ids that the originals give.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rawrz::gguf::Gguf;
use rawrz::tokenizer::{self, Context};
use support::probe::{fixtures, require, shared};

/// The files of a GGUF's tokenizer.
fn build(path: &Path) -> tokenizer::Tokenizer {
    let gguf = Gguf::open(path).unwrap();
    let text = |key: &str| gguf.metadata.str(key).unwrap().unwrap_or_default();
    let architecture = text("general.architecture");
    let context = Context {
        metadata: &gguf.metadata,
        architecture,
        model_name: text("general.name"),
        max_length: gguf.metadata.u64(&format!("{architecture}.context_length")).unwrap(),
    };
    tokenizer::build(&context).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn load(tokenizer: &tokenizer::Tokenizer, path: &Path) -> tokenizers::Tokenizer {
    let (_, json) =
        tokenizer.files.iter().find(|(name, _)| name == "tokenizer.json").expect("it has a tokenizer.json");
    let json = std::str::from_utf8(json).unwrap();
    tokenizers::Tokenizer::from_str(json).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every text of llama.cpp's fixtures gives the ids that the original gave.
fn check_vocabularies(folder: &Path) -> usize {
    let mut checked = 0;
    for path in files(folder, "gguf") {
        let ours = load(&build(&path), &path);
        let texts = fs::read_to_string(path.with_extension("gguf.inp"));
        let Ok(texts) = texts else { continue };
        let expected = fs::read_to_string(path.with_extension("gguf.out")).unwrap();
        let texts: Vec<_> = texts.split("\n__ggml_vocab_test__\n").collect();
        let expected: Vec<_> = expected.lines().collect();
        assert_eq!(texts.len(), expected.len() + 1, "{}: a separator ends each text", path.display());
        for (text, expected) in texts.iter().zip(expected) {
            let expected: Vec<u32> = expected.split_whitespace().map(|id| id.parse().unwrap()).collect();
            let found = ours.encode_fast(*text, false).unwrap();
            assert_eq!(found.get_ids(), expected, "{}: {text:?}", path.display());
        }
        checked += 1;
    }
    checked
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == extension));
    files.sort();
    files
}

#[test]
fn all_known_vocabularies_give_the_originals_ids() {
    let Some(shared) =
        require("all_known_vocabularies_give_the_originals_ids", "the shared test data", shared())
    else {
        return;
    };
    assert_eq!(check_vocabularies(&shared.join("vocab")), 10);
}

/// The texts of `check_tokenizer` in check_folder.py.
fn texts() -> Vec<String> {
    let text = fs::read_to_string(fixtures().join("conformance/text.txt")).unwrap();
    let more = ["", " ", "  two", "x<s>y", "</s>", "a<|user|>b", "\n\n", "1234567 89"];
    text.split('\n').chain(more).map(str::to_owned).collect()
}

/// What differs from the original of a case.
fn differences(case: &Path) -> Vec<String> {
    let path = case.join("model-bf16.gguf");
    let built = build(&path);
    if let Some(note) = &built.note {
        return vec![note.clone()];
    }
    let ours = load(&built, &path);
    let theirs = tokenizers::Tokenizer::from_file(case.join("hf/tokenizer.json")).unwrap();
    let mut found = Vec::new();
    for text in texts() {
        for special in [true, false] {
            let ids =
                |t: &tokenizers::Tokenizer| t.encode(text.as_str(), special).unwrap().get_ids().to_vec();
            let (mine, other) = (ids(&ours), ids(&theirs));
            let decode = |t: &tokenizers::Tokenizer, ids: &[u32]| t.decode(ids, true).unwrap();
            if mine != other {
                found.push(format!("{text:?} special={special}: {mine:?} not {other:?}"));
            } else if decode(&ours, &mine) != decode(&theirs, &other) {
                found.push(format!(
                    "{text:?}: decoded {:?} not {:?}",
                    decode(&ours, &mine),
                    decode(&theirs, &other)
                ));
            }
        }
    }
    found
}

/// Cases that cannot be equal, and why. Whoever resolves one finds the test failing and takes it out.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "CamembertModel",
        "the converter takes the unigram model for WordPiece and drops its scores: there are no files",
    ),
    ("DeepseekV2ForCausalLM", "the GGUF names deepseek-llm, the case's original has llama-bpe's pattern"),
    ("DeepseekV3ForCausalLM", "the GGUF names deepseek-v3, the case's original has llama-bpe's pattern"),
    (
        "Gemma4ForCausalLM",
        "the GGUF types <|user|> CONTROL, the original shows it when it decodes; the ids are equal",
    ),
];

#[test]
fn corpus_cases_give_the_originals_ids() {
    let Some(shared) = require("corpus_cases_give_the_originals_ids", "the shared test data", shared())
    else {
        return;
    };
    let mut cases: Vec<_> = fs::read_dir(shared.join("corpus")).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let found = differences(case);
        match EXCEPTIONS.iter().find(|(case, _)| *case == name) {
            None => assert!(found.is_empty(), "{name}: {} differences: {}", found.len(), found[0]),
            Some((_, reason)) => {
                assert!(!found.is_empty(), "{name} is equal, no longer an exception: {reason}")
            }
        }
    }
}
