//! Refact 1.6B.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{HEADS, TRUNK};
use super::spec::{Field, Rule, Spec, Value, exact, field, int, number, rename};

static FIELDS: &[Field] = &[
    int("n_embd", "embedding_length"),
    field("n_head", Value::Dim(HEADS)),
    field("n_layer", Value::Dim(TRUNK)),
    int("n_positions", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_rms_epsilon"),
    field("multi_query", Value::Bool(true)),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_1"),
    rename("blk.{i}.attn_q", "transformer.h.{i}.attn.q"),
    exact(
        "transformer.h.{i}.attn.kv.weight",
        Expr::Concat(&[Expr::Tensor("blk.{i}.attn_k.weight"), Expr::Tensor("blk.{i}.attn_v.weight")]),
    ),
    rename("blk.{i}.attn_output", "transformer.h.{i}.attn.c_proj"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.ln_2"),
    exact(
        "transformer.h.{i}.mlp.gate_up_proj.weight",
        Expr::Concat(&[Expr::Tensor("blk.{i}.ffn_gate.weight"), Expr::Tensor("blk.{i}.ffn_up.weight")]),
    ),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.c_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "refact",
    when: &[],
    class: "GPTRefactForCausalLM",
    model_type: "gpt_refact",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["GPTRefactForCausalLM"],
    source: "conversion/refact.py, llama.cpp 0c1e5709",
};
