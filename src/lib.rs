//! Shows GGUF model files as the Hugging Face folders they came from.

pub mod arch;
pub mod exactness;
pub mod export;
pub mod gguf;
pub mod hf;
pub mod model;
pub mod quant;
pub mod source;
pub mod tensor;
pub mod tokenizer;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("rawrz maps files larger than 4 GiB and needs a 64-bit target");
