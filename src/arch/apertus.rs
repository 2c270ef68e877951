//! Apertus. The numbers of its activation are keys of the file, without the architecture's prefix.

use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, QK_NORMS, ROPE_FACTORS, UNGATED_MLP};
use super::spec::{Rule, Spec, Value, exact, field, rename};

static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.attention_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.feedforward_layernorm"),
];

static ACTIVATION: &[Rule] = &[
    exact("model.layers.{i}.mlp.act_fn.alpha_p", Expr::Number("xielu.alpha_p")),
    exact("model.layers.{i}.mlp.act_fn.alpha_n", Expr::Number("xielu.alpha_n")),
    exact("model.layers.{i}.mlp.act_fn.beta", Expr::Reshape(&Expr::Number("xielu.beta"), &[])),
    exact("model.layers.{i}.mlp.act_fn.eps", Expr::Reshape(&Expr::Number("xielu.eps"), &[])),
];

pub static SPEC: Spec = Spec {
    gguf: "apertus",
    when: &[],
    class: "ApertusForCausalLM",
    model_type: "apertus",
    strip: "",
    config: &[
        DECODER,
        &[
            field("hidden_act", Value::Str("xielu")),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("qk_norm", Value::Bool(true)),
            field("post_norm", Value::Bool(false)),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, UNGATED_MLP, ACTIVATION, ROPE_FACTORS],
    loss: None,
    proof: &["ApertusForCausalLM"],
    source: "conversion/llama.py, class ApertusModel, llama.cpp 0c1e5709",
};
