//! How a tensor of the folder follows from stored ones: a closed set of verbs, the inverses of what converters do.

use std::sync::Arc;

use super::dim::Dim;
use super::{Error, Scope};
use crate::gguf::Tensor;
use crate::tensor::{ElementOp, Matrix, Stored, Strides, TileCache};

/// A formula over stored tensors. Names may hold `{i}` (layer) and `{e}` (expert).
///
/// Row verbs count rows along the first axis of the torch shape. A tensor of one axis is rows of one element, so the
/// same formula serves a weight and its bias.
#[derive(Clone, Copy, Debug)]
pub enum Expr {
    /// A stored tensor.
    Tensor(&'static str),
    /// Undoes the row order of pairwise rope, per head: row `h*d + p*d/2 + j` is row `h*d + 2j + p` (atlas 2.1, R1).
    Rope(&'static Expr, Dim),
    /// Part `{e}` of the first axis, which goes.
    Expert(&'static Expr),
    /// So many rows from a row on.
    Rows(&'static Expr, Dim, Dim),
    /// The rows of all, one after the other.
    Concat(&'static [Expr]),
    /// Rows in another order: row `i` written in mixed radix over (extent, stride) is row sum(digit * stride), the
    /// outermost first.
    Permute(&'static Expr, &'static [(Dim, Dim)]),
    /// Columns in another order, likewise.
    PermuteColumns(&'static Expr, &'static [(Dim, Dim)]),
    /// Rows of all in turn: the first of each, the second of each.
    Interleave(&'static [Expr]),
    /// For each part of the first axis the rows of all, one after the other: the axis before the last grows.
    Join(&'static [Expr]),
    /// Undoes, per head, the order that has the even ones of so many first rows and then the odd ones (atlas 2.1, R2).
    EvenOdd(&'static Expr, Dim, Dim),
    /// The last two axes exchanged; a tensor of one axis stays as it is.
    Transpose(&'static Expr),
    /// The same elements in another shape.
    Reshape(&'static Expr, &'static [Dim]),
    /// A number of the metadata (full key), of a per-layer array the layer's, as a tensor of one element.
    Number(&'static str),
    /// So many rows of zeros, of as many columns as the stored tensor (full name) has.
    Zeros(Dim, Dim),
    /// An operation on each element.
    Map(&'static Expr, ElementOp),
}

/// A formula's value: rows, and the torch shape that they are shown in.
pub struct Shaped {
    pub shape: Vec<u64>,
    pub matrix: Matrix,
}

/// What evaluation needs beside a scope: the suffix of stored names, and a place to note which tensors were used.
pub struct Evaluation<'a> {
    pub scope: Scope<'a>,
    pub suffix: &'static str,
    pub cache: &'a Arc<TileCache>,
}

impl Expr {
    /// Calls `visit` with the pattern of every stored tensor in the formula.
    pub fn visit_tensors(&self, visit: &mut impl FnMut(&'static str)) {
        match *self {
            Self::Tensor(name) => visit(name),
            Self::Zeros(..) | Self::Number(_) => {}
            Self::Concat(parts) | Self::Interleave(parts) | Self::Join(parts) => {
                parts.iter().for_each(|p| p.visit_tensors(visit))
            }
            Self::Rope(of, _)
            | Self::EvenOdd(of, ..)
            | Self::Expert(of)
            | Self::Rows(of, ..)
            | Self::Permute(of, _)
            | Self::PermuteColumns(of, _)
            | Self::Transpose(of)
            | Self::Reshape(of, _)
            | Self::Map(of, _) => of.visit_tensors(visit),
        }
    }

    /// The formula's value.
    ///
    /// # Errors
    /// If a shape does not fit or a size is absent; the caller has seen to it that the stored tensors are there.
    pub fn evaluate(&self, at: &Evaluation) -> Result<Shaped, Error> {
        let misfit = || Error::Shape { what: format!("{self:?} at layer {}", at.scope.layer) };
        match self {
            Self::Tensor(name) => {
                let name = at.scope.name(name) + at.suffix;
                let tensor = at.scope.tensor(&name).ok_or(Error::NoSuchTensor { name })?;
                Ok(stored(at.scope, tensor))
            }
            Self::Rope(of, heads) => {
                let of = of.evaluate(at)?;
                let heads = heads.of(&at.scope)?;
                let rows = of.matrix.rows();
                let d =
                    rows.checked_div(heads).filter(|d| d % 2 == 0 && d * heads == rows).ok_or_else(misfit)?;
                select(of, &Strides::new(0, &[(heads, d), (2, 1), (d / 2, 2)])).ok_or_else(misfit)
            }
            Self::Expert(of) => {
                let of = of.evaluate(at)?;
                let (&experts, inner) = of.shape.split_first().ok_or_else(misfit)?;
                let rows = of.matrix.rows().checked_div(experts).ok_or_else(misfit)?;
                let start = rows.checked_mul(at.scope.expert).ok_or_else(misfit)?;
                let matrix = of.matrix.select_rows(&Strides::range(start, rows)).ok_or_else(misfit)?;
                // A bias per expert, (experts, n): n rows of one element.
                match inner {
                    [n] => {
                        let matrix = matrix.reshaped(*n, 1).ok_or_else(misfit)?;
                        Ok(Shaped { shape: inner.to_vec(), matrix })
                    }
                    _ => Ok(Shaped { shape: inner.to_vec(), matrix }),
                }
            }
            Self::Rows(of, start, len) => {
                let of = of.evaluate(at)?;
                let (start, len) = (start.of(&at.scope)?, len.of(&at.scope)?);
                let end = start.checked_add(len).filter(|&end| end <= of.shape[0]).ok_or_else(misfit)?;
                let per_row = of.matrix.rows() / of.shape[0];
                let view = Strides::range(start * per_row, (end - start) * per_row);
                let mut of = select(of, &view).ok_or_else(misfit)?;
                of.shape[0] = len;
                Ok(of)
            }
            Self::Concat(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| p.evaluate(at)).collect::<Result<_, _>>()?;
                let mut shape = parts.first().ok_or_else(misfit)?.shape.clone();
                shape[0] = parts.iter().map(|p| p.shape[0]).sum();
                let matrix =
                    Matrix::stack(parts.into_iter().map(|p| p.matrix).collect()).ok_or_else(misfit)?;
                Ok(Shaped { shape, matrix })
            }
            Self::Permute(of, axes) => {
                let of = of.evaluate(at)?;
                let view =
                    strides(axes, at).ok().filter(|v| v.len() == of.matrix.rows()).ok_or_else(misfit)?;
                select(of, &view).ok_or_else(misfit)
            }
            Self::PermuteColumns(of, axes) => {
                let of = of.evaluate(at)?;
                let matrix = of.matrix.select_columns(strides(axes, at)?).ok_or_else(misfit)?;
                Ok(Shaped { matrix, ..of })
            }
            Self::Interleave(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| p.evaluate(at)).collect::<Result<_, _>>()?;
                let mut shape = parts.first().ok_or_else(misfit)?.shape.clone();
                let axis = shape.len().saturating_sub(2);
                shape[axis] *= parts.len() as u64;
                let matrix =
                    Matrix::interleave(parts.into_iter().map(|p| p.matrix).collect()).ok_or_else(misfit)?;
                Ok(Shaped { shape, matrix })
            }
            Self::Join(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| p.evaluate(at)).collect::<Result<_, _>>()?;
                join(parts).ok_or_else(misfit)
            }
            Self::EvenOdd(of, heads, rows) => {
                let of = of.evaluate(at)?;
                let (heads, rows) = (heads.of(&at.scope)?, rows.of(&at.scope)?);
                even_odd(of, heads, rows).ok_or_else(misfit)
            }
            Self::Transpose(of) => transpose(of.evaluate(at)?, at).ok_or_else(misfit),
            Self::Reshape(of, dims) => {
                let of = of.evaluate(at)?;
                let shape: Vec<u64> = dims.iter().map(|d| d.of(&at.scope)).collect::<Result<_, _>>()?;
                let (rows, row_len) = rows_of(&shape);
                let matrix = of.matrix.reshaped(rows, row_len).ok_or_else(misfit)?;
                Ok(Shaped { shape, matrix })
            }
            Self::Number(key) => {
                let value = at.scope.metadata().value(key);
                let layer = usize::try_from(at.scope.layer).ok();
                let number = value.and_then(|v| match v.as_array() {
                    Some(array) => array.get(layer?)?.as_f64(),
                    None => v.as_f64(),
                });
                let number = number.ok_or_else(|| Error::MissingKey { key: (*key).into() })?;
                Ok(Shaped { shape: vec![1], matrix: Matrix::constant(1, 1, number as f32) })
            }
            Self::Zeros(rows, row_len) => {
                let (rows, row_len) = (rows.of(&at.scope)?, row_len.of(&at.scope)?);
                Ok(Shaped { shape: vec![rows, row_len], matrix: Matrix::constant(rows, row_len, 0.0) })
            }
            Self::Map(of, op) => {
                let of = of.evaluate(at)?;
                let matrix = of.matrix.with_op(*op).ok_or_else(misfit)?;
                Ok(Shaped { matrix, ..of })
            }
        }
    }
}

fn stored(scope: Scope, tensor: &Tensor) -> Shaped {
    let shape: Vec<u64> = tensor.dims.iter().rev().copied().collect();
    let (rows, row_len) = if tensor.format.block_len == 1 {
        rows_of(&shape)
    } else {
        (shape[..shape.len() - 1].iter().product(), tensor.dims[0])
    };
    let source = scope.gguf.sources[tensor.source].clone();
    let stored = Stored { source, offset: tensor.file_offset, format: tensor.format, rows, row_len };
    Shaped { shape, matrix: Matrix::stored(stored) }
}

/// Rows and columns of a shape: the last axis is the row, but a single axis is rows of one element.
fn rows_of(shape: &[u64]) -> (u64, u64) {
    match shape {
        [n] => (*n, 1),
        [rows @ .., row_len] => (rows.iter().product(), *row_len),
        [] => (1, 1),
    }
}

fn select(of: Shaped, rows: &Strides) -> Option<Shaped> {
    let matrix = of.matrix.select_rows(rows)?;
    Some(Shaped { matrix, ..of })
}

fn strides(axes: &[(Dim, Dim)], at: &Evaluation) -> Result<Strides, Error> {
    let axes: Vec<(u64, u64)> =
        axes.iter().map(|(e, s)| Ok((e.of(&at.scope)?, s.of(&at.scope)?))).collect::<Result<_, Error>>()?;
    let fits = axes
        .iter()
        .try_fold(1_u64, |product, &(e, s)| product.checked_mul(e)?.checked_mul(s.max(1)))
        .is_some();
    if fits {
        Ok(Strides::new(0, &axes))
    } else {
        Err(Error::Arithmetic { what: format!("the axes {axes:?}") })
    }
}

fn join(parts: Vec<Shaped>) -> Option<Shaped> {
    let mut shape = parts.first()?.shape.clone();
    let axis = shape.len().checked_sub(2)?;
    shape[axis] = parts.iter().map(|p| p.shape.get(axis)).sum::<Option<u64>>()?;
    let slabs: u64 = shape[..axis].iter().product();
    let mut split: Vec<_> = Vec::with_capacity(parts.len());
    for part in parts {
        split.push(part.matrix.split_rows(slabs)?.into_iter());
    }
    let turns = (0..slabs).flat_map(|_| 0..split.len()).collect::<Vec<_>>();
    let in_turn = turns.into_iter().map(|i| split[i].next()).collect::<Option<_>>()?;
    Some(Shaped { shape, matrix: Matrix::stack(in_turn)? })
}

fn even_odd(of: Shaped, heads: u64, rows: u64) -> Option<Shaped> {
    let d = of.matrix.rows().checked_div(heads).filter(|d| d * heads == of.matrix.rows())?;
    let rest = d.checked_sub(rows).filter(|_| rows % 2 == 0)?;
    if rest == 0 {
        return select(of, &Strides::new(0, &[(heads, d), (d / 2, 1), (2, d / 2)]));
    }
    let mut parts = Vec::new();
    for head in 0..heads {
        parts.push(of.matrix.select_rows(&Strides::new(head * d, &[(rows / 2, 1), (2, rows / 2)]))?);
        parts.push(of.matrix.select_rows(&Strides::range(head * d + rows, rest))?);
    }
    Some(Shaped { matrix: Matrix::stack(parts)?, ..of })
}

fn transpose(of: Shaped, at: &Evaluation) -> Option<Shaped> {
    let mut shape = of.shape.clone();
    let axes = shape.len();
    if axes < 2 {
        return Some(of);
    }
    shape.swap(axes - 1, axes - 2);
    let slabs: u64 = shape[..axes - 2].iter().product();
    if slabs == 1 {
        return Some(Shaped { shape, matrix: of.matrix.transpose(at.cache) });
    }
    let turned = of.matrix.split_rows(slabs)?.into_iter().map(|slab| slab.transpose(at.cache));
    Some(Shaped { shape, matrix: Matrix::stack(turned.collect())? })
}
