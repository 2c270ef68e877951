//! Types of one or two bits a weight, codes read as they are: `scale * (code - 1)`, or plus or minus `scale`.

use super::float::half_at;
use super::simd::{Ops, each_by_itself, field};

/// `trits 48 | trits 4 | scale f16`
///
/// Each byte is a fraction of 256 in base three, five trits or, in the last four bytes, four: multiplying by
/// 3 pushes the first trit out at the top. Trit `n` of 32, 16 and 4 bytes in turn gives as many weights in a
/// row.
#[inline(always)]
pub(super) fn tq1_0(block: &[u8; 54], values: &mut [f32; 256]) {
    let scale = half_at(block, 52);
    for n in 0..5 {
        trits(field::<_, 32>(block, 0), n, scale, &mut values[32 * n..]);
        trits(field::<_, 16>(block, 32), n, scale, &mut values[160 + 16 * n..]);
    }
    for n in 0..4 {
        trits(field::<_, 4>(block, 48), n, scale, &mut values[240 + 4 * n..]);
    }
}

#[inline(always)]
fn trits<const N: usize>(bytes: &[u8; N], n: usize, scale: f32, values: &mut [f32]) {
    const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
    for (value, byte) in values.iter_mut().zip(bytes) {
        let fraction = byte.wrapping_mul(POWERS[n]);
        let trit = (u16::from(fraction) * 3) >> 8;
        *value = scale * f32::from(trit as i8 - 1);
    }
}

/// `codes 64 | scale f16`
///
/// Byte `c` of each half holds weights `c`, `c + 32`, `c + 64` and `c + 96` of the half in its four two-bit
/// fields.
#[inline(always)]
pub(super) fn tq2_0<O: Ops>(block: &[u8; 66], values: &mut [f32; 256]) {
    let scale = half_at(block, 64);
    for (run, values) in values.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        each_by_itself();
        let codes = O::bit_fields(field(block, 32 * (run / 4)), run % 4 * 2, 3);
        for l in 0..32 {
            values[l] = scale * f32::from(codes[l] as i8 - 1);
        }
    }
}

/// `scale f16 | bits 16`
///
/// Weight `j` is the scale if bit `j` is set, and minus the scale if not.
#[inline(always)]
pub(super) fn q1_0<O: Ops>(block: &[u8; 18], values: &mut [f32; 128]) {
    let scale = half_at(block, 0);
    for run in 0..4 {
        each_by_itself();
        let set = O::spread(u32::from_le_bytes(*field(block, 2 + 4 * run)));
        for j in 0..32 {
            values[32 * run + j] = if set[j] != 0 { scale } else { -scale };
        }
    }
}

/// `scale f16 | codes 16`
///
/// Four codes a byte in turn, lowest bits first.
#[inline(always)]
pub(super) fn q2_0(block: &[u8; 18], values: &mut [f32; 64]) {
    let scale = half_at(block, 0);
    let codes: &[u8; 16] = field(block, 2);
    for (values, codes) in values.as_chunks_mut::<4>().0.iter_mut().zip(codes) {
        for j in 0..4 {
            values[j] = scale * f32::from((codes >> (2 * j) & 3) as i8 - 1);
        }
    }
}
