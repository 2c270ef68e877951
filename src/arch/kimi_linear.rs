//! Kimi Linear: delta attention, compressed attention without positions at every fourth layer, experts.

use serde_json::{Value as Json, json};

use super::deepseek2::{KV_B, NOPE, RANK, ROPE, V};
use super::dim::Dim;
use super::expr::Expr;
use super::kda::{
    A_LOG, COMPRESSED, CONV_K, CONV_Q, CONV_V, FULL, HEAD_DIM, LINEAR, UNCOMPRESSED, compressed_attention,
    delta_attention, layers_counted_from_one,
};
use super::shared::{DECODER, DENSE_MLP, ENDS, HEADS, NORMS, ROUTED, scoring_func};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, omit, rename, rule};
use super::{Error, Scope};

const SPARSE: &[Tell] = &[ROUTED];

/// Delta attention and compressed attention under the names of Kimi's classes.
pub static DELTA: &[Rule] = delta_attention!("model.layers.{i}.self_attn.", "o_proj");
pub static COMPRESSED_ATTENTION: &[Rule] = compressed_attention!("model.layers.{i}.self_attn.", "o_proj");

/// The low-rank gate of what decays.
pub static FORGET_GATE: &[Rule] = &[
    rename("blk.{i}.ssm_f_a", "model.layers.{i}.self_attn.f_a_proj").only(LINEAR),
    rename("blk.{i}.ssm_f_b", "model.layers.{i}.self_attn.f_b_proj").only(LINEAR),
];

/// Router, experts and shared experts, at layers that have them.
pub static MIXTURE: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.block_sparse_moe.gate").only(SPARSE),
    exact(
        "model.layers.{i}.block_sparse_moe.gate.e_score_correction_bias",
        Expr::Tensor("blk.{i}.exp_probs_b.bias"),
    )
    .only(SPARSE),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.w1",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    )
    .only(SPARSE),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.w2",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    )
    .only(SPARSE),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.w3",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")),
    )
    .only(SPARSE),
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.block_sparse_moe.shared_experts.gate_proj")
        .only(SPARSE),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.block_sparse_moe.shared_experts.up_proj").only(SPARSE),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.block_sparse_moe.shared_experts.down_proj")
        .only(SPARSE),
];

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
    tensors: &[ENDS, NORMS, DELTA, GATES, FORGET_GATE, COMPRESSED_ATTENTION, DENSE_MLP, MIXTURE],
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
