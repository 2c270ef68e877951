use std::cell::Cell;

use crate::quant::{self, Dtype};

/// What elements are encoded as, and what that cost.
pub struct Target {
    pub dtype: Dtype,
    infinite: Cell<usize>,
}

impl Target {
    pub fn new(dtype: Dtype) -> Self {
        Self { dtype, infinite: Cell::new(0) }
    }

    /// Writes `values` as elements of the dtype.
    pub fn encode(&self, values: &[f32], out: &mut [u8]) {
        quant::encode(self.dtype, values, out);
        self.infinite.set(self.infinite.get() + quant::overflows(self.dtype, values));
    }

    /// How many finite values have become infinite.
    pub fn infinite(&self) -> usize {
        self.infinite.get()
    }
}
