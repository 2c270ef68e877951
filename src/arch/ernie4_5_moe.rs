//! ERNIE 4.5 with experts.

use super::dim::Dim;
use super::ernie4_5::BIASES;
use super::expr::Expr;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, NORMS, SHARED_EXPERTS, SPARSE_EXPERTS, TRUNK,
};
use super::spec::{Field, Rule, Spec, Value, exact, field, int};

static FIELDS: &[Field] = &[
    int("moe_num_experts", "expert_count"),
    int("moe_k", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    field("moe_num_shared_experts", Value::Dim(Dim::KeyOr("expert_shared_count", &Dim::Is(0)))),
    int("moe_layer_start_index", "leading_dense_block_count"),
    field("moe_layer_end_index", Value::Dim(Dim::Minus(&TRUNK, &Dim::Is(1)))),
    int("moe_layer_interval", "interleave_moe_layer_step"),
    field("moe_use_aux_free", Value::Bool(true)),
    field("moe_norm_min", Value::Float(1e-12)),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.001)),
];

/// A row in the original; files may have dropped that axis.
static CORRECTION: &[Rule] = &[exact(
    "model.layers.{i}.mlp.moe_statics.e_score_correction_bias",
    Expr::Reshape(&Expr::Tensor("blk.{i}.exp_probs_b.bias"), &[Dim::Is(1), Dim::Key("expert_count")]),
)
.optional()];

pub static SPEC: Spec = Spec {
    gguf: "ernie4_5-moe",
    when: &[],
    class: "Ernie4_5_MoeForCausalLM",
    model_type: "ernie4_5_moe",
    strip: "",
    config: &[DECODER, BIASES, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, DENSE_MLP, GATE, CORRECTION, SPARSE_EXPERTS, SHARED_EXPERTS],
    loss: Some("the layers that predict further tokens, where the original has any"),
    proof: &["Ernie4_5_MoeForCausalLM"],
    source: "conversion/ernie.py, class Ernie4_5MoeModel, llama.cpp 0c1e5709",
};
