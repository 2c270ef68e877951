//! Stored rows, and the hot loop that reads, decodes and encodes them.

use std::cell::RefCell;
use std::sync::Arc;

use rawrz_vfs::{Error, Source};

use super::{ElementOp, Strides, Target};
use crate::quant::{Dtype, Format};

/// Bytes read from the source at a time. Large enough that a read costs little beside decoding what it brings, small
/// enough to stay in the second-level cache.
const RAW_BYTES: usize = 128 << 10;
/// Values decoded at a time: four super-blocks, 4 KiB of `f32`, in the first-level cache.
const VALUES: usize = 1024;
/// Rows this far apart are read together with the rows between them: a read more costs about as much as 2 KiB more.
const GATHER_STRIDE: u64 = 4;

/// A tensor as it lies in a source: `rows` rows of `row_len` values, whole blocks each.
#[derive(Clone)]
pub struct Stored {
    /// Where it is.
    pub source: Arc<dyn Source>,
    /// Byte offset of its first block in the source.
    pub offset: u64,
    /// How its values are stored.
    pub format: &'static Format,
    /// Number of rows.
    pub rows: u64,
    /// Values in a row.
    pub row_len: u64,
}

impl Stored {
    /// Bytes of a row.
    pub fn row_bytes(&self) -> u64 {
        self.row_len / self.format.block_len as u64 * self.format.block_bytes as u64
    }
}

/// Rows of a stored tensor in another order, with columns in another order and an operation on each element.
pub struct Leaf {
    stored: Stored,
    rows: Strides,
    columns: Option<Strides>,
    op: Option<ElementOp>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch { raw: vec![0; RAW_BYTES], values: [0.0; VALUES] });
}

struct Scratch {
    raw: Vec<u8>,
    values: [f32; VALUES],
}

impl Leaf {
    pub fn new(stored: Stored) -> Self {
        let rows = Strides::range(0, stored.rows);
        Self { stored, rows, columns: None, op: None }
    }

    /// Row `i` is what row `rows.at(i)` was. `None` if that is beyond the last.
    pub fn select_rows(&self, rows: &Strides) -> Option<Self> {
        if rows.max()? >= self.rows.len() {
            return None;
        }
        let rows = self.rows.then(rows)?;
        Some(Self { stored: self.stored.clone(), rows, columns: self.columns.clone(), op: self.op })
    }

    /// Column `i` is what column `columns.at(i)` was. `None` if that is beyond the last, or columns moved already.
    pub fn select_columns(&self, columns: Strides) -> Option<Self> {
        let fits = columns.max()? < self.stored.row_len
            && columns.len() == self.stored.row_len
            && self.columns.is_none();
        fits.then(|| Self {
            stored: self.stored.clone(),
            rows: self.rows.clone(),
            columns: Some(columns),
            op: self.op,
        })
    }

    /// The same rows with an operation on each element. `None` if there is one already.
    pub fn with_op(&self, op: ElementOp) -> Option<Self> {
        let (rows, columns) = (self.rows.clone(), self.columns.clone());
        self.op.is_none().then(|| Self { stored: self.stored.clone(), rows, columns, op: Some(op) })
    }

    /// The same elements in rows of another length, where that is a view of the stored rows; else as it is.
    pub fn reshaped(self, row_len: u64) -> Self {
        let in_order = self.columns.is_none() && self.rows.is_contiguous();
        if !in_order || row_len == 0 || !row_len.is_multiple_of(self.stored.format.block_len as u64) {
            return self;
        }
        let offset = self.stored.offset + self.rows.at(0) * self.stored.row_bytes();
        let rows = self.rows.len() * self.stored.row_len / row_len;
        let stored = Stored { offset, rows, row_len, ..self.stored };
        Self { rows: Strides::range(0, rows), stored, ..self }
    }

    pub fn row_len(&self) -> u64 {
        self.stored.row_len
    }

    pub fn format(&self) -> &'static Format {
        self.stored.format
    }

    pub fn first_stored(&self) -> (&Arc<dyn Source>, u64) {
        (&self.stored.source, self.stored.offset + self.rows.at(0) * self.stored.row_bytes())
    }

    /// The `len` elements from `start` as a range of the source, if they are stored as `dtype` in one piece.
    pub fn verbatim(&self, start: u64, len: u64, dtype: Dtype) -> Option<(&Arc<dyn Source>, u64)> {
        if !self.is_plain(dtype) || self.columns.is_some() {
            return None;
        }
        let (row, column) = (start / self.row_len(), start % self.row_len());
        let (run, step) = self.rows.run(row);
        let contiguous = if step == 1 { run } else { 1 };
        let fits = len <= contiguous * self.row_len() - column;
        let element = self.rows.at(row) * self.row_len() + column;
        fits.then(|| (&self.stored.source, self.stored.offset + element * dtype.width() as u64))
    }

    /// Writes the elements from `start` on, encoded for `to`, until `out` is full.
    pub fn fill(&self, start: u64, to: &Target, out: &mut [u8]) -> Result<(), Error> {
        SCRATCH.with_borrow_mut(|scratch| self.fill_with(start, to, out, scratch))
    }

    fn fill_with(
        &self,
        mut at: u64,
        to: &Target,
        mut out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let width = to.dtype.width();
        while !out.is_empty() {
            let (row, column) = (at / self.row_len(), at % self.row_len());
            let wanted = (out.len() / width) as u64;
            let (run, step) = self.rows.run(row);
            let source_row = self.rows.at(row);
            let in_row = self.row_len() - column;
            let (taken, filled);
            if let Some(columns) = &self.columns {
                taken = wanted.min(in_row);
                (filled, out) = out.split_at_mut(taken as usize * width);
                self.fill_permuted(source_row, columns, column, to, filled, scratch)?;
            } else if step == 1 {
                taken = wanted.min((run - 1) * self.row_len() + in_row);
                (filled, out) = out.split_at_mut(taken as usize * width);
                self.fill_contiguous(source_row * self.row_len() + column, to, filled, scratch)?;
            } else {
                let rows = self.rows_at_once(run, step, (column + wanted).div_ceil(self.row_len()));
                taken = wanted.min((rows - 1) * self.row_len() + in_row);
                (filled, out) = out.split_at_mut(taken as usize * width);
                match rows {
                    1 => self.fill_contiguous(source_row * self.row_len() + column, to, filled, scratch)?,
                    _ => self.fill_gathered(source_row, step, column, to, filled, scratch)?,
                }
            }
            at += taken;
        }
        Ok(())
    }

    /// How many of `run` rows, `step` apart, one read may bring with what lies between them.
    fn rows_at_once(&self, run: u64, step: u64, wanted: u64) -> u64 {
        let fitting = (RAW_BYTES as u64 / self.stored.row_bytes()).saturating_sub(1) / step + 1;
        if step > GATHER_STRIDE { 1 } else { run.min(wanted).min(fitting) }
    }

    /// Elements that lie one after the other in the source, from source element `start`.
    fn fill_contiguous(
        &self,
        start: u64,
        to: &Target,
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        if self.is_plain(to.dtype) {
            return self
                .stored
                .source
                .read_exact_at(self.stored.offset + start * to.dtype.width() as u64, out);
        }
        let Format { block_len, block_bytes, .. } = *self.stored.format;
        let mut block = start / block_len as u64;
        let mut skip = (start % block_len as u64) as usize;
        let mut rest = out;
        while !rest.is_empty() {
            let elements = rest.len() / to.dtype.width();
            let blocks = (skip + elements).div_ceil(block_len).min(RAW_BYTES / block_bytes);
            let raw = &mut scratch.raw[..blocks * block_bytes];
            self.stored.source.read_exact_at(self.stored.offset + block * block_bytes as u64, raw)?;
            let taken = elements.min(blocks * block_len - skip);
            let (now, later) = rest.split_at_mut(taken * to.dtype.width());
            self.emit(raw, skip, to, now, &mut scratch.values);
            rest = later;
            block += blocks as u64;
            skip = 0;
        }
        Ok(())
    }

    /// Rows `step` apart from `source_row` on, the first from `column`: one read for all and what lies between.
    fn fill_gathered(
        &self,
        source_row: u64,
        step: u64,
        column: u64,
        to: &Target,
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let row_bytes = self.stored.row_bytes() as usize;
        let row_len = self.row_len() as usize;
        let rows = (column as usize + out.len() / to.dtype.width()).div_ceil(row_len);
        let raw = &mut scratch.raw[..((rows - 1) * step as usize + 1) * row_bytes];
        self.stored.source.read_exact_at(self.stored.offset + source_row * row_bytes as u64, raw)?;
        let mut rest = out;
        for row in 0..rows {
            let column = if row == 0 { column as usize } else { 0 };
            let (now, later) = rest.split_at_mut(((row_len - column) * to.dtype.width()).min(rest.len()));
            let stored = &raw[row * step as usize * row_bytes..][..row_bytes];
            let Format { block_len, block_bytes, .. } = *self.stored.format;
            self.emit(
                &stored[column / block_len * block_bytes..],
                column % block_len,
                to,
                now,
                &mut scratch.values,
            );
            rest = later;
        }
        Ok(())
    }

    /// Columns of one row in another order, from `column` on.
    fn fill_permuted(
        &self,
        source_row: u64,
        columns: &Strides,
        column: u64,
        to: &Target,
        out: &mut [u8],
        scratch: &mut Scratch,
    ) -> Result<(), Error> {
        let width = to.dtype.width();
        let mut column = column;
        let mut rest = out;
        while !rest.is_empty() {
            let (run, step) = columns.run(column);
            let taken = if step == 1 { run.min((rest.len() / width) as u64) } else { 1 };
            let (now, later) = rest.split_at_mut(taken as usize * width);
            self.fill_contiguous(source_row * self.row_len() + columns.at(column), to, now, scratch)?;
            rest = later;
            column += taken;
        }
        Ok(())
    }

    /// Decodes from `raw`, which starts with a whole block, all but the first `skip` elements until `out` is full.
    fn emit(&self, raw: &[u8], mut skip: usize, to: &Target, out: &mut [u8], values: &mut [f32; VALUES]) {
        if self.is_plain(to.dtype) {
            return out.copy_from_slice(&raw[skip * to.dtype.width()..][..out.len()]);
        }
        let Format { block_len, block_bytes, .. } = *self.stored.format;
        let mut raw = raw;
        let mut rest = out;
        while !rest.is_empty() {
            let elements = rest.len() / to.dtype.width();
            let blocks = (skip + elements).div_ceil(block_len).min(VALUES / block_len);
            let values = &mut values[..blocks * block_len];
            self.stored.format.decode_for(to.dtype, &raw[..blocks * block_bytes], values);
            let taken = elements.min(values.len() - skip);
            let values = &mut values[skip..skip + taken];
            if let Some(op) = self.op {
                op.apply(to.dtype, values);
            }
            let (now, later) = rest.split_at_mut(taken * to.dtype.width());
            to.encode(values, now);
            raw = &raw[blocks * block_bytes..];
            rest = later;
            skip = 0;
        }
    }

    /// Whether stored elements are shown elements, but for their order.
    fn is_plain(&self, dtype: Dtype) -> bool {
        self.stored.format.dtype == Some(dtype) && self.op.is_none()
    }
}
