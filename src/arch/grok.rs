//! Grok 1, as its port to transformers has it, and Grok 2.

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, SPARSE_BLOCK};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, field, int, omit, rename, rule};

const SOURCE: &str = "conversion/grok.py, class GrokModel, llama.cpp 0c1e5709";

/// Files of 2024 have no multipliers: llama.cpp's constants, which are Grok 1's.
static FIELDS: &[Field] = &[
    field("hidden_act", Value::Str("gelu")),
    field("embedding_multiplier_scale", Value::Number("embedding_scale", Some(78.383_671_769_061_69))),
    field("output_multiplier_scale", Value::Number("logit_scale", Some(0.577_350_269_189_625_7))),
    field("attn_output_multiplier", Value::Number("attention.output_scale", Some(0.088_388_347_648_318_45))),
    field("attn_logit_softcapping", Value::Number("attn_logit_softcapping", Some(30.0))),
    field("router_logit_softcapping", Value::Number("router_logit_softcapping", Some(30.0))),
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
];

static GROK1: &[Field] = &[field("max_attn_value", Value::Number("attn_logit_softcapping", Some(30.0)))];

/// The window and its period, of which no GGUF says anything, are those of the published model.
static GROK2: &[Field] = &[
    omit("rope_scaling"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    field("residual_moe", Value::Present("blk.0.ffn_up.weight")),
    field("final_logit_softcapping", Value::Optional("final_logit_softcapping")),
    derived("attn_temperature_len", |s| Ok(s.u64("attention.temperature_length")?.map(Into::into))),
    derived("rope_type", |s| Ok(s.str("rope.scaling.type")?.map(|_| "original".into()))),
    field("scaling_factor", Value::Optional("rope.scaling.factor")),
    field("original_max_position_embeddings", Value::OptionalDim("rope.scaling.original_context_length")),
    field("extrapolation_factor", Value::Optional("rope.scaling.yarn_ext_factor")),
    field("attn_factor", Value::Optional("rope.scaling.yarn_attn_factor")),
    field("beta_fast", Value::Optional("rope.scaling.yarn_beta_fast")),
    field("beta_slow", Value::Optional("rope.scaling.yarn_beta_slow")),
    field("sliding_window_size", Value::Int(-1)),
    field("global_attn_every_n", Value::Int(1)),
];

static GROK1_TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.in_out_embed"),
    rename("output_norm", "transformer.rms_norm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.decoder_layer.{i}.rms_norm"),
    rename("blk.{i}.attn_output_norm", "transformer.decoder_layer.{i}.rms_norm_1"),
    rename("blk.{i}.ffn_norm", "transformer.decoder_layer.{i}.rms_norm_2"),
    rename("blk.{i}.layer_output_norm", "transformer.decoder_layer.{i}.rms_norm_3"),
    rename("blk.{i}.attn_q", "transformer.decoder_layer.{i}.multi_head_attention.query"),
    rename("blk.{i}.attn_k", "transformer.decoder_layer.{i}.multi_head_attention.key"),
    rename("blk.{i}.attn_v", "transformer.decoder_layer.{i}.multi_head_attention.value"),
    rename("blk.{i}.attn_output", "transformer.decoder_layer.{i}.multi_head_attention.linear"),
    rename("blk.{i}.ffn_gate_inp", "transformer.decoder_layer.{i}.router"),
    rule(
        "transformer.decoder_layer.{i}.moe.{e}.linear",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    ),
    rule(
        "transformer.decoder_layer.{i}.moe.{e}.linear_1",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    ),
    rule(
        "transformer.decoder_layer.{i}.moe.{e}.linear_v",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")),
    ),
];

static GROK2_LAYERS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.pre_attn_norm"),
    rename("blk.{i}.attn_output_norm", "model.layers.{i}.post_attn_norm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.pre_moe_norm"),
    rename("blk.{i}.post_ffw_norm", "model.layers.{i}.post_moe_norm"),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj").optional(),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj").optional(),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj").optional(),
];

/// Its config calls itself `git`, a type that transformers knows, as no code comes with the model.
pub static SECOND: Spec = Spec {
    gguf: "grok",
    when: &[Tell::Tensor("blk.0.post_ffw_norm.weight")],
    class: "Grok1ForCausalLM",
    model_type: "git",
    strip: "",
    config: &[DECODER, FIELDS, GROK2],
    tensors: &[ENDS, ATTENTION, GROK2_LAYERS, SPARSE_BLOCK],
    loss: None,
    proof: &["Grok1ForCausalLM"],
    source: SOURCE,
};

pub static FIRST: Spec = Spec {
    gguf: "grok",
    when: &[],
    class: "GrokForCausalLM",
    model_type: "grok",
    strip: "",
    config: &[DECODER, FIELDS, GROK1],
    tensors: &[GROK1_TENSORS],
    loss: None,
    proof: &["GrokForCausalLM"],
    source: SOURCE,
};
