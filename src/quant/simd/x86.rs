//! [`Ops`] of x86-64, and the one kernel that is written in intrinsics.
//!
//! Every function here is inlined into a kernel that is compiled for, and called only with, the instructions
//! it names.

#![allow(unsafe_code)]

use std::arch::x86_64::*;
use std::mem::transmute;

use super::Ops;

/// AVX2 with F16C.
pub(in crate::quant) struct Avx2;

impl Ops for Avx2 {
    #[inline(always)]
    fn lookup(table: &[i8; 16], codes: [u8; 32]) -> [i8; 32] {
        // SAFETY: kernels made with these operations have AVX2; vectors and arrays of the same 32 bytes are
        // any bits.
        unsafe {
            let table = _mm256_broadcastsi128_si256(transmute::<[i8; 16], __m128i>(*table));
            transmute(_mm256_shuffle_epi8(table, transmute::<[u8; 32], __m256i>(codes)))
        }
    }

    #[inline(always)]
    fn spread(bits: u32) -> [u8; 32] {
        const BYTE: [u8; 32] = *b"\0\0\0\0\0\0\0\0\x01\x01\x01\x01\x01\x01\x01\x01\
            \x02\x02\x02\x02\x02\x02\x02\x02\x03\x03\x03\x03\x03\x03\x03\x03";
        const BIT: u64 = 0x8040_2010_0804_0201;
        // SAFETY: as in `lookup`.
        unsafe {
            let bit = _mm256_set1_epi64x(BIT as i64);
            let bytes =
                _mm256_shuffle_epi8(_mm256_set1_epi32(bits as i32), transmute::<[u8; 32], __m256i>(BYTE));
            transmute(_mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit))
        }
    }

    #[inline(always)]
    fn bit_fields(bytes: &[u8; 32], shift: usize, mask: u8) -> [u8; 32] {
        // SAFETY: as in `lookup`. There is no shift of bytes: words are shifted, and the mask drops what
        // crosses over.
        unsafe {
            let words = transmute::<[u8; 32], __m256i>(*bytes);
            let shifted = _mm256_srl_epi16(words, _mm_cvtsi32_si128(shift as i32));
            transmute(_mm256_and_si256(shifted, _mm256_set1_epi8(mask as i8)))
        }
    }

    #[inline(always)]
    fn join_eights([a, b, c, d]: [u64; 4]) -> [i8; 32] {
        // SAFETY: as in `lookup`.
        unsafe { transmute(_mm256_setr_epi64x(a as i64, b as i64, c as i64, d as i64)) }
    }

    #[inline(always)]
    fn join_fours(words: [u32; 8]) -> [i8; 32] {
        let [a, b, c, d, e, f, g, h] = words;
        let (a, b, c, d) = (a as i32, b as i32, c as i32, d as i32);
        let (e, f, g, h) = (e as i32, f as i32, g as i32, h as i32);
        // SAFETY: as in `lookup`.
        unsafe { transmute(_mm256_setr_epi32(a, b, c, d, e, f, g, h)) }
    }

    #[inline(always)]
    fn halves(values: &[f32; 32]) -> [u16; 32] {
        let mut halves = [[0; 8]; 4];
        for (halves, values) in halves.iter_mut().zip(values.as_chunks::<8>().0) {
            // SAFETY: as in `lookup`; a kernel with AVX2 has F16C too.
            *halves = unsafe {
                let values = transmute::<[f32; 8], __m256>(*values);
                transmute::<__m128i, [u16; 8]>(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values))
            };
        }
        // SAFETY: both are 64 bytes.
        unsafe { transmute(halves) }
    }
}

/// AVX-512 with its byte, word, doubleword and short-vector extensions.
pub(in crate::quant) struct Avx512;

impl Ops for Avx512 {
    #[inline(always)]
    fn lookup(table: &[i8; 16], codes: [u8; 32]) -> [i8; 32] {
        Avx2::lookup(table, codes)
    }

    #[inline(always)]
    fn spread(bits: u32) -> [u8; 32] {
        // SAFETY: kernels made with these operations have AVX-512 BW and VL; both are any 32 bytes.
        unsafe { transmute(_mm256_movm_epi8(bits)) }
    }

    #[inline(always)]
    fn bit_fields(bytes: &[u8; 32], shift: usize, mask: u8) -> [u8; 32] {
        Avx2::bit_fields(bytes, shift, mask)
    }

    #[inline(always)]
    fn join_eights(words: [u64; 4]) -> [i8; 32] {
        Avx2::join_eights(words)
    }

    #[inline(always)]
    fn join_fours(words: [u32; 8]) -> [i8; 32] {
        Avx2::join_fours(words)
    }

    #[inline(always)]
    fn halves(values: &[f32; 32]) -> [u16; 32] {
        let mut halves = [[0; 16]; 2];
        for (halves, values) in halves.iter_mut().zip(values.as_chunks::<16>().0) {
            // SAFETY: as in `spread`; AVX-512 F.
            *halves = unsafe {
                let values = transmute::<[f32; 16], __m512>(*values);
                transmute::<__m256i, [u16; 16]>(_mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(values))
            };
        }
        // SAFETY: both are 64 bytes.
        unsafe { transmute(halves) }
    }
}

/// Encodes to bf16 as [`encode::bf16`](crate::quant::encode::bf16) does, 32 values at a time.
///
/// The instruction rounds to nearest even and makes a NaN quiet, all as wanted, but takes subnormals for
/// zero, so values among which there is one go the long way.
#[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(in crate::quant) fn bf16_avx512bf16(values: &[f32], out: &mut [u8]) {
    const SUBNORMAL: i32 = 0x20;
    for (values, out) in values.as_chunks::<32>().0.iter().zip(out.as_chunks_mut::<64>().0) {
        // SAFETY: both are 128 bytes.
        let [low, high] = unsafe { transmute::<[f32; 32], [__m512; 2]>(*values) };
        if _mm512_fpclass_ps_mask::<SUBNORMAL>(low) | _mm512_fpclass_ps_mask::<SUBNORMAL>(high) != 0 {
            crate::quant::encode::bf16(values, out);
        } else {
            // SAFETY: both are 64 bytes.
            *out = unsafe { transmute::<__m512bh, [u8; 64]>(_mm512_cvtne2ps_pbh(high, low)) };
        }
    }
}
