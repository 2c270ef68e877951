//! Granite 3 with experts, and with a shared one beside them.

use super::expr::Expr;
use super::granite::MULTIPLIERS;
use super::shared::{DECODER, ENDS, NORMS, ROPE_FACTORS, ROPED_ATTENTION};
use super::spec::{Field, Rule, Spec, Tell, Value, exact, field, int, rename};

const SOURCE: &str = "conversion/granite.py, class GraniteMoeModel, llama.cpp 0c1e5709";

/// A mixture's sizes in Granite's spelling.
pub static MIXTURE: &[Field] = &[
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.001)),
];

/// Gate and up are one tensor, of all experts; where the file has it so too, it stays whole.
static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.block_sparse_moe.router.layer"),
    exact(
        "model.layers.{i}.block_sparse_moe.input_linear.weight",
        Expr::Tensor("blk.{i}.ffn_gate_up_exps.weight"),
    )
    .optional(),
    exact(
        "model.layers.{i}.block_sparse_moe.input_linear.weight",
        Expr::Join(&[
            Expr::Tensor("blk.{i}.ffn_gate_exps.weight"),
            Expr::Tensor("blk.{i}.ffn_up_exps.weight"),
        ]),
    ),
    rename("blk.{i}.ffn_down_exps", "model.layers.{i}.block_sparse_moe.output_linear"),
];

static SHARED: &[Rule] = &[
    exact(
        "model.layers.{i}.shared_mlp.input_linear.weight",
        Expr::Concat(&[
            Expr::Tensor("blk.{i}.ffn_gate_shexp.weight"),
            Expr::Tensor("blk.{i}.ffn_up_shexp.weight"),
        ]),
    ),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.shared_mlp.output_linear"),
];

pub static SHARING: Spec = Spec {
    gguf: "granitemoe",
    when: &[Tell::Positive("expert_shared_feed_forward_length")],
    class: "GraniteMoeSharedForCausalLM",
    model_type: "granitemoeshared",
    strip: "",
    config: &[
        DECODER,
        MULTIPLIERS,
        MIXTURE,
        &[int("shared_intermediate_size", "expert_shared_feed_forward_length")],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, EXPERTS, SHARED, ROPE_FACTORS],
    loss: None,
    proof: &["GraniteMoeSharedForCausalLM"],
    source: SOURCE,
};

pub static SPEC: Spec = Spec {
    gguf: "granitemoe",
    when: &[],
    class: "GraniteMoeForCausalLM",
    model_type: "granitemoe",
    strip: "",
    config: &[DECODER, MULTIPLIERS, MIXTURE],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, EXPERTS, ROPE_FACTORS],
    loss: None,
    proof: &["GraniteMoeForCausalLM"],
    source: SOURCE,
};
