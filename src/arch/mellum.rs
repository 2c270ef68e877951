//! Mellum 2.

use serde_json::{Value as Json, json};

use super::rope_scaling::rope_scaling;
use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, NORMS, QK_NORMS, WINDOW, mlp_layer_types};
use super::spec::{Field, Spec, Value, derived, field, int, omit};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    field("norm_topk_prob", Value::Bool(true)), // no GGUF says it; the class's default
    field("layer_types", Value::LayerTypes(1)),
    derived("mlp_layer_types", mlp_layer_types),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    omit("rope_theta"),
    omit("rope_scaling"),
    derived("rope_parameters", rope_parameters),
];

pub static SPEC: Spec = Spec {
    gguf: "mellum",
    when: &[],
    class: "MellumForCausalLM",
    model_type: "mellum",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["MellumForCausalLM"],
    source: "conversion/mellum.py, llama.cpp 0c1e5709",
};

/// Rope of both kinds of layer, in the spelling that the class alone knows.
fn rope_parameters(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut full = match rope_scaling(scope)? {
        Some(Json::Object(scaling)) => Json::Object(scaling),
        _ => json!({"rope_type": "default"}),
    };
    full["rope_theta"] = scope.f64("rope.freq_base")?.unwrap_or(500_000.0).into();
    let local = scope.f64("rope.freq_base_swa")?.unwrap_or(10_000.0);
    Ok(Some(json!({
        "full_attention": full,
        "sliding_attention": {"rope_type": "default", "rope_theta": local},
    })))
}
