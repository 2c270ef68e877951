use super::simd::{Kernels, kernels};
use super::{Dtype, Isa, float, iq, k, legacy, mx, ternary};

/// One ggml type as it lies in a file.
pub struct Format {
    /// ggml's numeric type id.
    pub id: u32,
    /// ggml's name of the type.
    pub name: &'static str,
    /// Weights in one block.
    pub block_len: usize,
    /// Bytes of one block.
    pub block_bytes: usize,
    /// The dtype whose elements are stored as they are, where there is one.
    pub dtype: Option<Dtype>,
    /// Decodes blocks to `f32`, rounded to nearest even where `f32` cannot hold a value.
    kernels: Kernels<u8, f32>,
    /// Decodes blocks to `f32` rounded to odd, for types with values that `f32` cannot hold.
    odd: Option<Kernels<u8, f32>>,
}

impl Format {
    /// Decodes whole blocks to `f32` with this processor's best kernel.
    ///
    /// # Panics
    /// If `blocks` and `values` are not the same number of whole blocks.
    pub fn decode(&self, blocks: &[u8], values: &mut [f32]) {
        self.decode_with(Isa::best(), Dtype::F32, blocks, values);
    }

    /// Decodes whole blocks to values that [`encode`](super::encode) then turns into `dtype`, with one
    /// rounding in all.
    ///
    /// Differs from [`decode`](Self::decode) only where `f32` itself would round: values wider than `f32`,
    /// bound for a narrower dtype, are rounded to odd ([`round_to_odd`](super::round_to_odd)).
    ///
    /// # Panics
    /// If `blocks` and `values` are not the same number of whole blocks.
    pub fn decode_for(&self, dtype: Dtype, blocks: &[u8], values: &mut [f32]) {
        self.decode_with(Isa::best(), dtype, blocks, values);
    }

    /// Decodes whole blocks to elements of `dtype`, little-endian, through a scratch that stays in the L1
    /// cache.
    ///
    /// # Panics
    /// If `blocks` and `out` are not the same number of whole blocks, or as [`encode`](super::encode) does.
    pub fn convert(&self, dtype: Dtype, blocks: &[u8], out: &mut [u8]) {
        const LEN: usize = 2048;
        let mut scratch = [0.0; LEN];
        let blocks_len = LEN / self.block_len;
        let pieces = blocks.chunks(blocks_len * self.block_bytes).zip(out.chunks_mut(LEN * dtype.width()));
        for (blocks, out) in pieces {
            let values = &mut scratch[..blocks.len() / self.block_bytes * self.block_len];
            self.decode_for(dtype, blocks, values);
            super::encode(dtype, values, out);
        }
    }

    /// [`decode_for`](Self::decode_for) with the kernel for `isa`; [`Isa::BASELINE`] is the reference.
    ///
    /// # Panics
    /// If `blocks` and `values` are not the same number of whole blocks.
    pub fn decode_with(&self, isa: Isa, dtype: Dtype, blocks: &[u8], values: &mut [f32]) {
        assert!(
            blocks.len().is_multiple_of(self.block_bytes)
                && blocks.len() / self.block_bytes * self.block_len == values.len(),
            "{}: {} bytes are not the blocks of {} values",
            self.name,
            blocks.len(),
            values.len()
        );
        match &self.odd {
            Some(odd) if dtype.width() < Dtype::F32.width() => odd.run(isa, blocks, values),
            _ => self.kernels.run(isa, blocks, values),
        }
    }
}

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The type of that id, if it is one that can stand in a file and be read.
pub fn format(id: u32) -> Option<&'static Format> {
    let at = FORMATS.binary_search_by_key(&id, |format| format.id).ok()?;
    Some(&FORMATS[at])
}

/// A row of [`FORMATS`]: id, name, decoder, and for a type stored as it is, its dtype and a decoder that
/// rounds to odd.
macro_rules! row {
    ($id:literal, $name:literal, $($decode:ident)::+ $(<$ops:ident>)?) => {
        row!(@ $id, $name, ($($decode)::+ $(<$ops>)?), $($decode)::+ $(::<row!(@portable $ops)>)?, None, None)
    };
    ($id:literal, $name:literal, $($decode:ident)::+, $dtype:expr) => {
        row!(@ $id, $name, ($($decode)::+), $($decode)::+, Some($dtype), None)
    };
    ($id:literal, $name:literal, $($decode:ident)::+, $dtype:expr, $($odd:ident)::+) => {
        row!(
            @ $id, $name, ($($decode)::+), $($decode)::+, Some($dtype), Some(kernels!($($odd)::+: u8 => f32))
        )
    };
    (@portable $ops:ident) => { super::simd::Portable };
    (@ $id:literal, $name:literal, ($($kernel:tt)+), $decode:expr, $dtype:expr, $odd:expr) => {
        Format {
            id: $id,
            name: $name,
            block_len: shape($decode).len,
            block_bytes: shape($decode).bytes,
            dtype: $dtype,
            kernels: kernels!($($kernel)+: u8 => f32),
            odd: $odd,
        }
    };
}

/// Every type that can stand in a GGUF, by id.
///
/// Names and ids are ggml's, but for id 4: ggml's removed Q4_2, which Ollama's own converter gave to MXFP4.
pub static FORMATS: &[Format] = &[
    row!(0, "F32", float::f32, Dtype::F32),
    row!(1, "F16", float::f16, Dtype::F16),
    row!(2, "Q4_0", legacy::q4_0),
    row!(3, "Q4_1", legacy::q4_1),
    row!(4, "MXFP4", mx::mxfp4_paired<Ops>),
    row!(6, "Q5_0", legacy::q5_0<Ops>),
    row!(7, "Q5_1", legacy::q5_1<Ops>),
    row!(8, "Q8_0", legacy::q8_0),
    row!(10, "Q2_K", k::q2_k<Ops>),
    row!(11, "Q3_K", k::q3_k<Ops>),
    row!(12, "Q4_K", k::q4_k),
    row!(13, "Q5_K", k::q5_k<Ops>),
    row!(14, "Q6_K", k::q6_k<Ops>),
    row!(16, "IQ2_XXS", iq::iq2_xxs<Ops>),
    row!(17, "IQ2_XS", iq::iq2_xs<Ops>),
    row!(18, "IQ3_XXS", iq::iq3_xxs<Ops>),
    row!(19, "IQ1_S", iq::iq1_s<Ops>),
    row!(20, "IQ4_NL", iq::iq4_nl<Ops>),
    row!(21, "IQ3_S", iq::iq3_s<Ops>),
    row!(22, "IQ2_S", iq::iq2_s<Ops>),
    row!(23, "IQ4_XS", iq::iq4_xs<Ops>),
    row!(24, "I8", float::i8, Dtype::I8),
    row!(25, "I16", float::i16, Dtype::I16),
    row!(26, "I32", float::i32, Dtype::I32),
    row!(27, "I64", float::i64, Dtype::I64),
    row!(28, "F64", float::f64, Dtype::F64, float::f64_odd),
    row!(29, "IQ1_M", iq::iq1_m<Ops>),
    row!(30, "BF16", float::bf16, Dtype::Bf16),
    row!(34, "TQ1_0", ternary::tq1_0),
    row!(35, "TQ2_0", ternary::tq2_0<Ops>),
    row!(39, "MXFP4", mx::mxfp4<Ops>),
    row!(40, "NVFP4", mx::nvfp4<Ops>),
    row!(41, "Q1_0", ternary::q1_0<Ops>),
    row!(42, "Q2_0", ternary::q2_0),
];

const _: () = {
    let mut i = 1;
    while i < FORMATS.len() {
        assert!(FORMATS[i - 1].id < FORMATS[i].id, "rows stand by id, each once");
        i += 1;
    }
};

struct Shape {
    bytes: usize,
    len: usize,
}

/// The block that a decoder takes and gives, read off its signature.
const fn shape<const BYTES: usize, const LEN: usize>(_: fn(&[u8; BYTES], &mut [f32; LEN])) -> Shape {
    Shape { bytes: BYTES, len: LEN }
}
