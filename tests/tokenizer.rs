//! The tokenizer files against the ids that the originals give.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use rawrz::arch;
use rawrz::gguf::Gguf;
use rawrz::tokenizer::{self, Context};
use support::probe::{fixtures, python, require, shared};

/// The files of a GGUF's tokenizer.
fn build(path: &Path) -> tokenizer::Tokenizer {
    let gguf = Gguf::open(path).unwrap();
    let text = |key: &str| gguf.metadata.str(key).unwrap().unwrap_or_default();
    let architecture = text("general.architecture");
    let context = Context {
        metadata: &gguf.metadata,
        architecture,
        quirks: arch::quirks(architecture, text("general.name")),
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
fn committed_vocabularies_give_the_originals_ids() {
    assert_eq!(check_vocabularies(&fixtures().join("vocab")), 3);
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

#[test]
fn committed_cases_give_the_originals_ids() {
    for case in fs::read_dir(fixtures().join("corpus")).unwrap().map(|entry| entry.unwrap().path()) {
        let found = differences(&case);
        assert!(found.is_empty(), "{}: {found:?}", case.display());
    }
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

/// What transformers makes of a folder, for every FOLDER TEXTS [IDS] of the arguments: the ids of all texts, decoding, special tokens.
const AUTO_TOKENIZER: &str = r#"
import sys, transformers
transformers.logging.set_verbosity_error()
from transformers import AutoTokenizer

SEPARATOR = "\n__ggml_vocab_test__\n"
read = lambda path: open(path, encoding="utf8", newline="").read()
for folder, texts, ids in (line.split("\t") for line in sys.stdin.read().splitlines()):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert type(tokenizer).__name__ in ("TokenizersBackend", "PreTrainedTokenizerFast"), type(tokenizer)
    texts = read(texts).split(SEPARATOR)
    if ids:
        ids = [[int(n) for n in line.split()] for line in read(ids).splitlines()]
        for text, expected in zip(texts, ids):
            found = tokenizer.encode(text, add_special_tokens=False)
            assert found == expected, f"{folder}: {text!r}: {found} not {expected}"
    # WordPiece lowers and unigram squeezes: what they decode to must decode to itself.
    exact = "BPE" in repr(tokenizer.backend_tokenizer.model)
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False)
        if tokenizer.unk_token_id in ids and not exact:
            continue
        decoded = tokenizer.decode(ids)
        again = tokenizer.decode(tokenizer.encode(decoded, add_special_tokens=False))
        assert decoded == text if exact else again == decoded, f"{folder}: {text!r} decodes to {decoded!r}, that to {again!r}"
    added = tokenizer.added_tokens_decoder
    assert len(tokenizer) == tokenizer.vocab_size, f"{folder}: a token was added"
    for id, token in added.items():
        found = tokenizer.encode(token.content, add_special_tokens=False)
        assert found == [id], f"{folder}: {token.content!r} is {found}, not {id}"
        assert bool(tokenizer.decode([id], skip_special_tokens=True)) != token.special, f"{folder}: {token}"
        assert tokenizer.decode([id], skip_special_tokens=False), f"{folder}: {token}"
    if tokenizer.chat_template:
        chat = [{"role": "user", "content": "Hello!"}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True)["input_ids"]
        assert "Hello!" in text and ids == tokenizer.encode(text, add_special_tokens=False), folder
"#;

#[test]
fn transformers_reads_the_files() {
    let name = "transformers_reads_the_files";
    let Some(python) = require(name, "the conformance tools", python()) else { return };
    let Some(shared) = require(name, "the shared test data", shared()) else { return };
    let top = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for path in files(&shared.join("vocab"), "gguf") {
        let folder = top.path().join(path.file_stem().unwrap());
        for (name, bytes) in build(&path).files {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes.as_slice()).unwrap();
        }
        let expected = path.with_extension("gguf.out");
        // The one without expected ids goes with the texts that all others share.
        let texts = shared.join("vocab/ggml-vocab-gpt-2.gguf.inp");
        let expected = if expected.exists() { expected } else { PathBuf::new() };
        lines += &format!("{}\t{}\t{}\n", folder.display(), texts.display(), expected.display());
    }
    let input = top.path().join("input");
    fs::write(&input, lines).unwrap();
    let mut command = Command::new(python);
    command.args(["-c", AUTO_TOKENIZER]).env("HF_HUB_OFFLINE", "1").stdin(fs::File::open(input).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
