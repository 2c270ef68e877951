//! Snowflake Arctic: experts beside a dense network.

use super::shared::{DECODER, ENDS, ROPED_ATTENTION, SPARSE_BLOCK};
use super::spec::{Field, Rule, Spec, Value, field, int, rename};

static FIELDS: &[Field] = &[
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("moe_layer_frequency", Value::Int(1)),
    field("use_residual", Value::Bool(true)),
    field("parallel_attn_mlp_res", Value::Bool(true)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("sliding_window", Value::Null),
    field("router_aux_loss_coef", Value::Float(0.001)),
];

static RESIDUAL: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.residual_layernorm"),
    rename("blk.{i}.ffn_norm_exps", "model.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.residual_mlp.w1"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.residual_mlp.w2"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.residual_mlp.w3"),
];

pub static SPEC: Spec = Spec {
    gguf: "arctic",
    when: &[],
    class: "ArcticForCausalLM",
    model_type: "arctic",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, RESIDUAL, ROPED_ATTENTION, SPARSE_BLOCK],
    loss: None,
    proof: &["ArcticForCausalLM"],
    source: "conversion/arctic.py, llama.cpp 0c1e5709",
};
