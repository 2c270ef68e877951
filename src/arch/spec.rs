//! The language in which an architecture is declared.

use serde_json::Value as Json;

use super::Error;
use super::dim::Dim;
use super::expr::Expr;
use super::scope::Scope;

/// One Hugging Face class and how its folder follows from a GGUF. Data: one file declares it, nothing else knows it.
pub struct Spec {
    /// `general.architecture`.
    pub gguf: &'static str,
    /// What else must hold; of all specs of an architecture the first whose tells hold is taken.
    pub when: &'static [Tell],
    /// `architectures` in config.json.
    pub class: &'static str,
    /// `model_type` in config.json.
    pub model_type: &'static str,
    /// A prefix that every name has in [`Spec::tensors`] and that this class's names lack.
    pub strip: &'static str,
    /// Fields of config.json, in order. A later group overrides a field of an earlier one.
    pub config: &'static [&'static [Field]],
    /// Tensors. Where several rules give a name, the first whose stored tensors are all there is taken.
    pub tensors: &'static [&'static [Rule]],
    /// What the file does not hold of the original, and what that means. `None`: nothing that matters.
    pub loss: Option<&'static str>,
    /// Cases that prove the spec, by name in the corpus or in tests/fixtures/arch; empty: none does.
    pub proof: &'static [&'static str],
    /// Where the converter's steps that this inverts are.
    pub source: &'static str,
}

impl Spec {
    /// Whether all that the class shows are stored bytes, in whatever order; else some elements are computed from them.
    pub fn is_stored(&self) -> bool {
        fn is_stored(expr: &Expr) -> bool {
            !matches!(expr, Expr::Map(..) | Expr::OverRoot(..)) && expr.operands().iter().all(is_stored)
        }
        self.tensors.iter().copied().flatten().all(|rule| is_stored(&rule.expr))
    }
}

/// A fact about a file by which classes of one architecture are told apart.
#[derive(Clone, Copy, Debug)]
pub enum Tell {
    /// The key `{arch}.KEY` is there.
    Key(&'static str),
    /// The key `{arch}.KEY` is a number above zero.
    Positive(&'static str),
    /// The key `{arch}.KEY` is true.
    True(&'static str),
    /// The key `{arch}.KEY` is this number.
    Equals(&'static str, u64),
    /// The key (full name) is this number.
    Id(&'static str, u64),
    /// The key (full name) is this text.
    Text(&'static str, &'static str),
    /// The stored tensor (full name; `{i}` is the layer) is there.
    Tensor(&'static str),
    /// The name, basename or base model of the file contains one of these, in lower case.
    Named(&'static [&'static str]),
    /// The tell holds at one layer or more.
    AnyLayer(&'static Tell),
    /// The tell does not hold.
    Not(&'static Tell),
    /// One of the tells holds.
    Any(&'static [Tell]),
}

/// One field of config.json.
#[derive(Clone, Copy)]
pub struct Field {
    /// Name of the field.
    pub name: &'static str,
    /// Where its value comes from.
    pub value: Value,
}

/// Where the value of a field comes from.
#[derive(Clone, Copy)]
pub enum Value {
    /// The same in every file.
    Bool(bool),
    /// The same in every file.
    Int(i64),
    /// The same in every file.
    Float(f64),
    /// The same in every file.
    Str(&'static str),
    /// `null`, where classes have a default that would be wrong.
    Null,
    /// A whole number.
    Dim(Dim),
    /// A whole number for each layer.
    PerLayer(Dim),
    /// A quotient that need not be whole.
    Ratio(Dim, Dim),
    /// For each layer `sliding_attention` or `full_attention`, by `attention.sliding_window_pattern`: truth values, or
    /// every how many layers one is full. Without that key every so many layers one is; without a window all are.
    LayerTypes(u64),
    /// The floating-point number of `{arch}.KEY`, or the given one if the key is absent; neither: an error.
    Number(&'static str, Option<f64>),
    /// The floating-point number of `{arch}.KEY`, or null if the key is absent.
    Optional(&'static str),
    /// The whole number of `{arch}.KEY`, or null if the key is absent or zero.
    OptionalDim(&'static str),
    /// The truth value of `{arch}.KEY`, or the given one if the key is absent.
    Flag(&'static str, bool),
    /// Whether the stored tensor is there.
    Present(&'static str),
    /// Whether the stored tensor is not there.
    Absent(&'static str),
    /// An object of fields, as config.json itself is one: the config of a part of the model.
    Fields(&'static [&'static [Field]]),
    /// What no table can say; `None` leaves the field out.
    Derived(fn(&Scope) -> Result<Option<Json>, Error>),
}

/// One tensor of the folder, or one a layer (`{i}`) or expert (`{e}`).
#[derive(Clone, Copy)]
pub struct Rule {
    /// Hugging Face name; empty for stored tensors that the folder leaves out. `{j}` counts the rule's layers from 0.
    pub hf: &'static str,
    /// What stands in the folder for `model.` at the start of the name.
    pub root: &'static str,
    /// How it follows from stored tensors.
    pub expr: Expr,
    /// Whether names lack `.weight` and `.bias`: the rule stands for the weight, and for the bias where it is stored.
    pub suffixed: bool,
    /// Whether a file without it is refused.
    pub required: bool,
    /// How many layers `{i}` counts.
    pub layers: Dim,
    /// The first of them.
    pub first: Dim,
    /// What must hold at a layer for the rule to count there.
    pub only: &'static [Tell],
    /// How many experts, or other parts of a stored tensor, `{e}` counts.
    pub parts: Dim,
    /// Why stored tensors are left out.
    pub reason: &'static str,
}

/// How many layers a file has, but for those that a rule counts otherwise.
const LAYERS: Dim = Dim::Key("block_count");
/// How many experts a file has; a dense one has none.
const EXPERTS: Dim = Dim::KeyOr("expert_count", &Dim::Is(0));

/// Where names of rules begin.
const MODEL: &str = "model.";

/// A stored weight, and its bias if there is one, under another name. Names lack the suffix.
pub const fn rename(gguf: &'static str, hf: &'static str) -> Rule {
    rule(hf, Expr::Tensor(gguf))
}

/// A weight, and its bias if there is one, that follow from stored ones. Names lack the suffix.
pub const fn rule(hf: &'static str, expr: Expr) -> Rule {
    Rule { suffixed: true, ..exact(hf, expr) }
}

/// One tensor, by full names.
pub const fn exact(hf: &'static str, expr: Expr) -> Rule {
    Rule {
        hf,
        root: MODEL,
        expr,
        suffixed: false,
        required: true,
        layers: LAYERS,
        first: Dim::Is(0),
        only: &[],
        parts: EXPERTS,
        reason: "",
    }
}

/// Stored tensors (full name) that the folder leaves out, and why.
pub const fn drop(gguf: &'static str, reason: &'static str) -> Rule {
    Rule { reason, ..exact("", Expr::Tensor(gguf)).optional() }
}

impl Rule {
    /// The same rule for a tensor that not every file or layer has.
    pub const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// The same rule for so many layers.
    pub const fn over(self, layers: Dim) -> Self {
        Self { layers, ..self }
    }

    /// The same rule for layers from the given one on.
    pub const fn from(self, first: Dim) -> Self {
        Self { first, ..self }
    }

    /// The same rule for layers where all of this holds; there it is required, if it is.
    pub const fn only(self, only: &'static [Tell]) -> Self {
        Self { only, ..self }
    }

    /// The same rule for a model that is a part of another: what stands for `model.`.
    pub const fn rooted(self, root: &'static str) -> Self {
        Self { root, ..self }
    }

    /// The name in the folder at a scope, without a suffix.
    pub fn name(&self, scope: &Scope) -> String {
        let name = scope.name(self.hf);
        match name.strip_prefix(MODEL) {
            Some(rest) => format!("{}{rest}", self.root),
            None => name,
        }
    }

    /// The same rule with so many parts.
    pub const fn each(self, parts: Dim) -> Self {
        Self { parts, ..self }
    }
}

/// A function that does to all of some rules what a method of [`Rule`] does to one.
macro_rules! to_all {
    ($(#[$doc:meta])* $name:ident, $method:ident, $value:ident: $kind:ty) => {
        $(#[$doc])*
        pub const fn $name<const N: usize>(rules: &[Rule], $value: $kind) -> [Rule; N] {
            let mut all = [drop("", ""); N];
            assert!(rules.len() == N);
            let mut i = 0;
            while i < N {
                all[i] = rules[i].$method($value);
                i += 1;
            }
            all
        }
    };
}
to_all!(
    /// The same rules for so many layers.
    all_over, over, layers: Dim
);
to_all!(
    /// The same rules for layers where all of this holds.
    all_only, only, only: &'static [Tell]
);
to_all!(
    /// The same rules for a model that is a part of another: what stands for `model.`.
    all_rooted, rooted, root: &'static str
);

/// A field with a value of its own kind.
pub const fn field(name: &'static str, value: Value) -> Field {
    Field { name, value }
}

/// A field that is the whole number of `{arch}.KEY`.
pub const fn int(name: &'static str, key: &'static str) -> Field {
    field(name, Value::Dim(Dim::Key(key)))
}

/// A field that is the floating-point number of `{arch}.KEY`.
pub const fn number(name: &'static str, key: &'static str) -> Field {
    field(name, Value::Number(key, None))
}

/// No such field, though an earlier group has one.
pub const fn omit(name: &'static str) -> Field {
    derived(name, |_| Ok(None))
}

/// A field that a function derives.
pub const fn derived(name: &'static str, value: fn(&Scope) -> Result<Option<Json>, Error>) -> Field {
    field(name, Value::Derived(value))
}
