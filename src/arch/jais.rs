//! Jais, a class of remote code: GPT-2's layers, gated, with slopes for positions.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::HEADS;
use super::spec::{Rule, Spec, Value, exact, field, int, number, rename};

/// As in GPT-2 the class keeps what enters along rows.
const fn turned(hf: &'static str, weight: &'static Expr) -> Rule {
    exact(hf, Expr::Transpose(weight))
}

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    exact("transformer.relative_pe.slopes", Expr::Slopes(HEADS)),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_1"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.ln_2"),
    turned("transformer.h.{i}.attn.c_attn.weight", &Expr::Tensor("blk.{i}.attn_qkv.weight")),
    exact("transformer.h.{i}.attn.c_attn.bias", Expr::Tensor("blk.{i}.attn_qkv.bias")),
    turned("transformer.h.{i}.attn.c_proj.weight", &Expr::Tensor("blk.{i}.attn_output.weight")),
    exact("transformer.h.{i}.attn.c_proj.bias", Expr::Tensor("blk.{i}.attn_output.bias")),
    turned("transformer.h.{i}.mlp.c_fc.weight", &Expr::Tensor("blk.{i}.ffn_up.weight")),
    exact("transformer.h.{i}.mlp.c_fc.bias", Expr::Tensor("blk.{i}.ffn_up.bias")),
    turned("transformer.h.{i}.mlp.c_fc2.weight", &Expr::Tensor("blk.{i}.ffn_gate.weight")),
    exact("transformer.h.{i}.mlp.c_fc2.bias", Expr::Tensor("blk.{i}.ffn_gate.bias")),
    turned("transformer.h.{i}.mlp.c_proj.weight", &Expr::Tensor("blk.{i}.ffn_down.weight")),
    exact("transformer.h.{i}.mlp.c_proj.bias", Expr::Tensor("blk.{i}.ffn_down.bias")),
];

pub static SPEC: Spec = Spec {
    gguf: "jais",
    when: &[],
    class: "JAISLMHeadModel",
    model_type: "jais",
    strip: "",
    config: &[&[
        int("n_embd", "embedding_length"),
        int("n_layer", "block_count"),
        field("n_head", Value::Dim(HEADS)),
        int("n_positions", "context_length"),
        int("n_inner", "feed_forward_length"),
        field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
        field("activation_function", Value::Str("swiglu")),
        field("position_embedding_type", Value::Str("alibi")),
        field("scale_attn_weights", Value::Bool(true)),
        field("scale_qk_dot_by_d", Value::Bool(true)), // as llama.cpp computes it for the architecture
        // The converter multiplied both into the weights.
        field("embeddings_scale", Value::Float(1.0)),
        field("width_scale", Value::Float(1.0)),
        field("tie_word_embeddings", Value::Absent("output.weight")),
        field("use_cache", Value::Bool(true)),
    ]],
    tensors: &[TENSORS],
    loss: Some("the scales of embedding and head are folded into them: the same function, other numbers"),
    proof: &["JAISLMHeadModel"],
    source: "conversion/jais.py, class JaisModel, llama.cpp 0c1e5709",
};
