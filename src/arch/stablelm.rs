//! StableLM 3B, 2 1.6B and 2 12B.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, HEADS, KV_HEADS, LAYER_NORM, MLP};
use super::spec::{Field, Rule, Spec, Value, exact, field, rename};

/// Size of a head: the class has no other.
const HEAD: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);

static FIELDS: &[Field] = &[
    field("partial_rotary_factor", Value::Ratio(Dim::Key("rope.dimension_count"), HEAD)),
    field("use_qkv_bias", Value::Present("blk.0.attn_q.bias")),
    field("qk_layernorm", Value::Present("blk.0.attn_q_norm.weight")),
    field("use_parallel_residual", Value::Flag("use_parallel_residual", false)),
    field("hidden_dropout", Value::Float(0.0)),
];

/// Blocks whose two halves run side by side have one norm. Heads have a norm each, which the file stacks.
static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm").optional(),
    exact(
        "model.layers.{i}.self_attn.q_layernorm.norms.{e}.weight",
        Expr::Expert(&Expr::Reshape(&Expr::Tensor("blk.{i}.attn_q_norm.weight"), &[HEADS, HEAD])),
    )
    .optional()
    .each(HEADS),
    exact(
        "model.layers.{i}.self_attn.k_layernorm.norms.{e}.weight",
        Expr::Expert(&Expr::Reshape(&Expr::Tensor("blk.{i}.attn_k_norm.weight"), &[KV_HEADS, HEAD])),
    )
    .optional()
    .each(KV_HEADS),
];

pub static SPEC: Spec = Spec {
    gguf: "stablelm",
    when: &[],
    class: "StableLmForCausalLM",
    model_type: "stablelm",
    strip: "",
    config: &[DECODER, LAYER_NORM, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["StableLmForCausalLM"],
    source: "conversion/stablelm.py, llama.cpp 0c1e5709",
};
