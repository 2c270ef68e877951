//! Rows of equal length, composed from stored rows.

use std::sync::Arc;

use rawrz_vfs::{Error, Source};

use super::leaf::{Leaf, Stored};
use super::memory::Memory;
use super::transpose::{TileCache, Transpose};
use super::{ElementOp, Strides, Target};
use crate::quant::{Dtype, FORMATS, Format};

/// Rows of equal length, resolved on read. A tensor of one axis is as many rows of one element.
///
/// Every constructor returns `None` where shapes do not fit or the result is nothing that this engine reads: callers
/// turn that into an error that names the tensor.
pub struct Matrix {
    rows: u64,
    row_len: u64,
    body: Body,
}

enum Body {
    Stored(Leaf),
    /// The same value everywhere.
    Constant(f32),
    /// Parts one below the other, with the first element of each.
    Stack(Vec<(u64, Matrix)>),
    /// Runs of all parts in turn.
    Interleave(Runs),
    Transpose(Transpose),
}

/// Parts that are each cut into equally many runs of elements.
struct Runs {
    /// The parts, with the first element of each one's run among those of a turn.
    parts: Vec<(u64, Matrix)>,
    /// Elements of a turn: a run of each part.
    turn: u64,
}

impl Runs {
    /// The part that holds an element, where in it, and how many more of the part follow.
    fn locate(&self, element: u64) -> (&Matrix, u64, u64) {
        let (turn, within) = (element / self.turn, element % self.turn);
        let next = self.parts.partition_point(|(start, _)| *start <= within);
        let (start, part) = &self.parts[next - 1];
        let end = self.parts.get(next).map_or(self.turn, |(start, _)| *start);
        (part, turn * (end - start) + within - start, end - within)
    }
}

impl Matrix {
    /// A stored tensor as it is.
    pub fn stored(stored: Stored) -> Self {
        Self { rows: stored.rows, row_len: stored.row_len, body: Body::Stored(Leaf::new(stored)) }
    }

    /// `rows` rows of `row_len` times the same value.
    pub fn constant(rows: u64, row_len: u64, value: f32) -> Option<Self> {
        rows.checked_mul(row_len)?;
        Some(Self { rows, row_len, body: Body::Constant(value) })
    }

    /// Whole numbers, a row each. `None` if this engine has no format for them.
    pub fn integers(numbers: &[i64]) -> Option<Self> {
        let source = Arc::new(Memory::new(numbers.iter().flat_map(|n| n.to_le_bytes()).collect()));
        let format = FORMATS.iter().find(|format| format.dtype == Some(Dtype::I64))?;
        Some(Self::stored(Stored { source, offset: 0, format, rows: numbers.len() as u64, row_len: 1 }))
    }

    /// Parts one below the other.
    pub fn stack(parts: Vec<Self>) -> Option<Self> {
        let row_len = parts.first()?.row_len;
        let mut rows = 0_u64;
        let mut placed = Vec::with_capacity(parts.len());
        for part in parts {
            if part.row_len != row_len {
                return None;
            }
            let start = rows * row_len;
            rows = rows.checked_add(part.rows)?;
            placed.push((start, part));
        }
        rows.checked_mul(row_len)?;
        Some(Self { rows, row_len, body: Body::Stack(placed) })
    }

    /// Rows of the parts in turn: the first of each, then the second of each.
    pub fn interleave(parts: Vec<Self>) -> Option<Self> {
        let rows = parts.first()?.rows;
        parts.iter().all(|p| p.rows == rows).then(|| Self::interleave_runs(parts, rows))?
    }

    /// Each part cut into `runs` runs of equally many rows: the first run of each part, then the second of each.
    pub fn interleave_runs(parts: Vec<Self>, runs: u64) -> Option<Self> {
        let row_len = parts.first()?.row_len;
        let mut rows = 0_u64;
        let mut placed = Vec::with_capacity(parts.len());
        for part in parts {
            if part.row_len != row_len || part.rows == 0 || part.rows % runs.max(1) != 0 {
                return None;
            }
            let start = rows.checked_div(runs)?.checked_mul(row_len)?;
            rows = rows.checked_add(part.rows)?;
            placed.push((start, part));
        }
        let turn = rows.checked_mul(row_len)?.checked_div(runs)?;
        Some(Self { rows, row_len, body: Body::Interleave(Runs { parts: placed, turn }) })
    }

    /// Rows and columns exchanged.
    pub fn transpose(self, cache: &Arc<TileCache>) -> Self {
        let (rows, row_len) = (self.row_len, self.rows);
        Self { rows, row_len, body: Body::Transpose(Transpose::new(self, cache.clone())) }
    }

    /// Row `i` is what row `rows.at(i)` was.
    pub fn select_rows(&self, rows: &Strides) -> Option<Self> {
        let body = match &self.body {
            Body::Stored(leaf) if leaf.row_len() == self.row_len => Body::Stored(leaf.select_rows(rows)?),
            Body::Constant(value) => Body::Constant(*value),
            Body::Stack(parts) => return self.select_from_stack(parts, rows),
            Body::Interleave(runs) => return self.select_from_interleaved(runs, rows),
            Body::Stored(_) | Body::Transpose(_) => return None,
        };
        Some(Self { rows: rows.len(), row_len: self.row_len, body })
    }

    /// As many parts of equally many rows.
    pub fn split_rows(self, count: u64) -> Option<Vec<Self>> {
        let rows = self.rows.checked_div(count).filter(|rows| rows * count == self.rows)?;
        match self.body {
            _ if count == 1 => Some(vec![self]),
            Body::Stack(parts) if parts.iter().all(|(_, p)| (p.rows, p.row_len) == (rows, self.row_len)) => {
                Some(parts.into_iter().map(|(_, part)| part).collect())
            }
            _ => (0..count).map(|i| self.select_rows(&Strides::range(i * rows, rows))).collect(),
        }
    }

    /// A slice of interleaved rows that begins and ends between turns.
    fn select_from_interleaved(&self, runs: &Runs, rows: &Strides) -> Option<Self> {
        if runs.parts.iter().any(|(_, p)| p.row_len != self.row_len) {
            return None;
        }
        let (turn, turns) = (runs.turn / self.row_len, self.elements() / runs.turn);
        let (start, len) = (rows.at(0), rows.len());
        if rows.run(0) != (len, 1) || !start.is_multiple_of(turn) || !len.is_multiple_of(turn) {
            return None;
        }
        let of_each = |part: &Self| {
            let run = part.rows / turns;
            part.select_rows(&Strides::range(start / turn * run, len / turn * run))
        };
        Self::interleave_runs(runs.parts.iter().map(|(_, p)| of_each(p)).collect::<Option<_>>()?, len / turn)
    }

    /// A view of a stack: the parts of a slice of it, or a view that lies within one part.
    fn select_from_stack(&self, parts: &[(u64, Self)], rows: &Strides) -> Option<Self> {
        if parts.iter().any(|(_, p)| p.row_len != self.row_len) {
            return None;
        }
        let first = rows.at(0);
        let (run, step) = rows.run(0);
        let mut taken = Vec::new();
        for (start, part) in parts {
            let start = start / self.row_len;
            let end = start + part.rows;
            if start <= first && rows.max()? < end {
                return part.select_rows(&rows.shifted_down(start)?);
            }
            let (from, to) = (first.max(start), (first + rows.len()).min(end));
            if from < to && step == 1 && run == rows.len() {
                taken.push(part.select_rows(&Strides::range(from - start, to - from))?);
            }
        }
        Self::stack(taken).filter(|m| m.rows == rows.len())
    }

    /// Column `i` is what column `columns.at(i)` was.
    pub fn select_columns(&self, columns: Strides) -> Option<Self> {
        let Body::Stored(leaf) = &self.body else { return None };
        if leaf.row_len() != self.row_len {
            return None;
        }
        Some(Self { body: Body::Stored(leaf.select_columns(columns)?), ..*self })
    }

    /// The same matrix with an operation on each element.
    pub fn with_op(&self, op: ElementOp) -> Option<Self> {
        let body = match &self.body {
            Body::Stored(leaf) => Body::Stored(leaf.with_op(op)?),
            Body::Stack(parts) => {
                let each = parts.iter().map(|(start, part)| Some((*start, part.with_op(op)?)));
                Body::Stack(each.collect::<Option<_>>()?)
            }
            Body::Interleave(runs) => {
                let each = runs.parts.iter().map(|(start, part)| Some((*start, part.with_op(op)?)));
                Body::Interleave(Runs { parts: each.collect::<Option<_>>()?, turn: runs.turn })
            }
            Body::Constant(value) => Body::Constant(match op {
                ElementOp::Add(c) => value + c,
                ElementOp::Multiply(c) => value * c,
                ElementOp::Divide(c) => value / c,
                // Rounded once, to a dtype that is not known here.
                ElementOp::LogNegate | ElementOp::Log => return None,
            }),
            Body::Transpose(_) => return None,
        };
        Some(Self { body, ..*self })
    }

    /// The same elements, in order, as rows of another length. Where those are not rows that can be chosen from (they
    /// cut blocks, or rows in another order), choosing returns `None`.
    pub fn reshaped(self, rows: u64, row_len: u64) -> Option<Self> {
        if rows.checked_mul(row_len)? != self.elements() {
            return None;
        }
        let body = match self.body {
            Body::Stored(leaf) => Body::Stored(leaf.reshaped(row_len)),
            body => body,
        };
        Some(Self { rows, row_len, body })
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Elements in a row.
    pub fn row_len(&self) -> u64 {
        self.row_len
    }

    /// Number of elements; constructors see to it that the product is exact.
    pub fn elements(&self) -> u64 {
        self.rows * self.row_len
    }

    /// How the first stored part is stored, and where.
    pub fn first_format(&self) -> Option<&'static Format> {
        match &self.body {
            Body::Stored(leaf) => Some(leaf.format()),
            Body::Constant(_) => None,
            Body::Stack(parts) => parts.iter().find_map(|(_, p)| p.first_format()),
            Body::Interleave(runs) => runs.parts.iter().find_map(|(_, p)| p.first_format()),
            Body::Transpose(transpose) => transpose.of().first_format(),
        }
    }

    pub(super) fn first_stored(&self) -> Option<(&Arc<dyn Source>, u64)> {
        match &self.body {
            Body::Stored(leaf) => Some(leaf.first_stored()),
            Body::Constant(_) => None,
            Body::Stack(parts) => parts.iter().find_map(|(_, p)| p.first_stored()),
            Body::Interleave(runs) => runs.parts.iter().find_map(|(_, p)| p.first_stored()),
            Body::Transpose(transpose) => transpose.of().first_stored(),
        }
    }

    /// The `len` elements from `start` as a range of a source, if they are stored as `dtype` in one piece.
    pub(super) fn verbatim(&self, start: u64, len: u64, dtype: Dtype) -> Option<(&Arc<dyn Source>, u64)> {
        match &self.body {
            Body::Stored(leaf) => leaf.verbatim(start, len, dtype),
            Body::Stack(parts) => {
                let (first, part) = part_at(parts, start);
                let within = start - first;
                (within + len <= part.elements()).then(|| part.verbatim(within, len, dtype)).flatten()
            }
            Body::Interleave(runs) => {
                let (part, from, left) = runs.locate(start);
                (len <= left).then(|| part.verbatim(from, len, dtype)).flatten()
            }
            Body::Constant(_) | Body::Transpose(_) => None,
        }
    }

    /// Writes the elements from `start` on, encoded for `to`, until `out` is full.
    pub(super) fn fill(&self, start: u64, to: &Target, out: &mut [u8]) -> Result<(), Error> {
        match &self.body {
            Body::Stored(leaf) => leaf.fill(start, to, out),
            Body::Constant(value) => {
                let mut element = [0; 8];
                let element = &mut element[..to.dtype.width()];
                to.encode(&[*value], element);
                out.chunks_exact_mut(to.dtype.width()).for_each(|e| e.copy_from_slice(element));
                Ok(())
            }
            Body::Stack(parts) => in_pieces(start, to, out, |at, wanted| {
                let (first, part) = part_at(parts, at);
                (part, at - first, wanted.min(part.elements() - (at - first)))
            }),
            Body::Interleave(runs) => in_pieces(start, to, out, |at, wanted| {
                let (part, from, left) = runs.locate(at);
                (part, from, wanted.min(left))
            }),
            Body::Transpose(transpose) => transpose.fill(start, to, out),
        }
    }
}

/// The part of a stack that holds an element, with the first element of that part.
fn part_at(parts: &[(u64, Matrix)], element: u64) -> (u64, &Matrix) {
    let (start, part) = &parts[parts.partition_point(|(start, _)| *start <= element) - 1];
    (*start, part)
}

/// Fills `out` piece by piece: `locate(element, wanted)` says which matrix holds it, from where on and how many.
fn in_pieces<'a>(
    start: u64,
    to: &Target,
    out: &mut [u8],
    locate: impl Fn(u64, u64) -> (&'a Matrix, u64, u64),
) -> Result<(), Error> {
    let mut at = start;
    let mut rest = out;
    while !rest.is_empty() {
        let (part, from, len) = locate(at, (rest.len() / to.dtype.width()) as u64);
        let (now, later) = rest.split_at_mut(len as usize * to.dtype.width());
        part.fill(from, to, now)?;
        rest = later;
        at += len;
    }
    Ok(())
}
