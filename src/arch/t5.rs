//! T5, mT5 and UMT5, whole and encoders alone.

use serde_json::Value as Json;

use super::dim::Dim;
use super::shared::HEADS;
use super::spec::{Field, Rule, Spec, Tell, Value, derived, field, int, number, rename};
use super::{Error, Scope};

const SOURCE: &str = "conversion/t5.py, llama.cpp 0c1e5709";

const ENCODER_GATED: &[Tell] = &[Tell::Tensor("enc.blk.{i}.ffn_gate.weight")];
const ENCODER_PLAIN: &[Tell] = &[Tell::Not(&ENCODER_GATED[0])];
const DECODER_GATED: &[Tell] = &[Tell::Tensor("dec.blk.{i}.ffn_gate.weight")];
const DECODER_PLAIN: &[Tell] = &[Tell::Not(&DECODER_GATED[0])];

static ENCODER: &[Rule] = &[
    rename("token_embd", "shared"),
    rename("enc.output_norm", "encoder.final_layer_norm"),
    rename("enc.blk.{i}.attn_q", "encoder.block.{i}.layer.0.SelfAttention.q"),
    rename("enc.blk.{i}.attn_k", "encoder.block.{i}.layer.0.SelfAttention.k"),
    rename("enc.blk.{i}.attn_v", "encoder.block.{i}.layer.0.SelfAttention.v"),
    rename("enc.blk.{i}.attn_o", "encoder.block.{i}.layer.0.SelfAttention.o"),
    rename("enc.blk.{i}.attn_rel_b", "encoder.block.{i}.layer.0.SelfAttention.relative_attention_bias")
        .optional(),
    rename("enc.blk.{i}.attn_norm", "encoder.block.{i}.layer.0.layer_norm"),
    rename("enc.blk.{i}.ffn_gate", "encoder.block.{i}.layer.1.DenseReluDense.wi_0").only(ENCODER_GATED),
    rename("enc.blk.{i}.ffn_up", "encoder.block.{i}.layer.1.DenseReluDense.wi_1").only(ENCODER_GATED),
    rename("enc.blk.{i}.ffn_up", "encoder.block.{i}.layer.1.DenseReluDense.wi").only(ENCODER_PLAIN),
    rename("enc.blk.{i}.ffn_down", "encoder.block.{i}.layer.1.DenseReluDense.wo"),
    rename("enc.blk.{i}.ffn_norm", "encoder.block.{i}.layer.1.layer_norm"),
];

const DECODER_LAYERS: Dim = Dim::KeyOr("decoder_block_count", &Dim::Key("block_count"));

const fn dec(gguf: &'static str, hf: &'static str) -> Rule {
    rename(gguf, hf).over(DECODER_LAYERS)
}

static DECODER: &[Rule] = &[
    rename("output", "lm_head").optional(),
    rename("dec.output_norm", "decoder.final_layer_norm"),
    dec("dec.blk.{i}.attn_q", "decoder.block.{i}.layer.0.SelfAttention.q"),
    dec("dec.blk.{i}.attn_k", "decoder.block.{i}.layer.0.SelfAttention.k"),
    dec("dec.blk.{i}.attn_v", "decoder.block.{i}.layer.0.SelfAttention.v"),
    dec("dec.blk.{i}.attn_o", "decoder.block.{i}.layer.0.SelfAttention.o"),
    dec("dec.blk.{i}.attn_rel_b", "decoder.block.{i}.layer.0.SelfAttention.relative_attention_bias")
        .optional(),
    dec("dec.blk.{i}.attn_norm", "decoder.block.{i}.layer.0.layer_norm"),
    dec("dec.blk.{i}.cross_attn_q", "decoder.block.{i}.layer.1.EncDecAttention.q"),
    dec("dec.blk.{i}.cross_attn_k", "decoder.block.{i}.layer.1.EncDecAttention.k"),
    dec("dec.blk.{i}.cross_attn_v", "decoder.block.{i}.layer.1.EncDecAttention.v"),
    dec("dec.blk.{i}.cross_attn_o", "decoder.block.{i}.layer.1.EncDecAttention.o"),
    dec("dec.blk.{i}.cross_attn_rel_b", "decoder.block.{i}.layer.1.EncDecAttention.relative_attention_bias")
        .optional(),
    dec("dec.blk.{i}.cross_attn_norm", "decoder.block.{i}.layer.1.layer_norm"),
    dec("dec.blk.{i}.ffn_gate", "decoder.block.{i}.layer.2.DenseReluDense.wi_0").only(DECODER_GATED),
    dec("dec.blk.{i}.ffn_up", "decoder.block.{i}.layer.2.DenseReluDense.wi_1").only(DECODER_GATED),
    dec("dec.blk.{i}.ffn_up", "decoder.block.{i}.layer.2.DenseReluDense.wi").only(DECODER_PLAIN),
    dec("dec.blk.{i}.ffn_down", "decoder.block.{i}.layer.2.DenseReluDense.wo"),
    dec("dec.blk.{i}.ffn_norm", "decoder.block.{i}.layer.2.layer_norm"),
];

static FIELDS: &[Field] = &[
    int("d_model", "embedding_length"),
    int("d_kv", "attention.key_length"),
    int("d_ff", "feed_forward_length"),
    int("num_layers", "block_count"),
    field("num_decoder_layers", Value::Dim(DECODER_LAYERS)),
    field("num_heads", Value::Dim(HEADS)),
    int("n_positions", "context_length"),
    int("relative_attention_num_buckets", "attention.relative_buckets_count"),
    // No GGUF says it; it is four times the buckets in every published model (128 for 32).
    field(
        "relative_attention_max_distance",
        Value::Dim(Dim::Times(&Dim::Is(4), &Dim::Key("attention.relative_buckets_count"))),
    ),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_rms_epsilon"),
    derived("feed_forward_proj", activation),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("dropout_rate", Value::Float(0.1)),
    field("initializer_factor", Value::Float(1.0)),
];

static WHOLE: &[Field] = &[
    field("is_encoder_decoder", Value::Bool(true)),
    field("decoder_start_token_id", Value::Dim(Dim::KeyOr("decoder_start_token_id", &Dim::Is(0)))),
    field("use_cache", Value::Bool(true)),
];

static ALONE: &[Field] =
    &[field("is_encoder_decoder", Value::Bool(false)), field("use_cache", Value::Bool(false))];

/// UMT5 has positions of its own at each layer, T5 those of the first.
const UMT5_LAYERS: &[Tell] = &[Tell::Tensor("enc.blk.1.attn_rel_b.weight")];

pub static T5: Spec = Spec {
    gguf: "t5",
    when: &[],
    class: "T5ForConditionalGeneration",
    model_type: "t5",
    strip: "",
    config: &[FIELDS, WHOLE],
    tensors: &[ENCODER, DECODER],
    loss: None,
    proof: &["T5ForConditionalGeneration"],
    source: SOURCE,
};

pub static MT5: Spec = Spec {
    gguf: "t5",
    when: &[Tell::Named(&["mt5"])],
    class: "MT5ForConditionalGeneration",
    model_type: "mt5",
    strip: "",
    config: &[FIELDS, WHOLE],
    tensors: &[ENCODER, DECODER],
    loss: None,
    proof: &["MT5ForConditionalGeneration"],
    source: SOURCE,
};

pub static UMT5: Spec = Spec {
    gguf: "t5",
    when: UMT5_LAYERS,
    class: "UMT5ForConditionalGeneration",
    model_type: "umt5",
    strip: "",
    config: &[FIELDS, WHOLE],
    tensors: &[ENCODER, DECODER],
    loss: None,
    proof: &["UMT5ForConditionalGeneration"],
    source: SOURCE,
};

pub static T5_ENCODER: Spec = Spec {
    gguf: "t5encoder",
    when: &[],
    class: "T5EncoderModel",
    model_type: "t5",
    strip: "",
    config: &[FIELDS, ALONE],
    tensors: &[ENCODER],
    loss: None,
    proof: &["T5EncoderModel"],
    source: SOURCE,
};

/// The text encoder of Wan and kin.
pub static UMT5_ENCODER: Spec = Spec {
    gguf: "t5encoder",
    when: UMT5_LAYERS,
    class: "UMT5EncoderModel",
    model_type: "umt5",
    strip: "",
    config: &[FIELDS, ALONE],
    tensors: &[ENCODER],
    loss: None,
    proof: &["UMT5EncoderModel"],
    source: SOURCE,
};

/// Gated is GELU and plain is ReLU in every published model; no GGUF says it.
fn activation(scope: &Scope) -> Result<Option<Json>, Error> {
    let gated = scope.tensor("enc.blk.0.ffn_gate.weight").is_some();
    Ok(Some(if gated { "gated-gelu" } else { "relu" }.into()))
}
