//! Every kernel against the scalar reference, and the encoders against the half crate.

use half::{bf16, f16};
use proptest::prelude::*;
use rawrz::quant::{self, Dtype, FORMATS, Isa};

const FLOATS: [Dtype; 4] = [Dtype::Bf16, Dtype::F16, Dtype::F32, Dtype::F64];

/// Bit for bit, but that any NaN equals any NaN: its payload is whichever operand's the compiler put first.
fn same(a: &[f32], b: &[f32]) -> Result<(), String> {
    let differ = |(a, b): &(&f32, &f32)| a.to_bits() != b.to_bits() && !(a.is_nan() && b.is_nan());
    match a.iter().zip(b).position(|pair| differ(&pair)) {
        Some(at) => Err(format!("value {at}: {:e} is not {:e}", a[at], b[at])),
        None => Ok(()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Random bytes give every kind of scale: subnormal, infinite, NaN.
    #[test]
    fn every_kernel_is_the_reference(bytes in prop::collection::vec(any::<u8>(), 4096 + 16), misaligned in 0usize..16) {
        for format in FORMATS {
            let most = 4096 / format.block_bytes;
            for count in [1, 2, 3, most / 2, most - 1, most] {
                let blocks = &bytes[misaligned..][..count * format.block_bytes];
                for dtype in FLOATS {
                    let mut reference = vec![0.0; count * format.block_len];
                    format.decode_with(Isa::BASELINE, dtype, blocks, &mut reference);
                    for isa in Isa::available() {
                        let mut values = vec![f32::NAN; reference.len()];
                        format.decode_with(isa, dtype, blocks, &mut values);
                        let compared = same(&values, &reference);
                        prop_assert!(compared.is_ok(), "{} {isa} {dtype}: {compared:?}", format.name);

                        // Of one block at a time as of all: what a chunk is cut into does not show.
                        let last = blocks.len() - format.block_bytes;
                        let mut block = vec![f32::NAN; format.block_len];
                        format.decode_with(isa, dtype, &blocks[last..], &mut block);
                        prop_assert!(same(&block, &reference[reference.len() - format.block_len..]).is_ok());
                    }
                }
            }
        }
    }

    #[test]
    fn every_encoder_is_the_reference(bits in prop::collection::vec(any::<u32>(), 0..200), misaligned in 0usize..16) {
        let values: Vec<f32> = bits.iter().map(|bits| f32::from_bits(*bits)).collect();
        for dtype in FLOATS {
            let len = values.len() * dtype.width();
            let mut reference = vec![0; len];
            quant::encode_with(Isa::BASELINE, dtype, &values, &mut reference);
            for isa in Isa::available() {
                let mut out = vec![0; misaligned + len];
                quant::encode_with(isa, dtype, &values, &mut out[misaligned..]);
                prop_assert_eq!(&out[misaligned..], &reference, "{} {}", isa, dtype);
            }
        }
    }

    /// One rounding from `f64`: no element of the dtype is nearer, and of two as near, the even one was
    /// taken.
    #[test]
    fn f64_is_rounded_once(value in prop::num::f64::ANY, near_f32 in any::<f32>(), nudge in -2i64..=2) {
        let midpoint = f64::from(f32::from_bits(near_f32.to_bits() & 0xffff_0000 | 0x8000));
        let nudged = f64::from_bits(midpoint.to_bits().wrapping_add_signed(nudge));
        let format = quant::format(28).unwrap();
        for value in [value, f64::from(near_f32), midpoint, nudged, nudged / 65536.0] {
            let mut odd = [0.0];
            format.decode_for(Dtype::Bf16, &value.to_le_bytes(), &mut odd);
            prop_assert_eq!(odd[0].to_bits(), quant::round_to_odd(value).to_bits());
            let once = rounded_once(value, |bits| bf16::from_bits(bits).to_f64());
            prop_assert_eq!(encoded(Dtype::Bf16, odd[0]), once.unwrap_or(encoded(Dtype::Bf16, odd[0])), "bf16 {:e}", value);
            let once = rounded_once(value, |bits| f16::from_bits(bits).to_f64());
            prop_assert_eq!(encoded(Dtype::F16, odd[0]), once.unwrap_or(encoded(Dtype::F16, odd[0])), "f16 {:e}", value);

            let mut single = [0.0];
            format.decode_for(Dtype::F32, &value.to_le_bytes(), &mut single);
            prop_assert!(same(&single, &[value as f32]).is_ok());
        }
    }
}

fn encoded(dtype: Dtype, value: f32) -> u16 {
    let mut out = [0; 2];
    quant::encode(dtype, &[value], &mut out);
    u16::from_le_bytes(out)
}

/// The 16-bit float nearest to `value`, ties to even, by search among the finite ones; `None` for what lies
/// beyond them.
fn rounded_once(value: f64, element: impl Fn(u16) -> f64) -> Option<u16> {
    let infinity = (0..0x8000).find(|bits| element(*bits).is_infinite())?;
    let magnitude = value.abs();
    if magnitude.is_nan() || magnitude > element(infinity - 1) {
        return None;
    }
    let sign = if value.is_sign_negative() { 0x8000 } else { 0 };
    let (mut low, mut high) = (0, infinity - 1);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if element(middle) <= magnitude { low = middle } else { high = middle }
    }
    // Neighbours of 16 bits and a double half way between them: differences are exact.
    let (below, above) = (magnitude - element(low), element(high) - magnitude);
    let nearest = if below < above || below == above && low % 2 == 0 { low } else { high };
    Some(nearest | sign)
}

#[test]
fn encoders_are_what_the_half_crate_says() {
    // Every sixteen-bit pattern on top, with tails around each tie of bf16 and fp16.
    let tails = [0u32, 1, 0x0fff, 0x1000, 0x1001, 0x2fff, 0x3000, 0x3001, 0x7fff, 0x8000, 0x8001, 0xffff];
    for tail in tails {
        let values: Vec<f32> =
            (0..=u32::from(u16::MAX)).map(|top| f32::from_bits(top << 16 | tail)).collect();
        for isa in Isa::available() {
            let mut out = vec![0; 2 * values.len()];
            quant::encode_with(isa, Dtype::Bf16, &values, &mut out);
            for (value, bytes) in values.iter().zip(out.as_chunks().0) {
                assert_eq!(
                    u16::from_le_bytes(*bytes),
                    bf16::from_f32(*value).to_bits(),
                    "bf16 {isa} {value:e}"
                );
            }
            quant::encode_with(isa, Dtype::F16, &values, &mut out);
            for (value, bytes) in values.iter().zip(out.as_chunks().0) {
                assert_eq!(
                    u16::from_le_bytes(*bytes),
                    f16::from_f32(*value).to_bits(),
                    "f16 {isa} {value:e}"
                );
            }
        }
        for (dtype, is_infinite) in [
            (Dtype::Bf16, (|value| bf16::from_f32(value).is_infinite()) as fn(f32) -> bool),
            (Dtype::F16, |value| f16::from_f32(value).is_infinite()),
        ] {
            let expected = values.iter().filter(|value| value.is_finite() && is_infinite(**value)).count();
            assert_eq!(quant::overflows(dtype, &values), expected, "{dtype} {tail:#x}");
        }
    }
}
