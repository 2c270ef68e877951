//! Tokenizers that the tokenizers library cannot express, as the vocabulary file that their own class reads. The class itself
//! is code of the model's repository, which no GGUF holds.

use std::fmt::Write;

use serde_json::json;

use super::vocabulary::key;
use super::{Error, Kind, Vocabulary};
use crate::gguf::Metadata;

/// A kind of tokenizer with a class of its own.
pub struct Own {
    /// `tokenizer.ggml.model`.
    model: &'static str,
    /// Name of the vocabulary's file.
    pub file: &'static str,
    /// What the file holds.
    ///
    /// # Errors
    /// If a token is not spelled as the converter spells them, or a key is absent.
    pub text: fn(&Metadata, &Vocabulary) -> Result<String, Error>,
}

static KINDS: &[Own] = &[
    Own { model: "rwkv", file: "rwkv_vocab_v20230424.txt", text: longest_match },
    Own { model: "plamo2", file: "tokenizer.jsonl", text: scored },
];

/// The kind of a value of `tokenizer.ggml.model`.
pub fn find(model: &str) -> Option<&'static Own> {
    KINDS.iter().find(|kind| kind.model == model)
}

/// The tokens as the file spells them: a [`Vocabulary`] spells one anew whose text another has too.
fn stored(metadata: &Metadata) -> Result<impl Iterator<Item = (usize, &str)>, Error> {
    let tokens = metadata.strings(key::TOKENS)?.ok_or(Error::MissingKey(key::TOKENS))?;
    Ok(tokens.iter().enumerate().map(|(id, token)| (id, std::str::from_utf8(token).unwrap_or_default())))
}

/// A line a token: its id, its bytes as a literal of Python, their number. The converter writes the literal without its quotes
/// (`_set_vocab_rwkv_world`, conversion/base.py).
fn longest_match(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<String, Error> {
    let mut text = String::new();
    for (id, literal) in stored(metadata)? {
        if vocabulary.kind(id) != Kind::Normal {
            continue; // what begins a text, and fillers
        }
        let len = literal_len(literal)
            .ok_or_else(|| Error::element(key::TOKENS, id, format!("{literal:?} is no literal of bytes")))?;
        // Python quotes with ' but where the text has one and no ".
        let quote = if literal.contains('\'') && !literal.contains("\\'") { '"' } else { '\'' };
        writeln!(text, "{id} b{quote}{literal}{quote} {len}").expect("a string takes all");
    }
    Ok(text)
}

/// Number of bytes that a literal of Python's stands for, as `repr` writes it; `None` if it does not write such.
fn literal_len(literal: &str) -> Option<usize> {
    let (mut len, mut rest) = (0, literal.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'\\', [b'x', a, b, after @ ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => after,
            (b'\\', [b'n' | b'r' | b't' | b'\\' | b'\'', after @ ..]) => after,
            (b' '..=b'~', after) if first != b'\\' => after,
            _ => return None,
        };
        len += 1;
    }
    Some(len)
}

/// A line a token: its text, its score, what it is (`_set_vocab_plamo`, conversion/base.py). Originals have more columns, which
/// neither the class nor the converter reads.
fn scored(metadata: &Metadata, vocabulary: &Vocabulary) -> Result<String, Error> {
    let mut text = String::new();
    for (id, token) in stored(metadata)?.take(vocabulary.used()) {
        let kind = match vocabulary.kind(id) {
            Kind::Unknown => "UNKNOWN",
            Kind::Control => "CONTROL",
            Kind::Byte => "BYTE",
            Kind::Normal | Kind::UserDefined | Kind::Unused => "NORMAL",
        };
        let score = vocabulary.score(id).ok_or(Error::MissingKey(key::SCORES))?;
        writeln!(text, "{}", json!([token, crate::gguf::shortest(score), kind])).expect("a string takes all");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_as_long_as_python_has_them() {
        for (literal, len) in [("", 0), ("a b", 3), (r"\x00\n", 2), (r"\\x41", 4), (r#"'"#, 1), (r#"\'""#, 2)]
        {
            assert_eq!(literal_len(literal), Some(len), "{literal}");
        }
        for literal in [r"\", r"\x4", r"\u0041", "\u{e9}", "\n"] {
            assert_eq!(literal_len(literal), None, "{literal}");
        }
    }
}
