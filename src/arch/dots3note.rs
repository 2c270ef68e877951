//! dots3-note's text part: DeepSeek's attention of two geometries, with an indexer and with a window.

use super::config::of_kind;
use super::deepseek2::{MIXTURE, MLA};
use super::dim::Dim;
use super::expr::Expr;
use super::glm_dsa::INDEXER;
use super::shared::{
    DECODER, DENSE_MLP, ENDS, GATE, HEADS, NEXT, NORMS, SCORE_CORRECTION, SHARED_EXPERTS, SPARSE_EXPERTS,
    TRUNK, shared_expert_width,
};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename, rule};

const ROPE: Dim = Dim::Key("rope.dimension_count");
const WIDTH: Dim = Dim::Key("embedding_length");

/// The converter takes no model else in what is the same for all here.
static FIELDS: &[Field] = &[
    derived("num_attention_heads", |scope| of_kind(scope, false, HEADS)),
    derived("num_key_value_heads", |scope| of_kind(scope, false, HEADS)),
    derived("swa_num_attention_heads", |scope| of_kind(scope, true, HEADS)),
    derived("swa_num_key_value_heads", |scope| of_kind(scope, true, HEADS)),
    int("swa_q_lora_rank", "attention.q_lora_rank"),
    int("swa_kv_lora_rank", "attention.kv_lora_rank_swa"),
    int("swa_head_dim", "attention.key_length_mla_swa"),
    field("swa_qk_nope_head_dim", Value::Dim(Dim::Minus(&Dim::Key("attention.key_length_mla_swa"), &ROPE))),
    field("swa_qk_rope_head_dim", Value::Dim(ROPE)),
    int("swa_v_head_dim", "attention.value_length_mla_swa"),
    field("swa_rope_theta", Value::Number("rope.freq_base_swa", Some(50_000.0))),
    int("sliding_window_size", "attention.sliding_window"),
    field("layer_types", Value::LayerTypes(4)),
    field("use_dsa", Value::Bool(true)),
    int("index_n_heads", "attention.indexer.head_count"),
    int("index_head_dim", "attention.indexer.key_length"),
    int("index_topk", "attention.indexer.top_k"),
    field("attention_gate_type", Value::Str("headwise")),
    field("swa_attention_gate_type", Value::Str("headwise")),
    field("k_rope_only_layernorm", Value::Bool(true)),
    // transformers' class knows no model without, so what the converter multiplied is divided.
    field("apply_mla_qkv_lora_rescale", Value::Bool(true)),
    field("normalization", Value::Str("RMSNorm")),
    derived("moe_shared_expert_intermediate_size", shared_expert_width),
    field("topk_method", Value::Str("noaux_tc")),
];

const K_B: Expr = Expr::Tensor("blk.{i}.attn_k_b.weight");
const V_B: Expr = Expr::Tensor("blk.{i}.attn_v_b.weight");
const RANK: Dim = Dim::RowLen("blk.{i}.attn_v_b.weight");
/// Rows of the keys' part without rope: the stored tensor has it turned.
const KEY_ROWS: Dim = Dim::Times(
    &Dim::RowLen("blk.{i}.attn_k_b.weight"),
    &Dim::Over(&Dim::Rows("blk.{i}.attn_k_b.weight"), &RANK),
);
const KV_ROWS: Dim = Dim::Plus(&KEY_ROWS, &Dim::Rows("blk.{i}.attn_v_b.weight"));

/// Sizes are those of the stored tensors, which differ between the two kinds of layers.
static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q_a", "model.layers.{i}.self_attn.q_a_proj"),
    rule(
        "model.layers.{i}.self_attn.q_a_layernorm",
        Expr::OverRoot(
            &Expr::Tensor("blk.{i}.attn_q_a_norm"),
            WIDTH,
            Dim::RowLen("blk.{i}.attn_q_a_norm.weight"),
        ),
    ),
    rename("blk.{i}.attn_q_b", "model.layers.{i}.self_attn.q_b_proj"),
    rename("blk.{i}.attn_kv_a_mqa", "model.layers.{i}.self_attn.kv_a_proj_with_mqa"),
    rule(
        "model.layers.{i}.self_attn.kv_a_layernorm",
        Expr::OverRoot(
            &Expr::Tensor("blk.{i}.attn_kv_a_norm"),
            WIDTH,
            Dim::RowLen("blk.{i}.attn_kv_a_norm.weight"),
        ),
    ),
    exact(
        "model.layers.{i}.self_attn.kv_b_proj.weight",
        Expr::Reshape(&Expr::Join(&[Expr::Transpose(&K_B), V_B]), &[KV_ROWS, RANK]),
    ),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_rope_only_layernorm"),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.g_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

/// What the layer that predicts a further token has beside a layer's own tensors.
static NEXT_TOKEN: &[Rule] = &[
    rename("blk.{i}.nextn.embed_tokens", "model.mtp.embed_tokens").from(TRUNK).over(NEXT),
    rename("blk.{i}.nextn.eh_proj", "model.layers.{i}.eh_proj").optional(),
    rename("blk.{i}.nextn.enorm", "model.layers.{i}.enorm").optional(),
    rename("blk.{i}.nextn.hnorm", "model.layers.{i}.hnorm").optional(),
    rename("blk.{i}.nextn.shared_head_norm", "model.layers.{i}.shared_head.norm").optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "dots3note",
    when: &[],
    class: "Dots3NoteForCausalLM",
    model_type: "dots3_note_text",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, FIELDS],
    tensors: &[
        ENDS,
        NORMS,
        ATTENTION,
        INDEXER,
        DENSE_MLP,
        GATE,
        SPARSE_EXPERTS,
        SCORE_CORRECTION,
        SHARED_EXPERTS,
        NEXT_TOKEN,
    ],
    loss: Some("the vision and audio towers, which are in a file of their own"),
    proof: &["Dots3NoteForCausalLM"],
    source: "conversion/dots3.py, class Dots3NoteModel, llama.cpp 0c1e5709",
};
