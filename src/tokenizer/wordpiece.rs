//! WordPiece, as BERT has it.

use super::json::{Decoder, Ids, Model, Normalizer, PreTokenizer, TokenizerJson};
use super::{Error, Kind, Pair, Source, Vocabulary};

/// What the converter writes before a token that begins a word.
const WORD: char = '\u{2581}';

/// Undoes the converter's spelling (`phantom` in `conversion/bert.py`): a word's first piece has U+2581 before it, a
/// further one has lost its `##`, a control token is as it was.
pub fn restore(vocabulary: &mut Vocabulary) {
    vocabulary.respell_all(|kind, text| match text.strip_prefix(WORD) {
        _ if kind == Kind::Control => None,
        Some(first) if !first.is_empty() => Some(first.to_owned()),
        _ => Some(format!("##{text}")),
    });
}

/// Whether the tokens are those of a SentencePiece model that the converter took for words: each has lost its score, and
/// without scores there is no telling which cut of a word the original makes (Camembert).
pub fn is_unigram(vocabulary: &Vocabulary) -> bool {
    let doubled = (0..vocabulary.len()).filter(|&id| vocabulary.text(id).starts_with("\u{2581}\u{2581}"));
    doubled.take(2).count() == 2 && vocabulary.find("[CLS]").is_none()
}

/// The tokenizer.json of a WordPiece vocabulary.
///
/// # Errors
/// If there is no token for what the vocabulary lacks.
pub fn build<'a>(source: &'a Source, vocabulary: &'a Vocabulary) -> Result<TokenizerJson<'a>, Error> {
    let unk =
        vocabulary.token(source.special.unk).ok_or(Error::MissingKey("tokenizer.ggml.unknown_token_id"))?;
    let mut json = TokenizerJson::new(Model::WordPiece {
        unk_token: vocabulary.text(unk),
        continuing_subword_prefix: "##",
        max_input_chars_per_word: 100, // of every BERT; a longer word is unknown
        vocab: Ids(vocabulary),
    });
    json.added_tokens = source.added_tokens(vocabulary);
    json.normalizer = Some(Normalizer::Bert {
        clean_text: true,
        handle_chinese_chars: true,
        strip_accents: source.context.metadata.bool("tokenizer.ggml.normalizer.strip_accents")?,
        lowercase: lowercase(source, vocabulary)?,
    });
    json.pre_tokenizer = Some(PreTokenizer::Bert);
    json.post_processor = source.template(vocabulary, true, true, Pair::Shared).processor();
    json.decoder = Some(Decoder::WordPiece { prefix: "##", cleanup: true });
    Ok(json)
}

/// Whether text is lowered. Files before 2025 do not say: a vocabulary that has words in upper case does not lower them.
///
/// # Errors
/// If the key has another type.
pub fn lowercase(source: &Source, vocabulary: &Vocabulary) -> Result<bool, Error> {
    if let Some(lowercase) = source.context.metadata.bool("tokenizer.ggml.normalizer.lowercase")? {
        return Ok(lowercase);
    }
    let is_upper = |(id, text): (usize, &str)| {
        vocabulary.kind(id) == Kind::Normal
            && text.bytes().all(|b| b.is_ascii_alphabetic())
            && text.bytes().any(|b| b.is_ascii_uppercase())
    };
    Ok(!vocabulary.entries().any(is_upper))
}
