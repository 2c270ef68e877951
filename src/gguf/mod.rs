//! The GGUF format: bytes to a checked directory of metadata and tensors.
//!
//! Reads through positioned reads of a [`rawrz_vfs::Source`] and knows neither architectures nor Hugging Face. A file can come from
//! anywhere: every length is checked against the bytes that remain before memory is reserved, sums are checked, and
//! each error carries the byte offset and the name of what is wrong.
//!
//! Layout and validity rules: ggml's `docs/gguf.md` and `gguf.cpp` (llama.cpp 0c1e5709); this reader is as strict as
//! the C++ one.

mod cursor;
mod directory;
mod error;
mod json;
mod limits;
mod metadata;
mod model;
mod value;
pub mod writer;

pub use directory::{Directory, TensorInfo};
pub use error::{Error, Kind};
pub use metadata::{Entry, Metadata};
pub use model::{Gguf, OpenError, Tensor};
pub use value::{Array, Strings, Value, shortest};
