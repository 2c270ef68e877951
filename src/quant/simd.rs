//! One body, several instruction sets: compiles a kernel for each and picks the best once at run time.
//!
//! Knows nothing about formats. [`kernels!`] takes a function over one block, as fixed-size arrays; the loop
//! over blocks and the function are inlined into one instance an instruction set, and the compiler does the
//! vectorising.

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

/// A function over slices, once for each instruction set. Made by [`kernels!`].
pub(super) struct Kernels<I: 'static, O: 'static> {
    pub(super) baseline: fn(&[I], &mut [O]),
    #[cfg(target_arch = "x86_64")]
    pub(super) avx2: unsafe fn(&[I], &mut [O]),
    #[cfg(target_arch = "x86_64")]
    pub(super) avx512: unsafe fn(&[I], &mut [O]),
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
        }
    }
}

/// Compiles `$body`, a function from `&[I; A]` to `&mut [O; B]`, into a [`Kernels`] over slices of such
/// arrays.
macro_rules! kernels {
    ($body:path: $input:ty => $output:ty) => {{
        fn baseline(input: &[$input], output: &mut [$output]) {
            $crate::quant::simd::each(input, output, $body);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,popcnt")]
        fn avx2(input: &[$input], output: &mut [$output]) {
            $crate::quant::simd::each(input, output, $body);
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
        fn avx512(input: &[$input], output: &mut [$output]) {
            $crate::quant::simd::each(input, output, $body);
        }
        $crate::quant::simd::Kernels {
            baseline,
            #[cfg(target_arch = "x86_64")]
            avx2,
            #[cfg(target_arch = "x86_64")]
            avx512,
        }
    }};
}
pub(super) use kernels;

/// Applies `body` to every array of `A` inputs and its array of `B` outputs.
#[inline(always)]
pub(super) fn each<I, O, const A: usize, const B: usize>(
    input: &[I],
    output: &mut [O],
    body: impl Fn(&[I; A], &mut [O; B]),
) {
    for (input, output) in input.as_chunks().0.iter().zip(output.as_chunks_mut().0) {
        body(input, output);
    }
}

/// The `N` bytes of a block from `at`.
#[inline(always)]
pub(super) fn field<const N: usize>(block: &[u8], at: usize) -> &[u8; N] {
    block[at..].first_chunk().expect("a field lies in its block")
}
