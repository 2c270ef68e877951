//! The text part of MiniMax M3: most layers attend to blocks that an indexer chooses.

use serde_json::{Value as Json, json};

use super::expr::Expr;
use super::gemma::norm;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, NO_TOWER, PARTIAL_ROTARY, ROUTED, SPARSE_BLOCK, object, scoring_func,
    shared_expert_width,
};
use super::spec::{
    Field, Rule, Spec, Tell, Value, all_only, all_rooted, derived, exact, field, int, number, rename,
};
use super::{Error, Scope};

const ROOT: &str = "language_model.model.";
const SPARSE: &[Tell] = &[ROUTED];
const INDEXER: Tell = Tell::Tensor("blk.{i}.indexer.q_proj.weight");
const INDEXED: &[Tell] = &[INDEXER];

static TEXT: &[Field] = &[
    field("model_type", Value::Str("minimax_m3_vl_text")),
    int("intermediate_size", "expert_feed_forward_length"),
    int("dense_intermediate_size", "feed_forward_length"),
    derived("shared_intermediate_size", shared_expert_width),
    field("hidden_act", Value::Str("swigluoai")),
    field("swiglu_alpha", Value::Float(1.702)), // llama.cpp's constants, as the next: no GGUF says them
    field("swiglu_limit", Value::Float(7.0)),
    int("rotary_dim", "rope.dimension_count"),
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("n_shared_experts", "expert_shared_count"),
    derived("moe_layer_freq", |scope| flags(scope, ROUTED)),
    number("routed_scaling_factor", "expert_weights_scale"),
    derived("scoring_func", scoring_func),
    field("use_routing_bias", Value::Bool(true)),
    field("use_qk_norm", Value::Bool(true)),
    field("qk_norm_type", Value::Str("per_head")),
    field("use_gemma_norm", Value::Bool(true)),
    derived("sparse_attention_config", indexer),
    field("output_router_logits", Value::Bool(false)),
];

/// The class has a vision tower, which this folder lacks: one of no layers.
static FIELDS: &[Field] = &[
    field("text_config", Value::Fields(&[DECODER, PARTIAL_ROTARY, TEXT])),
    derived("vision_config", |_| {
        Ok(Some(json!({"model_type": "minimax_m3_vl_vision", "num_hidden_layers": 0})))
    }),
    field("tie_word_embeddings", Value::Absent("output.weight")),
];

/// All norms are stored as what multiplies, one more than the weight.
static NORMS: [Rule; 7] = all_rooted(
    &[
        norm(&Expr::Tensor("output_norm"), "model.norm"),
        norm(&Expr::Tensor("blk.{i}.attn_norm"), "model.layers.{i}.input_layernorm"),
        norm(&Expr::Tensor("blk.{i}.ffn_norm"), "model.layers.{i}.post_attention_layernorm"),
        norm(&Expr::Tensor("blk.{i}.attn_q_norm"), "model.layers.{i}.self_attn.q_norm"),
        norm(&Expr::Tensor("blk.{i}.attn_k_norm"), "model.layers.{i}.self_attn.k_norm"),
        norm(&Expr::Tensor("blk.{i}.indexer.q_norm"), "model.layers.{i}.self_attn.index_q_norm")
            .only(INDEXED),
        norm(&Expr::Tensor("blk.{i}.indexer.k_norm"), "model.layers.{i}.self_attn.index_k_norm")
            .only(INDEXED),
    ],
    ROOT,
);

static REST: [Rule; 8] = all_rooted(
    &[
        rename("token_embd", "model.embed_tokens"),
        rename("output", "language_model.lm_head").optional(),
        rename("blk.{i}.indexer.q_proj", "model.layers.{i}.self_attn.index_q_proj").only(INDEXED),
        rename("blk.{i}.indexer.k_proj", "model.layers.{i}.self_attn.index_k_proj").only(INDEXED),
        exact(
            "model.layers.{i}.block_sparse_moe.e_score_correction_bias",
            Expr::Tensor("blk.{i}.exp_probs_b.bias"),
        )
        .only(SPARSE),
        rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.block_sparse_moe.shared_experts.gate_proj")
            .only(SPARSE),
        rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.block_sparse_moe.shared_experts.up_proj")
            .only(SPARSE),
        rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.block_sparse_moe.shared_experts.down_proj")
            .only(SPARSE),
    ],
    ROOT,
);

static ROOTED_ATTENTION: [Rule; 4] = all_rooted(ATTENTION, ROOT);
static ROOTED_MLP: [Rule; 3] = all_rooted(DENSE_MLP, ROOT);
static ROOTED_EXPERTS: [Rule; 4] = all_only(&all_rooted::<4>(SPARSE_BLOCK, ROOT), SPARSE);

pub static SPEC: Spec = Spec {
    gguf: "minimax-m3",
    when: &[],
    class: "MiniMaxM3SparseForConditionalGeneration",
    model_type: "minimax_m3_vl",
    strip: "",
    config: &[FIELDS],
    tensors: &[&NORMS, &REST, &ROOTED_ATTENTION, &ROOTED_MLP, &ROOTED_EXPERTS],
    loss: NO_TOWER,
    proof: &["MiniMaxM3SparseForConditionalGeneration"],
    source: "conversion/minimax.py, class MiniMaxM3Model, llama.cpp 0c1e5709",
};

/// For each layer 1 where the tell holds, else 0.
fn flags(scope: &Scope, tell: Tell) -> Result<Option<Json>, Error> {
    let holds = scope.each_layer(|at| tell.holds(at))?;
    Ok(Some(holds.into_iter().map(u64::from).collect()))
}

/// Sizes of the indexer, and which layers have one.
fn indexer(scope: &Scope) -> Result<Option<Json>, Error> {
    let number = |key: &str| Ok::<_, Error>(scope.u64(&format!("attention.indexer.{key}"))?.map(Json::from));
    Ok(Some(object([
        ("sparse_num_index_heads", number("head_count")?),
        ("sparse_index_dim", number("key_length")?),
        ("sparse_topk_blocks", number("top_k")?),
        ("sparse_block_size", number("block_size")?),
        ("sparse_local_block", number("local_blocks")?),
        ("sparse_attention_freq", flags(scope, INDEXER)?),
    ])))
}
