//! The types that no file of quant/ has, through a real mount: a llama GGUF that carries the golden blocks of each as a
//! layer's feed-forward tensors, in the three precisions.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs;
use std::path::Path;

use rawrz::gguf::Value;
use rawrz::gguf::writer::{Tensor, Writer};
use rawrz::hf::Shards;
use rawrz::model::{Names, Options, Precision};
use rawrz::quant::{self, Dtype, FORMATS, Format};
use safetensors::SafeTensors;
use support::mounted::{Mounted, tree};
use support::probe::{fixtures, fuse_available, require};
use support::rewrite;

const LAYER: &str = "blk.0.ffn_gate";
const SHOWN: &str = "model.layers.0.mlp.gate_proj.weight";

/// A model whose first layer's gate has the given blocks, with the sizes that follow.
fn model(format: &Format, blocks: &[u8], scale: Option<f32>) -> Writer {
    let mut writer = rewrite::writer(&fixtures().join("quant/llama-q8_0.gguf"));
    let hidden = 256;
    let values = blocks.len() / format.block_bytes * format.block_len;
    let gate = writer.tensors.iter_mut().find(|t| t.name == format!("{LAYER}.weight")).unwrap();
    // Every other tensor keeps its shape: only the bytes read are compared.
    *gate = Tensor {
        name: gate.name.clone(),
        dims: vec![hidden, (values / hidden as usize) as u64],
        type_id: format.id,
        data: blocks.to_vec(),
    };
    if let Some(scale) = scale {
        let data = scale.to_le_bytes().to_vec();
        writer.tensors.push(Tensor { name: format!("{LAYER}.scale"), dims: vec![1], type_id: 0, data });
        let data = 0.5_f32.to_le_bytes().to_vec();
        writer.tensors.push(Tensor { name: format!("{LAYER}.input_scale"), dims: vec![1], type_id: 0, data });
    }
    writer
}

/// The gate's bytes and dtype as a mount shows them.
fn shown(writer: &Writer, precision: Precision) -> (safetensors::Dtype, Vec<u8>) {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), writer.to_bytes()).unwrap();
    let mounted = Mounted::new(file.path(), &Options { precision, ..Options::default() }, Shards::Auto);
    let bytes = fs::read(mounted.path().join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor(SHOWN).unwrap();
    (tensor.dtype(), tensor.data().to_vec())
}

fn golden(name: &str) -> Option<(Vec<u8>, Vec<f32>)> {
    let folder = fixtures().join("golden");
    let file = |ending: &str| folder.join(format!("{name}.{ending}"));
    let blocks = fs::read(file("blocks")).ok()?;
    let values = fs::read(file("f32")).unwrap();
    Some((blocks, values.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()))
}

/// Golden blocks as whole rows of 256 values.
fn rows(format: &Format, blocks: Vec<u8>, values: Vec<f32>) -> (Vec<u8>, Vec<f32>) {
    let len = values.len() / 256 * 256;
    (blocks[..len / format.block_len * format.block_bytes].to_vec(), values[..len].to_vec())
}

fn same(dtype: Dtype, shown: &[u8], values: &[f32]) -> bool {
    let mut expected = vec![0; values.len() * dtype.width()];
    quant::encode(dtype, values, &mut expected);
    let width = dtype.width();
    shown.len() == expected.len()
        && shown
            .chunks_exact(width)
            .zip(expected.chunks_exact(width))
            .zip(values)
            .all(|((a, b), value)| a == b || value.is_nan()) // any NaN is any NaN
}

fn index() -> Vec<(String, u32)> {
    let text = fs::read(fixtures().join("golden/index.json")).unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
    rows.iter()
        .map(|r| (r["ggml_type"].as_str().unwrap().to_owned(), r["id"].as_u64().unwrap() as u32))
        .collect()
}

#[test]
fn golden_blocks_are_shown_as_ggml_decodes_them() {
    let test = "golden_blocks_are_shown_as_ggml_decodes_them";
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    let index = index();
    assert!(index.len() >= 25);
    for (name, id) in index {
        let format = quant::format(id).unwrap();
        let (blocks, values) = golden(&name).unwrap();
        let (blocks, values) = rows(format, blocks, values);
        for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
            let (_, bytes) = shown(&model(format, &blocks, None), Precision::As(dtype));
            assert!(same(dtype, &bytes, &values), "{name} in {dtype}");
        }
    }
}

/// NVFP4's second scale stands beside the tensor and multiplies it; the scale of its input does not.
#[test]
fn a_scale_beside_a_tensor_multiplies_it() {
    let test = "a_scale_beside_a_tensor_multiplies_it";
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    let format = quant::format(40).unwrap();
    let (blocks, values) = golden("nvfp4").unwrap();
    let (blocks, values) = rows(format, blocks, values);
    let scaled: Vec<_> = values.iter().map(|v| v * 0.37).collect();
    for dtype in [Dtype::F32, Dtype::Bf16] {
        let (_, bytes) = shown(&model(format, &blocks, Some(0.37)), Precision::As(dtype));
        assert!(same(dtype, &bytes, &scaled), "{dtype}");
    }
}

/// Integers are shown as they are, whatever the precision; doubles are rounded once.
#[test]
fn plain_types_are_shown_as_they_are() {
    let test = "plain_types_are_shown_as_they_are";
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    for format in FORMATS.iter().filter(|f| f.dtype.is_some_and(|d| !d.is_float())) {
        let blocks: Vec<u8> = (0..format.block_bytes * 512).map(|i| (i * 31) as u8).collect();
        for precision in [Precision::Auto, Precision::As(Dtype::F32), Precision::As(Dtype::Bf16)] {
            let (dtype, bytes) = shown(&model(format, &blocks, None), precision);
            assert_eq!(dtype.to_string(), format.dtype.unwrap().name());
            assert!(bytes == blocks, "{}", format.name);
        }
    }
    let double = FORMATS.iter().find(|f| f.dtype == Some(Dtype::F64)).unwrap();
    // Halfway between two bf16 values but for a bit that f32 cannot hold: rounded twice it would be 1.
    let value = 1.0 + f64::powi(2.0, -8) + f64::powi(2.0, -40);
    let blocks: Vec<u8> = std::iter::repeat_n(value.to_le_bytes(), 512).flatten().collect();
    let (_, bytes) = shown(&model(double, &blocks, None), Precision::As(Dtype::Bf16));
    assert_eq!(bytes[..2], [0x81, 0x3f], "1 + 2^-7");
    let (_, bytes) = shown(&model(double, &blocks, None), Precision::As(Dtype::F32));
    assert_eq!(bytes[..4], (value as f32).to_le_bytes());
}

/// What the folder cannot show is refused by name.
#[test]
fn unknown_things_are_refused_by_name() {
    let source = fixtures().join("corpus/LlamaForCausalLM/model-bf16.gguf");
    let refused = |change: &dyn Fn(&mut Writer), name: &str| {
        let mut writer = rewrite::writer(&source);
        change(&mut writer);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), writer.to_bytes()).unwrap();
        let error = open(file.path());
        assert!(error.contains(name), "{error}");
    };
    fn open(path: &Path) -> String {
        let error = rawrz::model::Model::open(path, &Options::default()).err().expect("it is refused");
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
    let set = |writer: &mut Writer, key: &str, value: Value| {
        writer.metadata.iter_mut().find(|(k, _)| k == key).unwrap().1 = value;
    };
    refused(&|w| set(w, "general.architecture", "lama".into()), "\"lama\"");
    refused(&|w| set(w, "tokenizer.ggml.pre", "new-bpe".into()), "\"new-bpe\"");
    refused(&|w| set(w, "tokenizer.ggml.model", "new".into()), "\"new\"");
    refused(&|w| w.tensors[0].type_id = 31, "type 31");
    refused(&|w| w.tensors.push(Tensor { name: "blk.0.new".into(), ..w.tensors[0].clone() }), "blk.0.new");
    refused(&|w| w.tensors.retain(|t| t.name != "blk.1.ffn_up.weight"), "blk.1.ffn_up.weight");
}

/// On request an unknown architecture is shown as it is stored, and config.json and the card say so.
#[test]
fn gguf_names_are_shown_on_request_and_said_to_be() {
    let source = fixtures().join("corpus/LlamaForCausalLM/model-bf16.gguf");
    let mut writer = rewrite::writer(&source);
    writer.metadata.iter_mut().find(|(k, _)| k == "general.architecture").unwrap().1 = "lama".into();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), writer.to_bytes()).unwrap();
    let options = Options { names: Names::Gguf, ..Options::default() };
    let tree = tree(file.path(), &options, Shards::Auto);
    let read = |name: &str| {
        let id = tree.resolve([std::ffi::OsStr::new(name)]).unwrap();
        let mut bytes = vec![0; tree.attr(id).unwrap().len as usize];
        tree.read_at(id, 0, &mut bytes).unwrap();
        bytes
    };
    let config: serde_json::Value = serde_json::from_slice(&read("config.json")).unwrap();
    assert_eq!((&config["gguf_names"], &config["gguf_architecture"]), (&true.into(), &"lama".into()));
    assert!(
        String::from_utf8(read("README.md")).unwrap().contains("what the converter changed is not undone")
    );
    let bytes = read("model.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let stored = writer.tensors.iter().find(|t| t.name == "blk.0.attn_q.weight").unwrap();
    assert_eq!(tensors.tensor("blk.0.attn_q.weight").unwrap().data(), stored.data);
    assert_eq!(tensors.len(), writer.tensors.len());
}
