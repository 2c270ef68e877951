//! The token list of a GGUF, checked once: every token has a text, every text one id.

use std::borrow::Cow;

use super::Error;
use super::index::Index;
use crate::gguf::{Array, Metadata};

/// Keys of the vocabulary's arrays.
pub mod key {
    #![allow(missing_docs)]
    pub const TOKENS: &str = "tokenizer.ggml.tokens";
    pub const SCORES: &str = "tokenizer.ggml.scores";
    pub const TYPES: &str = "tokenizer.ggml.token_type";
    pub const MERGES: &str = "tokenizer.ggml.merges";
}

/// Tokens of one vocabulary. The largest known has 262,400; a limit keeps the ids of a hostile file within 32 bits and its
/// tokenizer.json within memory.
const TOKENS: usize = 1 << 24;

/// What a token is (`llama_token_type`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Text.
    Normal,
    /// Stands for what the vocabulary lacks.
    Unknown,
    /// Steers the model, is never text.
    Control,
    /// Text that is a token wherever it occurs.
    UserDefined,
    /// In the list, but no text gives it.
    Unused,
    /// One byte, `<0xNN>`.
    Byte,
}

/// The tokens, by id.
pub struct Vocabulary<'a> {
    texts: Vec<Cow<'a, str>>,
    kinds: Vec<Kind>,
    scores: Option<&'a [f32]>,
    index: Index,
}

impl<'a> Vocabulary<'a> {
    /// Reads the arrays.
    ///
    /// # Errors
    /// If there is no token list, a token is not UTF-8, a score is no number, or the arrays differ in length.
    pub fn read(metadata: &'a Metadata) -> Result<Self, Error> {
        let tokens = metadata.strings(key::TOKENS)?.ok_or(Error::MissingKey(key::TOKENS))?;
        let len = tokens.len();
        if len == 0 {
            return Err(Error::value(key::TOKENS, "no tokens"));
        }
        if len > TOKENS {
            return Err(Error::value(key::TOKENS, format!("{len} tokens; the limit is {TOKENS}")));
        }
        let texts: Result<Vec<_>, Error> = tokens
            .iter()
            .enumerate()
            .map(|(id, token)| match std::str::from_utf8(token) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(_) => {
                    Err(Error::element(key::TOKENS, id, format!("{} is not UTF-8", token.escape_ascii())))
                }
            })
            .collect();
        let kinds = match metadata.array(key::TYPES)? {
            None => vec![Kind::Normal; len],
            Some(types) => kinds(types, len)?,
        };
        let scores = match metadata.array(key::SCORES)? {
            None => None,
            Some(scores) => Some(check_scores(scores, len)?),
        };
        let mut this = Self { texts: texts?, kinds, scores, index: Index::default() };
        if metadata.entry(key::TYPES).is_none() {
            this.mark_special(metadata)?;
        }
        let unnamed = loop {
            if let Some(unnamed) = this.fill_index() {
                break unnamed;
            }
        };
        for id in unnamed {
            // A JSON map holds a text once, and no text gives the empty one. No original has such tokens, so there
            // are no ids to be equal to.
            let text = match this.text(id) {
                "" => format!("[EMPTY_{id}]"), // the converter's own name for them
                text => text.to_owned(),
            };
            this.respell(id, text);
        }
        Ok(this)
    }

    /// Indexes the texts and gives the ids of those that are empty or another's too; `None` if two texts share a hash.
    fn fill_index(&mut self) -> Option<Vec<usize>> {
        let mut index = Index::with_capacity(self.len());
        let mut unnamed = Vec::new();
        for (id, text) in self.entries() {
            match index.insert(text, id as u32) {
                Some(other) if self.text(other as usize) != text => return None,
                None if !text.is_empty() => {}
                _ => unnamed.push(id),
            }
        }
        self.index = index;
        Some(unnamed)
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// The text of an id below [`len`](Self::len). No two ids have the same, fillers aside.
    pub fn text(&self, id: usize) -> &str {
        &self.texts[id]
    }

    /// Whether an id has this text; `false` for ids that are not.
    pub fn is_text(&self, id: usize, text: &str) -> bool {
        self.texts.get(id).is_some_and(|t| t == text) && !self.is_filler(id)
    }

    /// What the token of an id below [`len`](Self::len) is.
    pub fn kind(&self, id: usize) -> Kind {
        self.kinds[id]
    }

    /// Sets what a token is, where its context tells more than its type.
    pub fn set_kind(&mut self, id: usize, kind: Kind) {
        self.kinds[id] = kind;
    }

    /// Ids of added tokens: those found in text before the model sees it.
    pub fn added(&self) -> impl Iterator<Item = usize> {
        let is_added = |kind| matches!(kind, Kind::Unknown | Kind::Control | Kind::UserDefined);
        self.entries().map(|(id, _)| id).filter(move |&id| is_added(self.kinds[id]))
    }

    /// The score of an id; `None` if the file has no scores.
    pub fn score(&self, id: usize) -> Option<f32> {
        self.scores.map(|scores| scores[id])
    }

    /// All scores, if the file has them.
    pub fn scores(&self) -> Option<&'a [f32]> {
        self.scores
    }

    /// Whether there are scores that differ from each other, so that they order the tokens.
    pub fn scores_differ(&self) -> bool {
        self.scores.is_some_and(|scores| scores.iter().any(|s| *s != scores[0]))
    }

    /// The id of a token.
    pub fn find(&self, text: &str) -> Option<u32> {
        self.index.find(text)
    }

    /// Gives a token another text than the file's; one that no other has, if it is another's.
    pub fn respell(&mut self, id: usize, text: String) {
        let id32 = id as u32; // below the limit of tokens
        self.index.remove(&self.texts[id], id32);
        let mut unique = text;
        while self.index.insert(&unique, id32).is_some() {
            unique.push_str(&format!(" (token {id})"));
        }
        self.texts[id] = Cow::Owned(unique);
    }

    /// Gives every token the text that `spell` makes of the file's; `None` leaves it as it is.
    pub fn respell_all(&mut self, spell: impl Fn(Kind, &str) -> Option<String>) {
        self.index = Index::with_capacity(self.len());
        for id in 0..self.len() {
            let text = self.text(id);
            let text = spell(self.kinds[id], text).unwrap_or_else(|| text.to_owned());
            self.respell(id, text);
        }
    }

    /// Whether an id is one that the converter made up to fill the list to the embedding's rows: the original's
    /// tokenizer has no such token (`[PAD{id}]` in `get_vocab_base`; until mid-2024 of type USER_DEFINED, in Phi 3 of type
    /// UNKNOWN).
    pub fn is_filler(&self, id: usize) -> bool {
        let Some(number) = self.texts[id].strip_prefix("[PAD").and_then(|t| t.strip_suffix(']')) else {
            return false;
        };
        match self.kinds[id] {
            Kind::Unused => !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()),
            Kind::UserDefined | Kind::Unknown => number.parse() == Ok(id),
            _ => false,
        }
    }

    /// The token of an id that a key gives: `None` if it is beyond the list, or a filler.
    pub fn token(&self, id: Option<u32>) -> Option<usize> {
        id.map(|id| id as usize).filter(|&id| id < self.len() && !self.is_filler(id))
    }

    /// All ids that are no fillers, with their texts.
    pub fn entries(&self) -> impl Iterator<Item = (usize, &str)> {
        (0..self.len()).filter(|&id| !self.is_filler(id)).map(|id| (id, self.text(id)))
    }

    /// Ids up to the last that is no filler.
    pub fn used(&self) -> usize {
        (0..self.len()).rev().find(|&id| !self.is_filler(id)).map_or(0, |id| id + 1)
    }

    /// The first token of a kind.
    pub fn first(&self, kind: Kind) -> Option<usize> {
        (0..self.len()).find(|&id| self.kinds[id] == kind && !self.is_filler(id))
    }

    /// A file of 2023 has no types: the tokens that its keys name are control tokens.
    fn mark_special(&mut self, metadata: &Metadata) -> Result<(), Error> {
        for name in super::special::KEYS {
            if let Some(id) = metadata.u64(name)?
                && let Some(kind) = usize::try_from(id).ok().and_then(|id| self.kinds.get_mut(id))
            {
                *kind = Kind::Control;
            }
        }
        Ok(())
    }
}

fn kinds(types: &Array, len: usize) -> Result<Vec<Kind>, Error> {
    same_length(key::TYPES, types.len(), len)?;
    types
        .iter()
        .enumerate()
        .map(|(id, value)| {
            Ok(match value.as_i64() {
                // 0 is LLAMA_TOKEN_TYPE_UNDEFINED, which llama.cpp gives no attribute.
                Some(0 | 1) => Kind::Normal,
                Some(2) => Kind::Unknown,
                Some(3) => Kind::Control,
                Some(4) => Kind::UserDefined,
                Some(5) => Kind::Unused,
                Some(6) => Kind::Byte,
                _ => return Err(Error::element(key::TYPES, id, format!("{value:?} is no token type"))),
            })
        })
        .collect()
}

fn check_scores(scores: &Array, len: usize) -> Result<&[f32], Error> {
    same_length(key::SCORES, scores.len(), len)?;
    let Array::F32(scores) = scores else {
        return Err(Error::value(key::SCORES, "not an array of 32-bit floats"));
    };
    match scores.iter().position(|s| !s.is_finite()) {
        Some(id) => Err(Error::element(key::SCORES, id, format!("{} is not finite", scores[id]))),
        None => Ok(scores),
    }
}

fn same_length(key: &'static str, found: usize, tokens: usize) -> Result<(), Error> {
    if found == tokens {
        return Ok(());
    }
    Err(Error::value(key, format!("{found} elements, but there are {tokens} tokens")))
}
