use super::{MODELS, pre};
use crate::gguf;

/// Why no tokenizer could be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key has a value of a type it cannot have.
    #[error(transparent)]
    Metadata(#[from] gguf::Error),
    /// A key that the tokenizer's kind needs is absent.
    #[error("key {0:?} is absent")]
    MissingKey(&'static str),
    /// `tokenizer.ggml.model` is none that is known.
    #[error("tokenizer.ggml.model {0:?} is not known; supported: {list}. `--tokenizer none` serves the model without a tokenizer", list = MODELS.join(", "))]
    UnknownModel(String),
    /// `tokenizer.ggml.pre` is none that is known.
    #[error("tokenizer.ggml.pre {0:?} is not known; supported: {list}. `--tokenizer none` serves the model without a tokenizer", list = pre::names().collect::<Vec<_>>().join(", "))]
    UnknownPreTokenizer(String),
    /// An element of one of the vocabulary's arrays cannot be.
    #[error("key {key:?}, element {index}: {what}")]
    Element {
        /// The array.
        key: &'static str,
        /// Index in it: the token id, for all but the merges.
        index: usize,
        /// What is wrong.
        what: String,
    },
    /// A key's value cannot be.
    #[error("key {key:?}: {what}")]
    Value {
        /// The key.
        key: String,
        /// What is wrong.
        what: String,
    },
}

impl Error {
    pub(super) fn element(key: &'static str, index: usize, what: impl Into<String>) -> Self {
        Self::Element { key, index, what: what.into() }
    }

    pub(super) fn value(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Value { key: key.into(), what: what.into() }
    }
}
