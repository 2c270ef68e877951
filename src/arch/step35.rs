//! Step 3.5, and the text part of Step 3.7: two kinds of layers, with a window and without, of other head counts and
//! other rope. Layers that predict further tokens follow them, which the per-layer arrays count as well.

use serde_json::{Value as Json, json};

use super::config::of_kind;
use super::dim::Dim;
use super::expr::Expr;
use super::gemma::norm;
use super::rope_scaling::partial_llama3;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, HEADS, KV_HEADS, NO_TOWER, ROPE_FACTORS, ROUTED, object,
    predicting_layers, scoring_func,
};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, omit, rename};
use super::{Error, Scope};

const SOURCE: &str = "conversion/step3.py, class Step35Model, llama.cpp 0c1e5709";

static FIELDS: &[Field] = &[
    omit("num_key_value_heads"),
    derived("num_attention_heads", |scope| of_kind(scope, false, HEADS)),
    derived("num_attention_groups", |scope| of_kind(scope, false, KV_HEADS)),
    derived("attention_other_setting", windowed),
    derived("layer_types", |scope| by_kind(scope, "sliding_attention".into(), "full_attention".into())),
    derived("partial_rotary_factors", |scope| by_kind(scope, json!(1.0), json!(FULL_SHARE))),
    derived("rope_theta", bases),
    derived("rope_scaling", scaling),
    derived("yarn_only_types", |_| Ok(Some(json!(["full_attention"])))),
    int("sliding_window", "attention.sliding_window"),
    field("use_head_wise_attn_gate", Value::Present("blk.0.attn_gate.weight")),
    field("use_qk_norm", Value::Bool(true)),
    field("use_moe", Value::Bool(true)),
    int("moe_num_experts", "expert_count"),
    int("moe_top_k", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("share_expert_dim", "expert_shared_feed_forward_length"),
    derived("moe_layers_enum", sparse_layers),
    field("moe_every_n_layer", Value::Dim(Dim::KeyOr("moe_every_n_layers", &Dim::Is(1)))),
    derived("moe_router_activation", scoring_func),
    field("moe_router_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("norm_expert_weight", Value::Flag("expert_weights_norm", true)),
    field("use_moe_router_bias", Value::Bool(true)),
    field("need_fp32_gate", Value::Bool(true)), // says only how the router computes
    derived("swiglu_limits", |scope| limits(scope, "swiglu_clamp_exp")),
    derived("swiglu_limits_shared", |scope| limits(scope, "swiglu_clamp_shexp")),
    derived("num_nextn_predict_layers", predicting_layers),
];

/// The class has a vision tower, which this folder lacks: one of no layers.
static FIELDS37: &[Field] = &[
    field("text_config", Value::Fields(&[&[field("model_type", Value::Str("step3p5"))], DECODER, FIELDS])),
    derived("vision_config", |_| Ok(Some(json!({"model_type": "step3p5_vision", "layers": 0})))),
    field("tie_word_embeddings", Value::Absent("output.weight")),
];

/// Part of a head that rope turns in layers without a window; in others it turns all. The converter takes no model else.
const FULL_SHARE: f64 = 0.5;
const SPARSE: &[Tell] = &[ROUTED];

/// All norms are stored as what multiplies, one more than the weight.
static NORMS: &[Rule] = &[
    norm(&Expr::Tensor("output_norm"), "model.norm"),
    norm(&Expr::Tensor("blk.{i}.attn_norm"), "model.layers.{i}.input_layernorm"),
    norm(&Expr::Tensor("blk.{i}.ffn_norm"), "model.layers.{i}.post_attention_layernorm"),
    norm(&Expr::Tensor("blk.{i}.attn_q_norm"), "model.layers.{i}.self_attn.q_norm"),
    norm(&Expr::Tensor("blk.{i}.attn_k_norm"), "model.layers.{i}.self_attn.k_norm"),
    norm(&Expr::Tensor("blk.{i}.nextn.enorm"), "model.layers.{i}.enorm").optional(),
    norm(&Expr::Tensor("blk.{i}.nextn.hnorm"), "model.layers.{i}.hnorm").optional(),
    norm(&Expr::Tensor("blk.{i}.nextn.shared_head_norm"), "model.layers.{i}.transformer.shared_head.norm")
        .optional(),
];

static REST: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.g_proj").optional(),
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.moe.gate").only(SPARSE),
    exact("model.layers.{i}.moe.router_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).only(SPARSE),
    rename("blk.{i}.ffn_gate_exps", "model.layers.{i}.moe.gate_proj").only(SPARSE),
    rename("blk.{i}.ffn_up_exps", "model.layers.{i}.moe.up_proj").only(SPARSE),
    rename("blk.{i}.ffn_down_exps", "model.layers.{i}.moe.down_proj").only(SPARSE),
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.share_expert.gate_proj").only(SPARSE),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.share_expert.up_proj").only(SPARSE),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.share_expert.down_proj").only(SPARSE),
    rename("blk.{i}.nextn.eh_proj", "model.layers.{i}.eh_proj").optional(),
    rename("blk.{i}.nextn.embed_tokens", "model.layers.{i}.embed_tokens").optional(),
    rename("blk.{i}.nextn.shared_head_head", "model.layers.{i}.transformer.shared_head.output").optional(),
];

static TENSORS: &[&[Rule]] = &[NORMS, REST, ATTENTION, DENSE_MLP, ROPE_FACTORS];

pub static STEP37: Spec = Spec {
    gguf: "step35",
    when: &[Tell::Named(&["step-3.7", "step 3.7", "step3.7"])],
    class: "Step3p7ForConditionalGeneration",
    model_type: "step3p7",
    strip: "",
    config: &[FIELDS37],
    tensors: TENSORS,
    loss: NO_TOWER,
    proof: &["Step3p7ForConditionalGeneration"],
    source: SOURCE,
};

pub static SPEC: Spec = Spec {
    gguf: "step35",
    when: &[],
    class: "Step3p5ForCausalLM",
    model_type: "step3p5",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: TENSORS,
    loss: None,
    proof: &["Step3p5ForCausalLM"],
    source: SOURCE,
};

/// Which blocks have a window.
fn sliding(scope: &Scope) -> Result<Vec<bool>, Error> {
    let key = scope.key("attention.sliding_window_pattern");
    let pattern = scope.metadata().array(&key)?.ok_or_else(|| Error::MissingKey { key: key.clone() })?;
    let of = |(layer, value): (usize, crate::gguf::Value)| {
        value.as_bool().ok_or_else(|| Error::Layers { key: key.clone(), layer: layer as u64 })
    };
    pattern.iter().enumerate().map(of).collect()
}

/// For each block one of two values: where it has a window, and where not.
fn by_kind(scope: &Scope, windowed: Json, full: Json) -> Result<Option<Json>, Error> {
    let value = |sliding| if sliding { windowed.clone() } else { full.clone() };
    Ok(Some(sliding(scope)?.into_iter().map(value).collect()))
}

fn windowed(scope: &Scope) -> Result<Option<Json>, Error> {
    let head_dim = scope.u64("attention.key_length")?.map(Json::from);
    Ok(Some(object([
        ("attention_type", Some("sliding_attention".into())),
        ("num_attention_heads", of_kind(scope, true, HEADS)?),
        ("num_attention_groups", of_kind(scope, true, KV_HEADS)?),
        ("head_dim", head_dim.clone()),
        ("true_head_dim", head_dim),
    ])))
}

fn bases(scope: &Scope) -> Result<Option<Json>, Error> {
    let full = scope.f64("rope.freq_base")?.unwrap_or(10_000.0);
    by_kind(scope, scope.f64("rope.freq_base_swa")?.unwrap_or(full).into(), full.into())
}

fn scaling(scope: &Scope) -> Result<Option<Json>, Error> {
    let head_dim = scope.u64("attention.key_length")?.unwrap_or(0);
    Ok(Some(partial_llama3(scope, (head_dim as f64 * FULL_SHARE) as u64)?.unwrap_or(Json::Null)))
}

/// The layers that have experts, in a text.
fn sparse_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    let sparse = scope.each_layer(|at| Ok(ROUTED.holds(at)?.then(|| at.layer.to_string())))?;
    Ok(Some(sparse.into_iter().flatten().collect::<Vec<_>>().join(",").into()))
}

/// Limits of the activation for each block, 0 where there is none.
fn limits(scope: &Scope, key: &str) -> Result<Option<Json>, Error> {
    let limits = scope.metadata().array(&scope.key(key))?;
    Ok(limits.map(|limits| limits.iter().map(|limit| limit.as_f64()).collect()))
}
