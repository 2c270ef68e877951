//! From `f32` to the little-endian bytes of a float dtype.

use half::{bf16, f16};

use super::simd::{Kernels, Ops, kernels};
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
    let whole = values.len() / LEN * LEN;
    let (values, rest) = values.split_at(whole);
    let (out, out_rest) = out.split_at_mut(whole * dtype.width());
    kernels.run(isa, values, out);
    if !rest.is_empty() {
        let mut values = [0.0; LEN];
        let mut out = [0; LEN * Dtype::F64.width()];
        values[..rest.len()].copy_from_slice(rest);
        kernels.run(isa, &values, &mut out[..LEN * dtype.width()]);
        out_rest.copy_from_slice(&out[..out_rest.len()]);
    }
}

/// How many finite `values` become infinite as elements of `dtype`.
pub fn overflows(dtype: Dtype, values: &[f32]) -> usize {
    // The smallest value that rounds to infinity: halfway from the largest element to the next power of two.
    let limit = match dtype {
        Dtype::F16 => 65520f32.to_bits(),
        Dtype::Bf16 => 0x7f7f_8000,
        _ => return 0,
    };
    let finite = f32::INFINITY.to_bits() - limit;
    let overflows = |value: &f32| (value.to_bits() & 0x7fff_ffff).wrapping_sub(limit) < finite;
    // Counted in 32 bits, as wide as the values: three times as fast as in 64.
    let count = |values: &[f32]| values.iter().map(|value| u32::from(overflows(value))).sum::<u32>();
    values.chunks(1 << 16).map(|values| count(values) as usize).sum()
}

/// Whether `values` are elements of `dtype` as they are, so that encoding rounds none.
pub fn is_exact(dtype: Dtype, values: &[f32]) -> bool {
    match dtype {
        Dtype::Bf16 => values.iter().all(|&value| bf16::from_f32(value).to_f32() == value),
        Dtype::F16 => values.iter().all(|&value| f16::from_f32(value).to_f32() == value),
        _ => true,
    }
}

/// Values that a kernel encodes at a time.
const LEN: usize = 32;

static BF16: Kernels<f32, u8> = Kernels {
    #[cfg(target_arch = "x86_64")]
    avx512bf16: Some(super::simd::x86::bf16_avx512bf16),
    ..kernels!(bf16: f32 => u8)
};
static F16: Kernels<f32, u8> = kernels!(f16<Ops>: f32 => u8);
static F32: Kernels<f32, u8> = kernels!(f32: f32 => u8);
static F64: Kernels<f32, u8> = kernels!(f64: f32 => u8);

/// Rounds on the bits: adding just under half of the last kept bit, or half if that bit is odd, carries where
/// needed.
///
/// A NaN, whose payload the carry could turn into infinity, is cut and made quiet; it is rare enough to be
/// looked for in all the values at once.
#[inline(always)]
pub(super) fn bf16(values: &[f32; LEN], out: &mut [u8; 2 * LEN]) {
    let out = out.as_chunks_mut::<2>().0;
    let mut nan = false;
    for j in 0..LEN / 2 {
        // Comparing a value with another asks about both: no order, no comparison is true.
        nan |= values[j].partial_cmp(&values[j + LEN / 2]).is_none();
    }
    for j in 0..LEN {
        let bits = values[j].to_bits();
        let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
        out[j] = (rounded as u16).to_le_bytes();
    }
    if nan {
        for j in 0..LEN {
            let quiet = (values[j].to_bits() >> 16) as u16 | 0x40;
            out[j] = if values[j].is_nan() { quiet.to_le_bytes() } else { out[j] };
        }
    }
}

#[inline(always)]
fn f16<O: Ops>(values: &[f32; LEN], out: &mut [u8; 2 * LEN]) {
    for (out, half) in out.as_chunks_mut().0.iter_mut().zip(O::halves(values)) {
        *out = half.to_le_bytes();
    }
}

/// The half nearest to `value`, rounded as [`bf16`] rounds after rebiasing the exponent by 112.
///
/// Values below the normal halves are rounded by adding 0.5, whose last bit weighs what the last bit of a
/// subnormal half does.
#[inline(always)]
pub(super) fn half(value: f32) -> u16 {
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
    (half | bits >> 16 & 0x8000) as u16
}

#[inline(always)]
fn f32(values: &[f32; LEN], out: &mut [u8; 4 * LEN]) {
    for (out, value) in out.as_chunks_mut().0.iter_mut().zip(values) {
        *out = value.to_le_bytes();
    }
}

#[inline(always)]
fn f64(values: &[f32; LEN], out: &mut [u8; 8 * LEN]) {
    for (out, value) in out.as_chunks_mut().0.iter_mut().zip(values) {
        *out = f64::from(*value).to_le_bytes();
    }
}
