//! From `f32` to the little-endian bytes of a float dtype.

use super::simd::{Kernels, kernels};
use super::{Dtype, Isa};

/// Writes `values` as elements of `dtype`, little-endian, rounded to nearest even.
///
/// A value beyond the range of `dtype` becomes infinity ([`overflows`] counts them); a NaN stays a quiet NaN.
///
/// # Panics
/// If `out` is not `values.len()` elements, or `dtype` is an integer: integers are served as they are.
pub fn encode(dtype: Dtype, values: &[f32], out: &mut [u8]) {
    encode_with(Isa::best(), dtype, values, out);
}

/// [`encode`] with the kernel for `isa`; [`Isa::BASELINE`] is the reference.
///
/// # Panics
/// As [`encode`].
pub fn encode_with(isa: Isa, dtype: Dtype, values: &[f32], out: &mut [u8]) {
    assert_eq!(values.len() * dtype.width(), out.len(), "elements of {dtype}");
    let kernels = match dtype {
        Dtype::Bf16 => &BF16,
        Dtype::F16 => &F16,
        Dtype::F32 => &F32,
        Dtype::F64 => &F64,
        Dtype::I8 | Dtype::I16 | Dtype::I32 | Dtype::I64 => panic!("{dtype} is served as it is"),
    };
    kernels.run(isa, values, out);
}

/// How many finite `values` become infinite as elements of `dtype`.
pub fn overflows(dtype: Dtype, values: &[f32]) -> usize {
    // The smallest values that round to infinity: halfway from the largest element to the next power of two.
    let limit = match dtype {
        Dtype::F16 => 65520.0,
        Dtype::Bf16 => f32::from_bits(0x7f7f_8000),
        _ => return 0,
    };
    values.iter().filter(|value| value.is_finite() && value.abs() >= limit).count()
}

static BF16: Kernels<f32, u8> = kernels!(bf16: f32 => u8);
static F16: Kernels<f32, u8> = kernels!(f16: f32 => u8);
static F32: Kernels<f32, u8> = kernels!(f32: f32 => u8);
static F64: Kernels<f32, u8> = kernels!(f64: f32 => u8);

/// Rounds on the bits: adding just under half of the last kept bit, or half if that bit is odd, carries where
/// needed.
///
/// A NaN, whose payload the carry could turn into infinity, is cut and made quiet.
#[inline(always)]
fn bf16([value]: &[f32; 1], out: &mut [u8; 2]) {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    let quiet = bits >> 16 | 0x40;
    *out = (if value.is_nan() { quiet } else { rounded } as u16).to_le_bytes();
}

/// Rounds as [`bf16`] does, after rebiasing the exponent.
///
/// Values below the normal halves are rounded by adding 0.5, whose last bit weighs what the last bit of a
/// subnormal half does.
#[inline(always)]
fn f16([value]: &[f32; 1], out: &mut [u8; 2]) {
    const REBIAS: u32 = 112 << 23;
    const INFINITE: u32 = 65536f32.to_bits();
    const NORMAL: u32 = (127 - 14) << 23;
    let bits = value.to_bits();
    let magnitude = bits & 0x7fff_ffff;
    let normal = magnitude.wrapping_sub(REBIAS).wrapping_add(0xfff + (magnitude >> 13 & 1)) >> 13;
    let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
    let finite = if magnitude < NORMAL { subnormal } else { normal };
    let nan = 0x7e00 | magnitude >> 13 & 0x3ff;
    let half = match magnitude {
        _ if value.is_nan() => nan,
        INFINITE.. => 0x7c00,
        _ => finite,
    };
    *out = ((half | bits >> 16 & 0x8000) as u16).to_le_bytes();
}

#[inline(always)]
fn f32([value]: &[f32; 1], out: &mut [u8; 4]) {
    *out = value.to_le_bytes();
}

#[inline(always)]
fn f64([value]: &[f32; 1], out: &mut [u8; 8]) {
    *out = f64::from(*value).to_le_bytes();
}
