//! EXAONE 4 with experts: K-EXAONE.

use super::dim::Dim;
use super::exaone4::pattern;
use super::expr::Expr;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, NORMS, QK_NORMS, ROPE_FACTORS, SHARED_EXPERTS, SPARSE_EXPERTS,
    TRUNK, WINDOW, mlp_layer_types, predicting_layers,
};
use super::spec::{Field, Rule, Spec, Value, derived, drop, exact, field, int, rename};

static FIELDS: &[Field] = &[
    field("layer_types", Value::LayerTypes(4)),
    derived("sliding_window_pattern", pattern),
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("num_shared_experts", "expert_shared_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("first_k_dense_replace", "leading_dense_block_count"),
    derived("mlp_layer_types", mlp_layer_types),
    field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    field("n_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    derived("num_nextn_predict_layers", predicting_layers),
];

static CORRECTION: &[Rule] =
    &[exact("model.layers.{i}.mlp.e_score_correction_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias"))
        .optional()];

const PREDICTING: Dim = Dim::KeyOr("nextn_predict_layers", &Dim::Is(0));
const COPY: &str = "every block that predicts has its own copy of one tensor";

/// The projection and norms that all predicting blocks share; the converter wrote them to each.
static PREDICTION: &[Rule] = &[
    rename("blk.{i}.nextn.eh_proj", "mtp.fc").over(PREDICTING).from(TRUNK).optional(),
    rename("blk.{i}.nextn.enorm", "mtp.pre_fc_norm_embedding").over(PREDICTING).from(TRUNK).optional(),
    rename("blk.{i}.nextn.hnorm", "mtp.pre_fc_norm_hidden").over(PREDICTING).from(TRUNK).optional(),
    rename("blk.{i}.nextn.shared_head_norm", "mtp.norm").over(PREDICTING).from(TRUNK).optional(),
    drop("blk.{i}.nextn.eh_proj.weight", COPY),
    drop("blk.{i}.nextn.enorm.weight", COPY),
    drop("blk.{i}.nextn.hnorm.weight", COPY),
    drop("blk.{i}.nextn.shared_head_norm.weight", COPY),
];

pub static SPEC: Spec = Spec {
    gguf: "exaone-moe",
    when: &[],
    class: "ExaoneMoeForCausalLM",
    model_type: "exaone_moe",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[
        ENDS,
        NORMS,
        ATTENTION,
        QK_NORMS,
        DENSE_MLP,
        GATE,
        CORRECTION,
        SPARSE_EXPERTS,
        SHARED_EXPERTS,
        PREDICTION,
        ROPE_FACTORS,
    ],
    loss: None,
    proof: &["ExaoneMoeForCausalLM"],
    source: "conversion/exaone.py, class ExaoneMoeModel, llama.cpp 0c1e5709",
};
