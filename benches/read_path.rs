//! How fast a virtual file is read without a kernel: one thread, reads of 4 KiB, 128 KiB and 1 MiB through
//! the tree.

use std::ffi::OsStr;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rawrz::gguf::writer::Writer;
use rawrz::hf::{self, Shards};
use rawrz::model::{Model, Options, Precision};
use rawrz::quant::{Dtype, format};
use rawrz_vfs::{NodeId, Tree};

const HIDDEN: u64 = 4096;
const ROWS: u64 = 4096;

/// A llama with one layer whose matrices are all of one type.
fn model(type_id: u32) -> tempfile::NamedTempFile {
    let mut writer = Writer::default();
    let arch = |key: &str| format!("llama.{key}");
    writer.set("general.architecture", "llama".into());
    for (key, value) in [
        ("block_count", 1),
        ("context_length", 2048),
        ("embedding_length", HIDDEN as u32),
        ("feed_forward_length", ROWS as u32),
        ("attention.head_count", 32),
    ] {
        writer.set(arch(key), value.into());
    }
    writer.set(arch("attention.layer_norm_rms_epsilon"), 1e-5.into());
    let stored = format(type_id).expect("a type of the table");
    let matrix = vec![0x35; (ROWS * HIDDEN) as usize / stored.block_len * stored.block_bytes];
    let norm = vec![0; HIDDEN as usize * 4];
    let float = format(0).expect("F32 is in the table");
    for name in [
        "token_embd",
        "blk.0.attn_q",
        "blk.0.attn_k",
        "blk.0.attn_v",
        "blk.0.attn_output",
        "blk.0.ffn_gate",
        "blk.0.ffn_up",
        "blk.0.ffn_down",
    ] {
        writer.tensor(format!("{name}.weight"), &[HIDDEN, ROWS], stored, matrix.clone());
    }
    for name in ["output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"] {
        writer.tensor(format!("{name}.weight"), &[HIDDEN], float, norm.clone());
    }
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), writer.to_bytes()).expect("room for a temporary file");
    file
}

fn read_path(criterion: &mut Criterion) {
    for (name, type_id) in [("BF16", 30), ("Q8_0", 8), ("Q4_K", 12), ("Q6_K", 14)] {
        let file = model(type_id);
        let options = Options { precision: Precision::As(Dtype::Bf16), ..Options::default() };
        let model = Arc::new(Model::open(file.path(), &options).expect("a valid model"));
        let mut tree = Tree::builder(model.modified);
        hf::add(&model, Shards::One, &mut tree, NodeId::ROOT).expect("a folder");
        let tree = tree.build();
        let id = tree.lookup(NodeId::ROOT, OsStr::new("model.safetensors")).expect("the weights");
        let len = tree.attr(id).expect("a file").len;
        let mut group = criterion.benchmark_group(name);
        for size in [4 << 10, 128 << 10, 1 << 20] {
            let mut buffer = vec![0; size];
            group.throughput(Throughput::Bytes(size as u64));
            let mut offset = 0;
            group.bench_function(format!("{} KiB", size >> 10), |b| {
                b.iter(|| {
                    tree.read_at(id, offset, black_box(&mut buffer)).expect("the file is there");
                    offset = (offset + size as u64) % (len - size as u64);
                });
            });
        }
    }
}

criterion_group!(benches, read_path);
criterion_main!(benches);
