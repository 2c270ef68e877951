//! An adapter's folder: the factors in PEFT's names, rows as the original had them.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::path::{Path, PathBuf};

use rawrz::gguf::{Value, writer::Writer};
use rawrz::hf::Shards;
use rawrz::model::{Error, Model, Options};
use rawrz::ollama;
use rawrz::quant::{Format, format};
use rawrz_vfs::{NodeId, Tree};
use safetensors::SafeTensors;
use support::mounted::tree;
use support::probe::fixtures;

const RANK: u64 = 2;
const HIDDEN: u64 = 64;
const HEADS: u64 = 4;

fn f32s() -> &'static Format {
    format(0).unwrap()
}

/// A writer of an adapter of `architecture` with factors of one query projection, each element its own index.
fn adapter(architecture: &str) -> Writer {
    let text = |text: &str| Value::String(text.into());
    let numbers = |count: u64| (0..count).flat_map(|n| (n as f32).to_le_bytes()).collect::<Vec<_>>();
    let mut writer = Writer::default();
    writer.set("general.architecture", text(architecture));
    writer.set("general.type", text("adapter"));
    writer.set("adapter.type", text("lora"));
    writer.set("adapter.lora.alpha", Value::F32(16.0));
    writer.tensor("blk.0.attn_q.weight.lora_a", &[HIDDEN, RANK], f32s(), numbers(HIDDEN * RANK));
    writer.tensor("blk.0.attn_q.weight.lora_b", &[RANK, HIDDEN], f32s(), numbers(HIDDEN * RANK));
    writer
}

fn written(writer: &Writer, folder: &Path) -> PathBuf {
    let path = folder.join("adapter.gguf");
    std::fs::write(&path, writer.to_bytes()).unwrap();
    path
}

fn file(path: &Path, options: &Options, name: &str) -> Vec<u8> {
    let tree = tree(path, options, Shards::Auto);
    let id = tree.lookup(NodeId::ROOT, name.as_ref()).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let len = tree.read_at(id, 0, &mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

fn numbers(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

const B: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

#[test]
fn factors_of_unchanged_rows_need_no_base() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&adapter("qwen2"), folder.path());
    let bytes = file(&path, &Options::default(), "adapter_model.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let in_order: Vec<_> = (0..HIDDEN * RANK).map(|n| n as f32).collect();
    assert_eq!(numbers(tensors.tensor(B).unwrap().data()), in_order);
    let a = tensors.tensor(&B.replace("lora_B", "lora_A")).unwrap();
    assert_eq!((a.shape(), numbers(a.data())), ([RANK as usize, HIDDEN as usize].as_slice(), in_order));
    let config = file(&path, &Options::default(), "adapter_config.json");
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!((&config["r"], &config["lora_alpha"]), (&2.into(), &16.into()));
    assert_eq!(config["target_modules"], serde_json::json!(["q_proj"]));
}

#[test]
fn reordered_rows_need_the_base_for_its_heads() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&adapter("llama"), folder.path());
    let error = Model::open(&path, &Options::default()).err().unwrap();
    let Error::Arch { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("llama.attention.head_count"), "{source}");

    let base = fixtures().join("corpus/LlamaForCausalLM/model-bf16.gguf");
    let options = Options { base: Some(base), ..Options::default() };
    let bytes = file(&path, &options, "adapter_model.safetensors");
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    // Halves of each head, whose rows the converter put in turn.
    let rows = HIDDEN / HEADS;
    let stored = |head: u64, half: u64, i: u64| head * rows + 2 * i + half;
    let expected: Vec<_> = (0..HEADS)
        .flat_map(|head| (0..2).map(move |half| (head, half)))
        .flat_map(|(head, half)| (0..rows / 2).map(move |i| stored(head, half, i)))
        .flat_map(|row| (0..RANK).map(move |column| (row * RANK + column) as f32))
        .collect();
    assert_eq!(numbers(tensors.tensor(B).unwrap().data()), expected);
}

#[test]
fn a_stored_tensor_that_no_rule_knows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = adapter("qwen2");
    writer.tensor("blk.0.unheard_of.weight.lora_a", &[HIDDEN, RANK], f32s(), vec![0; 512]);
    let path = written(&writer, folder.path());
    assert!(Model::open(&path, &Options::default()).is_err());
}

#[test]
fn an_adapter_makes_no_store_for_ollama() {
    let folder = tempfile::tempdir().unwrap();
    let path = written(&adapter("qwen2"), folder.path());
    let model = std::sync::Arc::new(Model::open(&path, &Options::default()).unwrap());
    let mut tree = Tree::builder(model.modified);
    let error = ollama::add(&model, &ollama::Options::default(), &mut tree, NodeId::ROOT).unwrap_err();
    assert!(matches!(error, ollama::Error::Adapter(_)), "{error}");
    assert!(tree.build().entries(NodeId::ROOT).unwrap().is_empty());
}
