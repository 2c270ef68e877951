//! Decoding speed of each ggml type to each dtype, on one thread: `cargo bench --bench decode`.
//!
//! Throughput is counted in weights (elements) a second; times the dtype's width, it is bytes out.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rawrz::quant::{Dtype, FORMATS};

/// Weights an iteration: a few rows of a model, so that input and output stay in the L2 cache.
const WEIGHTS: usize = 16384;

fn decode(criterion: &mut Criterion) {
    for dtype in [Dtype::Bf16, Dtype::F16, Dtype::F32] {
        let mut weights = criterion.benchmark_group(format!("decode/{dtype}"));
        weights.throughput(Throughput::Elements(WEIGHTS as u64));
        for format in FORMATS {
            let blocks = blocks(WEIGHTS / format.block_len * format.block_bytes);
            let mut out = vec![0; WEIGHTS * dtype.width()];
            let id = BenchmarkId::from_parameter(format!("{}-{}", format.id, format.name));
            weights.bench_function(id, |bencher| bencher.iter(|| format.convert(dtype, &blocks, &mut out)));
        }
    }
}

/// Random bytes, the same in every run and in `ggml_ratio.py`, but for one bit that keeps every half finite,
/// as in a model.
fn blocks(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8 & 0xbf
        })
        .collect()
}

criterion_group!(benches, decode);
criterion_main!(benches);
