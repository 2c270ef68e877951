//! MPT.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{HEADS, TRUNK};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("d_model", "embedding_length"),
    field("n_heads", Value::Dim(HEADS)),
    field("n_layers", Value::Dim(TRUNK)),
    int("max_seq_len", "context_length"),
    field(
        "expansion_ratio",
        Value::Dim(Dim::Over(&Dim::Rows("blk.0.ffn_up.weight"), &Dim::Key("embedding_length"))),
    ),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    derived("attn_config", attention),
    field("learned_pos_emb", Value::Present("position_embd.weight")),
    field("no_bias", Value::Absent("blk.0.attn_norm.bias")),
    field("norm_type", Value::Str("low_precision_layernorm")),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("resid_pdrop", Value::Float(0.0)),
    field("emb_pdrop", Value::Float(0.0)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("position_embd", "transformer.wpe").optional(),
    rename("output_norm", "transformer.norm_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.blocks.{i}.norm_1"),
    rename("blk.{i}.attn_qkv", "transformer.blocks.{i}.attn.Wqkv"),
    rename("blk.{i}.attn_q_norm", "transformer.blocks.{i}.attn.q_ln").optional(),
    rename("blk.{i}.attn_k_norm", "transformer.blocks.{i}.attn.k_ln").optional(),
    rename("blk.{i}.attn_output", "transformer.blocks.{i}.attn.out_proj"),
    rename("blk.{i}.ffn_norm", "transformer.blocks.{i}.norm_2"),
    rename("blk.{i}.ffn_up", "transformer.blocks.{i}.ffn.up_proj"),
    rename("blk.{i}.ffn_down", "transformer.blocks.{i}.ffn.down_proj"),
    exact("transformer.blocks.{i}.ffn.act.scales", Expr::Tensor("blk.{i}.ffn_act.scales")).optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "mpt",
    when: &[],
    class: "MPTForCausalLM",
    model_type: "mpt",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["MPTForCausalLM"],
    source: "conversion/mpt.py, llama.cpp 0c1e5709",
};

/// Slopes of attention by distance, and the bound of queries, keys and values.
fn attention(scope: &Scope) -> Result<Option<Json>, Error> {
    let bias = scope.f64("attention.max_alibi_bias")?.unwrap_or(8.0);
    let normed = Tell::Tensor("blk.0.attn_q_norm.weight").holds(scope)?;
    let mut fields = json!({
        "attn_type": "multihead_attention",
        "attn_pdrop": 0,
        "attn_impl": "torch",
        "clip_qkv": scope.f64("attention.clamp_kqv")?,
        "softmax_scale": null,
        "prefix_lm": false,
        "qk_ln": normed,
        "attn_uses_sequence_id": false,
        "alibi": bias > 0.0,
        "alibi_bias_max": if bias > 0.0 { bias as u64 } else { 8 },
    });
    if let Some(heads) = scope.u64("attention.head_count_kv")?.filter(|&n| Some(n) != HEADS.of(scope).ok()) {
        fields["attn_type"] = "grouped_query_attention".into();
        fields["kv_n_heads"] = heads.into();
    }
    Ok(Some(fields))
}
