//! Laguna.

use serde_json::{Value as Json, json};

use super::config::layer_type;
use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, HEAD_DIM, HEADS, NORMS, QK_NORMS, SPARSE_EXPERTS, WINDOW,
    mlp_layer_types,
};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, omit, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    field("num_attention_heads_per_layer", Value::PerLayer(HEADS)),
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    field("moe_routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    derived("mlp_layer_types", mlp_layer_types),
    derived("layer_types", layer_types),
    derived("gating", gating),
    omit("rope_theta"),
    omit("rope_scaling"),
    derived("rope_parameters", rope_parameters),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
];

static OWN: &[Rule] = &[
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.g_proj"),
    exact("model.layers.{i}.mlp.experts.e_score_correction_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias"))
        .optional(),
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.mlp.shared_expert.gate_proj").optional(),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.mlp.shared_expert.up_proj").optional(),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.mlp.shared_expert.down_proj").optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "laguna",
    when: &[],
    class: "LagunaForCausalLM",
    model_type: "laguna",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, OWN, DENSE_MLP, GATE, SPARSE_EXPERTS],
    loss: Some(
        "which layers have a window, where all have equally many heads: every fourth is taken to have none",
    ),
    proof: &["LagunaForCausalLM"],
    source: "conversion/laguna.py, llama.cpp 0c1e5709",
};

/// The file does not say which layers have a window. They have other head counts than the first, which has none.
fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let heads = scope.each_layer(|s| HEADS.of(s))?;
    let alike = heads.iter().all(|h| Some(h) == heads.first());
    let windowed = scope.u64("attention.sliding_window")?.is_some();
    let full =
        |layer: usize| !windowed || if alike { layer.is_multiple_of(4) } else { heads[layer] == heads[0] };
    Ok(Some((0..heads.len()).map(|layer| layer_type(!full(layer))).collect()))
}

/// Whether each head has a gate or each of its elements.
fn gating(scope: &Scope) -> Result<Option<Json>, Error> {
    let per_head = Dim::Rows("blk.0.attn_gate.weight").of(scope)? == HEADS.of(scope)?;
    Ok(Some(if per_head { "per-head" } else { "per-element" }.into()))
}

/// Rope of both kinds of layer, in the spelling that the class alone knows.
fn rope_parameters(scope: &Scope) -> Result<Option<Json>, Error> {
    let head = HEAD_DIM.of(scope)? as f64;
    let share = |key: &str| Ok::<_, Error>(scope.u64(key)?.map_or(1.0, |rotary| rotary as f64 / head));
    let mut full = match rope_scaling(scope)? {
        Some(Json::Object(scaling)) => Json::Object(scaling),
        _ => json!({"rope_type": "default"}),
    };
    full["rope_theta"] = scope.f64("rope.freq_base")?.unwrap_or(500_000.0).into();
    full["partial_rotary_factor"] = share("rope.dimension_count")?.into();
    let local = scope.f64("rope.freq_base_swa")?.unwrap_or(10_000.0);
    let local_share = share("rope.dimension_count_swa")?;
    Ok(Some(json!({
        "full_attention": full,
        "sliding_attention": {
            "rope_type": "default",
            "rope_theta": local,
            "partial_rotary_factor": local_share,
        },
    })))
}
