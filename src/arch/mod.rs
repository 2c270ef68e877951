//! What each architecture's converter did, and its inverse: one declarative file an architecture.
//!
//! Knows names, keys and formulas; moves no bytes. Which class a file came from is decided by `general.architecture`
//! and the tells of its specs, in the order of [`ALL`]. An architecture that is not here is refused: nothing in a GGUF
//! says which tensors were transformed, and a wrongly un-permuted model loads and talks nonsense.
//!
//! To add one: its file, its line in the list.

mod bind;
mod config;
mod dim;
mod error;
mod expr;
mod rope_scaling;
mod scope;
mod shared;
mod spec;

mod llama;
mod mistral3;
mod qwen2;
mod qwen2moe;
mod qwen3;
mod qwen3moe;

pub use bind::bind;
pub use config::config;
pub use error::Error;
pub use scope::Scope;
pub use spec::{Spec, Tell};

use crate::gguf::Gguf;

/// Every class that can be shown. Of one architecture, the first whose tells hold is taken.
pub static ALL: &[&Spec] = &[
    &llama::MIXTRAL,
    &llama::MISTRAL,
    &llama::LLAMA,
    &mistral3::SPEC,
    &qwen2::SPEC,
    &qwen2moe::SPEC,
    &qwen3::SPEC,
    &qwen3moe::SPEC,
];

/// The spec of a file: the class asked for, or the first of its architecture whose tells hold.
///
/// # Errors
/// If the architecture or the class is not known.
pub fn pick(gguf: &Gguf, class: Option<&str>) -> Result<&'static Spec, Error> {
    let name = gguf.metadata.str("general.architecture")?;
    let name = name.ok_or_else(|| Error::MissingKey { key: "general.architecture".into() })?;
    let specs: Vec<_> = ALL.iter().copied().filter(|s| s.gguf == name).collect();
    if specs.is_empty() {
        let mut known: Vec<_> = ALL.iter().map(|s| s.gguf).collect();
        known.dedup();
        return Err(Error::UnknownArchitecture { name: name.into(), known: known.join(", ") });
    }
    let classes = || specs.iter().map(|s| s.class).collect::<Vec<_>>().join(", ");
    if let Some(class) = class {
        return specs.iter().copied().find(|s| s.class == class).ok_or_else(|| Error::UnknownClass {
            class: class.into(),
            architecture: name.into(),
            known: classes(),
        });
    }
    let scope = Scope::new(gguf, name);
    for spec in &specs {
        if spec.when.iter().map(|t| t.holds(&scope)).collect::<Result<Vec<_>, _>>()?.iter().all(|h| *h) {
            return Ok(spec);
        }
    }
    Err(Error::Unsupported {
        what: format!("architecture {name:?}, but none of its classes fits: {}", classes()),
    })
}

impl Tell {
    fn holds(&self, scope: &Scope) -> Result<bool, Error> {
        Ok(match *self {
            Self::Key(key) => scope.metadata().value(&scope.key(key)).is_some(),
            Self::Positive(key) => scope.u64(key)?.is_some_and(|n| n > 0),
            Self::Equals(key, number) => scope.u64(key)? == Some(number),
            Self::Text(key, text) => scope.metadata().value(key).and_then(|v| v.as_str()) == Some(text),
            Self::Tensor(name) => scope.tensor(name).is_some(),
            Self::Named(words) => {
                const KEYS: [&str; 3] = ["general.name", "general.basename", "general.base_model.0.repo_url"];
                let names = KEYS.iter().filter_map(|key| scope.metadata().value(key)?.as_str());
                let names: Vec<_> = names.map(str::to_lowercase).collect();
                words.iter().any(|word| names.iter().any(|name| name.contains(word)))
            }
            Self::Not(tell) => !tell.holds(scope)?,
            Self::Any(tells) => {
                tells.iter().map(|t| t.holds(scope)).collect::<Result<Vec<_>, _>>()?.contains(&true)
            }
        })
    }
}
