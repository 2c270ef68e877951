//! GLM-4.5 and 4.6, and the text part of GLM-4.5V.

use super::deepseek2::MIXTURE;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, NEXTN, PARTIAL_ROTARY, SCORE_CORRECTION, SHARED_EXPERTS,
    SPARSE_EXPERTS,
};
use super::spec::{Field, Rule, Spec, Value, field, int, rename};

static FIELDS: &[Field] = &[
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("use_qk_norm", Value::Present("blk.0.attn_q_norm.weight")),
    int("first_k_dense_replace", "leading_dense_block_count"),
];

static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_norm").optional(),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_norm").optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "glm4moe",
    when: &[],
    class: "Glm4MoeForCausalLM",
    model_type: "glm4_moe",
    strip: "",
    config: &[DECODER, PARTIAL_ROTARY, MIXTURE, FIELDS],
    tensors: &[
        ENDS,
        NORMS,
        ATTENTION,
        DENSE_MLP,
        GATE,
        SPARSE_EXPERTS,
        SCORE_CORRECTION,
        SHARED_EXPERTS,
        NEXTN,
    ],
    loss: None,
    proof: &["Glm4MoeForCausalLM"],
    source: "conversion/glm.py, class Glm4MoeModel, llama.cpp 0c1e5709",
};
