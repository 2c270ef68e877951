//! EXAONE 3 and 3.5.

use super::shared::{DECODER, ROPE_FACTORS, TRUNK, epsilon};
use super::spec::{Field, Rule, Spec, Value, derived, field, omit, rename};

static FIELDS: &[Field] = &[
    omit("rms_norm_eps"),
    derived("layer_norm_epsilon", epsilon),
    omit("num_hidden_layers"),
    field("num_layers", Value::Dim(TRUNK)),
    omit("hidden_act"),
    field("activation_function", Value::Str("silu")),
    field("embed_dropout", Value::Float(0.0)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_1"),
    rename("blk.{i}.attn_q", "transformer.h.{i}.attn.attention.q_proj"),
    rename("blk.{i}.attn_k", "transformer.h.{i}.attn.attention.k_proj"),
    rename("blk.{i}.attn_v", "transformer.h.{i}.attn.attention.v_proj"),
    rename("blk.{i}.attn_output", "transformer.h.{i}.attn.attention.out_proj"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.ln_2"),
    rename("blk.{i}.ffn_gate", "transformer.h.{i}.mlp.c_fc_0"),
    rename("blk.{i}.ffn_up", "transformer.h.{i}.mlp.c_fc_1"),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.c_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "exaone",
    when: &[],
    class: "ExaoneForCausalLM",
    model_type: "exaone",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[TENSORS, ROPE_FACTORS],
    loss: None,
    proof: &["ExaoneForCausalLM"],
    source: "conversion/exaone.py, class ExaoneModel, llama.cpp 0c1e5709",
};
