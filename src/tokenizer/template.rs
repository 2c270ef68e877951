//! The special tokens around a text or a pair of texts.

use std::collections::BTreeMap;

use super::json::{Piece, PostProcessor, TemplateToken};

/// Tokens that are added.
#[derive(Clone, Debug, Default)]
pub struct Template {
    /// Before a text.
    pub first: Option<(String, usize)>,
    /// After it.
    pub last: Option<(String, usize)>,
    /// What a pair looks like.
    pub pair: Pair,
}

/// How a pair of texts is told apart.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Pair {
    /// Each text with its own tokens; the second is of type 1.
    #[default]
    Each,
    /// `first A last B last`; the second text and its end are of type 1 (BERT).
    Shared,
    /// `first A last B last`, all of type 0 (T5).
    Untyped,
    /// `first A last last B last`, all of type 0 (RoBERTa).
    Doubled,
}

impl Template {
    /// The post-processor; `None` if nothing is added.
    pub fn processor(&self) -> Option<PostProcessor> {
        if self.first.is_none() && self.last.is_none() {
            return None;
        }
        let second = match self.pair {
            Pair::Each | Pair::Shared => 1,
            Pair::Untyped | Pair::Doubled => 0,
        };
        let text = |id, type_id| Some(Piece::Sequence { id, type_id });
        let first = |type_id| special(&self.first, type_id);
        let last = |type_id| special(&self.last, type_id);
        let doubled = if self.pair == Pair::Doubled { last(0) } else { None };
        let again = if self.pair == Pair::Each { first(second) } else { None };
        let pair = [first(0), text('A', 0), last(0), doubled, again, text('B', second), last(second)];
        Some(PostProcessor::TemplateProcessing {
            single: [first(0), text('A', 0), last(0)].into_iter().flatten().collect(),
            pair: pair.into_iter().flatten().collect(),
            special_tokens: self.special_tokens(),
        })
    }

    fn special_tokens(&self) -> BTreeMap<String, TemplateToken> {
        let tokens = [&self.first, &self.last].into_iter().flatten();
        tokens
            .map(|(text, id)| {
                (text.clone(), TemplateToken { id: text.clone(), ids: [*id], tokens: [text.clone()] })
            })
            .collect()
    }
}

fn special(token: &Option<(String, usize)>, type_id: u32) -> Option<Piece> {
    token.as_ref().map(|(text, _)| Piece::SpecialToken { id: text.clone(), type_id })
}
