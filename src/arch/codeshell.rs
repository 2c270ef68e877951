//! CodeShell 7B.

use super::dim::Dim;
use super::shared::{HEADS, KV_HEADS, TRUNK};
use super::spec::{Field, Rule, Spec, Value, field, int, number, rename};

static FIELDS: &[Field] = &[
    int("n_embd", "embedding_length"),
    field("n_head", Value::Dim(HEADS)),
    field("n_layer", Value::Dim(TRUNK)),
    int("n_positions", "context_length"),
    field("n_inner", Value::Dim(Dim::Rows("blk.0.ffn_up.weight"))),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("group_query_attention", Value::Bool(true)),
    field("num_query_groups", Value::Dim(KV_HEADS)),
    number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    field("activation_function", Value::Str("gelu_pytorch_tanh")),
    field("position_embedding_type", Value::Str("rope")),
    field("scale_attn_weights", Value::Bool(true)),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("use_cache", Value::Bool(true)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_1"),
    rename("blk.{i}.attn_qkv", "transformer.h.{i}.attn.c_attn"),
    rename("blk.{i}.attn_output", "transformer.h.{i}.attn.c_proj"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.ln_2"),
    rename("blk.{i}.ffn_up", "transformer.h.{i}.mlp.c_fc"),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.c_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "codeshell",
    when: &[],
    class: "CodeShellForCausalLM",
    model_type: "codeshell",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["CodeShellForCausalLM"],
    source: "conversion/codeshell.py, llama.cpp 0c1e5709",
};
