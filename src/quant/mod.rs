//! ggml's tensor types: one table of block formats, the decoders from blocks to `f32`, and the encoders from
//! `f32` to what a reader of the folder sees.
//!
//! Knows bytes and numbers, not files or names of tensors. A type is one row of [`FORMATS`] and the function
//! in it; nothing else in the crate matches on a type. Decoding goes through `f32`, so N formats and M dtypes
//! cost N + M functions.
//!
//! Every function is compiled once for the target's baseline and again for the wider vectors of newer
//! processors ([`Isa`]); all of them give the same bits. They can, because every product in ggml's formulas
//! is exact in `f32` and at most one operation of a value rounds, so that neither order, nor fused
//! operations, nor vector width can change a value.

#![allow(
    clippy::needless_range_loop,
    reason = "a formula indexes several arrays by one position, and the compiler vectorises it as it stands"
)]

mod dtype;
mod encode;
mod float;
mod format;
mod iq;
mod iq_grid;
mod k;
mod legacy;
mod mx;
mod refused;
mod simd;
mod ternary;

pub use dtype::Dtype;
pub use encode::{encode, encode_with, is_exact, overflows};
pub use float::round_to_odd;
pub use format::{FORMATS, Format, format};
pub use refused::refused;
pub use simd::Isa;
