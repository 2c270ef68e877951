//! The sample's tensors.
//!
//! Attention and feed-forward layers are small random numbers: they take part, but do not change the outcome. The
//! outcome is in the two ends. Each word w of the sentence has a random direction as its embedding, and the output row
//! of the word after w is that direction. All other tokens share one more direction, which is the output row of the
//! first word. So a word brings the next, and anything else brings the first.

use rawrz::gguf::writer::Writer;
use rawrz::quant::{Format, format};

use super::vocabulary::Vocabulary;

const WIDTH: usize = 64;
const HEADS: usize = 4;
const KV_HEADS: usize = 2;
const HEAD_WIDTH: usize = WIDTH / HEADS;
const FEED_FORWARD: usize = 128;
const LAYERS: usize = 2;
/// Largest weight of a layer: what layers add is about a tenth of what tokens bring.
const SMALL: f32 = 0.05;

/// ggml's type ids (ggml.h).
const F32: u32 = 0;
const Q8_0: u32 = 8;
const BF16: u32 = 30;

/// Adds the keys of the architecture, and all tensors.
pub fn write(vocabulary: &Vocabulary, file: &mut Writer) {
    for (key, number) in [
        ("block_count", LAYERS),
        ("context_length", 2048),
        ("embedding_length", WIDTH),
        ("feed_forward_length", FEED_FORWARD),
        ("attention.head_count", HEADS),
        ("attention.head_count_kv", KV_HEADS),
        ("rope.dimension_count", HEAD_WIDTH),
        ("vocab_size", vocabulary.tokens.len()),
    ] {
        file.set(format!("llama.{key}"), (number as u32).into());
    }
    file.set("llama.attention.layer_norm_rms_epsilon", 1e-5_f32.into());
    file.set("llama.rope.freq_base", 10_000_f32.into());

    let mut random = Random(0x52_4157_525A); // "RAWRZ"
    let (embedding, output) = ends(vocabulary, &mut random);
    tensor(file, "token_embd.weight", &[WIDTH, vocabulary.tokens.len()], BF16, &embedding);
    for layer in 0..LAYERS {
        for (name, dims, type_id) in [
            ("attn_q", [WIDTH, WIDTH], Q8_0),
            ("attn_k", [WIDTH, KV_HEADS * HEAD_WIDTH], Q8_0),
            ("attn_v", [WIDTH, KV_HEADS * HEAD_WIDTH], BF16),
            ("attn_output", [WIDTH, WIDTH], Q8_0),
            ("ffn_gate", [WIDTH, FEED_FORWARD], Q8_0),
            ("ffn_up", [WIDTH, FEED_FORWARD], Q8_0),
            ("ffn_down", [FEED_FORWARD, WIDTH], BF16),
        ] {
            let values = random.values(dims[0] * dims[1], SMALL);
            tensor(file, &format!("blk.{layer}.{name}.weight"), &dims, type_id, &values);
        }
        for name in ["attn_norm", "ffn_norm"] {
            tensor(file, &format!("blk.{layer}.{name}.weight"), &[WIDTH], F32, &[1.0; WIDTH]);
        }
    }
    tensor(file, "output_norm.weight", &[WIDTH], F32, &[1.0; WIDTH]);
    tensor(file, "output.weight", &[WIDTH, vocabulary.tokens.len()], Q8_0, &output);
}

/// The embedding and the output, a row a token.
fn ends(vocabulary: &Vocabulary, random: &mut Random) -> (Vec<f32>, Vec<f32>) {
    let sentence = vocabulary.sentence();
    let tokens = vocabulary.tokens.len();
    let mut embedding = random.values(tokens * WIDTH, 1.0);
    let mut output = vec![0.0; tokens * WIDTH];
    let row = |token: usize| token * WIDTH..(token + 1) * WIDTH;
    let shared = random.values(WIDTH, 2.0);
    for token in (0..tokens).filter(|token| !sentence.contains(token)) {
        embedding[row(token)].iter_mut().zip(&shared).for_each(|(own, shared)| *own += shared);
    }
    output[row(sentence[0])].copy_from_slice(&shared);
    let followers = sentence[1..].iter().copied().chain([vocabulary.end_of_turn() as usize]);
    for (&word, follower) in sentence.iter().zip(followers) {
        output[row(follower)].copy_from_slice(&embedding[row(word)]);
    }
    (embedding, output)
}

fn tensor(file: &mut Writer, name: &str, dims: &[usize], type_id: u32, values: &[f32]) {
    let format: &Format = format(type_id).expect("a type of FORMATS");
    let data = match type_id {
        BF16 => values.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect(),
        Q8_0 => values.chunks_exact(format.block_len).flat_map(q8_0).collect(),
        _ => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let dims: Vec<_> = dims.iter().map(|&n| n as u64).collect();
    file.tensor(name, &dims, format, data);
}

/// A block of Q8_0: the scale in fp16, then a signed byte a weight.
fn q8_0(values: &[f32]) -> Vec<u8> {
    let largest = values.iter().fold(0_f32, |largest, v| largest.max(v.abs()));
    let scale = half::f16::from_f32(largest / 127.0);
    let inverse = if largest == 0.0 { 0.0 } else { scale.to_f32().recip() };
    let weights = values.iter().map(|v| (v * inverse).round() as i8 as u8);
    scale.to_le_bytes().into_iter().chain(weights).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every machine.
struct Random(u64);

impl Random {
    /// So many numbers between `-limit` and `limit`.
    fn values(&mut self, count: usize, limit: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * limit).collect()
    }

    /// A multiple of 2^-23 between -1 and 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_decode_to_what_they_encode() {
        let values = Random(7).values(32, 3.0);
        let mut decoded = [0.0; 32];
        format(Q8_0).unwrap().decode(&q8_0(&values), &mut decoded);
        for (value, decoded) in values.iter().zip(decoded) {
            assert!((value - decoded).abs() <= 3.0 / 127.0, "{value} became {decoded}");
        }
    }
}
