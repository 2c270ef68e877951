//! Tokenizers that the tokenizers library cannot express, as the vocabulary file that their own class reads. The class itself
//! is code of the model's repository, which no GGUF holds.

use std::fmt::Write;

use serde_json::json;

use super::vocabulary::key;
use super::{Error, Kind, Vocabulary, longest};
use crate::gguf::Metadata;

/// Spells a vocabulary as tokenizer.json has it; says whether it can.
pub type Restore = fn(&Metadata, &mut Vocabulary) -> Result<bool, Error>;

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
    /// Spells the vocabulary as tokenizer.json has it, and says whether it can have it; `None` where it never can.
    ///
    /// # Errors
    /// If a token is not spelled as the converter spells them.
    pub restore: Option<Restore>,
}

static KINDS: &[Own] = &[
    Own {
        model: "rwkv",
        file: "rwkv_vocab_v20230424.txt",
        text: longest_match,
        restore: Some(longest::restore),
    },
    Own { model: "plamo2", file: "tokenizer.jsonl", text: scored, restore: None },
];

/// The kind of a value of `tokenizer.ggml.model`.
pub fn find(model: &str) -> Option<&'static Own> {
    KINDS.iter().find(|kind| kind.model == model)
}

/// The tokens as the file spells them: a [`Vocabulary`] spells one anew whose text another has too.
pub fn stored(metadata: &Metadata) -> Result<impl Iterator<Item = (usize, &str)>, Error> {
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
        let Literal { bytes, quote } = read_literal(id, literal)?;
        writeln!(text, "{id} b{quote}{literal}{quote} {}", bytes.len()).expect("a string takes all");
    }
    Ok(text)
}

/// What Python's `repr` writes of bytes, less its quotes.
#[derive(Debug, Eq, PartialEq)]
pub struct Literal {
    /// What it stands for.
    pub bytes: Vec<u8>,
    /// What it is quoted with: `"` where there is a `'` and no `"`, as such a `'` is not escaped.
    pub quote: char,
}

/// Reads the literal of a token.
///
/// # Errors
/// If `repr` writes no such.
pub fn read_literal(id: usize, literal: &str) -> Result<Literal, Error> {
    let hex = |digit: u8| char::from(digit).to_digit(16).map(|d| d as u8);
    let (mut bytes, mut quote, mut rest) = (Vec::new(), '\'', literal.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        let escaped = |byte: u8, after| Some((byte, after));
        let next = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                hex(*high).zip(hex(*low)).map(|(high, low)| (high << 4 | low, after))
            }
            (b'\\', [b'n', after @ ..]) => escaped(b'\n', after),
            (b'\\', [b'r', after @ ..]) => escaped(b'\r', after),
            (b'\\', [b't', after @ ..]) => escaped(b'\t', after),
            (b'\\', [byte @ (b'\\' | b'\''), after @ ..]) => escaped(*byte, after),
            (b'\\', _) => None,
            (b' '..=b'~', after) => Some((first, after)),
            _ => None,
        };
        let Some((byte, after)) = next else {
            return Err(Error::element(key::TOKENS, id, format!("{literal:?} is no literal of bytes")));
        };
        quote = if first == b'\'' { '"' } else { quote };
        bytes.push(byte);
        rest = after;
    }
    Ok(Literal { bytes, quote })
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
    fn literals_are_read_as_python_does() {
        let literals: [(&str, &[u8], char); 8] = [
            ("", b"", '\''),
            ("a b", b"a b", '\''),
            (r"\x00\n", b"\0\n", '\''),
            (r"\\xff", br"\xff", '\''),
            ("'", b"'", '"'),
            (r#"\'""#, b"'\"", '\''),
            (r"\\'", br"\'", '"'),
            (r"\xE9\t", b"\xe9\t", '\''),
        ];
        for (literal, bytes, quote) in literals {
            let read = read_literal(0, literal).unwrap();
            assert_eq!(read, Literal { bytes: bytes.to_vec(), quote }, "{literal}");
        }
        for literal in [r"\", r"\x4", r"\xg0", r"\u0041", "\u{e9}", "\n"] {
            assert!(read_literal(0, literal).is_err(), "{literal}");
        }
    }
}
