//! The longest match, as of RWKV: of all tokens that a text goes on with, the longest is taken. The tokenizers library has no
//! such model, but a regular expression of all tokens, written as the tree of their letters, cuts text in the same places; then
//! each piece is a word of the vocabulary.

use super::json::{Decoder, Ids, Model, Pattern, PreTokenizer, TokenizerJson};
use super::{Error, Kind, Pair, Source, Vocabulary, own};
use crate::gguf::Metadata;

/// Longest token, in bytes: each is a level of the tree. That of RWKV has 128.
const LONGEST: usize = 512;
const BYTES: usize = 256;

/// Spells the tokens in the letters that stand for bytes. `false`, with the vocabulary as it was, if the expression could not
/// stand for it: two tokens have one text, a byte is no token by itself, or one is too long.
///
/// # Errors
/// If a token is no literal of bytes.
pub fn restore(metadata: &Metadata, vocabulary: &mut Vocabulary) -> Result<bool, Error> {
    let mut single = [false; BYTES];
    for (id, literal) in own::stored(metadata)? {
        if vocabulary.text(id) != literal {
            return Ok(false);
        }
        if vocabulary.kind(id) == Kind::Normal {
            match own::read_literal(id, literal)?.bytes[..] {
                [byte] => single[usize::from(byte)] = true,
                ref bytes if bytes.len() > LONGEST => return Ok(false),
                _ => {}
            }
        }
    }
    if single.contains(&false) {
        return Ok(false);
    }
    let letters = letters();
    vocabulary.respell_all(|kind, literal| {
        let bytes = own::read_literal(0, literal).ok().filter(|_| kind == Kind::Normal)?.bytes;
        Some(bytes.iter().map(|&byte| letters[usize::from(byte)]).collect())
    });
    Ok(true)
}

/// The tokenizer.json of a vocabulary spelled in letters.
pub fn build<'a>(source: &'a Source, vocabulary: &'a Vocabulary) -> TokenizerJson<'a> {
    let level = || PreTokenizer::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false };
    // Each byte is a token, so that nothing is unknown; the library wants a name for it.
    let mut json =
        TokenizerJson::new(Model::WordLevel { vocab: Ids(vocabulary), unk_token: vocabulary.text(0) });
    json.added_tokens = source.added_tokens(vocabulary);
    json.pre_tokenizer = Some(PreTokenizer::Sequence {
        pretokenizers: vec![
            level(),
            PreTokenizer::Split {
                pattern: Pattern::Built(expression(vocabulary)),
                behavior: "Isolated",
                invert: false,
            },
        ],
    });
    let (add_bos, add_eos) = (source.add_bos == Some(true), source.add_eos == Some(true));
    json.post_processor = source.template(vocabulary, add_bos, add_eos, Pair::Each).processor();
    json.decoder = Some(Decoder::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex: false });
    json
}

/// The letters that stand for bytes in byte-level vocabularies, by byte: a byte's own where it is visible, else the next from
/// U+0100 on (GPT-2's `bytes_to_unicode`).
fn letters() -> [char; BYTES] {
    let mut hidden = '\u{100}'..;
    std::array::from_fn(|byte| match byte as u8 {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte as u8),
        _ => hidden.next().expect("there are more letters than bytes"),
    })
}

/// An expression that matches the longest token at a place.
fn expression(vocabulary: &Vocabulary) -> String {
    let normal = vocabulary.entries().filter(|(id, _)| vocabulary.kind(*id) == Kind::Normal);
    let mut tokens: Vec<Vec<char>> = normal.map(|(_, text)| text.chars().collect()).collect();
    tokens.sort_unstable();
    let mut expression = String::new();
    branch(&tokens, 0, &mut expression);
    expression
}

/// Writes what may follow the letters that all these tokens, in order, have in common.
fn branch(tokens: &[Vec<char>], depth: usize, expression: &mut String) {
    let ends = tokens.first().is_some_and(|token| token.len() == depth);
    let longer = if ends { &tokens[1..] } else { tokens };
    if longer.is_empty() {
        return;
    }
    expression.push_str("(?:");
    let mut last_letters = String::new();
    let mut separator = "";
    for group in longer.chunk_by(|a, b| a[depth] == b[depth]) {
        if let [token] = group
            && token.len() == depth + 1
        {
            push(token[depth], &mut last_letters);
            continue;
        }
        expression.push_str(separator);
        push(group[0][depth], expression);
        branch(group, depth + 1, expression);
        separator = "|";
    }
    if !last_letters.is_empty() {
        expression.extend([separator, "[", &last_letters, "]"]);
    }
    expression.push_str(if ends { ")?" } else { ")" });
}

/// Writes a letter that stands for itself, in a class as well.
fn push(letter: char, expression: &mut String) {
    if r".^$*+?()[]{}|\-&~#".contains(letter) {
        expression.push('\\');
    }
    expression.push(letter);
}
