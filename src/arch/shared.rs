//! Groups of fields and rules that several specs list, each proved by the cases of those specs.

use serde_json::{Map, Value as Json, json};

use super::config::LAYERS;
use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling;
use super::spec::{Field, Rule, Value, derived, exact, field, int, number, rename, rule};
use super::{Error, Scope};

/// Query heads.
pub const HEADS: Dim = Dim::Key("attention.head_count");
/// Key and value heads; files without grouped attention may lack the key.
pub const KV_HEADS: Dim = Dim::KeyOr("attention.head_count_kv", &HEADS);
/// Rows of a head: given, or the query projection's share.
pub const HEAD_DIM: Dim =
    Dim::KeyOr("attention.key_length", &Dim::Over(&Dim::Key("embedding_length"), &HEADS));

/// What every decoder's config.json holds. `vocab_size` is the embedding's rows: the key may be larger or absent.
pub static DECODER: &[Field] = &[
    int("hidden_size", "embedding_length"),
    field("num_hidden_layers", Value::Dim(LAYERS)),
    field("num_attention_heads", Value::Dim(HEADS)),
    field("num_key_value_heads", Value::Dim(KV_HEADS)),
    derived("head_dim", head_dim),
    int("intermediate_size", "feed_forward_length"),
    int("max_position_embeddings", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    field("hidden_act", Value::Str("silu")),
    field("rope_theta", Value::Number("rope.freq_base", Some(10000.0))),
    derived("rope_scaling", rope_scaling::rope_scaling),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("attention_dropout", Value::Float(0.0)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

/// The size of a head, where the file says it: classes divide otherwise, and llama.cpp's converter writes the key
/// exactly if the original config had the field.
fn head_dim(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(scope.u64("attention.key_length")?.map(Json::from))
}

/// A mixture's sizes in Qwen's spelling.
pub static QWEN_EXPERTS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    derived("moe_intermediate_size", expert_width),
    field("decoder_sparse_step", Value::Int(1)),
    derived("mlp_only_layers", |_| Ok(Some(json!([])))),
    field("router_aux_loss_coef", Value::Float(0.001)),
    field("output_router_logits", Value::Bool(false)),
];

/// The width of an expert: given, or (files before mid-2024) the rows of one in the stack.
fn expert_width(scope: &Scope) -> Result<Option<Json>, Error> {
    const STACKED: Dim = Dim::Over(&Dim::Rows("blk.0.ffn_gate_exps.weight"), &Dim::Key("expert_count"));
    Ok(Some(Dim::KeyOr("expert_feed_forward_length", &STACKED).of(scope)?.into()))
}

/// Sliding window of Qwen2 and its kin: no GGUF of them has one. candle needs the fields.
pub static NO_WINDOW: &[Field] = &[
    field("use_sliding_window", Value::Bool(false)),
    field("sliding_window", Value::Null),
    int("max_window_layers", "block_count"),
];

/// Embedding, final norm and head. No head in the file: it is tied.
pub static ENDS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
];

/// Norms before attention and before the feed-forward network.
pub static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm"),
];

const Q_ROWS: Dim = Dim::Times(&HEADS, &HEAD_DIM);
const KV_ROWS: Dim = Dim::Times(&KV_HEADS, &HEAD_DIM);
const Q_KV_ROWS: Dim = Dim::Plus(&Q_ROWS, &KV_ROWS);
const FUSED: Expr = Expr::Tensor("blk.{i}.attn_qkv");
const FUSED_Q: Expr = Expr::Rows(&FUSED, Dim::Is(0), Q_ROWS);
const FUSED_K: Expr = Expr::Rows(&FUSED, Q_ROWS, KV_ROWS);
const FUSED_V: Expr = Expr::Rows(&FUSED, Q_KV_ROWS, KV_ROWS);

/// Attention whose rows are as in the original. The second of each pair is for files made with `--fuse-qkv`.
pub static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj"),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj"),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rule("model.layers.{i}.self_attn.q_proj", FUSED_Q).optional(),
    rule("model.layers.{i}.self_attn.k_proj", FUSED_K).optional(),
    rule("model.layers.{i}.self_attn.v_proj", FUSED_V).optional(),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

/// Attention whose query and key rows the converter reordered for pairwise rope.
pub static ROPED_ATTENTION: &[Rule] = &[
    rule("model.layers.{i}.self_attn.q_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_q"), HEADS)),
    rule("model.layers.{i}.self_attn.k_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_k"), KV_HEADS)),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rule("model.layers.{i}.self_attn.q_proj", Expr::Rope(&FUSED_Q, HEADS)).optional(),
    rule("model.layers.{i}.self_attn.k_proj", Expr::Rope(&FUSED_K, KV_HEADS)).optional(),
    rule("model.layers.{i}.self_attn.v_proj", FUSED_V).optional(),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

/// Norms of query and key heads.
pub static QK_NORMS: &[Rule] = &[
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_norm"),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_norm"),
];

/// The gated feed-forward network.
pub static MLP: &[Rule] = &[
    rename("blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj"),
];

/// Router and experts in Qwen's spelling, a tensor an expert: every loader knows that one.
pub static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.gate"),
    rule("model.layers.{i}.mlp.experts.{e}.gate_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps"))),
    rule("model.layers.{i}.mlp.experts.{e}.up_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps"))),
    rule("model.layers.{i}.mlp.experts.{e}.down_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps"))),
];

/// The shared expert of Qwen2-MoE and its gate, which is one row; files may have dropped that axis.
pub static SHARED_EXPERT: &[Rule] = &[
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.mlp.shared_expert.gate_proj"),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.mlp.shared_expert.up_proj"),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.mlp.shared_expert.down_proj"),
    exact(
        "model.layers.{i}.mlp.shared_expert_gate.weight",
        Expr::Reshape(
            &Expr::Tensor("blk.{i}.ffn_gate_inp_shexp.weight"),
            &[Dim::Is(1), Dim::Key("embedding_length")],
        ),
    ),
];

/// An object for a field, less what is null.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Option<Json>)>) -> Json {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Json::Object(present.collect::<Map<_, _>>())
}
