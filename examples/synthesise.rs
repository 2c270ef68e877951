//! Writes a llama GGUF of any size for measurements: `synthesise OUT.gguf TYPE LAYERS [VOCABULARY.gguf]`.
//!
//! TYPE is a ggml type such as Q4_K; a layer has the shapes of Llama 3 8B (218 million weights). The values mean nothing.
//! With a vocabulary, its metadata stands in front and the embedding has its size.

use std::error::Error;

use rawrz::gguf::writer::Writer;
use rawrz::gguf::{Gguf, Value};
use rawrz::quant::FORMATS;

const HIDDEN: u64 = 4096;
const FEED_FORWARD: u64 = 14336;
const KEYS: u64 = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [out, stored, layers, vocabulary @ ..] = arguments.as_slice() else {
        return Err("usage: synthesise OUT.gguf TYPE LAYERS [VOCABULARY.gguf]".into());
    };
    let stored = FORMATS.iter().find(|f| f.name == stored).ok_or("no such ggml type")?;
    let float = &FORMATS[0];
    let layers: u32 = layers.parse()?;
    let mut writer = Writer::default();
    let mut tokens = 32_000;
    if let [vocabulary, ..] = vocabulary {
        let vocabulary = Gguf::open(vocabulary.as_ref())?;
        tokens = vocabulary.metadata.strings("tokenizer.ggml.tokens")?.ok_or("no vocabulary")?.len() as u64;
        let kept = vocabulary
            .metadata
            .iter()
            .filter(|e| !e.key.starts_with("llama.") && e.key != "general.architecture");
        kept.for_each(|e| writer.metadata.push((e.key.clone(), e.value.clone())));
    }
    writer.set("general.architecture", "llama".into());
    let numbers = [
        ("block_count", layers),
        ("context_length", 8192),
        ("embedding_length", HIDDEN as u32),
        ("feed_forward_length", FEED_FORWARD as u32),
        ("attention.head_count", 32),
        ("attention.head_count_kv", 8),
    ];
    for (key, n) in numbers {
        writer.set(format!("llama.{key}"), n.into());
    }
    writer.set("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5));
    // 0x35 in every byte: halves and floats of a sensible size.
    let mut matrix = |name: String, rows: u64, row_len: u64| {
        let bytes = (rows * row_len) as usize / stored.block_len * stored.block_bytes;
        writer.tensor(name, &[row_len, rows], stored, vec![0x35; bytes]);
    };
    matrix("token_embd.weight".into(), tokens, HIDDEN);
    for layer in 0..layers {
        for (name, rows, row_len) in [
            ("attn_q", HIDDEN, HIDDEN),
            ("attn_k", KEYS, HIDDEN),
            ("attn_v", KEYS, HIDDEN),
            ("attn_output", HIDDEN, HIDDEN),
            ("ffn_gate", FEED_FORWARD, HIDDEN),
            ("ffn_up", FEED_FORWARD, HIDDEN),
            ("ffn_down", HIDDEN, FEED_FORWARD),
        ] {
            matrix(format!("blk.{layer}.{name}.weight"), rows, row_len);
        }
    }
    let norms =
        (0..layers).flat_map(|i| [format!("blk.{i}.attn_norm.weight"), format!("blk.{i}.ffn_norm.weight")]);
    for name in norms.chain(["output_norm.weight".to_owned()]) {
        writer.tensor(name, &[HIDDEN], float, vec![0x35; HIDDEN as usize * 4]);
    }
    std::fs::write(out, writer.to_bytes())?;
    Ok(())
}
