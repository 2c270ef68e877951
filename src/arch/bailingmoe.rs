//! Ling 1 (Lite, Plus).

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, GATE, HEADS, KV_HEADS, NORMS, OWN_HEAD_DIM, SHARED_EXPERTS, SPARSE_EXPERTS};
use super::spec::{Field, Rule, Spec, Value, exact, field, int, rename};

/// The converter divides the head's columns by their length where the config asks for it; then it is asked no more.
static FIELDS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("num_shared_experts", "expert_shared_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    field("norm_head", Value::Bool(false)),
    field("norm_softmax", Value::Bool(false)),
    field("use_bias", Value::Bool(false)),
    field("use_qkv_bias", Value::Bool(false)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.word_embeddings"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
    exact(
        "model.layers.{i}.attention.query_key_value.weight",
        Expr::Concat(&[
            Expr::Rope(&Expr::Tensor("blk.{i}.attn_q.weight"), HEADS),
            Expr::Rope(&Expr::Tensor("blk.{i}.attn_k.weight"), KV_HEADS),
            Expr::Tensor("blk.{i}.attn_v.weight"),
        ]),
    ),
    rename("blk.{i}.attn_output", "model.layers.{i}.attention.dense"),
];

pub static SPEC: Spec = Spec {
    gguf: "bailingmoe",
    when: &[],
    class: "BailingMoeForCausalLM",
    model_type: "bailing_moe",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, FIELDS],
    tensors: &[TENSORS, NORMS, GATE, SPARSE_EXPERTS, SHARED_EXPERTS],
    loss: Some(
        "the head as it was before its columns were divided by their length; the model computes the same",
    ),
    proof: &["BailingMoeForCausalLM"],
    source: "conversion/bailingmoe.py, class BailingMoeModel, llama.cpp 0c1e5709",
};
