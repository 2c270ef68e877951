//! Gemma 1, and what all of Gemma 1 to 3 share.

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, MLP};
use super::spec::{Field, Rule, Spec, Value, field, omit, rename, rule};
use crate::tensor::ElementOp;

/// A norm whose weight the converter stored plus one, as the class adds one when it runs.
pub const fn norm(stored: &'static Expr, hf: &'static str) -> Rule {
    rule(hf, Expr::Map(stored, ElementOp::Add(-1.0)))
}

/// Embedding and final norm. There is no head: the converter leaves it out, and every Gemma is tied.
pub static ENDS: &[Rule] =
    &[rename("token_embd", "model.embed_tokens"), norm(&Expr::Tensor("output_norm"), "model.norm")];

/// The activation under both names that readers look for.
pub static ACTIVATION: &[Field] = &[
    field("hidden_act", Value::Str("gelu_pytorch_tanh")),
    field("hidden_activation", Value::Str("gelu_pytorch_tanh")),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
];

static NORMS: &[Rule] = &[
    norm(&Expr::Tensor("blk.{i}.attn_norm"), "model.layers.{i}.input_layernorm"),
    norm(&Expr::Tensor("blk.{i}.ffn_norm"), "model.layers.{i}.post_attention_layernorm"),
];

pub static SPEC: Spec = Spec {
    gguf: "gemma",
    when: &[],
    class: "GemmaForCausalLM",
    model_type: "gemma",
    strip: "",
    // candle and mistral.rs refuse a Gemma whose config.json has both names of the activation.
    config: &[DECODER, ACTIVATION, &[omit("hidden_activation")]],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["GemmaForCausalLM"],
    source: "conversion/gemma.py, class GemmaModel, llama.cpp 0c1e5709",
};
