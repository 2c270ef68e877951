//! MiniMax M2.

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, NORMS, QK_NORMS, SPARSE_BLOCK, scoring_func};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int};

static FIELDS: &[Field] = &[
    int("intermediate_size", "expert_feed_forward_length"),
    field("shared_intermediate_size", Value::Int(0)), // there is none; mlx-lm wants to be told
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("rotary_dim", "rope.dimension_count"),
    derived("scoring_func", scoring_func),
    field("use_routing_bias", Value::Present("blk.0.exp_probs_b.bias")),
    field("use_qk_norm", Value::Bool(true)),
    field("qk_norm_type", Value::Str("per_layer")),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.001)),
    field("router_jitter_noise", Value::Float(0.0)),
];

static CORRECTION: &[Rule] = &[exact(
    "model.layers.{i}.block_sparse_moe.e_score_correction_bias",
    Expr::Tensor("blk.{i}.exp_probs_b.bias"),
)
.optional()];

pub static SPEC: Spec = Spec {
    gguf: "minimax-m2",
    when: &[],
    class: "MiniMaxM2ForCausalLM",
    model_type: "minimax_m2",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, SPARSE_BLOCK, CORRECTION],
    loss: None,
    proof: &["MiniMaxM2ForCausalLM"],
    source: "conversion/minimax.py, class MiniMaxM2Model, llama.cpp 0c1e5709",
};
