//! How sure we are that a folder is the original: what was lost, and whether a case proves it.

use std::fmt;

use crate::model::Model;

/// How far a folder can be trusted to be the original that the file was converted from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exactness {
    /// Whether weights are quantised, so that values are ggml's and not the original's.
    pub quantised: bool,
    /// What the file does not hold of the original, and what that means.
    pub loss: Option<&'static str>,
    /// The case that proves the class, if there is one.
    pub proof: Option<&'static str>,
}

impl Exactness {
    /// Of a model's folder; `None` for a file without weights.
    pub fn of(model: &Model) -> Option<Self> {
        let spec = model.weights.as_ref()?.spec;
        let quantised = model.gguf.tensors.iter().any(|t| t.format.dtype.is_none());
        Some(Self { quantised, loss: spec.loss, proof: spec.proof.first().copied() })
    }
}

impl fmt::Display for Exactness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.quantised {
            "values are the quantised file's, as ggml decodes them"
        } else {
            "tensors are those of the original, byte for byte where the dtype is the same"
        })?;
        if let Some(loss) = self.loss {
            write!(f, "; {loss}")?;
        }
        match self.proof {
            None => f.write_str("; no test case proves this class yet"),
            Some(case) => write!(f, "; the class is proved by case {case}"),
        }
    }
}
