//! Ling 3: delta attention, gated compressed attention at the last layer of each group, experts.

use serde_json::Value as Json;

use super::deepseek2::{KV_B, NOPE, RANK, ROPE, V};
use super::dim::Dim;
use super::expr::Expr;
use super::kda::{
    COMPRESSED, CONV_K, CONV_Q, CONV_V, FULL, HEAD_DIM, LINEAR, UNCOMPRESSED, compressed_attention,
    delta_attention,
};
use super::shared::{
    DECODER, DENSE_MLP, GATE, HEADS, NEXTN, NORMS, SHARED_EXPERTS, SPARSE_EXPERTS, predicting_layers,
    scoring_func,
};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, rename};
use super::{Error, Scope};
use crate::tensor::ElementOp;

static DELTA: &[Rule] = delta_attention!("model.layers.{i}.attention.", "o_proj");
static COMPRESSED_ATTENTION: &[Rule] = compressed_attention!("model.layers.{i}.attention.", "dense");

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.word_embeddings"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
    // Stored without the sign that others have.
    exact(
        "model.layers.{i}.attention.A_log",
        Expr::Map(&Expr::Reshape(&Expr::Tensor("blk.{i}.ssm_a"), &[HEADS]), ElementOp::Log),
    )
    .only(LINEAR),
    rename("blk.{i}.ssm_f_a", "model.layers.{i}.attention.f_proj").only(LINEAR),
    rename("blk.{i}.ssm_g_a", "model.layers.{i}.attention.g_proj").only(LINEAR),
    rename("blk.{i}.attn_gate", "model.layers.{i}.attention.g_proj").only(FULL),
    exact("model.layers.{i}.mlp.gate.expert_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).optional(),
    rename("blk.{i}.layer_output_norm", "model.layers.{i}.final_layernorm").optional(),
];

static FIELDS: &[Field] = &[
    field("head_dim", Value::Dim(HEAD_DIM)),
    field("num_key_value_heads", Value::Dim(HEADS)),
    field("q_lora_rank", Value::OptionalDim("attention.q_lora_rank")),
    field("kv_lora_rank", Value::Dim(RANK)),
    field("qk_nope_head_dim", Value::Dim(NOPE)),
    field("qk_rope_head_dim", Value::Dim(ROPE)),
    field("qk_head_dim", Value::Dim(Dim::Plus(&NOPE, &ROPE))),
    field("v_head_dim", Value::Dim(V)),
    field("rotary_dim", Value::Dim(ROPE)),
    field("partial_rotary_factor", Value::Ratio(ROPE, HEAD_DIM)),
    field("rope_interleave", Value::Bool(true)),
    derived("layer_group_size", group),
    derived("layer_types", layer_types),
    int("short_conv_kernel_size", "ssm.conv_kernel"),
    // The converter takes no other gates than these.
    field("no_kda_lora", Value::Bool(true)),
    field("use_kda_lora", Value::Bool(false)),
    field("kda_safe_gate", Value::Flag("kda.safe_gate", true)),
    field("kda_lower_bound", Value::Number("kda.gate_lower_bound", Some(-5.0))),
    field("gated_attention_proj_granularity_type", Value::Str("head_wise")),
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("num_shared_experts", "expert_shared_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("moe_shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    field("n_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    int("first_k_dense_replace", "leading_dense_block_count"),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    derived("score_function", scoring_func),
    derived("scoring_func", scoring_func),
    field("topk_method", Value::Str("noaux_tc")),
    field("moe_router_enable_expert_bias", Value::Bool(true)),
    derived("expert_swiglu_limit_list", |scope| limits(scope, "swiglu_clamp_exp")),
    derived("share_expert_swiglu_limit_list", |scope| limits(scope, "swiglu_clamp_shexp")),
    derived("num_nextn_predict_layers", predicting_layers),
    // Of every published model.
    field("linear_silu", Value::Bool(true)),
    field("use_qk_norm", Value::Bool(true)),
    field("use_bias", Value::Bool(false)),
    field("use_qkv_bias", Value::Bool(false)),
];

pub static SPEC: Spec = Spec {
    gguf: "bailingmoe3",
    when: &[],
    class: "BailingMoeV3ForCausalLM",
    model_type: "bailing_hybrid",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[
        TENSORS,
        NORMS,
        DELTA,
        COMPRESSED_ATTENTION,
        DENSE_MLP,
        GATE,
        SPARSE_EXPERTS,
        SHARED_EXPERTS,
        NEXTN,
    ],
    loss: None,
    proof: &["BailingMoeV3ForCausalLM", "ling3-next-token"],
    source: "conversion/bailingmoe3.py, class BailingMoeV3Model, llama.cpp 0c1e5709",
};

/// Layers of a group, of which the last attends in full. So do those after the last whole group.
fn group(scope: &Scope) -> Result<Option<Json>, Error> {
    let full = scope.each_layer(|layer| Tell::all(FULL, layer))?;
    let group = full.iter().position(|&full| full).map_or(full.len(), |first| first) + 1;
    let grouped = full.len() / group * group;
    let fits = full.iter().enumerate().all(|(i, &full)| full == ((i + 1) % group == 0 || i >= grouped));
    if fits {
        Ok(Some(group.into()))
    } else {
        Err(Error::Unsupported { what: "layers of full attention that follow no group".into() })
    }
}

fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let kind =
        |layer: &Scope| Ok(if Tell::all(FULL, layer)? { "full_attention" } else { "linear_attention" });
    Ok(Some(scope.each_layer(kind)?.into()))
}

/// For each block the bound of its activations; none where it is zero.
fn limits(scope: &Scope, key: &str) -> Result<Option<Json>, Error> {
    let limits = scope.metadata().value(&scope.key(key)).and_then(|v| v.as_array());
    let limit = |value: f64| if value == 0.0 { Json::Null } else { value.into() };
    Ok(limits.map(|all| all.iter().filter_map(|v| v.as_f64()).map(limit).collect()))
}
