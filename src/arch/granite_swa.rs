//! Granite with a window in most layers, dense and with experts.

use serde_json::Value as Json;

use super::expr::Expr;
use super::granite::MULTIPLIERS;
use super::granitemoe::MIXTURE;
use super::shared::{DECODER, ENDS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION, WINDOW};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[field("layer_types", Value::LayerTypes(4)), derived("layer_rope_theta", thetas)];

static SINKS: &[Rule] =
    &[exact("model.layers.{i}.self_attn.sinks", Expr::Tensor("blk.{i}.attn_sinks.weight")).optional()];

const SHARED: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_up_shexp.weight")];

static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.block_sparse_moe.router"),
    exact(
        "model.layers.{i}.block_sparse_moe.experts.gate_up_proj",
        Expr::Tensor("blk.{i}.ffn_gate_up_exps.weight"),
    ),
    exact(
        "model.layers.{i}.block_sparse_moe.experts.down_proj",
        Expr::Tensor("blk.{i}.ffn_down_exps.weight"),
    ),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.shared_mlp.input_linear").optional(),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.shared_mlp.output_linear").only(SHARED),
];

pub static MOE: Spec = Spec {
    gguf: "granite_swa",
    when: &[Tell::Positive("expert_count")],
    class: "GraniteMoeSWAForCausalLM",
    model_type: "granitemoe_swa",
    strip: "",
    config: &[
        DECODER,
        MULTIPLIERS,
        MIXTURE,
        WINDOW,
        FIELDS,
        &[derived("shared_intermediate_size", shared_width)],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, SINKS, EXPERTS, ROPE_FACTORS],
    loss: None,
    proof: &["GraniteMoeSWAForCausalLM"],
    source: "conversion/granite.py, class GraniteMoeSWAModel, llama.cpp 0c1e5709",
};

pub static SPEC: Spec = Spec {
    gguf: "granite_swa",
    when: &[],
    class: "GraniteSWAForCausalLM",
    model_type: "granite_swa",
    strip: "",
    config: &[
        DECODER,
        MULTIPLIERS,
        WINDOW,
        FIELDS,
        &[field("mlp_bias", Value::Present("blk.0.ffn_gate.bias"))],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, SINKS, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["GraniteSWAForCausalLM"],
    source: "conversion/granite.py, class GraniteSWAModel, llama.cpp 0c1e5709",
};

fn shared_width(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(scope.u64("expert_shared_feed_forward_length")?.unwrap_or(0).into()))
}

/// The base of rope for each layer, 0 where it has none: `attention.rope_pattern`, which few files have.
fn thetas(scope: &Scope) -> Result<Option<Json>, Error> {
    let key = scope.key("attention.rope_pattern");
    let Some(turning) = scope.metadata().value(&key).and_then(|v| v.as_array()) else { return Ok(None) };
    let base = scope.f64("rope.freq_base")?.unwrap_or(10_000.0);
    let theta = |s: &Scope| {
        let turns = usize::try_from(s.layer).ok().and_then(|i| turning.get(i)?.as_bool());
        let turns = turns.ok_or_else(|| Error::Layers { key: key.clone(), layer: s.layer })?;
        Ok(if turns { base } else { 0.0 })
    };
    Ok(Some(scope.each_layer(theta)?.into()))
}
