//! The text part of Llama 4. Experts are one tensor for all, each turned, gate before up.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, DENSE, ENDS, NORMS, ROPE_FACTORS, ROUTED};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("intermediate_size", "expert_feed_forward_length"),
    int("intermediate_size_mlp", "feed_forward_length"),
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("interleave_moe_layer_step", Value::Dim(Dim::KeyOr("interleave_moe_layer_step", &Dim::Is(1)))),
    derived("moe_layers", sparse_layers),
    // Of the following no GGUF says anything; llama.cpp has them as constants.
    derived("no_rope_layers", rope_layers),
    derived("use_qk_norm", |s| Ok(Some((s.u64("expert_count")? != Some(128)).into()))),
    field("attention_chunk_size", Value::Int(8192)),
    field("attn_temperature_tuning", Value::Bool(true)),
    field("floor_scale", Value::Int(8192)),
    field("attn_scale", Value::Float(0.1)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.001)),
    field("router_jitter_noise", Value::Float(0.0)),
];

const SPARSE: &[Tell] = &[ROUTED];

static FEED_FORWARD: &[Rule] = &[
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.gate_proj").only(DENSE),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.up_proj").only(DENSE),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.down_proj").only(DENSE),
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.feed_forward.router").only(SPARSE),
    exact(
        "model.layers.{i}.feed_forward.experts.gate_up_proj",
        Expr::Transpose(&Expr::Join(&[
            Expr::Tensor("blk.{i}.ffn_gate_exps.weight"),
            Expr::Tensor("blk.{i}.ffn_up_exps.weight"),
        ])),
    )
    .only(SPARSE),
    exact(
        "model.layers.{i}.feed_forward.experts.down_proj",
        Expr::Transpose(&Expr::Tensor("blk.{i}.ffn_down_exps.weight")),
    )
    .only(SPARSE),
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.feed_forward.shared_expert.gate_proj").only(SPARSE),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.feed_forward.shared_expert.up_proj").only(SPARSE),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.feed_forward.shared_expert.down_proj").only(SPARSE),
];

pub static SPEC: Spec = Spec {
    gguf: "llama4",
    when: &[],
    class: "Llama4ForCausalLM",
    model_type: "llama4_text",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, FEED_FORWARD, ROPE_FACTORS],
    loss: None,
    proof: &["Llama4ForCausalLM"],
    source: "conversion/llama.py, class Llama4Model, llama.cpp 0c1e5709",
};

fn sparse_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    let sparse = scope.each_layer(|s| Ok(s.tensor(&s.name("blk.{i}.ffn_gate_inp.weight")).is_some()))?;
    let layers = sparse.iter().enumerate().filter(|(_, sparse)| **sparse);
    Ok(Some(layers.map(|(layer, _)| layer).collect()))
}

/// Every fourth layer is without rope.
fn rope_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(scope.each_layer(|s| Ok(u64::from((s.layer + 1) % 4 != 0)))?.into()))
}
