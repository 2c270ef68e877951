//! The K-quants: super-blocks of 256 weights, with small integer scales that are themselves scaled by halves.

use super::float::half_at;
use super::simd::{Ops, each_by_itself, field, scaled};

/// `scales 16 | codes 64 | scale f16 | minimum f16`
///
/// Each half of 128 weights has 32 bytes of codes, byte `c` holding weights `c`, `c + 32`, `c + 64` and `c +
/// 96` in its four two-bit fields. Scale byte `k` belongs to the 16 weights from `16 k`: scale low, minimum
/// high nibble.
#[inline(always)]
pub(super) fn q2_k<O: Ops>(block: &[u8; 84], values: &mut [f32; 256]) {
    let scales: &[u8; 16] = field(block, 0);
    let (scale, minimum) = (half_at(block, 80), half_at(block, 82));
    let (mut products, mut minima) = ([0.0; 16], [0.0; 16]);
    for half in 0..16 {
        products[half] = scale * f32::from(scales[half] & 15);
        minima[half] = minimum * f32::from(scales[half] >> 4);
    }
    for (run, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        each_by_itself();
        let codes = O::bit_fields(field(block, 16 + 32 * (run / 4)), run % 4 * 2, 3);
        for l in 0..16 {
            values[l] = products[2 * run] * f32::from(codes[l]) - minima[2 * run];
        }
        for l in 16..32 {
            values[l] = products[2 * run + 1] * f32::from(codes[l]) - minima[2 * run + 1];
        }
    }
}

/// `third bits 32 | codes 64 | scales 12 | scale f16`
///
/// Codes as in Q2_K; bit `4 n + j` of third-bit byte `c` belongs to weight `128 n + 32 j + c`. The 16 scales
/// have six bits: low four in the nibbles of bytes 0 to 7, high two in bytes 8 to 11.
#[inline(always)]
pub(super) fn q3_k<O: Ops>(block: &[u8; 110], values: &mut [f32; 256]) {
    let scales = q3_k_scales(field(block, 96), half_at(block, 108));
    for (run, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        each_by_itself();
        let lows = O::bit_fields(field(block, 32 + 32 * (run / 4)), run % 4 * 2, 3);
        let highs = O::bit_fields(field(block, 0), run, 1);
        let mut codes = [0; 32];
        for l in 0..32 {
            codes[l] = (lows[l] | highs[l] << 2) as i8 - 4;
        }
        scaled([scales[2 * run], scales[2 * run + 1]], &codes, values);
    }
}

#[inline(always)]
fn q3_k_scales(packed: &[u8; 12], scale: f32) -> [f32; 16] {
    let lows = [field(packed, 0), field(packed, 4)].map(|bytes| u32::from_le_bytes(*bytes));
    let highs = u32::from_le_bytes(*field(packed, 8));
    let mut codes = [[0; 4]; 4];
    for k in 0..4 {
        let low = lows[k % 2] >> (k / 2 * 4) & 0x0f0f_0f0f;
        let high = highs >> (2 * k) & 0x0303_0303;
        codes[k] = (low | high << 4).to_le_bytes();
    }
    let codes = codes.as_flattened();
    let mut scales = [0.0; 16];
    for k in 0..16 {
        scales[k] = scale * f32::from(codes[k] as i8 - 32);
    }
    scales
}

/// `scale f16 | minimum f16 | scales 12 | codes 128`
///
/// Byte `l` of 32-byte run `i` holds weight `64 i + l` in its low nibble and weight `64 i + 32 + l` in its
/// high one.
#[inline(always)]
pub(super) fn q4_k(block: &[u8; 144], values: &mut [f32; 256]) {
    let (scales, minima) = q4_k_scales(block);
    for i in 0..4 {
        each_by_itself();
        let codes: &[u8; 32] = field(block, 16 + 32 * i);
        for l in 0..32 {
            values[64 * i + l] = scales[2 * i] * f32::from(codes[l] & 15) - minima[2 * i];
        }
        for l in 0..32 {
            values[64 * i + 32 + l] = scales[2 * i + 1] * f32::from(codes[l] >> 4) - minima[2 * i + 1];
        }
    }
}

/// `scale f16 | minimum f16 | scales 12 | fifth bits 32 | codes 128`
///
/// Codes as in Q4_K; bit `k` of fifth-bit byte `l` belongs to weight `32 k + l`.
#[inline(always)]
pub(super) fn q5_k<O: Ops>(block: &[u8; 176], values: &mut [f32; 256]) {
    let (scales, minima) = q4_k_scales(block);
    for i in 0..4 {
        each_by_itself();
        let codes: &[u8; 32] = field(block, 48 + 32 * i);
        let fifths = O::bit_fields(field(block, 16), 2 * i, 3);
        for l in 0..32 {
            let code = codes[l] & 15 | fifths[l] << 4 & 16;
            values[64 * i + l] = scales[2 * i] * f32::from(code) - minima[2 * i];
        }
        for l in 0..32 {
            let code = codes[l] >> 4 | fifths[l] << 3 & 16;
            values[64 * i + 32 + l] = scales[2 * i + 1] * f32::from(code) - minima[2 * i + 1];
        }
    }
}

/// Scales and minima of the eight runs of 32 weights in Q4_K and Q5_K, whose blocks start alike.
///
/// Six bits each, in three words: scales 0 to 3 and minima 0 to 3 are the low six bits of the first and
/// second word's bytes; of scales and minima 4 to 7 the low four bits are the third word's nibbles, and the
/// high two the top bits of the first and second word's bytes.
#[inline(always)]
fn q4_k_scales<const BYTES: usize>(block: &[u8; BYTES]) -> ([f32; 8], [f32; 8]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let first = u32::from_le_bytes(*field(block, 4));
    let second = u32::from_le_bytes(*field(block, 8));
    let third = u32::from_le_bytes(*field(block, 12));
    let scale_codes = six_bits(first, third);
    let minimum_codes = six_bits(second, third >> 4);
    let (mut scales, mut minima) = ([0.0; 8], [0.0; 8]);
    for k in 0..8 {
        scales[k] = scale * f32::from(scale_codes[k]);
        minima[k] = minimum * f32::from(minimum_codes[k]);
    }
    (scales, minima)
}

/// Eight six-bit codes: four in the low bits of `own` bytes, four in the low nibbles of `shared` and the top
/// bits of `own`.
#[inline(always)]
fn six_bits(own: u32, shared: u32) -> [u8; 8] {
    let high = shared & 0x0f0f_0f0f | own >> 2 & 0x3030_3030;
    (u64::from(own & 0x3f3f_3f3f) | u64::from(high) << 32).to_le_bytes()
}

/// `low bits 128 | high bits 64 | scales i8 x 16 | scale f16`
///
/// Half `n` of the weights has 64 low and 32 high bytes. Of run `r` of 32 weights in it, the low four bits
/// are the low (`r` < 2) or high nibbles of low bytes `32 (r mod 2)` on, and the high two the two-bit fields
/// `r` of the high bytes.
#[inline(always)]
pub(super) fn q6_k<O: Ops>(block: &[u8; 210], values: &mut [f32; 256]) {
    let scales: &[u8; 16] = field(block, 192);
    let scale = half_at(block, 208);
    let mut products = [0.0; 16];
    for run in 0..16 {
        products[run] = scale * f32::from(scales[run] as i8);
    }
    for (run, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        each_by_itself();
        let (n, r) = (run / 4, run % 4);
        let lows = O::bit_fields(field(block, 64 * n + 32 * (r % 2)), r / 2 * 4, 15);
        let highs = O::bit_fields(field(block, 128 + 32 * n), 2 * r, 3);
        let mut codes = [0; 32];
        for l in 0..32 {
            codes[l] = (lows[l] | highs[l] << 4) as i8 - 32;
        }
        scaled([products[2 * run], products[2 * run + 1]], &codes, values);
    }
}
