//! Command R, Command R+, Aya.

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, HEAD_DIM, HEADS, KV_HEADS, LAYER_NORM, MLP, ONE_NORM};
use super::spec::{Field, Rule, Spec, Value, exact, field, number};

/// Cohere's own fields.
pub static FIELDS: &[Field] =
    &[number("logit_scale", "logit_scale"), field("attention_bias", Value::Present("blk.0.attn_q.bias"))];

/// One weight for each element of each head.
static QK_NORMS: &[Rule] = &[
    exact(
        "model.layers.{i}.self_attn.q_norm.weight",
        Expr::Reshape(&Expr::Tensor("blk.{i}.attn_q_norm.weight"), &[HEADS, HEAD_DIM]),
    )
    .optional(),
    exact(
        "model.layers.{i}.self_attn.k_norm.weight",
        Expr::Reshape(&Expr::Tensor("blk.{i}.attn_k_norm.weight"), &[KV_HEADS, HEAD_DIM]),
    )
    .optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "command-r",
    when: &[],
    class: "CohereForCausalLM",
    model_type: "cohere",
    strip: "",
    config: &[
        DECODER,
        LAYER_NORM,
        FIELDS,
        &[field("use_qk_norm", Value::Present("blk.0.attn_q_norm.weight"))],
    ],
    tensors: &[ENDS, ONE_NORM, ATTENTION, QK_NORMS, MLP],
    loss: None,
    proof: &["CohereForCausalLM"],
    source: "conversion/command_r.py, class CommandR2Model, llama.cpp 0c1e5709",
};
