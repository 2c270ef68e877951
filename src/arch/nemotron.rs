//! Minitron and Nemotron 4.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, HEADS};
use super::spec::{Field, Rule, Spec, Value, exact, field, number, omit, rename};
use crate::tensor::ElementOp;

/// The converter counts by the share of hidden size by heads, whatever the head size is.
const SHARE: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);

static FIELDS: &[Field] = &[
    omit("rms_norm_eps"),
    number("norm_eps", "attention.layer_norm_epsilon"),
    field("hidden_act", Value::Str("relu2")),
    field("partial_rotary_factor", Value::Ratio(Dim::Key("rope.dimension_count"), SHARE)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("mlp_bias", Value::Present("blk.0.ffn_up.bias")),
];

/// A norm's weight, stored plus one as the class adds one when it runs; its bias is stored as it is.
const fn weight(stored: &'static Expr, hf: &'static str) -> Rule {
    exact(hf, Expr::Map(stored, ElementOp::Add(-1.0)))
}

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output", "lm_head").optional(),
    weight(&Expr::Tensor("output_norm.weight"), "model.norm.weight"),
    exact("model.norm.bias", Expr::Tensor("output_norm.bias")),
    weight(&Expr::Tensor("blk.{i}.attn_norm.weight"), "model.layers.{i}.input_layernorm.weight"),
    exact("model.layers.{i}.input_layernorm.bias", Expr::Tensor("blk.{i}.attn_norm.bias")),
    weight(&Expr::Tensor("blk.{i}.ffn_norm.weight"), "model.layers.{i}.post_attention_layernorm.weight"),
    exact("model.layers.{i}.post_attention_layernorm.bias", Expr::Tensor("blk.{i}.ffn_norm.bias")),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "nemotron",
    when: &[],
    class: "NemotronForCausalLM",
    model_type: "nemotron",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[TENSORS, ATTENTION],
    loss: None,
    proof: &["NemotronForCausalLM"],
    source: "conversion/nemotron.py, class NemotronModel, llama.cpp 0c1e5709",
};
