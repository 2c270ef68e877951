//! DBRX. Experts are one matrix for all, the last one turned.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{HEADS, KV_HEADS, TRUNK};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("d_model", "embedding_length"),
    field("n_heads", Value::Dim(HEADS)),
    field("n_layers", Value::Dim(TRUNK)),
    int("max_seq_len", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    derived("attn_config", attention),
    derived("ffn_config", feed_forward),
    field("rope_theta", Value::Number("rope.freq_base", Some(10_000.0))),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("output_router_logits", Value::Bool(false)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

const EXPERTS: Dim = Dim::Key("expert_count");
const WIDTH: Dim = Dim::Key("feed_forward_length");
const HIDDEN: Dim = Dim::Key("embedding_length");
const ROWS: Dim = Dim::Times(&EXPERTS, &WIDTH);

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("output_norm", "transformer.norm_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.blocks.{i}.norm_attn_norm.norm_1"),
    rename("blk.{i}.attn_output_norm", "transformer.blocks.{i}.norm_attn_norm.norm_2"),
    rename("blk.{i}.attn_qkv", "transformer.blocks.{i}.norm_attn_norm.attn.Wqkv"),
    rename("blk.{i}.attn_output", "transformer.blocks.{i}.norm_attn_norm.attn.out_proj"),
    rename("blk.{i}.ffn_gate_inp", "transformer.blocks.{i}.ffn.router.layer"),
    exact(
        "transformer.blocks.{i}.ffn.experts.mlp.w1",
        Expr::Reshape(&Expr::Tensor("blk.{i}.ffn_gate_exps.weight"), &[ROWS, HIDDEN]),
    ),
    exact(
        "transformer.blocks.{i}.ffn.experts.mlp.v1",
        Expr::Reshape(&Expr::Tensor("blk.{i}.ffn_up_exps.weight"), &[ROWS, HIDDEN]),
    ),
    exact(
        "transformer.blocks.{i}.ffn.experts.mlp.w2",
        Expr::Reshape(&Expr::Transpose(&Expr::Tensor("blk.{i}.ffn_down_exps.weight")), &[ROWS, HIDDEN]),
    ),
];

pub static SPEC: Spec = Spec {
    gguf: "dbrx",
    when: &[],
    class: "DbrxForCausalLM",
    model_type: "dbrx",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["DbrxForCausalLM"],
    source: "conversion/dbrx.py, llama.cpp 0c1e5709",
};

fn attention(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(json!({
        "attn_pdrop": 0.0,
        "clip_qkv": scope.f64("attention.clamp_kqv")?,
        "kv_n_heads": KV_HEADS.of(scope)?,
        "rope_theta": scope.f64("rope.freq_base")?.unwrap_or(10_000.0),
    })))
}

/// Weights of the chosen experts sum to one. No GGUF says it; so in every published model.
fn feed_forward(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(json!({
        "ffn_act_fn": {"name": "silu"},
        "ffn_hidden_size": WIDTH.of(scope)?,
        "moe_jitter_eps": null,
        "moe_loss_weight": 0.05,
        "moe_normalize_expert_weights": 1.0,
        "moe_num_experts": EXPERTS.of(scope)?,
        "moe_top_k": Dim::Key("expert_used_count").of(scope)?,
    })))
}
