//! An existing GGUF as a writer, to be changed and written again.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

use std::path::Path;

use rawrz::gguf::Gguf;
use rawrz::gguf::writer::{Tensor, Writer};

/// Everything in a file of one piece.
pub fn writer(path: &Path) -> Writer {
    let gguf = Gguf::open(path).unwrap();
    let metadata = gguf.metadata.iter().map(|e| (e.key.clone(), e.value.clone())).collect();
    let mut writer = Writer { metadata, ..Writer::default() };
    for tensor in &gguf.tensors {
        let mut data = vec![0; tensor.len as usize];
        gguf.sources[tensor.source].read_exact_at(tensor.file_offset, &mut data).unwrap();
        let (name, dims) = (tensor.name.clone(), tensor.dims.clone());
        writer.tensors.push(Tensor { name, dims, type_id: tensor.format.id, data });
    }
    writer
}
