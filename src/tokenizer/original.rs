//! The original's own tokenizer.json, which some files carry whole.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use super::{Error, Source, Vocabulary};

/// Where it is.
const KEY: &str = "tokenizer.huggingface.json";

/// The parts that are compared.
#[derive(Deserialize)]
struct TokenizerJson<'a> {
    #[serde(borrow, default)]
    added_tokens: Vec<AddedToken<'a>>,
    #[serde(borrow)]
    model: Model<'a>,
}

#[derive(Deserialize)]
struct AddedToken<'a> {
    id: usize,
    #[serde(borrow)]
    content: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Model<'a> {
    #[serde(borrow)]
    vocab: Tokens<'a>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Tokens<'a> {
    #[serde(borrow)]
    Ids(HashMap<Cow<'a, str>, usize>),
    Scores(Vec<(String, f64)>),
}

/// What a file says of its original's tokenizer.json.
pub enum Original<'a> {
    /// Nothing.
    Absent,
    /// The same tokens as its own list.
    Agrees(&'a str),
    /// Something else: why it is not used.
    Differs(String),
}

/// Finds the original and compares it with the list, which the model's ids go by.
///
/// # Errors
/// If the key is no string.
pub fn find<'a>(source: &Source<'a>, vocabulary: &Vocabulary) -> Result<Original<'a>, Error> {
    let Some(text) = source.context.metadata.str(KEY)? else { return Ok(Original::Absent) };
    let json: TokenizerJson = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => return Ok(Original::Differs(format!("{KEY} is not used: {error}"))),
    };
    let mut ids: HashMap<&str, usize> = match &json.model.vocab {
        Tokens::Ids(ids) => ids.iter().map(|(text, id)| (text.as_ref(), *id)).collect(),
        Tokens::Scores(list) => list.iter().enumerate().map(|(id, (text, _))| (text.as_str(), id)).collect(),
    };
    for token in &json.added_tokens {
        ids.entry(&token.content).or_insert(token.id);
    }
    if let Some((text, id)) = ids.iter().find(|(_, id)| **id >= vocabulary.len()) {
        return Ok(Original::Differs(format!(
            "{KEY} is not used: its token {id}, {text:?}, is not in the list"
        )));
    }
    for (id, text) in vocabulary.entries() {
        if ids.get(text) != Some(&id) {
            return Ok(Original::Differs(format!(
                "{KEY} is not used: the list's token {id}, {text:?}, is not in it"
            )));
        }
    }
    Ok(Original::Agrees(text))
}
