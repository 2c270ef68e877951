//! Tokenizers with a class of their own: the vocabulary's file says what the GGUF says, and where tokenizer.json can say the same
//! it takes the longest match, as a twin does that tries all.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fmt::Write;
use std::str::FromStr;

use proptest::prelude::*;
use rawrz::gguf::writer::Writer;
use rawrz::gguf::{Array, Directory, Strings, Value};
use rawrz::tokenizer::{self, Context, Tokenizer};
use support::memory::Memory;

/// What Python's `repr` writes of bytes, less its quotes.
fn literal(bytes: &[u8]) -> String {
    let bare = bytes.contains(&b'\'') && !bytes.contains(&b'"');
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\\' => text.push_str(r"\\"),
            b'\n' => text.push_str(r"\n"),
            b'\r' => text.push_str(r"\r"),
            b'\t' => text.push_str(r"\t"),
            b'\'' if !bare => text.push_str(r"\'"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => write!(text, "\\x{byte:02x}").unwrap(),
        }
    }
    text
}

fn build(model: &str, tokens: &[String], kinds: Vec<i32>, scores: Option<Vec<f32>>) -> Tokenizer {
    let mut writer = Writer::default();
    writer.set("tokenizer.ggml.model", Value::from(model));
    let tokens = tokens.iter().collect::<Strings>();
    writer.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    writer.set("tokenizer.ggml.token_type", Value::Array(Array::I32(kinds)));
    if let Some(scores) = scores {
        writer.set("tokenizer.ggml.scores", Value::Array(Array::F32(scores)));
    }
    writer.set("tokenizer.ggml.bos_token_id", Value::U32(0));
    let metadata = Directory::read(&Memory::from(writer.to_bytes())).unwrap().metadata;
    let context = Context { metadata: &metadata, architecture: "", quirks: Vec::new(), max_length: None };
    tokenizer::build(&context).unwrap()
}

/// The files of a vocabulary of the longest match: what begins a text, the tokens, two fillers.
fn longest_match(tokens: &[Vec<u8>]) -> Tokenizer {
    let literals = tokens.iter().map(|token| literal(token));
    let mut texts: Vec<_> = std::iter::once("<s>".to_owned()).chain(literals).collect();
    let mut kinds = vec![1; texts.len()];
    kinds[0] = 3;
    for _ in 0..2 {
        texts.push(format!("[PAD{}]", texts.len()));
        kinds.push(5);
    }
    build("rwkv", &texts, kinds, None)
}

fn file<'a>(tokenizer: &'a Tokenizer, name: &str) -> Option<&'a str> {
    let bytes = tokenizer.files.iter().find(|(path, _)| path == name).map(|(_, bytes)| bytes);
    bytes.map(|bytes| std::str::from_utf8(bytes).unwrap())
}

fn load(tokenizer: &Tokenizer) -> tokenizers::Tokenizer {
    tokenizers::Tokenizer::from_str(file(tokenizer, "tokenizer.json").expect("a tokenizer.json")).unwrap()
}

/// All bytes, then the words that are longer than one.
fn vocabulary(words: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut tokens: Vec<_> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    for word in words {
        if !tokens.contains(word) {
            tokens.push(word.clone());
        }
    }
    tokens
}

/// The ids of the longest token at each place.
fn naive(tokens: &[Vec<u8>], text: &str) -> Vec<u32> {
    let (mut ids, mut rest) = (Vec::new(), text.as_bytes());
    while !rest.is_empty() {
        let at = (0..tokens.len()).filter(|&i| rest.starts_with(&tokens[i]));
        let longest = at.max_by_key(|&i| tokens[i].len()).unwrap();
        ids.push(longest as u32 + 1);
        rest = &rest[tokens[longest].len()..];
    }
    ids
}

/// Letters of which words overlap, and those that mean something to an expression.
fn letters() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select("aab(|)[^-]\\.*+?{}&~#'\" \n\u{e9}\u{4e2d}".chars().collect::<Vec<_>>()),
        1..6,
    )
    .prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_longest_match_is_taken(
        words in prop::collection::vec(letters().prop_map(String::into_bytes), 0..40),
        pieces in prop::collection::vec(any::<u16>(), 0..40),
        text in prop::collection::vec(letters(), 0..8),
    ) {
        let tokens = vocabulary(&words);
        let tokenizer = longest_match(&tokens);
        prop_assert_eq!(&tokenizer.note, &None);
        let loaded = load(&tokenizer);
        // Words of the vocabulary, one after the other, and text that has little to do with them.
        let longer = tokens.len() - 256;
        let words: Vec<u8> =
            pieces.iter().filter(|_| longer > 0).flat_map(|&p| tokens[256 + usize::from(p) % longer].clone()).collect();
        for text in [String::from_utf8_lossy(&words).into_owned(), text.concat()] {
            let encoded = loaded.encode(text.as_str(), false).unwrap();
            prop_assert_eq!(encoded.get_ids(), naive(&tokens, &text), "{:?}", text);
            prop_assert_eq!(loaded.decode(encoded.get_ids(), false).unwrap(), text);
        }
    }
}

#[test]
fn the_vocabulary_of_the_longest_match_is_a_line_a_token() {
    let words: [&[u8]; 5] = [b"ing", b"'s", b"'\"", br"\'", "\u{4e2d}".as_bytes()];
    let tokens = vocabulary(&words.map(<[u8]>::to_vec));
    let tokenizer = longest_match(&tokens);
    let lines: Vec<_> = file(&tokenizer, "rwkv_vocab_v20230424.txt").unwrap().lines().collect();
    assert_eq!(lines.len(), tokens.len());
    assert_eq!(lines[0], r"1 b'\x00' 1");
    let last =
        [r"257 b'ing' 3", r#"258 b"'s" 2"#, r#"259 b'\'"' 2"#, r#"260 b"\\'" 2"#, r"261 b'\xe4\xb8\xad' 3"];
    assert_eq!(lines[256..], last);
}

/// Without a byte of its own a text may have no cut at all, and of a token that is as long as a text the tree would be too deep.
#[test]
fn what_an_expression_cannot_say_has_no_tokenizer_json() {
    let complete = vocabulary(&[b"ab".to_vec()]);
    for tokens in [complete[1..].to_vec(), vocabulary(&[vec![b'a'; 1000]])] {
        let tokenizer = longest_match(&tokens);
        assert!(file(&tokenizer, "tokenizer.json").is_none());
        assert!(file(&tokenizer, "rwkv_vocab_v20230424.txt").is_some());
        assert!(
            tokenizer.note.as_ref().unwrap().contains("rwkv_vocab_v20230424.txt"),
            "{:?}",
            tokenizer.note
        );
    }
    // A text that is a token too would begin texts.
    let twice = vocabulary(&[b"<s>".to_vec()]);
    assert!(file(&longest_match(&twice), "tokenizer.json").is_none());
}

#[test]
fn scored_tokens_are_a_line_each() {
    let tokens = ["<|plamo:unk|>", "<|plamo:bos|>", "<0x41>", "a \"b\"", "[PAD4]"].map(str::to_owned);
    let tokenizer = build("plamo2", &tokens, vec![2, 3, 6, 1, 5], Some(vec![0.0, 0.0, 0.0, -0.1, -1000.0]));
    let lines: Vec<_> = file(&tokenizer, "tokenizer.jsonl").unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            r#"["<|plamo:unk|>",0.0,"UNKNOWN"]"#,
            r#"["<|plamo:bos|>",0.0,"CONTROL"]"#,
            r#"["<0x41>",0.0,"BYTE"]"#,
            r#"["a \"b\"",-0.1,"NORMAL"]"#,
        ]
    );
    assert!(file(&tokenizer, "tokenizer.json").is_none());
}
