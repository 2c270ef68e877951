//! Four-bit floats (e2m1) with an eight-bit scale each 32 or 16 weights.

use super::simd::{Ops, each_by_itself, field, nibbles, scaled};

/// The values of e2m1, doubled so that they are whole; the scale is halved in return.
///
/// Code 8 is plus zero, as in ggml, though in e2m1 it is minus zero.
const DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

/// `scale e8m0 | codes 16`
///
/// Byte `j` holds weight `j` in its low nibble and weight `j + 16` in its high one.
#[inline(always)]
pub(super) fn mxfp4<O: Ops>(block: &[u8; 17], values: &mut [f32; 32]) {
    let scale = half_of_e8m0(block[0]);
    let codes: &[u8; 16] = field(block, 1);
    let doubled = O::lookup(&DOUBLED, nibbles(codes));
    for j in 0..32 {
        values[j] = scale * f32::from(doubled[j]);
    }
}

/// `scale e8m0 | codes 16`, as Ollama's own converter wrote gpt-oss, under type id 4.
///
/// Byte `j` holds weights `2 j` and `2 j + 1`, as in the published checkpoint: Ollama reorders the nibbles
/// when it loads such a file (ml/backend/ggml/ggml.go, "transform a1b2c3 ... x7y8z9 -> 71xa82yb93zc").
#[inline(always)]
pub(super) fn mxfp4_paired<O: Ops>(block: &[u8; 17], values: &mut [f32; 32]) {
    let scale = half_of_e8m0(block[0]);
    let codes: &[u8; 16] = field(block, 1);
    let doubled = O::lookup(&DOUBLED, std::array::from_fn(|j| codes[j / 2] >> (j % 2 * 4) & 15));
    for j in 0..32 {
        values[j] = scale * f32::from(doubled[j]);
    }
}

/// `scales e4m3 x 4 | codes 32`
///
/// Scale `s` belongs to the 16 weights from `16 s`, whose codes are bytes `8 s` on: weight `j` low, `j + 8`
/// high nibble. The tensor's own scale, a tensor beside it, is not applied here.
#[inline(always)]
pub(super) fn nvfp4<O: Ops>(block: &[u8; 36], values: &mut [f32; 64]) {
    let mut scales = [0.0; 4];
    for s in 0..4 {
        scales[s] = half_of_e4m3(block[s]);
    }
    for (s, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        each_by_itself();
        let codes: &[u8; 16] = field(block, 4 + 16 * s);
        let doubled =
            O::lookup(&DOUBLED, std::array::from_fn(|j| codes[j / 16 * 8 + j % 8] >> (j % 16 / 8 * 4) & 15));
        scaled([scales[2 * s], scales[2 * s + 1]], &doubled, values);
    }
}

/// 2^(exponent - 128). The two smallest are subnormal, and 255 is a number like the others in ggml.
#[inline(always)]
fn half_of_e8m0(exponent: u8) -> f32 {
    let exponent = u32::from(exponent);
    f32::from_bits(if exponent < 2 { 1 << (21 + exponent) } else { (exponent - 1) << 23 })
}

/// Half of an unsigned e4m3, whose bit 7 is ignored; NaN is read as zero, as in ggml, but only when spelt
/// 0x7f: 0xff gives 240.
///
/// Read as `f32` bits, the code is the value times 2^-120 with its subnormals in place: one exact product
/// corrects both.
#[inline(always)]
fn half_of_e4m3(code: u8) -> f32 {
    let code = if code == 0x7f { 0 } else { u32::from(code & 0x7f) };
    f32::from_bits(code << 20) * f32::from_bits((127 + 119) << 23)
}
