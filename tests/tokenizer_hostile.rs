//! Vocabularies that no converter writes: each gives a clear refusal, or files that load and whose ids are the list's.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::str::FromStr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rawrz::arch;
use rawrz::gguf::writer::Writer;
use rawrz::gguf::{Array, Directory, Metadata, Strings, Value};
use rawrz::tokenizer::{self, Context, Error, Tokenizer};
use support::memory::Memory;

fn strings<S: AsRef<[u8]>>(all: impl IntoIterator<Item = S>) -> Value {
    Value::Array(Array::String(all.into_iter().collect::<Strings>()))
}

/// The metadata of a file with these keys under `tokenizer.`.
fn metadata(keys: &[(&str, Value)]) -> Metadata {
    let mut writer = Writer::default();
    for (key, value) in keys {
        writer.set(format!("tokenizer.{key}"), value.clone());
    }
    Directory::read(&Memory::from(writer.to_bytes())).unwrap().metadata
}

fn build(keys: &[(&str, Value)]) -> Result<Tokenizer, Error> {
    let metadata = metadata(keys);
    tokenizer::build(&Context {
        metadata: &metadata,
        architecture: "llama",
        quirks: Vec::new(),
        max_length: None,
    })
}

fn file<'a>(tokenizer: &'a Tokenizer, name: &str) -> Option<&'a [u8]> {
    tokenizer.files.iter().find(|(path, _)| path == name).map(|(_, bytes)| bytes.as_slice())
}

fn load(tokenizer: &Tokenizer) -> tokenizers::Tokenizer {
    let json = std::str::from_utf8(file(tokenizer, "tokenizer.json").expect("a tokenizer.json")).unwrap();
    tokenizers::Tokenizer::from_str(json).unwrap_or_else(|e| panic!("{e}: {}", &json[..json.len().min(2000)]))
}

/// The keys of a small byte-pair vocabulary.
fn bpe() -> Vec<(&'static str, Value)> {
    vec![
        ("ggml.model", "gpt2".into()),
        ("ggml.pre", "gpt-2".into()),
        ("ggml.tokens", strings(["a", "b", "ab", "<s>"])),
        ("ggml.token_type", Value::Array(Array::I32(vec![1, 1, 1, 3]))),
        ("ggml.merges", strings(["a b"])),
        ("ggml.bos_token_id", Value::U32(3)),
    ]
}

/// The small vocabulary with another value of a key, or without it.
fn with(key: &str, value: Option<Value>) -> Vec<(&'static str, Value)> {
    let mut keys = bpe();
    let place = keys.iter().position(|(name, _)| *name == key).unwrap();
    match value {
        Some(value) => keys[place].1 = value,
        None => drop(keys.remove(place)),
    }
    keys
}

#[test]
fn the_small_vocabulary_is_built() {
    let built = build(&bpe()).unwrap();
    assert_eq!(load(&built).encode("ab<s>", false).unwrap().get_ids(), [2, 3]);
    assert_eq!(built.special.bos, Some(3));
}

/// Every refusal names the key and the element.
#[test]
fn refusals_say_what_is_wrong() {
    let types = |types: &[i32]| Some(Value::Array(Array::I32(types.to_vec())));
    let cases: &[(&str, Option<Value>, &[&str])] = &[
        ("ggml.model", Some("gpt3".into()), &["gpt3", "gpt2", "--tokenizer none"]),
        ("ggml.pre", Some("gpt-3".into()), &["gpt-3", "llama-bpe", "--tokenizer none"]),
        ("ggml.pre", None, &["tokenizer.ggml.pre", "default"]),
        ("ggml.tokens", None, &["tokenizer.ggml.tokens", "absent"]),
        ("ggml.tokens", Some(strings([""; 0])), &["tokenizer.ggml.tokens", "no tokens"]),
        (
            "ggml.tokens",
            Some(strings([&b"a"[..], b"b", b"ab", b"\xff"])),
            &["tokenizer.ggml.tokens", "element 3", "UTF-8"],
        ),
        ("ggml.tokens", Some(Value::U32(1)), &["tokenizer.ggml.tokens"]),
        ("ggml.token_type", types(&[1, 1, 1]), &["tokenizer.ggml.token_type", "3 elements", "4 tokens"]),
        ("ggml.token_type", types(&[1, 1, 7, 1]), &["tokenizer.ggml.token_type", "element 2"]),
        ("ggml.merges", None, &["tokenizer.ggml.merges", "absent"]),
        ("ggml.merges", Some(strings(["a c"])), &["tokenizer.ggml.merges", "element 0", "a c"]),
        (
            "ggml.merges",
            Some(strings(["a b", "b a"])),
            &["tokenizer.ggml.merges", "element 1", "makes is no token"],
        ),
        ("ggml.merges", Some(strings(["ab"])), &["tokenizer.ggml.merges", "element 0", "two pieces"]),
        ("ggml.merges", Some(strings(["a "])), &["tokenizer.ggml.merges", "element 0", "two pieces"]),
        ("ggml.merges", Some(strings([&b"\xff a"[..]])), &["tokenizer.ggml.merges", "element 0", "UTF-8"]),
        ("ggml.bos_token_id", Some("3".into()), &["tokenizer.ggml.bos_token_id"]),
        ("ggml.bos_token_id", Some(Value::U64(1 << 40)), &["tokenizer.ggml.bos_token_id", "no token id"]),
    ];
    for (key, value, says) in cases {
        let error = build(&with(key, value.clone())).expect_err(key).to_string();
        assert!(says.iter().all(|word| error.contains(word)), "{key}: {error}");
    }
}

#[test]
fn a_special_id_beyond_the_list_names_nothing() {
    let built = build(&with("ggml.bos_token_id", Some(Value::U32(99)))).unwrap();
    assert_eq!(built.special.bos, Some(99));
    let config: serde_json::Value =
        serde_json::from_slice(file(&built, "tokenizer_config.json").unwrap()).unwrap();
    assert_eq!(config.get("bos_token"), None);
}

#[test]
fn a_template_cannot_leave_its_folder() {
    for name in ["../evil", "a/b", "", ".hidden", "a\0b"] {
        let mut keys = bpe();
        keys.push(("chat_templates", strings([name])));
        let error = build(&keys).expect_err(name).to_string();
        assert!(error.contains("tokenizer.chat_templates"), "{error}");
    }
    let mut keys = bpe();
    keys.extend([("chat_templates", strings(["tool_use"])), ("chat_template.tool_use", "{{ x }}".into())]);
    keys.push(("chat_template", "{{ y }}".into()));
    let built = build(&keys).unwrap();
    assert_eq!(file(&built, "additional_chat_templates/tool_use.jinja"), Some(&b"{{ x }}"[..]));
    assert_eq!(file(&built, "chat_template.jinja"), Some(&b"{{ y }}"[..]));
}

#[test]
fn an_original_is_served_if_it_agrees() {
    let original = |tokens: &str| {
        let json =
            format!(r#"{{"added_tokens":[{{"id":3,"content":"<s>"}}],"model":{{"vocab":{{{tokens}}}}}}}"#);
        let mut keys = with("ggml.pre", Some("unheard-of".into()));
        keys.push(("huggingface.json", json.as_str().into()));
        (build(&keys), json)
    };
    let (built, json) = original(r#""a":0,"b":1,"ab":2"#);
    assert_eq!(file(&built.unwrap(), "tokenizer.json"), Some(json.as_bytes()));
    for other in [r#""a":0,"b":1"#, r#""a":1,"b":0,"ab":2"#, r#""a":0,"b":1,"ab":2,"c":4"#, "nonsense"] {
        let (built, _) = original(other);
        assert!(
            matches!(built, Err(Error::UnknownPreTokenizer(_))),
            "{other}: built from the list, whose pre is unknown"
        );
    }
}

#[test]
fn long_pieces_are_refused_soon() {
    // 4,096 pieces of 4 KiB: finding their merges byte by byte would hash 64 GB.
    let tokens: Vec<_> = (0..4096).map(|n| format!("{n:04}{}", "x".repeat(4092))).collect();
    let scores = (0..4096).map(|n| -(n as f32)).collect();
    let start = Instant::now();
    let keys = [
        ("ggml.model", "llama".into()),
        ("ggml.tokens", strings(&tokens)),
        ("ggml.scores", Value::Array(Array::F32(scores))),
    ];
    let error = build(&keys).unwrap_err().to_string();
    assert!(error.contains("too long"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_million_tokens_are_built() {
    let tokens: Vec<_> = (0..1_000_000).map(|n| format!("t{}", n % 900_000)).collect();
    let keys = [
        ("ggml.model", "gpt2".into()),
        ("ggml.pre", "gpt-2".into()),
        ("ggml.tokens", strings(&tokens)),
        ("ggml.merges", strings([""; 0])),
    ];
    let built = build(&keys).unwrap();
    let json: serde_json::Value = serde_json::from_slice(file(&built, "tokenizer.json").unwrap()).unwrap();
    assert_eq!(json["model"]["vocab"].as_object().unwrap().len(), 1_000_000, "each id has a text of its own");
}

/// Tokens that have meant trouble somewhere.
const ODD: &[&str] = &[
    "",
    " ",
    "  ",
    "\u{2581}",
    "\u{2581}\u{2581}",
    "[PAD1]",
    "[PAD2]",
    "<unk>",
    "<s>",
    "</s>",
    "<0x41>",
    "[CLS]",
    "[SEP]",
    "[UNK]",
    "##a",
    "a b",
    "\n",
    "\u{120}a",
    "#version",
];

/// Few characters, so that tokens repeat and merge.
fn token() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "[ab\u{2581}\u{e9}]{1,4}",
        1 => proptest::sample::select(ODD).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_vocabulary_is_refused_or_right(
        model in proptest::sample::select(&["llama", "gpt2", "bert", "t5", "gemma4", "whitespace"][..]),
        architecture in proptest::sample::select(&["llama", "gemma2", "t5", "bert", "ernie4_5"][..]),
        tokens in prop::collection::vec((token(), 0i32..7, prop_oneof![Just(0.0f32), -1000.0f32..0.0]), 1..40),
        merges in prop::collection::vec((0usize..40, 0usize..40), 0..6),
        ids in prop::collection::vec(prop::option::of(0u32..60), 9),
        flags in prop::collection::vec(prop::option::of(any::<bool>()), 4),
        text in "[ab<s>/\u{2581}\u{e9} \n\u{1f600}]{0,30}",
    ) {
        let mut keys = vec![
            ("ggml.model", model.into()),
            ("ggml.tokens", strings(tokens.iter().map(|t| &t.0))),
            ("ggml.token_type", Value::Array(Array::I32(tokens.iter().map(|t| t.1).collect()))),
            ("ggml.scores", Value::Array(Array::F32(tokens.iter().map(|t| t.2).collect()))),
        ];
        // Most merges are of tokens, for the others are soon refused.
        let piece = |n: usize| tokens[n % tokens.len()].0.as_str();
        keys.push(("ggml.merges", strings(merges.iter().map(|(a, b)| format!("{} {}", piece(*a), piece(*b))))));
        if flags[3] != Some(false) {
            keys.push(("ggml.pre", "gpt-2".into()));
        }
        let names = [
            "ggml.bos_token_id", "ggml.eos_token_id", "ggml.unknown_token_id", "ggml.padding_token_id", "ggml.cls_token_id",
            "ggml.seperator_token_id", "ggml.mask_token_id", "ggml.eot_token_id", "ggml.eom_token_id",
        ];
        keys.extend(names.iter().zip(&ids).filter_map(|(name, id)| Some((*name, Value::U32((*id)?)))));
        let names = ["ggml.add_bos_token", "ggml.add_eos_token", "ggml.add_sep_token", "ggml.add_space_prefix"];
        keys.extend(names.iter().zip(&flags).filter_map(|(name, flag)| Some((*name, Value::Bool((*flag)?)))));

        let metadata = metadata(&keys);
        let quirks = arch::quirks(architecture, "");
        let context = Context { metadata: &metadata, architecture, quirks, max_length: Some(8) };
        let Ok(built) = tokenizer::build(&context) else { return Ok(()) };
        if built.note.is_some() {
            return Ok(());
        }
        let loaded = load(&built);
        prop_assert!(loaded.get_vocab_size(true) <= tokens.len(), "no token is added");
        for id in 0..tokens.len() as u32 {
            if let Some(text) = loaded.id_to_token(id) {
                prop_assert_eq!(loaded.token_to_id(&text), Some(id), "{:?}", text);
            }
        }
        let ids = loaded.encode(text.as_str(), true).unwrap();
        prop_assert!(ids.get_ids().iter().all(|&id| (id as usize) < tokens.len()));
        loaded.decode(ids.get_ids(), false).unwrap();
    }
}
