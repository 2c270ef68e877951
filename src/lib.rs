//! Shows GGUF model files as the Hugging Face folders they came from.
//!
//! One read, from the kernel to bytes, is the tour of this crate. A loader reads `model.safetensors` at some offset; an
//! adapter (`rawrz-fs-unix`) asks the [`rawrz_vfs::Tree`] for that range of a node. The node is a virtual file that [`hf`] laid
//! out: a header in memory, then tensors one after the other. The range falls into a [`tensor::VirtualTensor`], whose rows follow
//! from stored rows by arithmetic alone. If the stored bytes are the shown ones, the answer is a range of the
//! [`source`], which the adapter hands to the kernel straight from the mapping. If not, the blocks that hold the range are
//! read into scratch, decoded to `f32` by the function in the type's row of [`quant::FORMATS`], and encoded.
//!
//! Everything else happens once, when a model is opened ([`model::Model::open`]): [`gguf`] reads and checks the directory of the
//! file, [`arch`] picks the class that it came from and binds the class's rules to the stored tensors, [`tokenizer`] makes the tokenizer's
//! files. What cannot be shown is refused there, by name; after that a read cannot meet anything but a disk that fails.
//!
//! Arrows point down: the views `hf` and `ollama` use `model`, which uses `arch`, which uses `tokenizer`, `tensor` and `gguf`, which
//! use `quant` and `source`. `arch` knows names and moves no bytes, `tokenizer` knows what a class may do to text and no class, `tensor` knows bytes and no names, `gguf` has never heard
//! of Hugging Face, and adapters have never heard of tensors.
//! `tests/house_rules.rs` holds the code to that.

pub mod adapter;
pub mod arch;
pub mod engines;
pub mod exactness;
pub mod export;
pub mod gguf;
pub mod hf;
pub mod model;
pub mod ollama;
pub mod quant;
pub mod source;
pub mod tensor;
pub mod tokenizer;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("rawrz maps files larger than 4 GiB and needs a 64-bit target");
