//! Phi-3.5-MoE.

use serde_json::{Value as Json, json};

use super::rope_scaling;
use super::shared::{ATTENTION, DECODER, ENDS, NORMS, ROPE_FACTORS, SPARSE_BLOCK, WINDOW};
use super::spec::{Field, Spec, Value, derived, field, int};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("lm_head_bias", Value::Present("output.bias")),
    derived("rope_scaling", longrope),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.0)),
    field("router_jitter_noise", Value::Float(0.01)),
    field("input_jitter_noise", Value::Float(0.01)),
];

pub static SPEC: Spec = Spec {
    gguf: "phimoe",
    when: &[],
    class: "PhiMoEForCausalLM",
    model_type: "phimoe",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, SPARSE_BLOCK, ROPE_FACTORS],
    loss: None,
    proof: &["PhiMoEForCausalLM"],
    source: "conversion/phi.py, class PhiMoeModel, llama.cpp 0c1e5709",
};

/// The factors, with the multipliers that the class asks for. The file has one, of which the published model has the
/// value for both: 1.243163121016122 (llama.cpp computes 1.19, and the class has its own numbers beside the factors).
fn longrope(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut scaling = rope_scaling::rope_scaling(scope)?;
    if let Some(Json::Object(fields)) = &mut scaling
        && fields.contains_key("long_factor")
    {
        fields.shift_remove("attention_factor");
        fields.insert("long_mscale".into(), json!(1.243_163_121_016_122));
        fields.insert("short_mscale".into(), json!(1.243_163_121_016_122));
    }
    Ok(scaling)
}
