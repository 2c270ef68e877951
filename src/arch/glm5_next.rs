//! The text part of GLM-5.3: linear attention (Kimi's delta attention) and DeepSeek's without positions and with a pooled
//! indexer, in residual streams of which hyper-connections make several.

use serde_json::{Value as Json, json};

use super::deepseek2::{MIXTURE, MLA, MLA_ATTENTION};
use super::dim::Dim;
use super::expr::Expr;
use super::glm_dsa::{INDEXER, indexer_types};
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, HEADS, NEXTN, NORMS, SCORE_CORRECTION, SHARED_EXPERTS,
    SPARSE_EXPERTS, mlp_layer_types, object, swiglu_limit,
};
use super::spec::{
    Field, Rule, Spec, Tell, Value, all_only, all_rooted, derived, exact, field, int, number, omit, rename,
};
use super::ssm::A_LOG;
use super::{Error, Scope};

const ROOT: &str = "model.language_model.";
const DELTA: Tell = Tell::Tensor("blk.{i}.ssm_a");
const LINEAR: &[Tell] = &[DELTA];
const FULL: &[Tell] = &[Tell::Not(&DELTA)];

static TEXT: &[Field] = &[
    field("model_type", Value::Str("glm5_next_text")),
    omit("rope_theta"),
    omit("rope_scaling"),
    field("mla_use_nope", Value::Bool(true)),
    field("attention_bias", Value::Bool(false)), // no slot of the file could hold one
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

/// A depthwise convolution, stored with axes of one around its channels.
macro_rules! convolution {
    ($stored:literal) => {
        Expr::Reshape(&Expr::Tensor($stored), &[Dim::Rows($stored), Dim::Is(1), Dim::RowLen($stored)])
    };
}

static DELTA_ATTENTION: [Rule; 11] = all_only(
    &all_rooted::<11>(
        &[
            exact("model.layers.{i}.self_attn.A_log", A_LOG),
            exact("model.layers.{i}.self_attn.dt_bias", Expr::Tensor("blk.{i}.ssm_dt.bias")),
            exact("model.layers.{i}.self_attn.q_conv1d.weight", convolution!("blk.{i}.ssm_conv1d_q.weight")),
            exact("model.layers.{i}.self_attn.k_conv1d.weight", convolution!("blk.{i}.ssm_conv1d_k.weight")),
            exact("model.layers.{i}.self_attn.v_conv1d.weight", convolution!("blk.{i}.ssm_conv1d_v.weight")),
            rename("blk.{i}.ssm_f_a", "model.layers.{i}.self_attn.f_a_proj"),
            rename("blk.{i}.ssm_f_b", "model.layers.{i}.self_attn.f_b_proj"),
            rename("blk.{i}.ssm_g_a", "model.layers.{i}.self_attn.g_a_proj"),
            rename("blk.{i}.ssm_g_b", "model.layers.{i}.self_attn.g_b_proj"),
            rename("blk.{i}.ssm_beta", "model.layers.{i}.self_attn.b_proj"),
            rename("blk.{i}.ssm_norm", "model.layers.{i}.self_attn.o_norm"),
        ],
        ROOT,
    ),
    LINEAR,
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
static LINEAR_PROJECTIONS: [Rule; 4] = all_only(&all_rooted::<4>(ATTENTION, ROOT), LINEAR);
static FULL_ATTENTION: [Rule; 9] = all_only(&all_rooted::<9>(MLA_ATTENTION, ROOT), FULL);
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
        &DELTA_ATTENTION,
        &LINEAR_PROJECTIONS,
        &FULL_ATTENTION,
        &ROOTED_INDEXER,
        &STREAMS,
        &ROOTED_MLP,
        &ROOTED_GATE,
        &ROOTED_CORRECTION,
        &ROOTED_EXPERTS,
        &ROOTED_SHARED,
        &ROOTED_NEXTN,
    ],
    loss: Some(
        "the vision tower, which is in a file of its own: transformers makes one at random, which text does not use",
    ),
    proof: &[],
    source: "conversion/glm.py, class Glm5NextModel, llama.cpp 0c1e5709",
};

fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let kind = |at: &Scope| Ok(if DELTA.holds(at)? { "linear_attention" } else { "indexed_attention" });
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
