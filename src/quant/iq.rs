//! The IQ types: codes that index a table of values, or a grid of points of four or eight values with signs
//! apart.
//!
//! Grid types have 256 weights, in eight runs of 32. A sign byte negates value `j` where its bit `j` is set;
//! a seven-bit sign code stands for the byte whose bit 7 makes the number of set bits even.

use super::float::{half_at, half_to_f32};
use super::iq_grid;
use super::simd::field;

/// The values of IQ4 codes.
const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// `scale f16 | codes 16`
///
/// Byte `j` holds weight `j` in its low nibble and weight `j + 16` in its high one.
#[inline(always)]
pub(super) fn iq4_nl(block: &[u8; 18], values: &mut [f32; 32]) {
    iq4(half_at(block, 0), field(block, 2), values);
}

/// `scale f16 | high scale bits u16 | low scale nibbles 4 | codes 128`
///
/// Runs of 32 weights, each laid out as in IQ4_NL; their scales have six bits.
#[inline(always)]
pub(super) fn iq4_xs(block: &[u8; 136], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let highs = u16::from_le_bytes(*field(block, 2));
    let lows: &[u8; 4] = field(block, 4);
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        let low = lows[run / 2] >> (run % 2 * 4) & 15;
        let high = (highs >> (2 * run) & 3) as u8;
        let scale = scale * f32::from((low | high << 4) as i8 - 32);
        iq4(scale, field(block, 8 + 16 * run), values);
    }
}

#[inline(always)]
fn iq4(scale: f32, codes: &[u8; 16], values: &mut [f32; 32]) {
    for j in 0..16 {
        values[j] = scale * f32::from(IQ4[usize::from(codes[j] & 15)]);
        values[j + 16] = scale * f32::from(IQ4[usize::from(codes[j] >> 4)]);
    }
}

/// `scale f16 | 8 x (points 4, signs and scale u32)`
///
/// The word of a run holds four seven-bit sign codes and, on top, a four-bit scale.
#[inline(always)]
pub(super) fn iq2_xxs(block: &[u8; 66], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    for run in 0..8 {
        let points: &[u8; 4] = field(block, 2 + 8 * run);
        let word = u32::from_le_bytes(*field(block, 6 + 8 * run));
        let scale = scale * (0.5 + (word >> 28) as f32) * 0.25;
        for l in 0..4 {
            let point = &iq_grid::IQ2_XXS[usize::from(points[l])];
            signed(scale, point, even_signs(word >> (7 * l)), values, 4 * run + l);
        }
    }
}

/// `scale f16 | points and signs u16 x 32 | scales 8`
///
/// A word is a nine-bit point and a seven-bit sign code; a scale nibble belongs to 16 weights.
#[inline(always)]
pub(super) fn iq2_xs(block: &[u8; 74], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let scales: &[u8; 8] = field(block, 66);
    for l in 0..32 {
        let word = u16::from_le_bytes(*field(block, 2 + 2 * l));
        let point = &iq_grid::IQ2_XS[usize::from(word & 511)];
        signed(iq2_scale(scale, scales, l), point, even_signs(u32::from(word >> 9)), values, l);
    }
}

/// `scale f16 | points 32 | signs 32 | high point bits 8 | scales 8`
///
/// Points have ten bits; a scale nibble belongs to 16 weights.
#[inline(always)]
pub(super) fn iq2_s(block: &[u8; 82], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let lows: &[u8; 32] = field(block, 2);
    let signs: &[u8; 32] = field(block, 34);
    let highs: &[u8; 8] = field(block, 66);
    let scales: &[u8; 8] = field(block, 74);
    for l in 0..32 {
        let high = usize::from(highs[l / 4] >> (l % 4 * 2) & 3);
        let point = &iq_grid::IQ2_S[usize::from(lows[l]) | high << 8];
        signed(iq2_scale(scale, scales, l), point, signs[l], values, l);
    }
}

/// The scale of point `l` of 32 in IQ2_XS and IQ2_S.
#[inline(always)]
fn iq2_scale(scale: f32, nibbles: &[u8; 8], l: usize) -> f32 {
    scale * (0.5 + f32::from(nibbles[l / 4] >> (l % 4 / 2 * 4) & 15)) * 0.25
}

/// `scale f16 | points 64 | signs and scales u32 x 8`
///
/// The word of a run is as in IQ2_XXS; a sign code covers two points of four values.
#[inline(always)]
pub(super) fn iq3_xxs(block: &[u8; 98], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let points: &[u8; 64] = field(block, 2);
    for run in 0..8 {
        let word = u32::from_le_bytes(*field(block, 66 + 4 * run));
        let scale = scale * (0.5 + (word >> 28) as f32) * 0.5;
        for l in 0..4 {
            let at = 8 * run + 2 * l;
            let point = pair([points[at], points[at + 1]].map(|n| iq_grid::IQ3_XXS[usize::from(n)]));
            signed(scale, &point, even_signs(word >> (7 * l)), values, 4 * run + l);
        }
    }
}

/// `scale f16 | points 64 | ninth point bits 8 | signs 32 | scales 4`
///
/// Bit `i` of ninth-bit byte `run` belongs to point `8 run + i`; a sign byte covers two points of four
/// values.
#[inline(always)]
pub(super) fn iq3_s(block: &[u8; 110], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let lows: &[u8; 64] = field(block, 2);
    let highs: &[u8; 8] = field(block, 66);
    let signs: &[u8; 32] = field(block, 74);
    let scales: &[u8; 4] = field(block, 106);
    for l in 0..32 {
        let run = l / 4;
        let scale = scale * f32::from(1 + 2 * (scales[run / 2] >> (run % 2 * 4) & 15));
        let point = pair([2 * l, 2 * l + 1].map(|at| {
            let high = usize::from(highs[run] >> (at % 8) & 1);
            iq_grid::IQ3_S[usize::from(lows[at]) | high << 8]
        }));
        signed(scale, &point, signs[l], values, l);
    }
}

/// `scale f16 | points 32 | runs u16 x 8`
///
/// The word of a run holds the high three bits of its four points, a three-bit scale, and on top the sign of
/// the shift that is added to every value of the run.
#[inline(always)]
pub(super) fn iq1_s(block: &[u8; 50], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let lows: &[u8; 32] = field(block, 2);
    for run in 0..8 {
        let word = u16::from_le_bytes(*field(block, 34 + 2 * run));
        let scale = scale * f32::from(2 * (word >> 12 & 7) + 1);
        for l in 4 * run..4 * run + 4 {
            let high = word >> (3 * (l % 4)) & 7;
            shifted(scale, usize::from(u16::from(lows[l]) | high << 8), word >> 15 != 0, values, l);
        }
    }
}

/// `points 32 | high point bits and shifts 16 | scales u16 x 4`
///
/// A nibble holds the high three bits of a point and the sign of its shift. The top nibbles of the four scale
/// words are the scale, a half; the rest are three-bit scales of 16 weights each.
#[inline(always)]
pub(super) fn iq1_m(block: &[u8; 56], values: &mut [f32; 256]) {
    let lows: &[u8; 32] = field(block, 0);
    let nibbles: &[u8; 16] = field(block, 32);
    let words = [48, 50, 52, 54].map(|at| u16::from_le_bytes(*field(block, at)));
    let scale =
        half_to_f32(words[0] >> 12 | words[1] >> 8 & 0xf0 | words[2] >> 4 & 0xf00 | words[3] & 0xf000);
    for l in 0..32 {
        let scale = scale * f32::from(2 * (words[l / 8] >> (l % 8 / 2 * 3) & 7) + 1);
        let nibble = nibbles[l / 2] >> (l % 2 * 4) & 15;
        shifted(scale, usize::from(lows[l]) | usize::from(nibble & 7) << 8, nibble & 8 != 0, values, l);
    }
}

/// Two points of four values as one of eight.
#[inline(always)]
fn pair([a, b]: [[i8; 4]; 2]) -> [i8; 8] {
    [a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]]
}

/// The sign byte of a seven-bit sign code.
#[inline(always)]
fn even_signs(code: u32) -> u8 {
    let code = (code & 127) as u8;
    code | (code.count_ones() as u8 & 1) << 7
}

/// Writes the values of point `l` of a block: `scale * point`, negated where `signs` has a bit.
#[inline(always)]
fn signed(scale: f32, point: &[i8; 8], signs: u8, values: &mut [f32; 256], l: usize) {
    let scale = scale.to_bits();
    for j in 0..8 {
        let sign = u32::from(signs) << (31 - j) & 0x8000_0000;
        values[8 * l + j] = f32::from_bits(scale ^ sign) * f32::from(point[j]);
    }
}

/// Writes the values of point `l` of an IQ1 block: `scale * (point + 1/8)`, or minus 1/8.
#[inline(always)]
fn shifted(scale: f32, point: usize, down: bool, values: &mut [f32; 256], l: usize) {
    let shift = if down { -0.125 } else { 0.125 };
    let point = &iq_grid::IQ1[point];
    for j in 0..8 {
        values[8 * l + j] = scale * (f32::from(point[j]) + shift);
    }
}
