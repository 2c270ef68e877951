//! Tensors of random blocks, and the values that they stand for.

use proptest::prelude::Rng;
use rawrz::gguf::writer::Tensor;
use rawrz::quant::{self, Dtype, FORMATS, Format};

/// ggml's types that store blocks. Id 4 is not among them: to ggml it is none, Ollama gave it to MXFP4.
pub fn formats() -> impl Iterator<Item = &'static Format> {
    FORMATS.iter().filter(|f| f.dtype.is_none() && f.id != 4)
}

/// A tensor of random blocks. Any bytes are a block; one with a value that is no finite number, which no quantiser writes,
/// is drawn again.
pub fn random(name: &str, dims: &[u64], format: &Format, rng: &mut impl Rng) -> Tensor {
    let blocks = dims.iter().product::<u64>() as usize / format.block_len;
    let mut data = vec![0; blocks * format.block_bytes];
    let mut values = vec![0.0; format.block_len];
    for block in data.chunks_exact_mut(format.block_bytes) {
        loop {
            rng.fill_bytes(block);
            format.decode(block, &mut values);
            if values.iter().all(|v| v.is_finite()) {
                break;
            }
        }
    }
    Tensor { name: name.to_owned(), dims: dims.to_vec(), type_id: format.id, data }
}

/// Whether a type stores numbers that need not be whole.
pub fn is_float(type_id: u32) -> bool {
    let format = quant::format(type_id).expect("a type of a file that was opened");
    format.dtype.is_none_or(|dtype| dtype.is_float())
}

/// The same tensor with its values in `f32`; integers stay as they are.
pub fn in_f32(tensor: &Tensor) -> Tensor {
    if !is_float(tensor.type_id) {
        return tensor.clone();
    }
    let format = quant::format(tensor.type_id).expect("a type of a file that was opened");
    let mut data = vec![0; tensor.data.len() / format.block_bytes * format.block_len * 4];
    format.convert(Dtype::F32, &tensor.data, &mut data);
    Tensor { type_id: 0, data, ..tensor.clone() }
}
