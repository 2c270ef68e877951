//! Virtual tensors: how the rows of a Hugging Face tensor follow from stored rows, and how any byte range of it is read.
//!
//! Knows bytes and shapes, not names of architectures. A ggml row is a whole number of blocks, so everything that moves
//! whole rows (rope un-permutation, expert slices, splits, concatenation) is arithmetic on row numbers and cuts no
//! block; only transposition crosses rows, and only it keeps a cache ([`TileCache`]).

mod leaf;
mod matrix;
mod memory;
mod op;
mod strides;
mod target;
mod transpose;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rawrz_vfs::{Error, Source, Verbatim};

pub use leaf::Stored;
pub use matrix::Matrix;
pub use op::ElementOp;
pub use strides::{Axis, Strides};
pub use transpose::TileCache;

use self::target::Target;
use crate::quant::Dtype;

/// One tensor of the folder, resolved on read.
pub struct VirtualTensor {
    /// Hugging Face name.
    pub name: String,
    /// Sizes of the axes in torch's order.
    pub shape: Vec<u64>,
    /// What the reader sees.
    pub dtype: Dtype,
    matrix: Matrix,
    /// Whether values beyond the dtype's range were reported.
    reported: AtomicBool,
}

impl VirtualTensor {
    /// A tensor of `shape` (torch's order) whose elements, in order, are those of `matrix`.
    ///
    /// Returns `None` if the number of elements differs or the size in bytes overflows.
    pub fn new(name: String, shape: Vec<u64>, dtype: Dtype, matrix: Matrix) -> Option<Self> {
        let elements = shape.iter().try_fold(1_u64, |product, &n| product.checked_mul(n))?;
        elements.checked_mul(dtype.width() as u64)?;
        (elements == matrix.elements()).then_some(Self {
            name,
            shape,
            dtype,
            matrix,
            reported: AtomicBool::new(false),
        })
    }

    /// Bytes of the tensor.
    pub fn len(&self) -> u64 {
        self.matrix.elements() * self.dtype.width() as u64
    }

    /// Whether the tensor has no element.
    pub fn is_empty(&self) -> bool {
        self.matrix.elements() == 0
    }

    /// Where the tensor's first element is stored, for ordering: index by source, then offset.
    pub fn first_stored(&self) -> Option<(&Arc<dyn Source>, u64)> {
        self.matrix.first_stored()
    }

    /// Whether every byte is stored as it is shown, in one piece.
    pub fn is_verbatim(&self) -> bool {
        usize::try_from(self.len()).is_ok_and(|len| self.verbatim_at(0, len).is_some())
    }

    /// Fills `buf` from `offset` bytes into the tensor, for any cut.
    ///
    /// Values beyond the dtype's range (fp16's ends at 65504) become infinite, as IEEE rounding has it; the first read that
    /// meets some says so in the log.
    ///
    /// # Errors
    /// [`Error::Io`] if the source fails or the range is not within the tensor.
    pub fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let to = Target::new(self.dtype);
        self.read_for(&to, offset, buf)?;
        let infinite = to.infinite();
        if infinite > 0 && !self.reported.swap(true, Ordering::Relaxed) {
            let (tensor, dtype) = (&self.name, self.dtype);
            tracing::warn!(tensor, %dtype, infinite, offset, len = buf.len(), "values beyond the dtype's range are infinite");
        }
        Ok(())
    }

    fn read_for(&self, to: &Target, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let end = offset.checked_add(buf.len() as u64).filter(|&end| end <= self.len()).ok_or(Error::Io)?;
        let width = self.dtype.width() as u64;
        let mut rest = buf;
        let mut at = offset;
        // An element that the cut divides is made whole in a small buffer, at either end.
        while !rest.is_empty() {
            let skip = at % width;
            let whole = (end - at) / width * width;
            let taken = if skip == 0 && whole > 0 {
                let (now, later) = rest.split_at_mut(whole as usize);
                self.matrix.fill(at / width, to, now)?;
                rest = later;
                whole
            } else {
                let mut element = [0; 8];
                let element = &mut element[..width as usize];
                self.matrix.fill(at / width, to, element)?;
                let taken = (width - skip).min(rest.len() as u64);
                let (now, later) = rest.split_at_mut(taken as usize);
                now.copy_from_slice(&element[skip as usize..(skip + taken) as usize]);
                rest = later;
                taken
            };
            at += taken;
        }
        Ok(())
    }

    /// The range as a range of a source, if it is stored as it is shown, in one piece.
    pub fn verbatim_at(&self, offset: u64, len: usize) -> Option<Verbatim<'_>> {
        let width = self.dtype.width() as u64;
        let end = offset.checked_add(len as u64).filter(|&end| end <= self.len() && len > 0)?;
        let first = offset / width;
        let (source, start) = self.matrix.verbatim(first, end.div_ceil(width) - first, self.dtype)?;
        Some(Verbatim { source, offset: start + offset % width, len })
    }
}
