//! The shape of tokenizer.json (tokenizers 0.23, `tokenizer/serialization.rs` and the modules of each part), written
//! straight from borrowed data: a vocabulary of a quarter of a million tokens has no tree of values in between.

use std::collections::BTreeMap;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::Vocabulary;

/// The whole file.
#[derive(Serialize)]
pub struct TokenizerJson<'a> {
    version: &'static str,
    truncation: Option<()>,
    padding: Option<()>,
    /// Tokens found in text before anything else is done to it. Each is in the model's vocabulary too: the library
    /// takes the id from there and ignores the one written here.
    pub added_tokens: Vec<AddedToken<'a>>,
    /// What is done to text first.
    pub normalizer: Option<Normalizer>,
    /// How text is cut before the model sees it.
    pub pre_tokenizer: Option<PreTokenizer>,
    /// What is put around the ids.
    pub post_processor: Option<PostProcessor>,
    /// How tokens become text again.
    pub decoder: Option<Decoder>,
    /// The model.
    pub model: Model<'a>,
}

impl<'a> TokenizerJson<'a> {
    /// A tokenizer of the model alone.
    pub fn new(model: Model<'a>) -> Self {
        Self {
            version: "1.0",
            truncation: None,
            padding: None,
            added_tokens: Vec::new(),
            normalizer: None,
            pre_tokenizer: None,
            post_processor: None,
            decoder: None,
            model,
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.model.len_estimate());
        serde_json::to_writer(&mut bytes, self)
            .expect("keys are strings, and nothing here fails to serialise");
        bytes
    }
}

/// A token found in text before the model sees it.
#[derive(Clone, Serialize)]
pub struct AddedToken<'a> {
    pub id: usize,
    pub content: &'a str,
    pub single_word: bool,
    /// Whether it takes the white space before it.
    pub lstrip: bool,
    /// Whether it takes the white space after it.
    pub rstrip: bool,
    /// Whether it is looked for in normalised text.
    pub normalized: bool,
    /// Whether decoding may skip it.
    pub special: bool,
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub enum Normalizer {
    Sequence {
        normalizers: Vec<Normalizer>,
    },
    #[serde(rename = "NFC")]
    Nfc,
    Prepend {
        prepend: &'static str,
    },
    Replace {
        pattern: Pattern,
        content: &'static str,
    },
    Precompiled {
        precompiled_charsmap: String,
    },
    #[serde(rename = "BertNormalizer")]
    Bert {
        clean_text: bool,
        handle_chinese_chars: bool,
        strip_accents: Option<bool>,
        lowercase: bool,
    },
}

#[derive(Serialize)]
pub enum Pattern {
    String(&'static str),
    Regex(&'static str),
    #[serde(rename = "Regex")]
    Built(String),
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub enum PreTokenizer {
    Sequence {
        pretokenizers: Vec<PreTokenizer>,
    },
    Split {
        pattern: Pattern,
        behavior: &'static str,
        invert: bool,
    },
    ByteLevel {
        add_prefix_space: bool,
        trim_offsets: bool,
        use_regex: bool,
    },
    Digits {
        individual_digits: bool,
    },
    Metaspace {
        replacement: char,
        prepend_scheme: &'static str,
        split: bool,
    },
    #[serde(rename = "BertPreTokenizer")]
    Bert,
    WhitespaceSplit,
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub enum PostProcessor {
    Sequence {
        processors: Vec<PostProcessor>,
    },
    ByteLevel {
        add_prefix_space: bool,
        trim_offsets: bool,
        use_regex: bool,
    },
    TemplateProcessing {
        single: Vec<Piece>,
        pair: Vec<Piece>,
        special_tokens: BTreeMap<String, TemplateToken>,
    },
}

/// A part of a template.
#[derive(Serialize)]
pub enum Piece {
    /// One of the two texts.
    Sequence { id: char, type_id: u32 },
    /// A special token.
    SpecialToken { id: String, type_id: u32 },
}

/// A special token of a template.
#[derive(Serialize)]
pub struct TemplateToken {
    pub id: String,
    pub ids: [usize; 1],
    pub tokens: [String; 1],
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub enum Decoder {
    Sequence { decoders: Vec<Decoder> },
    ByteLevel { add_prefix_space: bool, trim_offsets: bool, use_regex: bool },
    Replace { pattern: Pattern, content: &'static str },
    ByteFallback,
    Fuse,
    Strip { content: char, start: usize, stop: usize },
    WordPiece { prefix: &'static str, cleanup: bool },
    Metaspace { replacement: char, prepend_scheme: &'static str, split: bool },
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub enum Model<'a> {
    #[serde(rename = "BPE")]
    Bpe {
        dropout: Option<f32>,
        unk_token: Option<&'a str>,
        continuing_subword_prefix: Option<&'static str>,
        end_of_word_suffix: Option<&'static str>,
        fuse_unk: bool,
        byte_fallback: bool,
        ignore_merges: bool,
        vocab: Ids<'a>,
        merges: Merges<'a>,
    },
    WordPiece {
        unk_token: &'a str,
        continuing_subword_prefix: &'static str,
        max_input_chars_per_word: usize,
        vocab: Ids<'a>,
    },
    WordLevel {
        vocab: Ids<'a>,
        unk_token: &'a str,
    },
    Unigram {
        unk_id: usize,
        vocab: Scores<'a>,
        byte_fallback: bool,
    },
}

impl Model<'_> {
    /// About how many bytes of JSON: quotes, commas and numbers are about 11 a token and 3 a merge.
    fn len_estimate(&self) -> usize {
        let (vocabulary, merges) = match self {
            Self::Bpe { vocab, merges, .. } => (vocab.0, merges.len_estimate()),
            Self::WordPiece { vocab, .. } | Self::WordLevel { vocab, .. } => (vocab.0, 0),
            Self::Unigram { vocab, .. } => (vocab.vocabulary, 16 * vocab.len),
        };
        vocabulary.entries().map(|(_, text)| text.len() + 11).sum::<usize>() + merges + 4096
    }
}

/// Text to id, in order of the ids.
pub struct Ids<'a>(pub &'a Vocabulary<'a>);

impl Serialize for Ids<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (id, text) in self.0.entries() {
            map.serialize_entry(text, &id)?;
        }
        map.end()
    }
}

/// Text and score of ids 0 to `len`.
pub struct Scores<'a> {
    pub vocabulary: &'a Vocabulary<'a>,
    pub len: usize,
    /// The score of a token that text must not give.
    pub unreachable: f32,
}

impl Serialize for Scores<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len))?;
        for id in 0..self.len {
            if self.vocabulary.is_filler(id) {
                // White space cuts text before the model sees it: a text with a space in it is never found.
                list.serialize_element(&(
                    format!("{} (token {id})", self.vocabulary.text(id)),
                    self.unreachable,
                ))?;
            } else {
                let score = self.vocabulary.score(id).unwrap_or(0.0);
                list.serialize_element(&(self.vocabulary.text(id), f64::from(score)))?;
            }
        }
        list.end()
    }
}

/// The merges of a BPE model, first to last.
pub enum Merges<'a> {
    /// As `left right`, which every version of the library reads.
    Joined(Vec<&'a str>),
    /// As pairs, which pieces with spaces need (tokenizers 0.20).
    Pairs(Vec<(&'a str, &'a str)>),
}

impl Merges<'_> {
    fn len_estimate(&self) -> usize {
        match self {
            Self::Joined(merges) => merges.iter().map(|merge| merge.len() + 3).sum(),
            Self::Pairs(merges) => merges.iter().map(|(left, right)| left.len() + right.len() + 8).sum(),
        }
    }
}

impl Serialize for Merges<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Joined(merges) => merges.serialize(serializer),
            Self::Pairs(merges) => merges.serialize(serializer),
        }
    }
}
