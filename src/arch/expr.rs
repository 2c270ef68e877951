//! How a tensor of the folder follows from stored ones: a closed set of verbs, the inverses of what converters do.

#[cfg(test)]
mod twins;

use std::collections::HashSet;
use std::sync::Arc;

use super::dim::Dim;
use super::{Error, Scope, alibi, fused};
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
    /// Of each of so many runs of equally many rows, so many rows from a row on.
    WithinRuns(&'static Expr, Dim, Dim, Dim),
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
    /// Each cut into so many runs of equally many rows: the first run of each, then the second of each.
    InterleaveRuns(Dim, &'static [Expr]),
    /// The last two axes exchanged; a tensor of one axis stays as it is.
    Transpose(&'static Expr),
    /// The same elements in another shape.
    Reshape(&'static Expr, &'static [Dim]),
    /// A number of the metadata (full key), of a per-layer array the layer's, as a tensor of one element.
    Number(&'static str),
    /// Whole numbers of the metadata (full key of an array), as they are.
    Integers(&'static str),
    /// So many rows of zeros, of as many columns as the stored tensor (full name) has.
    Zeros(Dim, Dim),
    /// Each element doubled so many times.
    Doubled(&'static Expr, Dim),
    /// The slopes of ALiBi, for so many heads one row each of one element (Press et al. 2021); the largest bias is the
    /// file's, or 8.
    Slopes(Dim),
    /// Each element over the root of a quotient of two sizes, by which the converter multiplied it.
    OverRoot(&'static Expr, Dim, Dim),
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
    /// Stored tensors that scale others, by their full names.
    pub scales: &'a HashSet<String>,
    pub cache: &'a Arc<TileCache>,
}

impl Expr {
    /// The formulas that this one is made of.
    pub fn operands(&self) -> &'static [Self] {
        match *self {
            Self::Tensor(_) | Self::Zeros(..) | Self::Number(_) | Self::Integers(_) | Self::Slopes(_) => &[],
            Self::Concat(parts)
            | Self::Interleave(parts)
            | Self::InterleaveRuns(_, parts)
            | Self::Join(parts) => parts,
            Self::Rope(of, _)
            | Self::EvenOdd(of, ..)
            | Self::Expert(of)
            | Self::Rows(of, ..)
            | Self::WithinRuns(of, ..)
            | Self::Permute(of, _)
            | Self::PermuteColumns(of, _)
            | Self::Transpose(of)
            | Self::Reshape(of, _)
            | Self::Doubled(of, _)
            | Self::OverRoot(of, ..)
            | Self::Map(of, _) => std::slice::from_ref(of),
        }
    }

    /// Calls `visit` with the pattern of every stored tensor in the formula.
    pub fn visit_tensors(&self, visit: &mut impl FnMut(&'static str)) {
        if let Self::Tensor(name) = *self {
            visit(name);
        }
        self.operands().iter().for_each(|of| of.visit_tensors(visit));
    }

    /// The formula's value.
    ///
    /// # Errors
    /// If a shape does not fit or a size is absent; the caller has seen to it that the stored tensors are there.
    pub fn evaluate(&self, at: &Evaluation) -> Result<Shaped, Error> {
        let misfit = || self.misfit(at);
        match self {
            Self::Tensor(name) => {
                let name = at.scope.name(name) + at.suffix;
                if let Some(tensor) = at.scope.tensor(&name) {
                    return scaled(stored(at.scope, tensor), &name, at);
                }
                let part = fused::part(&at.scope, &name).ok_or(Error::NoSuchTensor { name })?;
                let whole = scaled(stored(at.scope, part.whole), &part.whole.name, at)?;
                let matrix = whole.matrix.select_rows(&part.rows).ok_or_else(misfit)?;
                Ok(Shaped { shape: part.shape, matrix })
            }
            Self::Number(key) => {
                let value = at.scope.metadata().value(key);
                let layer = usize::try_from(at.scope.layer).ok();
                let number = value.and_then(|v| match v.as_array() {
                    Some(array) => array.get(layer?)?.as_f64(),
                    None => v.as_f64(),
                });
                let number = number.ok_or_else(|| Error::MissingKey { key: (*key).into() })?;
                let matrix = Matrix::constant(1, 1, number as f32).ok_or_else(misfit)?;
                Ok(Shaped { shape: vec![1], matrix })
            }
            Self::Integers(key) => {
                let stored = at.scope.metadata().value(key).and_then(|v| v.as_array());
                let stored = stored.ok_or_else(|| Error::MissingKey { key: (*key).into() })?;
                let numbers: Option<Vec<_>> = stored.iter().map(|v| v.as_i64()).collect();
                let matrix = Matrix::integers(&numbers.ok_or_else(misfit)?).ok_or_else(misfit)?;
                Ok(Shaped { shape: vec![matrix.rows()], matrix })
            }
            Self::Zeros(rows, row_len) => {
                let (rows, row_len) = (rows.of(&at.scope)?, row_len.of(&at.scope)?);
                let matrix = Matrix::constant(rows, row_len, 0.0).ok_or_else(misfit)?;
                Ok(Shaped { shape: vec![rows, row_len], matrix })
            }
            Self::Slopes(heads) => {
                let heads = heads.of(&at.scope)?;
                let most = at.scope.f64("attention.max_alibi_bias")?.unwrap_or(8.0);
                let rows = alibi::slopes(heads, most).ok_or_else(misfit)?.into_iter();
                let rows = rows.map(|slope| Matrix::constant(1, 1, slope)).collect::<Option<_>>();
                let matrix = rows.and_then(Matrix::stack).ok_or_else(misfit)?;
                Ok(Shaped { shape: vec![heads, 1], matrix })
            }
            _ => self.apply(self.operands().iter().map(|of| of.evaluate(at)).collect::<Result<_, _>>()?, at),
        }
    }

    fn misfit(&self, at: &Evaluation) -> Error {
        Error::Shape { what: format!("{self:?} at layer {}", at.scope.layer) }
    }

    /// The value that follows from those of the operands.
    ///
    /// # Errors
    /// If a shape does not fit or a size is absent.
    pub fn apply(&self, mut operands: Vec<Shaped>, at: &Evaluation) -> Result<Shaped, Error> {
        let misfit = || self.misfit(at);
        let dim = |dim: &Dim| dim.of(&at.scope);
        let several = match self {
            Self::Concat(_) => Some(concat(operands.split_off(0))),
            Self::Interleave(_) => Some(interleave(operands.split_off(0))),
            Self::InterleaveRuns(runs, _) => Some(interleave_runs(operands.split_off(0), dim(runs)?)),
            Self::Join(_) => Some(join(operands.split_off(0))),
            _ => None,
        };
        if let Some(value) = several {
            return value.ok_or_else(misfit);
        }
        let of = operands.pop().ok_or_else(misfit)?;
        let value = match self {
            Self::Rope(_, heads) => rope(of, dim(heads)?),
            Self::EvenOdd(_, heads, rows) => even_odd(of, dim(heads)?, dim(rows)?),
            Self::Expert(_) => part(of, at.scope.expert),
            Self::Rows(_, start, len) => rows(of, dim(start)?, dim(len)?),
            Self::WithinRuns(_, runs, start, len) => within_runs(of, dim(runs)?, dim(start)?, dim(len)?),
            Self::Permute(_, axes) => permute(of, &strides(axes, at)?),
            Self::PermuteColumns(_, axes) => {
                let matrix = of.matrix.select_columns(strides(axes, at)?);
                matrix.map(|matrix| Shaped { matrix, ..of })
            }
            Self::Transpose(_) => transpose(of, at),
            Self::Reshape(_, dims) => reshape(of, dims.iter().map(dim).collect::<Result<_, _>>()?),
            Self::Doubled(_, times) => doubled(of, dim(times)?),
            Self::OverRoot(_, a, b) => over_root(of, dim(a)?, dim(b)?),
            Self::Map(_, op) => of.matrix.with_op(*op).map(|matrix| Shaped { matrix, ..of }),
            _ => None,
        };
        value.ok_or_else(misfit)
    }
}

fn concat(parts: Vec<Shaped>) -> Option<Shaped> {
    let mut shape = parts.first()?.shape.clone();
    shape[0] = parts.iter().map(|p| p.shape[0]).sum();
    Some(Shaped { shape, matrix: Matrix::stack(parts.into_iter().map(|p| p.matrix).collect())? })
}

fn interleave(parts: Vec<Shaped>) -> Option<Shaped> {
    let mut shape = parts.first()?.shape.clone();
    let axis = shape.len().saturating_sub(2);
    shape[axis] *= parts.len() as u64;
    Some(Shaped { shape, matrix: Matrix::interleave(parts.into_iter().map(|p| p.matrix).collect())? })
}

fn interleave_runs(parts: Vec<Shaped>, runs: u64) -> Option<Shaped> {
    let mut shape = parts.first()?.shape.clone();
    shape[0] = parts.iter().map(|p| p.shape[0]).sum();
    let matrix = Matrix::interleave_runs(parts.into_iter().map(|p| p.matrix).collect(), runs)?;
    Some(Shaped { shape, matrix })
}

fn rope(of: Shaped, heads: u64) -> Option<Shaped> {
    let rows = of.matrix.rows();
    let d = rows.checked_div(heads).filter(|d| d % 2 == 0 && d * heads == rows)?;
    select(of, &Strides::new(0, &[(heads, d), (2, 1), (d / 2, 2)]))
}

/// One part of the first axis.
fn part(of: Shaped, index: u64) -> Option<Shaped> {
    let (&parts, inner) = of.shape.split_first()?;
    let rows = of.matrix.rows().checked_div(parts)?;
    let matrix = of.matrix.select_rows(&Strides::range(rows.checked_mul(index)?, rows))?;
    // A bias per expert, (experts, n): n rows of one element.
    let matrix = match inner {
        [n] => matrix.reshaped(*n, 1)?,
        _ => matrix,
    };
    Some(Shaped { shape: inner.to_vec(), matrix })
}

fn rows(of: Shaped, start: u64, len: u64) -> Option<Shaped> {
    let end = start.checked_add(len).filter(|&end| end <= of.shape[0])?;
    let per_row = of.matrix.rows().checked_div(of.shape[0])?;
    let mut of = select(of, &Strides::range(start * per_row, (end - start) * per_row))?;
    of.shape[0] = len;
    Some(of)
}

fn within_runs(of: Shaped, runs: u64, start: u64, len: u64) -> Option<Shaped> {
    let rows = of.matrix.rows();
    let run = rows.checked_div(runs).filter(|run| run * runs == rows && of.shape[0] == rows)?;
    start.checked_add(len).filter(|&end| end <= run)?;
    let mut of = select(of, &Strides::new(start, &[(runs, run), (len, 1)]))?;
    of.shape[0] = runs * len;
    Some(of)
}

/// The converter takes the root in `f64` and multiplies in `f32`.
fn over_root(of: Shaped, a: u64, b: u64) -> Option<Shaped> {
    let factor = (b > 0).then(|| (a as f64 / b as f64).sqrt() as f32).filter(|factor| *factor > 0.0)?;
    let matrix = of.matrix.with_op(ElementOp::Divide(factor))?;
    Some(Shaped { matrix, ..of })
}

fn permute(of: Shaped, view: &Strides) -> Option<Shaped> {
    if view.len() == of.matrix.rows() { select(of, view) } else { None }
}

fn reshape(of: Shaped, shape: Vec<u64>) -> Option<Shaped> {
    // The sizes are the metadata's, which may say anything.
    shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
    let (rows, row_len) = rows_of(&shape);
    Some(Shaped { shape, matrix: of.matrix.reshaped(rows, row_len)? })
}

/// A stored tensor as it is.
pub fn stored(scope: Scope, tensor: &Tensor) -> Shaped {
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

/// Multiplies a stored weight by the scale that stands beside it: one number, or one for each part of the first axis.
/// Converters write it beside NVFP4 tensors whose original has a second scale other than 1 (atlas 4.2).
fn scaled(of: Shaped, name: &str, at: &Evaluation) -> Result<Shaped, Error> {
    let Some(scale) = scale_name(name).filter(|scale| at.scales.contains(scale)) else { return Ok(of) };
    let misfit = || Error::Shape { what: format!("{scale} for {name}") };
    let tensor = at.scope.tensor(&scale).ok_or_else(misfit)?;
    let scales = at.scope.values(tensor)?;
    let matrix = match scales.as_slice() {
        &[scale] => of.matrix.with_op(ElementOp::Multiply(scale)),
        parts => {
            let rows = of.matrix.rows() / parts.len() as u64;
            let part = |(i, &scale): (usize, &f32)| {
                of.matrix
                    .select_rows(&Strides::range(i as u64 * rows, rows))?
                    .with_op(ElementOp::Multiply(scale))
            };
            let parts =
                (of.shape[0] == parts.len() as u64).then(|| parts.iter().enumerate().map(part).collect());
            parts.flatten().and_then(Matrix::stack)
        }
    };
    Ok(Shaped { matrix: matrix.ok_or_else(misfit)?, ..of })
}

/// The name that a weight's scale has.
pub fn scale_name(weight: &str) -> Option<String> {
    weight.strip_suffix(".weight").map(|name| format!("{name}.scale"))
}

/// The name that the scale of a weight's input has.
pub fn input_scale_name(weight: &str) -> Option<String> {
    weight.strip_suffix(".weight").map(|name| format!("{name}.input_scale"))
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
    let rest = d.checked_sub(rows).filter(|_| rows.is_multiple_of(2))?;
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

fn doubled(of: Shaped, times: u64) -> Option<Shaped> {
    let times = i32::try_from(times).ok().filter(|&times| times < f32::MAX_EXP)?;
    let matrix = of.matrix.with_op(ElementOp::Multiply(2.0_f32.powi(times)))?;
    Some(Shaped { matrix, ..of })
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

#[cfg(test)]
mod tests {
    use super::{Matrix, Shaped, doubled};

    #[test]
    fn doubling_ends_where_f32_does() {
        let one = || Shaped { shape: vec![1], matrix: Matrix::constant(1, 1, 1.0).unwrap() };
        assert!(doubled(one(), 127).is_some());
        assert!(doubled(one(), 128).is_none());
        assert!(doubled(one(), u64::MAX).is_none());
    }
}
