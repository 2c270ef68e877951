//! Granite 3, dense.

use super::shared::{DECODER, ENDS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION};
use super::spec::{Field, Spec, Value, field};

/// Granite's multipliers; files lack those that the config lacks.
pub static MULTIPLIERS: &[Field] = &[
    field("attention_multiplier", Value::Number("attention.scale", Some(1.0))),
    field("embedding_multiplier", Value::Number("embedding_scale", Some(1.0))),
    field("residual_multiplier", Value::Number("residual_scale", Some(1.0))),
    field("logits_scaling", Value::Number("logit_scale", Some(1.0))),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
];

pub static SPEC: Spec = Spec {
    gguf: "granite",
    when: &[],
    class: "GraniteForCausalLM",
    model_type: "granite",
    strip: "",
    config: &[DECODER, MULTIPLIERS, &[field("mlp_bias", Value::Present("blk.0.ffn_gate.bias"))]],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["GraniteForCausalLM"],
    source: "conversion/granite.py, class GraniteModel, llama.cpp 0c1e5709",
};
