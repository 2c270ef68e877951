//! A Go template for Ollama that renders as the model's own chat template does.
//!
//! Ollama up to v0.24 renders Go templates only, and later ones prefer one unless the model's own knows more (tools,
//! thinking). [`derive`] renders the model's template on probe conversations, reads off what stands around each turn,
//! writes that as a Go template, and has the text of it rendered again: it is accepted only if it answers each probe as
//! the model's template did. What a template does with blanks at the ends of a turn is lost (Go templates cannot trim),
//! and what it would do with tools.
//!
//! A hostile template is bounded in length, steps and output ([`jinja`]), but minijinja has no bound on the strings
//! that it holds meanwhile.

mod go;
mod jinja;
mod shape;

use crate::gguf::{Array, Metadata, Value};
use jinja::{Failure, Jinja};
use shape::Shape;

/// A turn of a conversation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Message<'a> {
    /// `system`, `user` or `assistant`.
    pub role: &'a str,
    /// What is said.
    pub content: &'a str,
}

impl<'a> Message<'a> {
    /// A turn.
    pub fn new(role: &'a str, content: &'a str) -> Self {
        Self { role, content }
    }
}

/// The texts of special tokens that a chat template may name.
#[derive(Clone, Debug, Default)]
pub struct SpecialText<'a> {
    /// Begins a sequence.
    pub bos: Option<&'a str>,
    /// Ends a sequence.
    pub eos: Option<&'a str>,
    /// Stands for what the vocabulary lacks.
    pub unk: Option<&'a str>,
    /// Fills a batch.
    pub pad: Option<&'a str>,
    /// Whether the server puts `bos` before a prompt, so that the template must not.
    pub adds_bos: bool,
}

impl<'a> SpecialText<'a> {
    /// The texts of a model's special tokens.
    pub fn of(metadata: &'a Metadata, special: &crate::tokenizer::SpecialTokens) -> Self {
        let tokens = match metadata.value("tokenizer.ggml.tokens") {
            Some(Value::Array(Array::String(tokens))) => Some(tokens),
            _ => None,
        };
        let text = |id: Option<u32>| std::str::from_utf8(tokens?.get(id? as usize)?).ok();
        // Both engines of Ollama take a missing key for true where templates write a BOS at all.
        let adds_bos =
            metadata.value("tokenizer.ggml.add_bos_token").and_then(Value::as_bool).unwrap_or(true);
        Self {
            bos: text(special.bos),
            eos: text(special.eos),
            unk: text(special.unk),
            pad: text(special.pad),
            adds_bos,
        }
    }
}

/// A derived template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    /// Its text.
    pub text: String,
    /// The markers that open and close turns: if the model writes one, its turn is over.
    pub stop: Vec<String>,
}

/// Why no template could be derived.
#[derive(Debug, thiserror::Error)]
pub enum Underivable {
    /// The model's template failed, or does something that is not done here.
    #[error("the model's chat template cannot be rendered here")]
    Failed(#[source] minijinja::Error),
    /// It refuses the simplest conversations.
    #[error("the model's chat template refuses a plain conversation: {0}")]
    Refuses(String),
    /// It writes the day's date.
    #[error("the model's chat template writes the date of the day")]
    Dated,
    /// It is not made of fixed texts around the turns.
    #[error("the model's chat template is not made of fixed texts around each turn")]
    Irregular,
}

/// What is said in the probes. The first is for reading the shape off: words that no template has. With the second,
/// which has line breaks, quotes and braces, the template is only held to.
const CONTENTS: [[&str; 6]; 2] = [
    ["zq-sys-zq", "zq-one-zq", "zq-two-zq", "zq-three-zq", "zq-four-zq", "zq-five-zq"],
    [
        "Be \"brief\".\n\nAnd <kind>.",
        "What's {{ x }}?\nTell.",
        "It's {y} & z.",
        "\u{e9}t\u{e9}\t#2",
        "a\\b",
        "?",
    ],
];
const SYSTEM: usize = 0;

/// The probes: which contents, the first always the system's.
const PROBES: [&[usize]; 6] =
    [&[1], &[SYSTEM, 1], &[1, 2, 3], &[SYSTEM, 1, 2, 3], &[1, 2, 3, 4, 5], &[SYSTEM, 1, 2, 3, 4, 5]];

fn probe(probe: &[usize], contents: &[&'static str; 6]) -> Vec<Message<'static>> {
    let role = |n| match n {
        SYSTEM => "system",
        n if n % 2 == 1 => "user",
        _ => "assistant",
    };
    probe.iter().map(|&n| Message::new(role(n), contents[n])).collect()
}

/// What the model's template makes of a conversation, less the BOS if the server adds it; `None` if it refuses it.
fn rendered(
    jinja: &Jinja,
    special: &SpecialText,
    messages: &[Message],
) -> Result<Option<String>, Underivable> {
    let text = match jinja.render(messages, true) {
        Ok(text) => text,
        Err(Failure::Refused(why)) if messages[0].role != "system" => return Err(Underivable::Refuses(why)),
        Err(Failure::Refused(_)) => return Ok(None),
        Err(Failure::Other(error)) => return Err(Underivable::Failed(error)),
    };
    if text.contains(jinja::TODAY) {
        return Err(Underivable::Dated);
    }
    let less = special.bos.filter(|_| special.adds_bos).and_then(|bos| text.strip_prefix(bos));
    Ok(Some(less.map_or(text.clone(), str::to_owned)))
}

/// Derives a Go template from a model's own, and proves it on the probes.
///
/// # Errors
/// See [`Underivable`].
pub fn derive(source: &str, special: &SpecialText) -> Result<Template, Underivable> {
    let jinja = Jinja::compile(source, special).map_err(Underivable::Failed)?;
    let ask = |numbers: &[usize], contents| rendered(&jinja, special, &probe(numbers, contents));
    let [words, others] = &CONTENTS;
    let mut texts = Vec::new();
    for numbers in &PROBES[..4] {
        texts.push(ask(numbers, words)?);
    }
    let [Some(one), system, Some(three), system_three] = &texts[..] else {
        return Err(Underivable::Irregular);
    };
    // Where a turn ends is plainer without a generation prompt; a template may also end its text otherwise there.
    let closed = jinja.render(&probe(&[1, 2], words), false).ok();
    let open = jinja.render(&probe(&[1], words), false).ok();
    let seen = shape::Seen { one, three, system, system_three, open, closed };
    let shape = Shape::read(&seen, words).ok_or(Underivable::Irregular)?;
    let template = Template { text: shape.go_template(), stop: shape.stop() };
    for numbers in PROBES {
        for contents in [words, others] {
            let ours = match go::render(&template.text, &probe(numbers, contents)) {
                Ok(text) => Some(text),
                Err(go::Error::Refused) => None,
                Err(go::Error::Syntax(_)) => return Err(Underivable::Irregular),
            };
            if ours != ask(numbers, contents)? {
                return Err(Underivable::Irregular);
            }
        }
    }
    Ok(template)
}
