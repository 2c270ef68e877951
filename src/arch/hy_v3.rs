//! Hunyuan 3.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, NEXTN, NORMS, QK_NORMS, SPARSE_EXPERTS, mlp_layer_types,
    predicting_layers,
};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    derived("num_shared_experts", shared_experts),
    field("router_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("route_norm", Value::Flag("expert_weights_norm", true)),
    derived("mlp_layer_types", mlp_layer_types),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
    derived("num_nextn_predict_layers", predicting_layers),
];

/// The correction of scores has no suffix in files of this architecture; llama.cpp takes either.
static ROUTER: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.router.gate").optional(),
    exact("model.layers.{i}.mlp.expert_bias", Expr::Tensor("blk.{i}.exp_probs_b")).optional(),
    exact("model.layers.{i}.mlp.expert_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).optional(),
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.mlp.shared_mlp.gate_proj").optional(),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.mlp.shared_mlp.up_proj").optional(),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.mlp.shared_mlp.down_proj").optional(),
];

/// The last norm of a block that predicts has another name than elsewhere.
static PREDICTION: &[Rule] =
    &[rename("blk.{i}.nextn.shared_head_norm", "model.layers.{i}.final_layernorm").optional()];

pub static SPEC: Spec = Spec {
    gguf: "hy_v3",
    when: &[],
    class: "HYV3ForCausalLM",
    model_type: "hy_v3",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, DENSE_MLP, ROUTER, SPARSE_EXPERTS, PREDICTION, NEXTN],
    loss: None,
    proof: &["HYV3ForCausalLM"],
    source: "conversion/hunyuan.py, class HYV3Model, llama.cpp 0c1e5709",
};

/// The shared experts' width, of which each has an expert's.
fn shared_experts(scope: &Scope) -> Result<Option<Json>, Error> {
    const SHARED: Dim =
        Dim::Over(&Dim::Key("expert_shared_feed_forward_length"), &Dim::Key("expert_feed_forward_length"));
    let given = scope.u64("expert_shared_feed_forward_length")?;
    given.map(|_| Ok(SHARED.of(scope)?.into())).transpose()
}
