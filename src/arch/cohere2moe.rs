//! Cohere 2 with experts: North.

use serde_json::Value as Json;

use super::cohere::FIELDS;
use super::dim::Dim;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, LAYER_NORM, NEXTN, ONE_NORM, SHARED_EXPERTS, SPARSE_EXPERTS,
    WINDOW, mlp_layer_types, predicting_layers, scoring_func,
};
use super::spec::{Field, Spec, Value, derived, field, int};
use super::{Error, Scope};

static MIXTURE: &[Field] = &[
    int("intermediate_size", "expert_feed_forward_length"),
    field("prefix_dense_intermediate_size", Value::OptionalDim("feed_forward_length")),
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("num_shared_experts", Value::Dim(Dim::KeyOr("expert_shared_count", &Dim::Is(0)))),
    field("shared_expert_combination_strategy", Value::Str("average")),
    derived("expert_selection_fn", selection),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    derived("mlp_layer_types", mlp_layer_types),
    derived("num_nextn_predict_layers", predicting_layers),
];

pub static SPEC: Spec = Spec {
    gguf: "cohere2moe",
    when: &[],
    class: "Cohere2MoeForCausalLM",
    model_type: "cohere2_moe",
    strip: "",
    config: &[
        DECODER,
        LAYER_NORM,
        FIELDS,
        WINDOW,
        &[field("layer_types", Value::LayerTypes(4)), field("rotary_pct", Value::Float(1.0))],
        MIXTURE,
    ],
    tensors: &[ENDS, ONE_NORM, ATTENTION, DENSE_MLP, GATE, SPARSE_EXPERTS, SHARED_EXPERTS, NEXTN],
    loss: None,
    proof: &["Cohere2MoeForCausalLM"],
    source: "conversion/command_r.py, class Cohere2MoeModel, llama.cpp 0c1e5709",
};

/// How the router turns scores into weights: softmax, unless the file says otherwise.
fn selection(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(scoring_func(scope)?.unwrap_or_else(|| "softmax".into())))
}
