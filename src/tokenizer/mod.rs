//! From a GGUF's tokenizer keys to the Hugging Face tokenizer files, exact to the original's ids.
//!
//! [`build`] makes the files of one model, each a function of the metadata alone. It knows nothing of tensors, folders or
//! mounts; `hf` puts the files into the folder and asks for the ids that config.json repeats.
//!
//! A kind of tokenizer is one file here (`bpe`, `spm`, `wordpiece`, `unigram`, `longest`); all read a [`Vocabulary`] and fill a
//! `json::TokenizerJson`. Those with a class of their own also get the file that it reads (`own`). How a byte-pair tokenizer
//! splits text is data, in `pre`. The class that tokenizer_config.json names is always `PreTrainedTokenizerFast`, which takes
//! tokenizer.json as it is: classes such as `LlamaTokenizer` build everything but vocabulary and merges anew.

mod bpe;
mod config;
mod error;
mod index;
mod json;
mod longest;
mod original;
mod own;
mod pre;
mod quirk;
mod sentencepiece;
mod special;
mod spm;
mod template;
mod unigram;
mod vocabulary;
mod wordpiece;

use std::sync::Arc;

pub use error::Error;
use original::Original;
pub use quirk::Quirk;
pub use special::SpecialTokens;
use template::{Pair, Template};
use vocabulary::{Kind, Vocabulary};

use crate::gguf::Metadata;

/// The values of `tokenizer.ggml.model` that are known, those without a Hugging Face equivalent too.
pub const MODELS: &[&str] = &[
    "llama",
    "gpt2",
    "bert",
    "t5",
    "gemma4",
    "whitespace",
    "none",
    "no_vocab",
    "rwkv",
    "plamo2",
    "hybriddna",
];

/// The transformers whose way to read these files was followed; at least 5.0.0, or it patches the patterns of
/// Mistral-like models.
pub const TRANSFORMERS_VERSION: &str = "5.23.0";

/// What a tokenizer is built from.
pub struct Context<'a> {
    /// The file's metadata.
    pub metadata: &'a Metadata,
    /// `general.architecture`.
    pub architecture: &'a str,
    /// What no key tells.
    pub quirks: Vec<Quirk>,
    /// The context length, in tokens.
    pub max_length: Option<u64>,
}

impl Context<'_> {
    /// Whether the model has a quirk.
    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

/// A model's tokenizer as files.
#[derive(Debug, Default)]
pub struct Tokenizer {
    /// Path in the folder, `/` between its parts, and content, which a folder shares.
    pub files: Vec<(String, Arc<Vec<u8>>)>,
    /// Ids that config.json repeats.
    pub special: SpecialTokens,
    /// What the user must know: why there are no files, or which were not used.
    pub note: Option<String>,
}

/// The special tokens alone, for a model that is to be shown without a tokenizer.
///
/// # Errors
/// If a key's value is no token id.
pub fn without(context: &Context) -> Result<Tokenizer, Error> {
    without_files(context, "left out on request")
}

/// Builds the tokenizer files.
///
/// # Errors
/// If the kind of tokenizer or its pre-tokenizer is unknown, or the vocabulary is malformed. The message names the key
/// and the element.
pub fn build(context: &Context) -> Result<Tokenizer, Error> {
    let model = context.metadata.str("tokenizer.ggml.model")?.unwrap_or("none");
    let reason = match model {
        "none" | "no_vocab" => "the GGUF has none".to_owned(),
        "hybriddna" => {
            format!("tokenizer.ggml.model {model:?} has no equivalent in the tokenizers library")
        }
        "llama" | "gpt2" | "bert" | "t5" | "gemma4" | "whitespace" => return build_files(context, model),
        _ => {
            let own = own::find(model).ok_or_else(|| Error::UnknownModel(model.to_owned()))?;
            return build_own(context, model, own);
        }
    };
    without_files(context, &reason)
}

/// Only what the folder needs of a model without a tokenizer.
fn without_files(context: &Context, reason: &str) -> Result<Tokenizer, Error> {
    let special = special::read(context.metadata)?;
    let mut files = Vec::new();
    config::generation(context, &special, &mut files)?;
    Ok(Tokenizer { files: shared(files), special, note: Some(format!("no tokenizer files: {reason}")) })
}

/// The files of a tokenizer whose class is code of the model's repository.
fn build_own(context: &Context, model: &str, own: &own::Own) -> Result<Tokenizer, Error> {
    let metadata = context.metadata;
    let mut vocabulary = Vocabulary::read(metadata)?;
    let text = (own.text)(metadata, &vocabulary)?;
    let is_known = own.restore.map_or(Ok(false), |restore| restore(metadata, &mut vocabulary))?;
    let source = Source::read(context, model, &vocabulary, vocabulary.used())?;
    let mut files = vec![(own.file.to_owned(), text.into_bytes())];
    if is_known {
        files.push(("tokenizer.json".to_owned(), longest::build(&source, &vocabulary).to_bytes()));
    }
    config::tokenizer(&source, &vocabulary, &mut files)?;
    config::generation(context, &source.special, &mut files)?;
    let note = format!(
        "no tokenizer.json: the tokenizers library has nothing like tokenizer.ggml.model {model:?}; {} is for its own class, \
         which is code of the model's repository",
        own.file
    );
    Ok(Tokenizer { files: shared(files), special: source.special, note: (!is_known).then_some(note) })
}

fn build_files(context: &Context, model: &str) -> Result<Tokenizer, Error> {
    let mut vocabulary = Vocabulary::read(context.metadata)?;
    if model == "bert" && wordpiece::is_unigram(&vocabulary) {
        let reason =
            "the vocabulary is a unigram model's, converted as if it were WordPiece: its scores are lost";
        return without_files(context, reason);
    }
    let stored = vocabulary.used();
    match model {
        "llama" => spm::restore(context, &mut vocabulary)?,
        "gemma4" => spm::restore_unknown(&mut vocabulary),
        "bert" => wordpiece::restore(&mut vocabulary),
        "t5" if context.has(Quirk::Sentinels) => unigram::restore(&mut vocabulary),
        _ => {}
    }
    let source = Source::read(context, model, &vocabulary, stored)?;
    let (json, note) = match original::find(&source, &vocabulary)? {
        Original::Agrees(json) => (json.as_bytes().to_vec(), None),
        Original::Absent => (tokenizer_json(&source, &vocabulary)?, None),
        Original::Differs(why) => (tokenizer_json(&source, &vocabulary)?, Some(why)),
    };
    let sentencepiece = match model {
        "llama" => spm::model(&source, &vocabulary),
        "t5" => unigram::model(&source, &vocabulary),
        _ => bpe::model(&source, &vocabulary),
    }?;
    let mut files = vec![("tokenizer.json".to_owned(), json)];
    config::tokenizer(&source, &vocabulary, &mut files)?;
    files.extend(sentencepiece.map(|bytes| ("tokenizer.model".to_owned(), bytes)));
    config::generation(context, &source.special, &mut files)?;
    Ok(Tokenizer { files: shared(files), special: source.special, note })
}

fn shared(files: Vec<(String, Vec<u8>)>) -> Vec<(String, Arc<Vec<u8>>)> {
    files.into_iter().map(|(path, bytes)| (path, Arc::new(bytes))).collect()
}

fn tokenizer_json(source: &Source, vocabulary: &Vocabulary) -> Result<Vec<u8>, Error> {
    let json = match source.model {
        "llama" => spm::build(source, vocabulary),
        "bert" => wordpiece::build(source, vocabulary),
        "t5" => unigram::build(source, vocabulary),
        _ => bpe::build(source, vocabulary),
    }?;
    Ok(json.to_bytes())
}

/// What every kind of tokenizer reads beside its vocabulary.
struct Source<'a> {
    context: &'a Context<'a>,
    /// `tokenizer.ggml.model`.
    model: &'a str,
    /// Ids up to the last that has a token in the file.
    stored: usize,
    special: SpecialTokens,
    add_bos: Option<bool>,
    add_eos: Option<bool>,
    add_sep: Option<bool>,
    /// Whether the model reads text in both directions, so that a pair of texts is one input.
    is_encoder: bool,
}

impl<'a> Source<'a> {
    fn read(
        context: &'a Context,
        model: &'a str,
        vocabulary: &Vocabulary,
        stored: usize,
    ) -> Result<Self, Error> {
        let metadata = context.metadata;
        Ok(Self {
            context,
            model,
            stored,
            special: special::complete(context, model, vocabulary)?,
            add_bos: metadata.bool("tokenizer.ggml.add_bos_token")?,
            add_eos: metadata.bool("tokenizer.ggml.add_eos_token")?,
            add_sep: metadata.bool("tokenizer.ggml.add_sep_token")?,
            is_encoder: config::is_encoder(context)?,
        })
    }

    /// The tokens around a text: `bos` or `cls` before it and `eos` or `sep` after it, where asked for and known.
    fn template(&self, vocabulary: &Vocabulary, add_bos: bool, add_eos: bool, pair: Pair) -> Template {
        let token = |wanted: bool, id: Option<u32>, other: Option<u32>| {
            let id = vocabulary.token(id.or(other).filter(|_| wanted))?;
            Some((vocabulary.text(id).to_owned(), id))
        };
        let special = &self.special;
        let (first, last) = match self.model {
            "bert" => ((special.cls, special.bos), (special.sep, special.eos)),
            _ => ((special.bos, special.cls), (special.eos, special.sep)),
        };
        Template { first: token(add_bos, first.0, first.1), last: token(add_eos, last.0, last.1), pair }
    }

    /// The added tokens of a vocabulary, by id.
    fn added_tokens<'v>(&self, vocabulary: &'v Vocabulary) -> Vec<json::AddedToken<'v>> {
        vocabulary.added().map(|id| self.added_token(vocabulary, id)).collect()
    }

    fn added_token<'v>(&self, vocabulary: &'v Vocabulary, id: usize) -> json::AddedToken<'v> {
        let content = vocabulary.text(id);
        json::AddedToken {
            id,
            content,
            single_word: false,
            lstrip: self.strips_left(content),
            rstrip: self.strips_right(content),
            normalized: false,
            special: vocabulary.kind(id) != Kind::UserDefined,
        }
    }

    /// Whether a token takes the white space before it.
    fn strips_left(&self, token: &str) -> bool {
        let pre = self.context.metadata.str("tokenizer.ggml.pre").ok().flatten().unwrap_or_default();
        pre::STRIPS_LEFT.contains(&(pre, token))
            || token == "<mask>" && self.context.has(Quirk::MaskStripsLeft)
    }

    /// Whether a token takes the white space after it.
    fn strips_right(&self, token: &str) -> bool {
        self.context.has(Quirk::AddedStripRight) && !["<unk>", "<s>", "<|endoftext|>"].contains(&token)
    }
}
