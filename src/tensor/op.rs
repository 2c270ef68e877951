use crate::quant::{Dtype, round_to_odd};

/// What happens to each element between decoding and encoding. No operation is the absence of one: adding 0.0 would
/// turn -0.0 into +0.0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ElementOp {
    /// `x + c`, in `f32` as converters do it.
    Add(f32),
    /// `x * c`, in `f32`.
    Multiply(f32),
    /// `x / c`, in `f32`: of a narrower float that was multiplied by `c`, the float itself.
    Divide(f32),
    /// `ln(-x)`, in `f64`, rounded once to the dtype: the inverse of `-exp(x)`.
    LogNegate,
    /// `ln(x)`, in `f64`, rounded once to the dtype: the inverse of `exp(x)`.
    Log,
}

impl ElementOp {
    /// Applies the operation to values that will be encoded as `dtype`.
    pub fn apply(self, dtype: Dtype, values: &mut [f32]) {
        match self {
            Self::Add(c) => values.iter_mut().for_each(|v| *v += c),
            Self::Multiply(c) => values.iter_mut().for_each(|v| *v *= c),
            Self::Divide(c) => values.iter_mut().for_each(|v| *v /= c),
            Self::LogNegate => values.iter_mut().for_each(|v| *v = narrow(dtype, (-f64::from(*v)).ln())),
            Self::Log => values.iter_mut().for_each(|v| *v = narrow(dtype, f64::from(*v).ln())),
        }
    }
}

/// The `f32` that, encoded as `dtype`, is `value` rounded once.
fn narrow(dtype: Dtype, value: f64) -> f32 {
    if dtype.width() < Dtype::F32.width() { round_to_odd(value) } else { value as f32 }
}
