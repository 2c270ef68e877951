//! The text part of GLM-5.3: linear attention (Kimi's delta attention) and DeepSeek's without positions and with a pooled
//! indexer, in residual streams of which hyper-connections make several.

use serde_json::{Value as Json, json};

use super::deepseek2::{MIXTURE, MLA};
use super::expr::Expr;
use super::glm_dsa::{INDEXER, indexer_types};
use super::kda::{A_LOG, LINEAR};
use super::kimi_linear::{COMPRESSED_ATTENTION, DELTA, FORGET_GATE};
use super::shared::{
    DECODER, DENSE_MLP, ENDS, GATE, HEADS, NEXTN, NO_TOWER, NORMS, SCORE_CORRECTION, SHARED_EXPERTS,
    SPARSE_EXPERTS, mlp_layer_types, object, swiglu_limit,
};
use super::spec::{
    Field, Rule, Spec, Tell, Value, all_rooted, derived, exact, field, int, number, omit, rename,
};
use super::{Error, Scope};

const ROOT: &str = "model.language_model.";

static TEXT: &[Field] = &[
    field("model_type", Value::Str("glm5_next_text")),
    omit("rope_theta"),
    omit("rope_scaling"),
    field("mla_use_nope", Value::Bool(true)),
    derived("attention_bias", |scope| {
        Ok(Some(scope.first_layer_with("blk.{i}.attn_kv_a_mqa.bias")?.is_some().into()))
    }),
    derived("layer_types", layer_types),
    derived("linear_attn_config", delta),
    int("index_n_heads", "attention.indexer.head_count"),
    int("index_head_dim", "attention.indexer.key_length"),
    int("index_topk", "attention.indexer.top_k"),
    int("index_kpool", "attention.indexer.kpool"),
    field("index_kpool_always_select_tail", Value::Flag("attention.indexer.kpool_select_tail", true)),
    derived("indexer_types", indexer_types),
    field("mhc", Value::Bool(true)),
    int("hc_mult", "hyper_connection.count"),
    int("hc_sinkhorn_iters", "hyper_connection.sinkhorn_iterations"),
    number("hc_eps", "hyper_connection.epsilon"),
    int("first_k_dense_replace", "leading_dense_block_count"),
    derived("mlp_layer_types", mlp_layer_types),
    field("topk_method", Value::Str("noaux_tc")),
    derived("swiglu_limit", swiglu_limit),
];

/// The class has a vision tower, which this folder lacks: one of no layers.
static FIELDS: &[Field] = &[
    field("text_config", Value::Fields(&[DECODER, MLA, MIXTURE, TEXT])),
    derived("vision_config", |_| Ok(Some(json!({"model_type": "glm5_next_vision", "depth": 0})))),
    field("tie_word_embeddings", Value::Absent("output.weight")),
];

/// How delta attention decays, one number a head, and its output's gate.
static DECAY: [Rule; 3] = all_rooted(
    &[
        exact("model.layers.{i}.self_attn.A_log", A_LOG).only(LINEAR),
        rename("blk.{i}.ssm_g_a", "model.layers.{i}.self_attn.g_a_proj").only(LINEAR),
        rename("blk.{i}.ssm_g_b", "model.layers.{i}.self_attn.g_b_proj").only(LINEAR),
    ],
    ROOT,
);

/// Layers that predict further tokens have none of the hyper-connections; few have an indexer of their own.
static STREAMS: [Rule; 8] = all_rooted(
    &[
        exact("model.layers.{i}.hc_attn_fn", Expr::Tensor("blk.{i}.hc_attn_fn.weight")).optional(),
        exact("model.layers.{i}.hc_attn_base", Expr::Tensor("blk.{i}.hc_attn_base.weight")).optional(),
        exact("model.layers.{i}.hc_attn_scale", Expr::Tensor("blk.{i}.hc_attn_scale.weight")).optional(),
        exact("model.layers.{i}.hc_ffn_fn", Expr::Tensor("blk.{i}.hc_ffn_fn.weight")).optional(),
        exact("model.layers.{i}.hc_ffn_base", Expr::Tensor("blk.{i}.hc_ffn_base.weight")).optional(),
        exact("model.layers.{i}.hc_ffn_scale", Expr::Tensor("blk.{i}.hc_ffn_scale.weight")).optional(),
        exact(
            "model.layers.{i}.self_attn.indexer.index_kpool_compress_ape",
            Expr::Tensor("blk.{i}.indexer_compressor_ape.weight"),
        )
        .optional(),
        exact(
            "model.layers.{i}.self_attn.indexer.index_kpool_compress_gate",
            Expr::Tensor("blk.{i}.indexer_compressor_gate.weight"),
        )
        .optional(),
    ],
    ROOT,
);

static ROOTED_ENDS: [Rule; 3] = all_rooted(ENDS, ROOT);
static ROOTED_NORMS: [Rule; 2] = all_rooted(NORMS, ROOT);
static ROOTED_DELTA: [Rule; 10] = all_rooted(DELTA, ROOT);
static ROOTED_FORGET_GATE: [Rule; 2] = all_rooted(FORGET_GATE, ROOT);
static ROOTED_COMPRESSED: [Rule; 9] = all_rooted(COMPRESSED_ATTENTION, ROOT);
static ROOTED_INDEXER: [Rule; 4] = all_rooted(INDEXER, ROOT);
static ROOTED_MLP: [Rule; 3] = all_rooted(DENSE_MLP, ROOT);
static ROOTED_GATE: [Rule; 1] = all_rooted(GATE, ROOT);
static ROOTED_CORRECTION: [Rule; 2] = all_rooted(SCORE_CORRECTION, ROOT);
static ROOTED_EXPERTS: [Rule; 3] = all_rooted(SPARSE_EXPERTS, ROOT);
static ROOTED_SHARED: [Rule; 3] = all_rooted(SHARED_EXPERTS, ROOT);
static ROOTED_NEXTN: [Rule; 6] = all_rooted(NEXTN, ROOT);

pub static SPEC: Spec = Spec {
    gguf: "glm5-next",
    when: &[],
    class: "Glm5NextForConditionalGeneration",
    model_type: "glm5_next",
    strip: "",
    config: &[FIELDS],
    tensors: &[
        &ROOTED_ENDS,
        &ROOTED_NORMS,
        &ROOTED_DELTA,
        &ROOTED_FORGET_GATE,
        &DECAY,
        &ROOTED_COMPRESSED,
        &ROOTED_INDEXER,
        &STREAMS,
        &ROOTED_MLP,
        &ROOTED_GATE,
        &ROOTED_CORRECTION,
        &ROOTED_EXPERTS,
        &ROOTED_SHARED,
        &ROOTED_NEXTN,
    ],
    loss: NO_TOWER,
    proof: &["Glm5NextForConditionalGeneration"],
    source: "conversion/glm.py, class Glm5NextModel, llama.cpp 0c1e5709",
};

fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let kind = |at: &Scope| Ok(if Tell::all(LINEAR, at)? { "linear_attention" } else { "indexed_attention" });
    Ok(Some(scope.each_layer(kind)?.into()))
}

/// Sizes of the linear attention.
fn delta(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(object([
        ("num_heads", Some(HEADS.of(scope)?.into())),
        ("head_dim", scope.u64("kda.head_dim")?.map(Json::from)),
        ("short_conv_kernel_size", scope.u64("ssm.conv_kernel")?.map(Json::from)),
        ("gate_lower_bound", scope.f64("kda.gate_lower_bound")?.map(Json::from)),
    ])))
}
