//! Byte-pair encoding as SentencePiece has it: no merges, but a score for every piece. The merges are found again.

use super::json::{Decoder, Ids, Merges, Model, Normalizer, Pattern, PreTokenizer, TokenizerJson};
use super::sentencepiece::{self, Algorithm, Normalization};
use super::vocabulary::key;
use super::{Context, Error, Kind, Pair, Quirk, Source, Vocabulary, special};

/// What a space is in a vocabulary of text.
const SPACE: &str = "\u{2581}";

/// Bytes hashed while the merges are found: every piece is cut at each of its characters. Gemma's 262,144 tokens take
/// 20 million; a limit, because a hostile vocabulary of long pieces would take the square of its size.
const WORK: u64 = 1 << 31;

/// Spaces as the vocabulary spells them.
pub fn spaces() -> Normalizer {
    Normalizer::Replace { pattern: Pattern::String(" "), content: SPACE }
}

/// Tokens to text; `strip`: less the space that was put before it.
pub fn decoder(strip: bool) -> Decoder {
    let mut decoders = vec![
        Decoder::Replace { pattern: Pattern::String(SPACE), content: " " },
        Decoder::ByteFallback,
        Decoder::Fuse,
    ];
    if strip {
        decoders.push(Decoder::Strip { content: ' ', start: 1, stop: 0 });
    }
    Decoder::Sequence { decoders }
}

/// Undoes what the converter did to the spelling and the types of tokens.
pub fn restore(context: &Context, vocabulary: &mut Vocabulary) -> Result<(), Error> {
    restore_unknown(vocabulary);
    let scores_differ = vocabulary.scores_differ();
    for id in 0..vocabulary.len() {
        let text = vocabulary.text(id);
        match vocabulary.kind(id) {
            // The converter writes U+2581 as a space in user-defined tokens; runs of spaces are Gemma's and merge.
            Kind::UserDefined if text.bytes().all(|b| b == b' ') => {
                let text = SPACE.repeat(text.len());
                vocabulary.respell(id, text);
            }
            // The converter has no type for tokenizer.model's user-defined symbols. Their score is 0, and no merge gives
            // them, while the pieces that SentencePiece trains are single characters or merged from two others.
            Kind::Normal
                if scores_differ && vocabulary.score(id) == Some(0.0) && is_symbol(vocabulary, text) =>
            {
                vocabulary.set_kind(id, Kind::UserDefined);
            }
            _ => {}
        }
    }
    // Tokens that the original's tokenizer.json alone has are fillers in the file, unless tokenizer_config.json lists them
    // too. Those with a role are known to have been; Gemma's names serve.
    let special = special::read(context.metadata)?;
    let roles =
        [("<bos>", special.bos), ("<eos>", special.eos), ("<pad>", special.pad), ("<mask>", special.mask)];
    for (text, id) in roles {
        if let Some(id) =
            id.map(|id| id as usize).filter(|&id| id < vocabulary.len() && vocabulary.is_filler(id))
        {
            vocabulary.respell(id, text.to_owned());
            vocabulary.set_kind(id, Kind::Control);
        }
    }
    Ok(())
}

/// Where tokenizer_config.json or a Gemma 4 names the unknown token, the converter types it CONTROL.
pub fn restore_unknown(vocabulary: &mut Vocabulary) {
    if vocabulary.first(Kind::Unknown).is_none()
        && let Some(id) = vocabulary.find("<unk>")
        && vocabulary.kind(id as usize) == Kind::Control
    {
        vocabulary.set_kind(id as usize, Kind::Unknown);
    }
}

fn is_symbol(vocabulary: &Vocabulary, text: &str) -> bool {
    text.chars().nth(1).is_some() && splits(vocabulary, text).next().is_none()
}

/// The tokenizer.json of a SentencePiece vocabulary.
///
/// # Errors
/// If finding the merges would take too long.
pub fn build<'a>(source: &'a Source, vocabulary: &'a Vocabulary) -> Result<TokenizerJson<'a>, Error> {
    let form = Form::of(source)?;
    let by_id = form.is_rebuilt || source.context.has(Quirk::MergesById) || !vocabulary.scores_differ();
    let mut json = TokenizerJson::new(Model::Bpe {
        dropout: None,
        unk_token: vocabulary.first(Kind::Unknown).map(|id| vocabulary.text(id)),
        continuing_subword_prefix: None,
        end_of_word_suffix: None,
        fuse_unk: true,
        byte_fallback: true,
        ignore_merges: false,
        vocab: Ids(vocabulary),
        merges: Merges::Pairs(merges(vocabulary, by_id)?),
    });
    json.added_tokens = source.added_tokens(vocabulary);
    json.normalizer = match form {
        Form { prefix: true, is_rebuilt: true, .. } => None,
        Form { prefix: true, .. } => {
            Some(Normalizer::Sequence { normalizers: vec![Normalizer::Prepend { prepend: SPACE }, spaces()] })
        }
        Form { prefix: false, .. } => Some(spaces()),
    };
    json.pre_tokenizer = match form {
        Form { prefix: true, is_rebuilt: true, .. } => {
            Some(PreTokenizer::Metaspace { replacement: '\u{2581}', prepend_scheme: "first", split: false })
        }
        _ => None,
    };
    let add_bos = source.add_bos.unwrap_or(!form.is_rebuilt);
    let template = source.template(vocabulary, add_bos, source.add_eos.unwrap_or(false), Pair::Each);
    json.post_processor = template.processor();
    json.decoder = Some(decoder(form.prefix));
    Ok(json)
}

/// The tokenizer.model, where the original had one: without one the converter makes all scores equal.
///
/// # Errors
/// If a key has another type.
pub fn model(source: &Source, vocabulary: &Vocabulary) -> Result<Option<Vec<u8>>, Error> {
    let Some(scores) = vocabulary.scores().filter(|_| vocabulary.scores_differ()) else { return Ok(None) };
    let squeeze = source.context.metadata.bool("tokenizer.ggml.remove_extra_whitespaces")?.unwrap_or(false);
    let normalization = Normalization { charsmap: Vec::new(), prefix: Form::of(source)?.prefix, squeeze };
    let scores = &scores[..source.stored];
    Ok(sentencepiece::build(vocabulary, &source.special, scores, Algorithm::Bpe, normalization))
}

/// Which of the forms a SentencePiece vocabulary takes in tokenizer.json.
struct Form {
    /// Whether text begins with a space that it does not have.
    prefix: bool,
    /// Whether transformers 5 made the original's tokenizer.json anew from tokenizer.model. It then puts the space before
    /// the first part of the text alone, adds nothing, and orders the merges by the ids of what they make. Its
    /// folders say nothing of `add_bos_token`, which every older one of this kind does; so the file has `pre` (April 2024)
    /// but not `add_bos_token`.
    is_rebuilt: bool,
}

impl Form {
    fn of(source: &Source) -> Result<Self, Error> {
        let metadata = source.context.metadata;
        let is_rebuilt = source.add_bos.is_none() && metadata.str("tokenizer.ggml.pre")?.is_some();
        let prefix = match metadata.bool("tokenizer.ggml.add_space_prefix")? {
            Some(false) if is_rebuilt && source.context.has(Quirk::NullPrefix) => true,
            Some(prefix) => prefix,
            None => true,
        };
        Ok(Self { prefix, is_rebuilt })
    }
}

/// The merges that give every piece that two others make, first to last.
///
/// The rule is that of transformers' `generate_merges`: by the score of what they make, largest first, then by the lengths of
/// the sides, longest first; or by the id of what they make and then shortest first. Both were checked against expected
/// ids: Llama 2 and Phi 3 need the scores, Gemma and folders of transformers 5 the ids.
fn merges<'a>(vocabulary: &'a Vocabulary, by_id: bool) -> Result<Vec<(&'a str, &'a str)>, Error> {
    let mut work = 0u64;
    for id in 0..vocabulary.len() {
        let len = vocabulary.text(id).len() as u64;
        work = work.saturating_add(len.saturating_mul(len));
        if work > WORK {
            return Err(Error::element(
                key::TOKENS,
                id,
                "the pieces so far are too long to find their merges",
            ));
        }
    }
    let pieces = vocabulary.entries().filter(|&(id, _)| vocabulary.kind(id) != Kind::Byte);
    if by_id {
        return Ok(pieces.flat_map(|(_, text)| splits(vocabulary, text)).collect());
    }
    let score = |id| vocabulary.score(id).unwrap_or(0.0);
    let mut pieces: Vec<_> = pieces.map(|(id, text)| (score(id), text)).collect();
    pieces.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut all = Vec::with_capacity(2 * pieces.len());
    for equal in pieces.chunk_by(|a, b| a.0 == b.0) {
        let start = all.len();
        all.extend(equal.iter().flat_map(|(_, text)| splits(vocabulary, text)));
        let chars = |text: &str| text.chars().count();
        all[start..].sort_by_cached_key(|(left, right)| std::cmp::Reverse((chars(left), chars(right))));
    }
    Ok(all)
}

/// The ways to cut a text into two tokens, shortest left side first.
fn splits<'a>(vocabulary: &'a Vocabulary, text: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.char_indices()
        .skip(1)
        .map(|(at, _)| text.split_at(at))
        .filter(|(left, right)| vocabulary.find(left).is_some() && vocabulary.find(right).is_some())
}
