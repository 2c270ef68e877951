//! One body, several instruction sets: compiles a kernel for each and picks the best once at run time.
//!
//! Knows nothing about formats. [`kernels!`] takes a function over one block, as fixed-size arrays; the loop
//! over blocks and the function are inlined into one instance an instruction set, and the compiler does the
//! vectorising. The few operations that no loop compiles to are [`Ops`]; a body that needs one is generic
//! over it.

#[cfg(target_arch = "x86_64")]
pub(super) mod x86;

use std::fmt;
use std::sync::OnceLock;

/// An instruction set that this processor has.
///
/// Values come only from detection, so holding one is the proof that its instructions can be executed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Baseline,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Isa {
    /// What every processor of the target has: SSE2 on x86-64, NEON on AArch64. Its kernels are the
    /// reference.
    pub const BASELINE: Self = Self(Level::Baseline);

    /// The widest instruction set here, detected on the first call.
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::available().last().unwrap_or(Self::BASELINE))
    }

    /// Every instruction set here, narrowest first.
    pub fn available() -> impl Iterator<Item = Self> {
        let levels = [
            Some(Level::Baseline),
            #[cfg(target_arch = "x86_64")]
            has_avx2().then_some(Level::Avx2),
            #[cfg(target_arch = "x86_64")]
            (has_avx2() && has_avx512()).then_some(Level::Avx512),
            #[cfg(target_arch = "x86_64")]
            (has_avx2() && has_avx512() && is_x86_feature_detected!("avx512bf16"))
                .then_some(Level::Avx512Bf16),
        ];
        levels.into_iter().flatten().map(Self)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Level::Baseline => "baseline",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => "avx512bf16",
        })
    }
}

/// Whether the features that [`kernels!`] enables for AVX2 are there.
#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("popcnt")
}

/// Whether the features that [`kernels!`] enables for AVX-512, beyond those for AVX2, are there.
#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

/// A kernel that needs the instructions that it was compiled for.
#[cfg(target_arch = "x86_64")]
type Featured<I, O> = unsafe fn(&[I], &mut [O]);

/// A function over slices, once for each instruction set. Made by [`kernels!`].
pub(super) struct Kernels<I: 'static, O: 'static> {
    pub(super) baseline: fn(&[I], &mut [O]),
    #[cfg(target_arch = "x86_64")]
    pub(super) avx2: Featured<I, O>,
    #[cfg(target_arch = "x86_64")]
    pub(super) avx512: Featured<I, O>,
    /// The kernel for AVX-512 with its bf16 instructions, where that is another.
    #[cfg(target_arch = "x86_64")]
    pub(super) avx512bf16: Option<Featured<I, O>>,
}

impl<I, O> Kernels<I, O> {
    /// Runs the kernel that is compiled for `isa`.
    #[allow(unsafe_code)]
    pub(super) fn run(&self, isa: Isa, input: &[I], output: &mut [O]) {
        match isa.0 {
            Level::Baseline => (self.baseline)(input, output),
            // SAFETY: an `Isa` of this level is made only where `has_avx2` found the kernel's features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { (self.avx2)(input, output) },
            // SAFETY: an `Isa` of this level is made only where `has_avx512` found the kernel's features.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { (self.avx512)(input, output) },
            // SAFETY: an `Isa` of this level is made only where, beyond that, avx512bf16 was found.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512Bf16 => unsafe { self.avx512bf16.unwrap_or(self.avx512)(input, output) },
        }
    }
}

/// Operations on small arrays for which the processor has an instruction that no loop compiles to.
///
/// Kernels are generic over it; each instruction set gives its own, and all give the same bits.
pub(super) trait Ops {
    /// The value that the low four bits of each code index; the high four are zero.
    fn lookup(table: &[i8; 16], codes: [u8; 32]) -> [i8; 32];

    /// A byte for each bit, lowest first: 0xff for one, 0 for zero.
    fn spread(bits: u32) -> [u8; 32];

    /// Each byte shifted right by `shift`, up to 7, and masked, where the mask drops what came from a
    /// neighbouring byte.
    fn bit_fields(bytes: &[u8; 32], shift: usize, mask: u8) -> [u8; 32];

    /// The bytes of four words in a row.
    fn join_eights(words: [u64; 4]) -> [i8; 32];

    /// The bytes of eight words in a row.
    fn join_fours(words: [u32; 8]) -> [i8; 32];

    /// Halves nearest to `values`, ties to even; a NaN is cut and made quiet.
    fn halves(values: &[f32; 32]) -> [u16; 32];
}

/// [`Ops`] in plain code: what the others must equal, and what runs where there is no other.
pub(super) struct Portable;

impl Ops for Portable {
    #[inline(always)]
    fn lookup(table: &[i8; 16], codes: [u8; 32]) -> [i8; 32] {
        let mut values = [0; 32];
        for j in 0..32 {
            values[j] = table[usize::from(codes[j] & 15)];
        }
        values
    }

    #[inline(always)]
    fn spread(bits: u32) -> [u8; 32] {
        let mut bytes = [0; 32];
        for j in 0..32 {
            bytes[j] = ((bits >> j & 1) as u8).wrapping_neg();
        }
        bytes
    }

    #[inline(always)]
    fn bit_fields(bytes: &[u8; 32], shift: usize, mask: u8) -> [u8; 32] {
        let mut fields = [0; 32];
        for j in 0..32 {
            fields[j] = bytes[j] >> shift & mask;
        }
        fields
    }

    #[inline(always)]
    fn join_eights(words: [u64; 4]) -> [i8; 32] {
        let mut bytes = [0; 32];
        for j in 0..32 {
            bytes[j] = (words[j / 8] >> (j % 8 * 8)) as i8;
        }
        bytes
    }

    #[inline(always)]
    fn join_fours(words: [u32; 8]) -> [i8; 32] {
        let mut bytes = [0; 32];
        for j in 0..32 {
            bytes[j] = (words[j / 4] >> (j % 4 * 8)) as i8;
        }
        bytes
    }

    #[inline(always)]
    fn halves(values: &[f32; 32]) -> [u16; 32] {
        let mut halves = [0; 32];
        for j in 0..32 {
            halves[j] = super::encode::half(values[j]);
        }
        halves
    }
}

/// Compiles `$body`, a function from `&[I; A]` to `&mut [O; B]`, into a [`Kernels`] over slices of such
/// arrays.
///
/// Written `$body<Ops>`, the function is generic over [`Ops`].
macro_rules! kernels {
    (@each $input:ident $output:ident $($body:tt)+) => {
        for (input, output) in $input.as_chunks().0.iter().zip($output.as_chunks_mut().0) {
            if input.len() > 1 && output.len() > 1 {
                $crate::quant::simd::each_by_itself();
            }
            $($body)+(input, output);
        }
    };
    ($($body:ident)::+: $input:ty => $output:ty) => {
        kernels!(@compile $input => $output, ($($body)::+), ($($body)::+), ($($body)::+))
    };
    ($($body:ident)::+<Ops>: $input:ty => $output:ty) => {
        kernels!(
            @compile $input => $output,
            ($($body)::+::<$crate::quant::simd::Portable>),
            ($($body)::+::<$crate::quant::simd::x86::Avx2>),
            ($($body)::+::<$crate::quant::simd::x86::Avx512>)
        )
    };
    (@compile $input:ty => $output:ty, ($($baseline:tt)+), ($($avx2:tt)+), ($($avx512:tt)+)) => {{
        fn baseline(input: &[$input], output: &mut [$output]) {
            kernels!(@each input output $($baseline)+);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,popcnt")]
        fn avx2(input: &[$input], output: &mut [$output]) {
            kernels!(@each input output $($avx2)+);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512(input: &[$input], output: &mut [$output]) {
            kernels!(@each input output $($avx512)+);
        }
        $crate::quant::simd::Kernels {
            baseline,
            #[cfg(target_arch = "x86_64")]
            avx2,
            #[cfg(target_arch = "x86_64")]
            avx512,
            #[cfg(target_arch = "x86_64")]
            avx512bf16: None,
        }
    }};
}
pub(super) use kernels;

/// Keeps the compiler from vectorising the loop whose body this stands in.
///
/// A loop over blocks, or over runs of a block, would otherwise be vectorised across them: one byte gathered
/// from each of several runs, instead of the vectors that one run gives as it lies there. On one core of an
/// EPYC of 2023, AVX-512, this takes Q4_0 from 1.8e9 to 14.9e9 weights/s. An empty statement of assembly is
/// enough, and free.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn each_by_itself() {
    #[cfg(not(miri))]
    // SAFETY: no instruction is executed, and no memory, stack or flag is touched.
    unsafe {
        std::arch::asm!("", options(nomem, nostack, preserves_flags));
    }
}

/// `value`, of which the compiler no longer knows where it comes from.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) fn hidden(mut value: usize) -> usize {
    #[cfg(not(miri))]
    // SAFETY: no instruction is executed; the register that holds `value` is said to have been written.
    unsafe {
        std::arch::asm!("/* {0} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags));
    }
    value
}

/// The `N` bytes, or other elements, of a block from `at`.
#[inline(always)]
pub(super) fn field<T, const N: usize>(block: &[T], at: usize) -> &[T; N] {
    block[at..].first_chunk().expect("a field lies in its block")
}

/// The low nibbles of all bytes, then the high ones.
#[inline(always)]
pub(super) fn nibbles(bytes: &[u8; 16]) -> [u8; 32] {
    let mut nibbles = [0; 32];
    for j in 0..16 {
        nibbles[j] = bytes[j] & 15;
        nibbles[j + 16] = bytes[j] >> 4;
    }
    nibbles
}

/// Codes times the scale of each half of them.
#[inline(always)]
pub(super) fn scaled(scales: [f32; 2], codes: &[i8; 32], values: &mut [f32; 32]) {
    for j in 0..16 {
        values[j] = scales[0] * f32::from(codes[j]);
    }
    for j in 16..32 {
        values[j] = scales[1] * f32::from(codes[j]);
    }
}
