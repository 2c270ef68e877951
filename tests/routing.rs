//! Tensors that choose experts keep values that the folder's dtype cannot hold.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs;
use std::path::Path;

use rawrz::model::{Model, Options};
use rawrz::quant::Dtype;
use rawrz::tensor::VirtualTensor;
use support::probe::fixtures;

const ROUTER: &str = "model.layers.1.mlp.gate.weight";

fn tensor<'a>(model: &'a Model, name: &str) -> &'a VirtualTensor {
    model.weights.as_ref().unwrap().tensors.iter().find(|t| t.name == name).unwrap()
}

fn open(path: &Path) -> Model {
    Model::open(path, &Options::default()).unwrap()
}

#[test]
fn a_router_of_fp32_stays_so_and_one_of_bf16_too() {
    let path = fixtures().join("corpus/Qwen3MoeForCausalLM/model-bf16.gguf");
    let model = open(&path);
    assert_eq!(tensor(&model, ROUTER).dtype, Dtype::Bf16);
    let stored = model.gguf.tensor("blk.1.ffn_gate_inp.weight").unwrap();
    let range = stored.file_offset as usize..(stored.file_offset + stored.len) as usize;

    let mut bytes = fs::read(&path).unwrap();
    bytes[range.start + 4] ^= 1; // the last bit of the second value, which no bf16 has
    let dir = tempfile::tempdir().unwrap();
    let changed = dir.path().join("changed.gguf");
    fs::write(&changed, &bytes).unwrap();
    let model = open(&changed);
    let router = tensor(&model, ROUTER);
    assert_eq!(router.dtype, Dtype::F32);
    let mut shown = vec![0; router.len() as usize];
    router.read_exact_at(0, &mut shown).unwrap();
    assert_eq!(shown, bytes[range]);
    assert_eq!(tensor(&model, "model.layers.0.mlp.gate.weight").dtype, Dtype::Bf16);
    assert_eq!(model.weights.as_ref().unwrap().dtype, Dtype::Bf16);
}
