//! The IQ types: codes that index a table of values, or a grid of points of four or eight values with signs
//! apart.
//!
//! Grid types have 256 weights, in eight runs of 32. A sign byte negates value `j` where its bit `j` is set;
//! a seven-bit sign code stands for the byte whose bit 7 makes the number of set bits even.

use super::float::{half_at, half_to_f32};
use super::iq_grid;
use super::simd::{Ops, each_by_itself, field, hidden, nibbles, scaled};

/// The values of IQ4 codes.
const IQ4: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// `scale f16 | codes 16`
///
/// Byte `j` holds weight `j` in its low nibble and weight `j + 16` in its high one.
#[inline(always)]
pub(super) fn iq4_nl<O: Ops>(block: &[u8; 18], values: &mut [f32; 32]) {
    iq4::<O>(half_at(block, 0), field(block, 2), values);
}

/// `scale f16 | high scale bits u16 | low scale nibbles 4 | codes 128`
///
/// Runs of 32 weights, each laid out as in IQ4_NL; their scales have six bits.
#[inline(always)]
pub(super) fn iq4_xs<O: Ops>(block: &[u8; 136], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let highs = u16::from_le_bytes(*field(block, 2));
    let lows: &[u8; 4] = field(block, 4);
    let mut scales = [0.0; 8];
    for run in 0..8 {
        let low = lows[run / 2] >> (run % 2 * 4) & 15;
        let high = (highs >> (2 * run) & 3) as u8;
        scales[run] = scale * f32::from((low | high << 4) as i8 - 32);
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        iq4::<O>(scales[run], field(block, 8 + 16 * run), values);
    }
}

#[inline(always)]
fn iq4<O: Ops>(scale: f32, codes: &[u8; 16], values: &mut [f32; 32]) {
    let codes = O::lookup(&IQ4, nibbles(codes));
    for j in 0..32 {
        values[j] = scale * f32::from(codes[j]);
    }
}

/// `scale f16 | 8 x (points 4, signs and scale u32)`
///
/// The word of a run holds four seven-bit sign codes and, on top, a four-bit scale.
#[inline(always)]
pub(super) fn iq2_xxs<O: Ops>(block: &[u8; 66], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let (mut scales, mut signs) = ([0.0; 8], [0; 8]);
    for run in 0..8 {
        let word = u32::from_le_bytes(*field(block, 6 + 8 * run));
        scales[run] = scale * (0.5 + (word >> 28) as f32) * 0.25;
        signs[run] = even_signs(word);
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let indices: &[u8; 4] = field(block, 2 + 8 * run);
        let mut points = [0; 4];
        for l in 0..4 {
            points[l] = point(&iq_grid::IQ2_XXS, indices[l].into());
        }
        signed::<O>([scales[run]; 2], O::join_eights(points), signs[run], values);
    }
}

/// `scale f16 | points and signs u16 x 32 | scales 8`
///
/// A word is a nine-bit point and a seven-bit sign code; a scale nibble belongs to 16 weights.
#[inline(always)]
pub(super) fn iq2_xs<O: Ops>(block: &[u8; 74], values: &mut [f32; 256]) {
    let scales = iq2_scales(half_at(block, 0), field(block, 66));
    let (mut words, mut signs) = ([0; 32], [0; 32]);
    for l in 0..32 {
        words[l] = u16::from_le_bytes(*field(block, 2 + 2 * l));
        signs[l] = even_signs(u32::from(words[l] >> 9)) as u8;
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let mut points = [0; 4];
        for l in 0..4 {
            points[l] = point(&iq_grid::IQ2_XS, words[4 * run + l].into());
        }
        signed::<O>(
            [scales[2 * run], scales[2 * run + 1]],
            O::join_eights(points),
            u32::from_le_bytes(*field(&signs, 4 * run)),
            values,
        );
    }
}

/// `scale f16 | points 32 | signs 32 | high point bits 8 | scales 8`
///
/// Points have ten bits; a scale nibble belongs to 16 weights.
#[inline(always)]
pub(super) fn iq2_s<O: Ops>(block: &[u8; 82], values: &mut [f32; 256]) {
    let highs: &[u8; 8] = field(block, 66);
    let scales = iq2_scales(half_at(block, 0), field(block, 74));
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let lows: &[u8; 4] = field(block, 2 + 4 * run);
        let signs = u32::from_le_bytes(*field(block, 34 + 4 * run));
        let mut points = [0; 4];
        for l in 0..4 {
            let high = usize::from(highs[run] >> (2 * l) & 3);
            points[l] = point(&iq_grid::IQ2_S, usize::from(lows[l]) | high << 8);
        }
        signed::<O>([scales[2 * run], scales[2 * run + 1]], O::join_eights(points), signs, values);
    }
}

/// The scales of the 16 half runs in IQ2_XS and IQ2_S.
#[inline(always)]
fn iq2_scales(scale: f32, nibbles: &[u8; 8]) -> [f32; 16] {
    let mut scales = [0.0; 16];
    for half in 0..16 {
        let nibble = nibbles[half / 2] >> (half % 2 * 4) & 15;
        scales[half] = scale * (0.5 + f32::from(nibble)) * 0.25;
    }
    scales
}

/// `scale f16 | points 64 | signs and scales u32 x 8`
///
/// The word of a run is as in IQ2_XXS; a sign code covers two points of four values.
#[inline(always)]
pub(super) fn iq3_xxs<O: Ops>(block: &[u8; 98], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let (mut scales, mut signs) = ([0.0; 8], [0; 8]);
    for run in 0..8 {
        let word = u32::from_le_bytes(*field(block, 66 + 4 * run));
        scales[run] = scale * (0.5 + (word >> 28) as f32) * 0.5;
        signs[run] = even_signs(word);
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let indices: &[u8; 8] = field(block, 2 + 8 * run);
        let mut points = [0; 8];
        for i in 0..8 {
            points[i] = point(&iq_grid::IQ3_XXS, indices[i].into());
        }
        signed::<O>([scales[run]; 2], O::join_fours(points), signs[run], values);
    }
}

/// `scale f16 | points 64 | ninth point bits 8 | signs 32 | scales 4`
///
/// Bit `i` of ninth-bit byte `run` belongs to point `8 run + i`; a sign byte covers two points of four
/// values.
#[inline(always)]
pub(super) fn iq3_s<O: Ops>(block: &[u8; 110], values: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let highs: &[u8; 8] = field(block, 66);
    let nibbles: &[u8; 4] = field(block, 106);
    let mut scales = [0.0; 8];
    for run in 0..8 {
        scales[run] = scale * f32::from(1 + 2 * (nibbles[run / 2] >> (run % 2 * 4) & 15));
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let lows: &[u8; 8] = field(block, 2 + 8 * run);
        let signs = u32::from_le_bytes(*field(block, 74 + 4 * run));
        let mut points = [0; 8];
        for i in 0..8 {
            let high = usize::from(highs[run] >> i & 1);
            points[i] = point(&iq_grid::IQ3_S, usize::from(lows[i]) | high << 8);
        }
        signed::<O>([scales[run]; 2], O::join_fours(points), signs, values);
    }
}

/// `scale f16 | points 32 | runs u16 x 8`
///
/// The word of a run holds the high three bits of its four points, a three-bit scale, and on top the sign of
/// the shift that is added to every value of the run.
#[inline(always)]
pub(super) fn iq1_s<O: Ops>(block: &[u8; 50], values: &mut [f32; 256]) {
    let scale = half_at(block, 0) / 8.0;
    let (mut scales, mut downs, mut indices) = ([0.0; 8], [0; 8], [0; 32]);
    for run in 0..8 {
        let lows: &[u8; 4] = field(block, 2 + 4 * run);
        let word = u16::from_le_bytes(*field(block, 34 + 2 * run));
        scales[run] = scale * f32::from(2 * (word >> 12 & 7) + 1);
        downs[run] = if word >> 15 != 0 { u32::MAX } else { 0 };
        for l in 0..4 {
            indices[4 * run + l] = u16::from(lows[l]) | (word >> (3 * l) & 7) << 8;
        }
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let points = iq1_points::<O>(field(&indices, 4 * run));
        shifted::<O>([scales[run]; 2], points, downs[run], values);
    }
}

/// `points 32 | high point bits and shifts 16 | scales u16 x 4`
///
/// A nibble holds the high three bits of a point and the sign of its shift. The top nibbles of the four scale
/// words are the scale, a half; the rest are three-bit scales of 16 weights each.
#[inline(always)]
pub(super) fn iq1_m<O: Ops>(block: &[u8; 56], values: &mut [f32; 256]) {
    let words = u64::from_le_bytes(*field(block, 48));
    let scale = words >> 12 & 0xf | words >> 24 & 0xf0 | words >> 36 & 0xf00 | words >> 48 & 0xf000;
    let scale = half_to_f32(scale as u16) / 8.0;
    let lows: &[u8; 32] = field(block, 0);
    let nibbles: &[u8; 16] = field(block, 32);
    let mut indices = [0; 32];
    for pair in 0..16 {
        indices[2 * pair] = u16::from(lows[2 * pair]) | u16::from(nibbles[pair] & 7) << 8;
        indices[2 * pair + 1] = u16::from(lows[2 * pair + 1]) | u16::from(nibbles[pair] >> 4 & 7) << 8;
    }
    let (mut scales, mut downs) = ([0.0; 16], [0; 8]);
    for run in 0..8 {
        let shifts = u32::from(u16::from_le_bytes(*field(block, 32 + 2 * run)) >> 3);
        downs[run] =
            (shifts & 1 | (shifts & 0x10) << 4 | (shifts & 0x100) << 8 | (shifts & 0x1000) << 12) * 0xff;
    }
    for half in 0..16 {
        let code = (words >> (half / 4 * 16 + half % 4 * 3)) as u8 & 7;
        scales[half] = scale * f32::from(2 * code + 1);
    }
    for (run, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        each_by_itself();
        let points = iq1_points::<O>(field(&indices, 4 * run));
        shifted::<O>([scales[2 * run], scales[2 * run + 1]], points, downs[run], values);
    }
}

/// The sign bytes of four seven-bit codes: bit 7 of each makes the number of its set bits even.
#[inline(always)]
fn even_signs(codes: u32) -> u32 {
    let signs = codes & 0x7f | (codes & 0x3f80) << 1 | (codes & 0x1f_c000) << 2 | (codes & 0xfe0_0000) << 3;
    // Folded onto bit 0 of each byte; what comes down from the byte above lands on bits that are not looked
    // at.
    let folded = signs ^ signs >> 4;
    let folded = folded ^ folded >> 2;
    let folded = folded ^ folded >> 1;
    signs | (folded & 0x0101_0101) << 7
}

/// A run of 32 weights: `points`, negated where `signs` has a bit, times the scale of each half.
#[inline(always)]
fn signed<O: Ops>(scales: [f32; 2], points: [i8; 32], signs: u32, values: &mut [f32; 32]) {
    let signs = O::spread(signs);
    let mut codes = [0; 32];
    for j in 0..32 {
        let sign = signs[j] as i8;
        codes[j] = (points[j] ^ sign).wrapping_sub(sign);
    }
    scaled(scales, &codes, values);
}

/// The points of a run in IQ1_S and IQ1_M.
#[inline(always)]
fn iq1_points<O: Ops>(indices: &[u16; 4]) -> [i8; 32] {
    let mut points = [0; 4];
    for l in 0..4 {
        points[l] = point(&iq_grid::IQ1, indices[l].into());
    }
    O::join_eights(points)
}

/// A run of 32 weights: `point + 1`, or minus 1 where `downs` has a bit, times the scale of each half.
#[inline(always)]
fn shifted<O: Ops>(scales: [f32; 2], points: [i8; 32], downs: u32, values: &mut [f32; 32]) {
    let downs = O::spread(downs);
    let mut codes = [0; 32];
    for j in 0..32 {
        codes[j] = points[j] + (downs[j] as i8 | 1);
    }
    scaled(scales, &codes, values);
}

/// The point at `index` of a grid, modulo its size.
///
/// The index is hidden from the compiler, which would otherwise make one gather of several lookups: on an
/// EPYC of 2023 that is three times slower than as many loads.
#[inline(always)]
fn point<P: Copy, const N: usize>(grid: &[P; N], index: usize) -> P {
    const { assert!(N.is_power_of_two()) }
    grid[hidden(index) % N]
}
