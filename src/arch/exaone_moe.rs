//! EXAONE 4 with experts: K-EXAONE.

use super::dim::Dim;
use super::exaone4::pattern;
use super::expr::Expr;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, NEXT, NORMS, QK_NORMS, ROPE_FACTORS, SHARED_EXPERTS,
    SPARSE_EXPERTS, TRUNK, WINDOW, mlp_layer_types, predicting_layers,
};
use super::spec::{Field, Rule, Spec, Value, all_over, derived, drop, exact, field, int, rename};

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

const COPY: &str = "every block that predicts has its own copy of one tensor";

static TRUNK_NORMS: [Rule; 2] = all_over(NORMS, TRUNK);
static TRUNK_ATTENTION: [Rule; 4] = all_over(ATTENTION, TRUNK);
static TRUNK_QK_NORMS: [Rule; 2] = all_over(QK_NORMS, TRUNK);
static TRUNK_MLP: [Rule; 3] = all_over(DENSE_MLP, TRUNK);

/// A tensor of the layers that predict.
const fn next(gguf: &'static str, hf: &'static str) -> Rule {
    rename(gguf, hf).over(NEXT).from(TRUNK)
}

/// A predicting block, which is dense: of one with experts the converter makes none.
static PREDICTING_LAYER: &[Rule] = &[
    next("blk.{i}.attn_norm", "mtp.layers.{j}.input_layernorm"),
    next("blk.{i}.ffn_norm", "mtp.layers.{j}.post_attention_layernorm"),
    next("blk.{i}.attn_q", "mtp.layers.{j}.self_attn.q_proj"),
    next("blk.{i}.attn_k", "mtp.layers.{j}.self_attn.k_proj"),
    next("blk.{i}.attn_v", "mtp.layers.{j}.self_attn.v_proj"),
    next("blk.{i}.attn_output", "mtp.layers.{j}.self_attn.o_proj"),
    next("blk.{i}.attn_q_norm", "mtp.layers.{j}.self_attn.q_norm"),
    next("blk.{i}.attn_k_norm", "mtp.layers.{j}.self_attn.k_norm"),
    next("blk.{i}.ffn_gate", "mtp.layers.{j}.mlp.gate_proj"),
    next("blk.{i}.ffn_up", "mtp.layers.{j}.mlp.up_proj"),
    next("blk.{i}.ffn_down", "mtp.layers.{j}.mlp.down_proj"),
];

/// The projection and norms that all predicting blocks share; the converter wrote them to each.
static PREDICTION: &[Rule] = &[
    next("blk.{i}.nextn.eh_proj", "mtp.fc").optional(),
    next("blk.{i}.nextn.enorm", "mtp.pre_fc_norm_embedding").optional(),
    next("blk.{i}.nextn.hnorm", "mtp.pre_fc_norm_hidden").optional(),
    next("blk.{i}.nextn.shared_head_norm", "mtp.norm").optional(),
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
        &TRUNK_NORMS,
        &TRUNK_ATTENTION,
        &TRUNK_QK_NORMS,
        &TRUNK_MLP,
        GATE,
        CORRECTION,
        SPARSE_EXPERTS,
        SHARED_EXPERTS,
        PREDICTING_LAYER,
        PREDICTION,
        ROPE_FACTORS,
    ],
    loss: None,
    proof: &["ExaoneMoeForCausalLM"],
    source: "conversion/exaone.py, class ExaoneMoeModel, llama.cpp 0c1e5709",
};
