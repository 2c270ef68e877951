//! Ling 2 and Ring 2.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{
    DECODER, DENSE_MLP, GATE, NEXTN, NORMS, OWN_HEAD_DIM, PARTIAL_ROTARY, SHARED_EXPERTS, SPARSE_EXPERTS,
    predicting_layers,
};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename};

static FIELDS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("num_shared_experts", "expert_shared_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    derived("moe_shared_expert_intermediate_size", |scope| {
        Ok(scope.u64("expert_shared_feed_forward_length")?.map(Json::from))
    }),
    field("n_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("score_function", Value::Str("sigmoid")),
    field("moe_router_enable_expert_bias", Value::Bool(true)),
    field("use_qk_norm", Value::Bool(true)),
    field("use_bias", Value::Bool(false)),
    field("use_qkv_bias", Value::Present("blk.0.attn_qkv.bias")),
    derived("num_nextn_predict_layers", predicting_layers),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.word_embeddings"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_qkv", "model.layers.{i}.attention.query_key_value"),
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.attention.query_layernorm"),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.attention.key_layernorm"),
    rename("blk.{i}.attn_output", "model.layers.{i}.attention.dense"),
    exact("model.layers.{i}.mlp.gate.expert_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).optional(),
    rename("blk.{i}.layer_output_norm", "model.layers.{i}.final_layernorm").optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "bailingmoe2",
    when: &[],
    class: "BailingMoeV2ForCausalLM",
    model_type: "bailing_moe",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, PARTIAL_ROTARY, FIELDS],
    tensors: &[TENSORS, NORMS, DENSE_MLP, GATE, SPARSE_EXPERTS, SHARED_EXPERTS, NEXTN],
    loss: None,
    proof: &["BailingMoeV2ForCausalLM"],
    source: "conversion/bailingmoe.py, class BailingMoeV2Model, llama.cpp 0c1e5709",
};
