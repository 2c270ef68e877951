//! Falcon 7B, 40B, 180B and Falcon 2.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::HEADS;
use super::spec::{Rule, Spec, Tell, Value, derived, field, int, number, rename, rule};
use super::{Error, Scope};

/// Files of 2023 lack the key for 7B, where all query heads share one key and value.
const KV_HEADS: Dim = Dim::KeyOr("attention.head_count_kv", &Dim::Is(1));
const HEAD_ROWS: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
const Q_ROWS: Dim = Dim::Key("embedding_length");
const KV_ROWS: Dim = Dim::Times(&KV_HEADS, &HEAD_ROWS);
const QKV: Expr = Expr::Tensor("blk.{i}.attn_qkv");

/// 40B and 180B norm what enters attention apart from what enters the feed-forward network.
const TWO_NORMS: &[Tell] = &[Tell::Tensor("blk.{i}.attn_norm_2.weight")];
const ONE_NORM: &[Tell] = &[Tell::Not(&TWO_NORMS[0])];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.word_embeddings"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.input_layernorm").only(ONE_NORM),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_mlp").only(TWO_NORMS),
    rename("blk.{i}.attn_norm_2", "transformer.h.{i}.ln_attn").only(TWO_NORMS),
    // Of each key head its queries, key and value; stored all queries first, then all keys, then all values.
    rule(
        "transformer.h.{i}.self_attention.query_key_value",
        Expr::InterleaveRuns(
            KV_HEADS,
            &[
                Expr::Rows(&QKV, Dim::Is(0), Q_ROWS),
                Expr::Rows(&QKV, Q_ROWS, KV_ROWS),
                Expr::Rows(&QKV, Dim::Plus(&Q_ROWS, &KV_ROWS), KV_ROWS),
            ],
        ),
    ),
    rename("blk.{i}.attn_output", "transformer.h.{i}.self_attention.dense"),
    rename("blk.{i}.ffn_up", "transformer.h.{i}.mlp.dense_h_to_4h"),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.dense_4h_to_h"),
];

pub static SPEC: Spec = Spec {
    gguf: "falcon",
    when: &[],
    class: "FalconForCausalLM",
    model_type: "falcon",
    strip: "",
    config: &[&[
        int("hidden_size", "embedding_length"),
        int("num_hidden_layers", "block_count"),
        field("num_attention_heads", Value::Dim(HEADS)),
        field("num_kv_heads", Value::Dim(KV_HEADS)),
        // The keys say 2048 positions and four times the hidden size, whatever there is.
        field("ffn_hidden_size", Value::Dim(Dim::Rows("blk.0.ffn_up.weight"))),
        field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
        derived("new_decoder_architecture", |scope| Ok(Some((KV_HEADS.of(scope)? > 1).into()))),
        derived("num_ln_in_parallel_attn", norms),
        field("multi_query", Value::Bool(true)),
        field("parallel_attn", Value::Bool(true)),
        field("alibi", Value::Bool(false)),
        field("bias", Value::Present("blk.0.attn_qkv.bias")),
        field("activation", Value::Str("gelu")),
        field("rope_theta", Value::Number("rope.freq_base", Some(10000.0))),
        derived("rope_scaling", rope_scaling),
        field("tie_word_embeddings", Value::Absent("output.weight")),
        field("attention_dropout", Value::Float(0.0)),
        field("hidden_dropout", Value::Float(0.0)),
        field("initializer_range", Value::Float(0.02)),
        field("use_cache", Value::Bool(true)),
    ]],
    tensors: &[TENSORS],
    loss: None,
    proof: &["FalconForCausalLM"],
    source: "conversion/falcon.py, llama.cpp 0c1e5709",
};

/// Norms of a layer, for the architecture that may have two.
fn norms(scope: &Scope) -> Result<Option<Json>, Error> {
    let two = Tell::all(TWO_NORMS, scope)?;
    Ok((KV_HEADS.of(scope)? > 1).then(|| if two { 2 } else { 1 }.into()))
}
