//! SmallThinker.

use serde_json::Value as Json;

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, NORMS, OWN_HEAD_DIM};
use super::spec::{Field, Rule, Spec, Value, derived, field, int, rename, rule};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("moe_num_primary_experts", "expert_count"),
    int("moe_num_active_primary_experts", "expert_used_count"),
    int("moe_ffn_hidden_size", "expert_feed_forward_length"),
    derived("moe_primary_router_apply_softmax", |s| {
        Ok(Some((s.u64("expert_gating_func")? == Some(1)).into()))
    }),
    field("sliding_window_size", Value::OptionalDim("attention.sliding_window")),
    derived("sliding_window_layout", windows),
    derived("rope_layout", ropes),
];

static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.block_sparse_moe.primary_router"),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.gate",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    ),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.up",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")),
    ),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.down",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    ),
];

pub static SPEC: Spec = Spec {
    gguf: "smallthinker",
    when: &[],
    class: "SmallThinkerForCausalLM",
    model_type: "smallthinker",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, EXPERTS],
    loss: None,
    proof: &["SmallThinkerForCausalLM"],
    source: "conversion/smallthinker.py, llama.cpp 0c1e5709",
};

/// Which layers have a window. The file says whether any has; of the two published models one has none, the other in
/// all but every fourth, from the first on, and llama.cpp runs them so.
fn windows(scope: &Scope) -> Result<Option<Json>, Error> {
    let any = scope.u64("attention.sliding_window")?.is_some();
    Ok(Some(scope.each_layer(|s| Ok(u64::from(any && s.layer % 4 != 0)))?.into()))
}

/// Where windows are, layers without one have no rope either.
fn ropes(scope: &Scope) -> Result<Option<Json>, Error> {
    let any = scope.u64("attention.sliding_window")?.is_some();
    Ok(Some(scope.each_layer(|s| Ok(u64::from(!any || s.layer % 4 != 0)))?.into()))
}
