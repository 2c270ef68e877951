//! SentencePiece's unigram model: every piece has a score, and the cut of a word with the largest sum wins.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::json::{Decoder, Model, Normalizer, PreTokenizer, Scores, TokenizerJson};
use super::sentencepiece::{self, Algorithm, Normalization};
use super::vocabulary::key;
use super::{Error, Kind, Pair, Quirk, Source, Vocabulary};
use crate::gguf::Array;

/// Gives T5's hundred sentinels back the ids and names that the converter wrote as fillers: they follow the pieces of
/// tokenizer.model, last first.
pub fn restore(vocabulary: &mut Vocabulary) {
    const SENTINELS: usize = 100;
    let first = vocabulary.used();
    if vocabulary.find("<extra_id_0>").is_some() {
        return;
    }
    if vocabulary.len() < first + SENTINELS {
        return;
    }
    for number in 0..SENTINELS {
        vocabulary.respell(first + number, format!("<extra_id_{}>", SENTINELS - 1 - number));
        vocabulary.set_kind(first + number, Kind::Control);
    }
}

/// The tokenizer.json of a unigram vocabulary.
///
/// # Errors
/// If there are no scores or no token for what the vocabulary lacks, or the character map is no array of bytes.
pub fn build<'a>(source: &'a Source, vocabulary: &'a Vocabulary) -> Result<TokenizerJson<'a>, Error> {
    if vocabulary.scores().is_none() {
        return Err(Error::MissingKey(key::SCORES));
    }
    let len = vocabulary.used();
    let scores = (0..len).filter(|&id| !vocabulary.is_filler(id)).filter_map(|id| vocabulary.score(id));
    // The library takes 10 less than the smallest score for the unknown: a filler must not make it smaller.
    let unreachable = scores.fold(0.0, f32::min);
    let unk = vocabulary.first(Kind::Unknown).or(vocabulary.token(source.special.unk));
    let unk_id = unk.ok_or(Error::MissingKey("tokenizer.ggml.unknown_token_id"))?;
    let mut json = TokenizerJson::new(Model::Unigram {
        unk_id,
        vocab: Scores { vocabulary, len, unreachable },
        byte_fallback: vocabulary.first(Kind::Byte).is_some(),
    });
    json.added_tokens = source.added_tokens(vocabulary);
    json.normalizer =
        charsmap(source)?.map(|map| Normalizer::Precompiled { precompiled_charsmap: STANDARD.encode(map) });
    let (replacement, prepend_scheme, split) = ('\u{2581}', "always", true);
    json.pre_tokenizer = Some(PreTokenizer::Sequence {
        pretokenizers: vec![
            PreTokenizer::WhitespaceSplit,
            PreTokenizer::Metaspace { replacement, prepend_scheme, split },
        ],
    });
    let add_bos = source.add_bos.unwrap_or(false);
    let pair = if add_bos { Pair::Doubled } else { Pair::Untyped };
    json.post_processor =
        source.template(vocabulary, add_bos, source.add_eos.unwrap_or(true), pair).processor();
    json.decoder = Some(Decoder::Metaspace { replacement, prepend_scheme, split });
    Ok(json)
}

/// The tokenizer.model of a T5, whose converter reads nothing else. That of a BERT goes by another name and to no loader.
///
/// # Errors
/// If a key has another type.
pub fn model(source: &Source, vocabulary: &Vocabulary) -> Result<Option<Vec<u8>>, Error> {
    let Some(scores) = vocabulary.scores().filter(|_| source.context.has(Quirk::Sentinels)) else {
        return Ok(None);
    };
    let flag = |key| source.context.metadata.bool(key);
    let normalization = Normalization {
        charsmap: charsmap(source)?.unwrap_or_default(),
        prefix: flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true),
        squeeze: flag("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(true),
    };
    let scores = &scores[..source.stored];
    Ok(sentencepiece::build(vocabulary, &source.special, scores, Algorithm::Unigram, normalization))
}

/// The character map of the normalizer, a compiled trie; `None` if there is none.
///
/// # Errors
/// If it is no array of bytes.
fn charsmap(source: &Source) -> Result<Option<Vec<u8>>, Error> {
    const KEY: &str = "tokenizer.ggml.precompiled_charsmap";
    match source.context.metadata.array(KEY)? {
        None => Ok(None),
        Some(array) if array.is_empty() => Ok(None),
        Some(Array::U8(map)) => Ok(Some(map.clone())),
        Some(Array::I8(map)) => Ok(Some(map.iter().map(|b| b.cast_unsigned()).collect())),
        Some(_) => Err(Error::value(KEY, "not an array of bytes")),
    }
}
