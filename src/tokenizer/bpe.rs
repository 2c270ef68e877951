//! Byte-pair encoding with the merges in the file: GPT-2's, over bytes, and Gemma 4's, over text.

use std::ops::Range;

use super::json::{Decoder, Merges, Model, Normalizer, Pattern, PostProcessor, PreTokenizer, TokenizerJson};
use super::pre::{self, Pieces, Step};
use super::sentencepiece::{self, Algorithm, Normalization};
use super::vocabulary::key;
use super::{Error, Kind, Pair, Quirk, Source, Vocabulary, spm};
use crate::gguf::Strings;

/// The row of the table that the metadata names.
///
/// # Errors
/// If it names none. Llama.cpp then warns and splits by a default that no original has, which gives wrong ids.
pub fn pre_tokenizer(source: &Source) -> Result<&'static pre::PreTokenizer, Error> {
    let name = match source.model {
        "gemma4" => Some("gemma4"), // no key of its own: one value of tokenizer.ggml.model is one pre-tokenizer
        "whitespace" => Some("whitespace"),
        _ => source.context.metadata.str("tokenizer.ggml.pre")?,
    };
    let name = name.unwrap_or("default");
    pre::find(name).ok_or_else(|| Error::UnknownPreTokenizer(name.to_owned()))
}

/// The tokenizer.json of a byte-pair vocabulary.
///
/// # Errors
/// If the pre-tokenizer is unknown or a merge is of pieces that are no tokens.
pub fn build<'a>(source: &'a Source, vocabulary: &'a Vocabulary) -> Result<TokenizerJson<'a>, Error> {
    let row = pre_tokenizer(source)?;
    let merges = source.context.metadata.strings(key::MERGES)?.ok_or(Error::MissingKey(key::MERGES))?;
    let text = row.pieces == Pieces::Text;
    let unk = if text { vocabulary.first(Kind::Unknown) } else { None };
    let mut json = TokenizerJson::new(Model::Bpe {
        dropout: None,
        unk_token: unk.map(|id| vocabulary.text(id)),
        continuing_subword_prefix: None,
        end_of_word_suffix: None,
        fuse_unk: text,
        byte_fallback: text,
        ignore_merges: row.ignore_merges,
        vocab: super::json::Ids(vocabulary),
        merges: read_merges(merges, vocabulary)?,
    });
    json.added_tokens = source.added_tokens(vocabulary);
    json.normalizer = normalizer(source, row);
    json.pre_tokenizer = split(row);
    json.post_processor = post_processor(source, vocabulary, row);
    json.decoder = match row.pieces {
        Pieces::Bytes => {
            Some(Decoder::ByteLevel { add_prefix_space: true, trim_offsets: true, use_regex: true })
        }
        Pieces::Text => Some(spm::decoder(false)),
        Pieces::Words => None,
    };
    Ok(json)
}

/// The tokenizer.model of a Gemma 4, by which its converter knows the embedding's rows. The file's scores are all equal, so each
/// piece gets the place of the first merge that makes it, which orders SentencePiece's merges as these are; what no merge
/// makes comes last.
///
/// # Errors
/// If a key has another type.
pub fn model(source: &Source, vocabulary: &Vocabulary) -> Result<Option<Vec<u8>>, Error> {
    let Some(merges) = source.context.metadata.strings(key::MERGES)?.filter(|_| source.model == "gemma4")
    else {
        return Ok(None);
    };
    let last = -(merges.len() as f32);
    let mut scores = vec![last; source.stored];
    for (place, merge) in merges.iter().enumerate() {
        let halves = std::str::from_utf8(merge).ok().and_then(halves);
        let made = halves.and_then(|(left, right)| vocabulary.find(&format!("{left}{right}")));
        if let Some(score) = made.and_then(|id| scores.get_mut(id as usize)).filter(|score| **score == last) {
            *score = -(place as f32);
        }
    }
    let normalization = Normalization { charsmap: Vec::new(), prefix: false, squeeze: false };
    Ok(sentencepiece::build(vocabulary, &source.special, &scores, Algorithm::Bpe, normalization))
}

fn normalizer(source: &Source, row: &pre::PreTokenizer) -> Option<Normalizer> {
    match row.pieces {
        Pieces::Text => Some(spm::spaces()),
        Pieces::Bytes if row.nfc || source.context.has(Quirk::Nfc) => Some(Normalizer::Nfc),
        Pieces::Bytes | Pieces::Words => None,
    }
}

fn split(row: &pre::PreTokenizer) -> Option<PreTokenizer> {
    let bytes =
        |use_regex| PreTokenizer::ByteLevel { add_prefix_space: false, trim_offsets: true, use_regex };
    let regex = |pattern| PreTokenizer::Split {
        pattern: Pattern::Regex(pattern),
        behavior: "Isolated",
        invert: false,
    };
    let last_is_gpt2 = row.steps.last() == Some(&Step::Gpt2);
    let before = if last_is_gpt2 { &row.steps[..row.steps.len() - 1] } else { row.steps };
    let mut pretokenizers: Vec<_> = before
        .iter()
        .map(|step| match *step {
            Step::Split(pattern) => regex(pattern),
            Step::Digits => PreTokenizer::Digits { individual_digits: true },
            Step::Gpt2 => regex(pre::PreTokenizer::GPT2),
        })
        .collect();
    match row.pieces {
        Pieces::Bytes => pretokenizers.push(bytes(last_is_gpt2)),
        Pieces::Text => {}
        Pieces::Words => pretokenizers.push(PreTokenizer::WhitespaceSplit),
    }
    if pretokenizers.len() > 1 || matches!(pretokenizers[..], [PreTokenizer::Split { .. }]) {
        return Some(PreTokenizer::Sequence { pretokenizers });
    }
    pretokenizers.pop()
}

fn post_processor(
    source: &Source,
    vocabulary: &Vocabulary,
    row: &pre::PreTokenizer,
) -> Option<PostProcessor> {
    let add_bos = match source.model {
        "gemma4" => false, // the converter sets the key whatever the original does, which leaves it to the chat template
        _ => source.add_bos.unwrap_or(row.add_bos),
    };
    let pair = match () {
        // The converter writes `false` where something that is no separator stands between two texts.
        () if source.add_sep == Some(false) && source.add_eos != Some(true) => Pair::Each,
        () if source.context.has(Quirk::SharedPair) => Pair::Shared,
        () if source.add_sep == Some(true) => Pair::Doubled,
        () if source.is_encoder => Pair::Shared,
        () => Pair::Each,
    };
    let template = source.template(vocabulary, add_bos, source.add_eos.unwrap_or(false), pair).processor();
    if row.pieces != Pieces::Bytes {
        return template;
    }
    let bytes = PostProcessor::ByteLevel { add_prefix_space: true, trim_offsets: false, use_regex: true };
    match template {
        None => Some(bytes),
        Some(template) => Some(PostProcessor::Sequence { processors: vec![bytes, template] }),
    }
}

/// Checks the merges and gives them as the library reads them: each side and the whole must be tokens, or it refuses the file.
fn read_merges<'a>(merges: &'a Strings, vocabulary: &Vocabulary) -> Result<Merges<'a>, Error> {
    // Each merge is three look-ups in a table larger than a core's cache: half the time that a mount of Llama 3 may take.
    const PER_THREAD: usize = 1 << 14;
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get()).min(8);
    let each = merges.len().div_ceil(threads).max(PER_THREAD);
    let starts = (0..merges.len()).step_by(each);
    let check = |start| check_merges(merges, start..merges.len().min(start + each), vocabulary);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = starts.map(|start| scope.spawn(move || check(start))).collect();
        threads.into_iter().map(|thread| thread.join().expect("checking a merge does not panic")).collect()
    });
    let mut joined = Vec::with_capacity(merges.len());
    let mut is_plain = true;
    for part in parts {
        let (texts, part_is_plain) = part?;
        joined.extend(texts);
        is_plain &= part_is_plain;
    }
    if is_plain {
        return Ok(Merges::Joined(joined));
    }
    Ok(Merges::Pairs(joined.into_iter().filter_map(halves).collect()))
}

/// The merges of a range, and whether the library reads them right as one string each.
fn check_merges<'a>(
    merges: &'a Strings,
    range: Range<usize>,
    vocabulary: &Vocabulary,
) -> Result<(Vec<&'a str>, bool), Error> {
    let mut texts = Vec::with_capacity(range.len());
    let mut is_plain = true;
    // Merges are in the order of the tokens that they make, mostly: a guess saves every third look-up.
    let mut guess = 0;
    let mut whole = String::new();
    for number in range {
        let merge = merges.get(number).expect("the range is within the merges");
        let wrong = |what| Error::element(key::MERGES, number, format!("{}: {what}", merge.escape_ascii()));
        let merge = std::str::from_utf8(merge).map_err(|_| wrong("not UTF-8"))?;
        let (left, right) = halves(merge).ok_or_else(|| wrong("not two pieces with a space between"))?;
        whole.clear();
        whole.push_str(left);
        whole.push_str(right);
        if vocabulary.find(left).is_none() || vocabulary.find(right).is_none() {
            return Err(wrong("one of the pieces is no token"));
        }
        guess = match [guess, guess + 1].into_iter().find(|&id| vocabulary.is_text(id, &whole)) {
            Some(id) => id,
            None => vocabulary.find(&whole).ok_or_else(|| wrong("what it makes is no token"))? as usize,
        };
        // The library splits at every space and takes a first line that begins so for a comment.
        is_plain &= !right.contains(' ') && !left.starts_with(' ') && !merge.starts_with("#version");
        texts.push(merge);
    }
    Ok((texts, is_plain))
}

/// The two pieces of a merge. A piece may itself begin with a space, so the search begins after the first character.
fn halves(merge: &str) -> Option<(&str, &str)> {
    let first = merge.chars().next()?.len_utf8();
    let space = first + merge[first..].find(' ')?;
    let (left, right) = (&merge[..space], &merge[space + 1..]);
    (!right.is_empty()).then_some((left, right))
}
