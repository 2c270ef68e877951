//! Which ids begin, end, pad and so on.

use super::{Context, Error, Kind, Quirk, Vocabulary};
use crate::gguf::Metadata;

/// Keys that hold the id of a special token. `seperator` is the format's own spelling.
pub const KEYS: [&str; 9] = [
    "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.unknown_token_id",
    "tokenizer.ggml.padding_token_id",
    "tokenizer.ggml.cls_token_id",
    "tokenizer.ggml.seperator_token_id",
    "tokenizer.ggml.mask_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
];

/// Ids of special tokens, as the metadata gives them: one may lie beyond the vocabulary, as it does in the original's
/// config.json (ModernBERT's default `sep_token_id` in a smaller vocabulary).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SpecialTokens {
    /// Begins a sequence.
    pub bos: Option<u32>,
    /// Ends a sequence.
    pub eos: Option<u32>,
    /// Stands for what the vocabulary lacks.
    pub unk: Option<u32>,
    /// Fills a batch.
    pub pad: Option<u32>,
    /// Classifies.
    pub cls: Option<u32>,
    /// Separates two sequences.
    pub sep: Option<u32>,
    /// To be guessed.
    pub mask: Option<u32>,
    /// All ids that end generation, `eos` first: also the end of a turn and of a message.
    pub end_of_generation: Vec<u32>,
}

/// Names of tokens that end generation whatever the keys say (`llama_vocab::impl::load`, llama.cpp).
const END_OF_GENERATION: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<\u{ff5c}end\u{2581}of\u{2581}sentence\u{ff5c}>",
    "[e~[",
];

/// The ids of the metadata alone, without a look at the vocabulary.
///
/// # Errors
/// If a key's value is no token id.
pub fn read(metadata: &Metadata) -> Result<SpecialTokens, Error> {
    let id = |key: &str| -> Result<Option<u32>, Error> {
        match metadata.u64(key)? {
            // -1, the C++ null id, as an unsigned number.
            None => Ok(None),
            Some(id) if id == u64::from(u32::MAX) => Ok(None),
            Some(id) => match u32::try_from(id) {
                Ok(id) => Ok(Some(id)),
                Err(_) => Err(Error::value(key, format!("{id} is no token id"))),
            },
        }
    };
    let [bos, eos, unk, pad, cls, sep, mask, eot, eom] = KEYS.map(id);
    let (eos, eot, eom) = (eos?, eot?, eom?);
    let mut end_of_generation: Vec<u32> = eos.into_iter().collect();
    for id in [eot, eom].into_iter().flatten() {
        if !end_of_generation.contains(&id) {
            end_of_generation.push(id);
        }
    }
    Ok(SpecialTokens {
        bos: bos?,
        eos,
        unk: unk?,
        pad: pad?,
        cls: cls?,
        sep: sep?,
        mask: mask?,
        end_of_generation,
    })
}

/// The ids of the metadata, completed and checked by the vocabulary.
///
/// # Errors
/// If a key's value is no token id.
pub fn complete(context: &Context, model: &str, vocabulary: &Vocabulary) -> Result<SpecialTokens, Error> {
    let mut special = read(context.metadata)?;
    defaults(&mut special, model, vocabulary);
    let is_special = |id: u32| {
        let kind = vocabulary.token(Some(id)).map(|id| vocabulary.kind(id));
        matches!(kind, Some(Kind::Control | Kind::UserDefined))
    };
    // The converter writes Gemma's 107 and GLM's by number or name: a key may point at ordinary text.
    let eos = special.eos;
    special.end_of_generation.retain(|&id| Some(id) == eos || is_special(id));
    if context.has(Quirk::TurnEndsFirst) {
        special.end_of_generation.reverse();
        return Ok(special);
    }
    for name in END_OF_GENERATION {
        if let Some(id) = vocabulary.find(name)
            && is_special(id)
            && !special.end_of_generation.contains(&id)
            && !is_exception(name, context, vocabulary)
        {
            special.end_of_generation.push(id);
        }
    }
    Ok(special)
}

/// Files of 2023 lack keys that have the value that llama.cpp takes without them; by name where the position is BERT's.
fn defaults(special: &mut SpecialTokens, model: &str, vocabulary: &Vocabulary) {
    let control =
        |id: usize| (id < vocabulary.len() && vocabulary.kind(id) == Kind::Control).then_some(id as u32);
    match model {
        "llama" => {
            special.bos = special.bos.or(control(1));
            if special.eos.is_none() {
                special.eos = control(2);
                special.end_of_generation.splice(0..0, special.eos);
            }
        }
        "bert" => {
            let named = |text| vocabulary.find(text);
            special.unk = special.unk.or_else(|| named("[UNK]"));
            special.cls = special.cls.or(special.bos).or_else(|| named("[CLS]"));
            special.sep = special.sep.or(special.eos).or_else(|| named("[SEP]"));
            special.pad = special.pad.or_else(|| named("[PAD]"));
            special.mask = special.mask.or_else(|| named("[MASK]"));
        }
        _ => {}
    }
}

/// `<|end|>` ends a channel in gpt-oss, whose turns end in `<|return|>` or `<|call|>`; `</s>` is HTML's strike-through in some.
fn is_exception(name: &str, context: &Context, vocabulary: &Vocabulary) -> bool {
    match name {
        "<|end|>" => ["<|return|>", "<|call|>"].iter().all(|t| vocabulary.find(t).is_some()),
        "</s>" => context.has(Quirk::TagsAreText),
        _ => false,
    }
}
