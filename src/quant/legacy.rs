//! Q4_0 to Q8_0: 32 weights, one scale, and for the `_1` types a minimum.
//!
//! Four-bit codes: byte `j` holds weight `j` in its low nibble and weight `j + 16` in its high one. The fifth
//! bits of Q5 stand in a 32-bit word, bit `j` for weight `j`.

use super::float::half_at;
use super::simd::{Ops, field};

/// `scale f16 | codes 16`
#[inline(always)]
pub(super) fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    let codes: &[u8; 16] = field(block, 2);
    for j in 0..16 {
        values[j] = scale * f32::from((codes[j] & 15) as i8 - 8);
        values[j + 16] = scale * f32::from((codes[j] >> 4) as i8 - 8);
    }
}

/// `scale f16 | minimum f16 | codes 16`
#[inline(always)]
pub(super) fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let codes: &[u8; 16] = field(block, 4);
    for j in 0..16 {
        values[j] = scale * f32::from(codes[j] & 15) + minimum;
        values[j + 16] = scale * f32::from(codes[j] >> 4) + minimum;
    }
}

/// `scale f16 | fifth bits 4 | codes 16`
#[inline(always)]
pub(super) fn q5_0<O: Ops>(block: &[u8; 22], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    let codes = five_bit_codes::<O>(field(block, 2), field(block, 6));
    for j in 0..32 {
        values[j] = scale * f32::from(codes[j] as i8 - 16);
    }
}

/// `scale f16 | minimum f16 | fifth bits 4 | codes 16`
#[inline(always)]
pub(super) fn q5_1<O: Ops>(block: &[u8; 24], values: &mut [f32; 32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let codes = five_bit_codes::<O>(field(block, 4), field(block, 8));
    for j in 0..32 {
        values[j] = scale * f32::from(codes[j]) + minimum;
    }
}

/// `scale f16 | codes i8 x 32`
#[inline(always)]
pub(super) fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    let codes: &[u8; 32] = field(block, 2);
    for j in 0..32 {
        values[j] = scale * f32::from(codes[j] as i8);
    }
}

#[inline(always)]
fn five_bit_codes<O: Ops>(fifths: &[u8; 4], nibbles: &[u8; 16]) -> [u8; 32] {
    let mut codes = O::spread(u32::from_le_bytes(*fifths)).map(|fifth| fifth & 16);
    for j in 0..16 {
        codes[j] |= nibbles[j] & 15;
        codes[j + 16] |= nibbles[j] >> 4;
    }
    codes
}
