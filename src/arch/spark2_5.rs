//! Spark X2.5.

use serde_json::{Value as Json, json};

use super::shared::{DECODER, ENDS, HEAD_DIM, MLP, NORMS, OWN_HEAD_DIM, WINDOW};
use super::spec::{Field, Rule, Spec, Value, derived, field, omit, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    field("layer_types", Value::LayerTypes(4)),
    // The converter takes no other.
    field("hidden_act", Value::Str("gelu")),
    field("gate_attn_act_mode", Value::Str("sigmoid")),
    field("headwise_attn_output_gate", Value::Bool(true)),
    omit("rope_theta"),
    omit("rope_scaling"),
    derived("rope_parameters", rope_parameters),
];

static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_qkv", "model.layers.{i}.self_attn.q_k_v_proj"),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.g_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "spark2_5",
    when: &[],
    class: "Spark2_5ForCausalLM",
    model_type: "spark2_5",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["Spark2_5ForCausalLM"],
    source: "conversion/spark2_5.py, llama.cpp 0c1e5709",
};

/// Rope of both kinds of layer, which turn different shares of a head.
fn rope_parameters(scope: &Scope) -> Result<Option<Json>, Error> {
    let head = HEAD_DIM.of(scope)? as f64;
    let share = |key: &str| Ok::<_, Error>(scope.u64(key)?.map_or(1.0, |rotary| rotary as f64 / head));
    let (full, local) = (share("rope.dimension_count")?, share("rope.dimension_count_swa")?);
    let base = scope.f64("rope.freq_base")?.unwrap_or(10_000.0);
    Ok(Some(json!({
        "full_attention": {"rope_type": "default", "rope_theta": base, "partial_rotary_factor": full},
        "sliding_attention": {
            "rope_type": "default",
            "rope_theta": scope.f64("rope.freq_base_swa")?.unwrap_or(base),
            "partial_rotary_factor": local,
        },
    })))
}
