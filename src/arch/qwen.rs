//! Qwen 1. `intermediate_size` counts gate and up together, in the config as in the file.

use super::shared::{DECODER, HEAD_DIM, epsilon};
use super::spec::{Field, Rule, Spec, Value, derived, field, int, omit, rename};

static FIELDS: &[Field] = &[
    omit("rms_norm_eps"),
    omit("num_key_value_heads"),
    omit("rope_theta"),
    omit("rope_scaling"),
    derived("layer_norm_epsilon", epsilon),
    int("seq_length", "context_length"),
    field("kv_channels", Value::Dim(HEAD_DIM)),
    field("rotary_emb_base", Value::Number("rope.freq_base", Some(10_000.0))),
    field("rotary_pct", Value::Float(1.0)),
    field("no_bias", Value::Bool(true)),
    field("use_dynamic_ntk", Value::Bool(true)),
    field("use_logn_attn", Value::Bool(true)),
    field("scale_attn_weights", Value::Bool(true)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_1"),
    rename("blk.{i}.attn_qkv", "transformer.h.{i}.attn.c_attn"),
    rename("blk.{i}.attn_output", "transformer.h.{i}.attn.c_proj"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.ln_2"),
    rename("blk.{i}.ffn_gate", "transformer.h.{i}.mlp.w2"),
    rename("blk.{i}.ffn_up", "transformer.h.{i}.mlp.w1"),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.c_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "qwen",
    when: &[],
    class: "QWenLMHeadModel",
    model_type: "qwen",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["QWenLMHeadModel"],
    source: "conversion/qwen.py, class QwenModel, llama.cpp 0c1e5709",
};
