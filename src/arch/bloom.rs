//! Bloom.

use super::dim::Dim;
use super::expr::Expr;
use super::gptneox::BY_HEAD;
use super::shared::HEADS;
use super::spec::{Rule, Spec, Value, field, int, number, rename, rule};

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.word_embeddings"),
    rename("token_embd_norm", "transformer.word_embeddings_layernorm"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.post_attention_layernorm"),
    rule(
        "transformer.h.{i}.self_attention.query_key_value",
        Expr::Permute(&Expr::Tensor("blk.{i}.attn_qkv"), BY_HEAD),
    ),
    rename("blk.{i}.attn_output", "transformer.h.{i}.self_attention.dense"),
    rename("blk.{i}.ffn_up", "transformer.h.{i}.mlp.dense_h_to_4h"),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.dense_4h_to_h"),
];

pub static SPEC: Spec = Spec {
    gguf: "bloom",
    when: &[],
    class: "BloomForCausalLM",
    model_type: "bloom",
    strip: "",
    config: &[&[
        int("hidden_size", "embedding_length"),
        int("n_layer", "block_count"),
        field("n_head", Value::Dim(HEADS)),
        int("seq_length", "context_length"),
        field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
        field("apply_residual_connection_post_layernorm", Value::Bool(false)), // in every published model
        field("tie_word_embeddings", Value::Absent("output.weight")),
        field("attention_dropout", Value::Float(0.0)),
        field("hidden_dropout", Value::Float(0.0)),
        field("initializer_range", Value::Float(0.02)),
        field("pretraining_tp", Value::Int(1)),
        field("slow_but_exact", Value::Bool(false)),
        field("use_cache", Value::Bool(true)),
    ]],
    tensors: &[TENSORS],
    loss: None,
    proof: &["BloomForCausalLM"],
    source: "conversion/bloom.py, llama.cpp 0c1e5709",
};
