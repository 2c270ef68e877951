//! Kimi Linear: delta attention, compressed attention without positions at every fourth layer, experts.

use serde_json::{Value as Json, json};

use super::deepseek2::{KV_B, NOPE, RANK, ROPE, V};
use super::dim::Dim;
use super::expr::Expr;
use super::kda::{
    A_LOG, COMPRESSED, CONV_K, CONV_Q, CONV_V, FULL, HEAD_DIM, LINEAR, UNCOMPRESSED, compressed_attention,
    delta_attention, layers_counted_from_one,
};
use super::shared::{DECODER, DENSE, HEADS, ROUTED, scoring_func};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, omit, rename, rule};
use super::{Error, Scope};

/// Holds at a layer that has experts.
pub const SPARSE: &[Tell] = &[ROUTED];

/// What Kimi's classes have in common, below the prefix of the language model.
macro_rules! kimi {
    ($prefix:literal) => {
        &[
            rename("token_embd", concat!($prefix, "model.embed_tokens")),
            rename("output_norm", concat!($prefix, "model.norm")),
            rename("output", concat!($prefix, "lm_head")).optional(),
            rename("blk.{i}.attn_norm", concat!($prefix, "model.layers.{i}.input_layernorm")),
            rename("blk.{i}.ffn_norm", concat!($prefix, "model.layers.{i}.post_attention_layernorm")),
            rename("blk.{i}.ssm_f_a", concat!($prefix, "model.layers.{i}.self_attn.f_a_proj")).only(LINEAR),
            rename("blk.{i}.ssm_f_b", concat!($prefix, "model.layers.{i}.self_attn.f_b_proj")).only(LINEAR),
            rename("blk.{i}.ffn_gate", concat!($prefix, "model.layers.{i}.mlp.gate_proj")).only(DENSE),
            rename("blk.{i}.ffn_up", concat!($prefix, "model.layers.{i}.mlp.up_proj")).only(DENSE),
            rename("blk.{i}.ffn_down", concat!($prefix, "model.layers.{i}.mlp.down_proj")).only(DENSE),
            rename("blk.{i}.ffn_gate_inp", concat!($prefix, "model.layers.{i}.block_sparse_moe.gate"))
                .only(SPARSE),
            exact(
                concat!($prefix, "model.layers.{i}.block_sparse_moe.gate.e_score_correction_bias"),
                Expr::Tensor("blk.{i}.exp_probs_b.bias"),
            )
            .only(SPARSE),
            rule(
                concat!($prefix, "model.layers.{i}.block_sparse_moe.experts.{e}.w1"),
                Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
            )
            .only(SPARSE),
            rule(
                concat!($prefix, "model.layers.{i}.block_sparse_moe.experts.{e}.w2"),
                Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
            )
            .only(SPARSE),
            rule(
                concat!($prefix, "model.layers.{i}.block_sparse_moe.experts.{e}.w3"),
                Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")),
            )
            .only(SPARSE),
            rename(
                "blk.{i}.ffn_gate_shexp",
                concat!($prefix, "model.layers.{i}.block_sparse_moe.shared_experts.gate_proj"),
            )
            .only(SPARSE),
            rename(
                "blk.{i}.ffn_up_shexp",
                concat!($prefix, "model.layers.{i}.block_sparse_moe.shared_experts.up_proj"),
            )
            .only(SPARSE),
            rename(
                "blk.{i}.ffn_down_shexp",
                concat!($prefix, "model.layers.{i}.block_sparse_moe.shared_experts.down_proj"),
            )
            .only(SPARSE),
        ]
    };
}
pub(super) use kimi;

static LAYERS: &[Rule] = kimi!("");
static DELTA: &[Rule] = delta_attention!("model.layers.{i}.self_attn.", "o_proj");
static COMPRESSED_ATTENTION: &[Rule] = compressed_attention!("model.layers.{i}.self_attn.", "o_proj");

static GATES: &[Rule] = &[
    exact(
        "model.layers.{i}.self_attn.A_log",
        Expr::Reshape(&A_LOG, &[Dim::Is(1), Dim::Is(1), HEADS, Dim::Is(1)]),
    )
    .only(LINEAR),
    rename("blk.{i}.ssm_g_a", "model.layers.{i}.self_attn.g_a_proj").only(LINEAR),
    rename("blk.{i}.ssm_g_b", "model.layers.{i}.self_attn.g_b_proj").only(LINEAR),
];

/// Sizes in the spelling of Kimi's published configs.
pub static FIELDS: &[Field] = &[
    int("model_max_length", "context_length"),
    omit("max_position_embeddings"),
    // There are no positions, but published configs have the field.
    derived("rope_theta", |scope| Ok(scope.f64("rope.freq_base")?.map(Json::from))),
    // The size of a key head is overwritten by that of the compressed state, the size of a value head is not.
    derived("head_dim", |scope| Ok(scope.u64("attention.value_length")?.map(Json::from))),
    field("num_key_value_heads", Value::Dim(HEADS)),
    field("q_lora_rank", Value::OptionalDim("attention.q_lora_rank")),
    field("kv_lora_rank", Value::Dim(RANK)),
    field("qk_nope_head_dim", Value::Dim(NOPE)),
    field("qk_rope_head_dim", Value::Dim(ROPE)),
    field("v_head_dim", Value::Dim(V)),
    field("mla_use_nope", Value::Bool(true)),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("num_experts", "expert_count"),
    int("num_experts_per_token", "expert_used_count"),
    int("num_shared_experts", "expert_shared_count"),
    int("first_k_dense_replace", "leading_dense_block_count"),
    field("moe_layer_freq", Value::Int(1)),
    field("moe_renormalize", Value::Flag("expert_weights_norm", true)), // of every published model
    derived("moe_router_activation_func", |scope| Ok(scoring_func(scope)?.or(Some("sigmoid".into())))),
    field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("use_grouped_topk", Value::Bool(true)),
    field("num_expert_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    field("num_nextn_predict_layers", Value::Int(0)),
];

pub static SPEC: Spec = Spec {
    gguf: "kimi-linear",
    when: &[],
    class: "KimiLinearForCausalLM",
    model_type: "kimi_linear",
    strip: "",
    config: &[DECODER, FIELDS, &[derived("linear_attn_config", linear_attention)]],
    tensors: &[LAYERS, DELTA, GATES, COMPRESSED_ATTENTION],
    loss: None,
    proof: &["KimiLinearForCausalLM"],
    source: "conversion/kimi_linear.py, llama.cpp 0c1e5709",
};

fn linear_attention(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(json!({
        "full_attn_layers": layers_counted_from_one(scope, FULL)?,
        "head_dim": HEAD_DIM.of(scope)?,
        "kda_layers": layers_counted_from_one(scope, LINEAR)?,
        "num_heads": heads(scope)?,
        "short_conv_kernel_size": Dim::Key("ssm.conv_kernel").of(scope)?,
    })))
}

/// Heads of delta attention: those of the first such layer, or of compressed attention where there is none.
///
/// # Errors
/// If a size is absent.
pub fn heads(scope: &Scope) -> Result<u64, Error> {
    match scope.first_layer_with("blk.{i}.ssm_a")? {
        Some(layer) => Dim::Over(&Dim::Rows("blk.{i}.attn_q.weight"), &HEAD_DIM).of(&scope.at(layer)),
        None => HEADS.of(scope),
    }
}
