//! How sure we are that a folder is the original: what was lost, and whether a case proves it.

use std::fmt;

use crate::arch::Spec;
use crate::model::Model;

/// How much of the original a class's GGUF gives back, where its tensors are floats of the original's dtype.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recovery {
    /// All tensors, byte for byte.
    Bytes,
    /// All tensors; some are computed back, which is exact once rounded to bf16: the original's bytes, if that is its dtype.
    Rounded,
    /// Not all: [`Spec::loss`] says what is missing and what that means.
    Part,
}

impl Recovery {
    /// Of a class.
    pub fn of(spec: &Spec) -> Self {
        match (spec.loss, spec.is_stored()) {
            (Some(_), _) => Self::Part,
            (None, true) => Self::Bytes,
            (None, false) => Self::Rounded,
        }
    }

    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "byte-exact",
            Self::Rounded => "exact in bf16",
            Self::Part => "in part",
        }
    }
}

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
