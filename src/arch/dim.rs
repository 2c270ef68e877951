use super::{Error, Scope, fused};

/// A whole number that follows from a file: a head count, a row count, a size of a reshaped tensor.
#[derive(Clone, Copy, Debug)]
pub enum Dim {
    /// The same in every file.
    Is(u64),
    /// The number of `{arch}.KEY`, of a per-layer array the layer's; an error if the key is absent.
    Key(&'static str),
    /// The number of `{arch}.KEY`, or another if the key is absent.
    KeyOr(&'static str, &'static Dim),
    /// Rows of a stored tensor (full name): the product of all its axes but the innermost.
    Rows(&'static str),
    /// Size of the innermost axis of a stored tensor (full name).
    RowLen(&'static str),
    /// The layer, from 0.
    Layer,
    /// The smaller of two.
    Least(&'static Dim, &'static Dim),
    /// A sum.
    Plus(&'static Dim, &'static Dim),
    /// A difference; an error if it is negative.
    Minus(&'static Dim, &'static Dim),
    /// A product.
    Times(&'static Dim, &'static Dim),
    /// A quotient; an error if it has a remainder.
    Over(&'static Dim, &'static Dim),
    /// A quotient without its remainder; an error if the divisor is zero.
    Floor(&'static Dim, &'static Dim),
}

impl Dim {
    /// The number at a scope.
    ///
    /// # Errors
    /// If a key or tensor is absent or of another type, or the arithmetic fails.
    pub fn of(&self, scope: &Scope) -> Result<u64, Error> {
        let arithmetic =
            |value: Option<u64>| value.ok_or_else(|| Error::Arithmetic { what: format!("{self:?}") });
        match *self {
            Self::Is(value) => Ok(value),
            Self::Key(key) => scope.u64(key)?.ok_or_else(|| Error::MissingKey { key: scope.key(key) }),
            Self::KeyOr(key, default) => scope.u64(key)?.map_or_else(|| default.of(scope), Ok),
            Self::Rows(name) => rows(scope, scope.name(name)),
            Self::RowLen(name) => {
                let name = scope.name(name);
                Ok(scope.tensor(&name).ok_or(Error::NoSuchTensor { name })?.dims[0])
            }
            Self::Layer => Ok(scope.layer),
            Self::Least(a, b) => Ok(a.of(scope)?.min(b.of(scope)?)),
            Self::Plus(a, b) => arithmetic(a.of(scope)?.checked_add(b.of(scope)?)),
            Self::Minus(a, b) => arithmetic(a.of(scope)?.checked_sub(b.of(scope)?)),
            Self::Times(a, b) => arithmetic(a.of(scope)?.checked_mul(b.of(scope)?)),
            Self::Floor(a, b) => arithmetic(a.of(scope)?.checked_div(b.of(scope)?)),
            Self::Over(a, b) => {
                let (a, b) = (a.of(scope)?, b.of(scope)?);
                arithmetic(a.checked_div(b).filter(|q| q * b == a))
            }
        }
    }
}

fn rows(scope: &Scope, name: String) -> Result<u64, Error> {
    let whole = scope.tensor(&name).map(|tensor| tensor.dims[1..].iter().product());
    let part = || fused::part(scope, &name).map(|part| part.rows.len());
    whole.or_else(part).ok_or(Error::NoSuchTensor { name })
}
