//! Types of one element a block: floats and integers, stored as they are.

/// The half at `at`, as `f32`: exact, a NaN made quiet, as the processor's own conversion does it.
///
/// Integer form, so that a loop over it is vectorised; in a block's header it costs nothing that can be
/// measured.
#[inline(always)]
pub(super) fn half_at(bytes: &[u8], at: usize) -> f32 {
    half_to_f32(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// A half as `f32`.
///
/// Shifts exponent and mantissa into place and rebiases the exponent by 112; subnormals, whose hidden bit is
/// not there, are read as if it were and corrected by a subtraction that is exact.
#[inline(always)]
pub(super) fn half_to_f32(half: u16) -> f32 {
    const REBIAS: u32 = 112 << 23;
    let half = u32::from(half);
    let sign = (half & 0x8000) << 16;
    let magnitude = (half & 0x7fff) << 13;
    let subnormal = f32::from_bits(magnitude + REBIAS + (1 << 23)) - f32::from_bits(REBIAS + (1 << 23));
    let quiet = if magnitude > 0x1f << 23 { 1 << 22 } else { 0 };
    let bits = if magnitude < 1 << 23 {
        subnormal.to_bits()
    } else if magnitude >= 0x1f << 23 {
        magnitude | (0xff << 23) | quiet
    } else {
        magnitude + REBIAS
    };
    f32::from_bits(bits | sign)
}

#[inline(always)]
pub(super) fn f32(block: &[u8; 4], [value]: &mut [f32; 1]) {
    *value = f32::from_le_bytes(*block);
}

#[inline(always)]
pub(super) fn f16(block: &[u8; 2], [value]: &mut [f32; 1]) {
    *value = half_to_f32(u16::from_le_bytes(*block));
}

#[inline(always)]
pub(super) fn bf16(block: &[u8; 2], [value]: &mut [f32; 1]) {
    *value = f32::from_bits(u32::from(u16::from_le_bytes(*block)) << 16);
}

#[inline(always)]
pub(super) fn f64(block: &[u8; 8], [value]: &mut [f32; 1]) {
    *value = f64::from_le_bytes(*block) as f32;
}

#[inline(always)]
pub(super) fn f64_odd(block: &[u8; 8], [value]: &mut [f32; 1]) {
    *value = round_to_odd(f64::from_le_bytes(*block));
}

#[inline(always)]
pub(super) fn i8(block: &[u8; 1], [value]: &mut [f32; 1]) {
    *value = f32::from(i8::from_le_bytes(*block));
}

#[inline(always)]
pub(super) fn i16(block: &[u8; 2], [value]: &mut [f32; 1]) {
    *value = f32::from(i16::from_le_bytes(*block));
}

/// Rounds beyond 24 bits: integers are served as they are, and only a statistic would ask for this.
#[inline(always)]
pub(super) fn i32(block: &[u8; 4], [value]: &mut [f32; 1]) {
    *value = i32::from_le_bytes(*block) as f32;
}

/// Rounds beyond 24 bits, as [`i32()`] does.
#[inline(always)]
pub(super) fn i64(block: &[u8; 8], [value]: &mut [f32; 1]) {
    *value = i64::from_le_bytes(*block) as f32;
}

/// The `f32` nearest to zero of the two around `value`, with its last bit set if it is not exact.
///
/// Rounding the result to nearest even, into a format of at most 22 significant bits, gives what one rounding
/// of `value` would: the last bit then stands for "something nonzero follows" (Boldo and Melquiond,
/// "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd", 2008). So a value
/// computed in `f64` passes through `f32` on its way to bf16 or fp16 without a double rounding. For fp32
/// itself, round with `as f32`.
#[inline(always)]
pub fn round_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    let away = f64::from(nearest).abs() > value.abs();
    let inexact = f64::from(nearest) != value;
    f32::from_bits((nearest.to_bits() - u32::from(away)) | u32::from(inexact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_what_the_half_crate_says() {
        for bits in 0..=u16::MAX {
            let expected = half::f16::from_bits(bits).to_f32();
            let got = half_to_f32(bits);
            assert!(got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan(), "{bits:#06x}");
        }
    }

    #[test]
    fn rounding_to_odd_then_to_nearest_is_one_rounding() {
        // Just above the midpoint of two bf16 values: f32 drops the excess, and the tie would then go to
        // even.
        let value = 1.0 + 2f64.powi(-8) + 2f64.powi(-40);
        assert_eq!(half::bf16::from_f32(value as f32).to_bits(), 0x3f80);
        assert_eq!(half::bf16::from_f32(round_to_odd(value)).to_bits(), 0x3f81);

        for (value, bits) in [
            (0.0, 0),
            (-0.0, 0x8000_0000),
            (1e-60, 1),
            (-1e-60, 0x8000_0001),
            (1e60, f32::MAX.to_bits()),
            (f64::NEG_INFINITY, f32::NEG_INFINITY.to_bits()),
            (1.5, 1.5f32.to_bits()),
        ] {
            assert_eq!(round_to_odd(value).to_bits(), bits, "{value}");
        }
        assert!(round_to_odd(f64::NAN).is_nan());
    }
}
