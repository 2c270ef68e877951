//! ggml's tensor types: one table of block formats, and the decoders from blocks to `f32`.
//!
//! Knows bytes and numbers, not files or names of tensors. A type is one row of [`FORMATS`] and the function in it;
//! nothing else in the crate matches on a type.

mod dtype;
mod format;

pub use dtype::Dtype;
pub use format::{FORMATS, Format, Kernel, format, refused};
