//! Falcon-H1: Mamba 2 and attention side by side in each layer.

use serde_json::json;

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER};
use super::spec::{Rule, Spec, Value, derived, exact, field, rename};
use super::ssm::{HYBRID_MAMBA2, HYBRID_MAMBA2_FIELDS, HYBRID_MAMBA2_NORM, INNER};

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.final_layernorm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    // The converter's name lacks the suffix (atlas 8, hazard 3).
    exact("model.layers.{i}.pre_ff_layernorm.weight", Expr::Tensor("blk.{i}.ffn_norm")),
    exact("model.layers.{i}.pre_ff_layernorm.weight", Expr::Tensor("blk.{i}.ffn_norm.weight")).optional(),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.gate_proj"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.down_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "falcon-h1",
    when: &[],
    class: "FalconH1ForCausalLM",
    model_type: "falcon_h1",
    strip: "",
    config: &[
        DECODER,
        HYBRID_MAMBA2_FIELDS,
        &[
            field("mamba_d_ssm", Value::Dim(INNER)),
            field("mamba_expand", Value::Int(2)), // mamba_d_ssm says it
            field("mamba_rms_norm", Value::Present("blk.0.ssm_norm.weight")),
            field("mamba_norm_before_gate", Value::Bool(false)), // in every published model with that norm
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
            field("projectors_bias", Value::Present("blk.0.ssm_out.bias")),
            // The converter multiplied all of these into the weights.
            field("embedding_multiplier", Value::Float(1.0)),
            field("lm_head_multiplier", Value::Float(1.0)),
            field("key_multiplier", Value::Float(1.0)),
            field("attention_in_multiplier", Value::Float(1.0)),
            field("attention_out_multiplier", Value::Float(1.0)),
            field("ssm_in_multiplier", Value::Float(1.0)),
            field("ssm_out_multiplier", Value::Float(1.0)),
            derived("mlp_multipliers", |_| Ok(Some(json!([1.0, 1.0])))),
            derived("ssm_multipliers", |_| Ok(Some(json!([1.0, 1.0, 1.0, 1.0, 1.0])))),
        ],
    ],
    tensors: &[TENSORS, ATTENTION, HYBRID_MAMBA2, FALCON_NORM],
    loss: Some("the model's multipliers are folded into its weights: the same function, other numbers"),
    proof: &["FalconH1ForCausalLM"],
    source: "conversion/falcon_h1.py, llama.cpp 0c1e5709",
};

/// The norm that not every size has.
static FALCON_NORM: &[Rule] = &[HYBRID_MAMBA2_NORM[0].optional()];
