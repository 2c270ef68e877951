//! Phi 1, 1.5 and 2.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, HEADS, LAYER_NORM, ONE_NORM};
use super::spec::{Field, Rule, Spec, Value, derived, field, rename, rule};
use super::{Error, Scope};

/// Size of a head: the class has no other.
const HEAD: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
const KEY_ROWS: Dim = Dim::Rows("blk.0.attn_k.weight");

/// The converter writes four times the hidden size and all heads, whatever the model has: the tensors say it.
static FIELDS: &[Field] = &[
    field("intermediate_size", Value::Dim(Dim::Rows("blk.0.ffn_up.weight"))),
    derived("num_key_value_heads", key_heads),
    field("hidden_act", Value::Str("gelu_new")),
    field("partial_rotary_factor", Value::Ratio(Dim::Key("rope.dimension_count"), HEAD)),
    field("qk_layernorm", Value::Present("blk.0.attn_q_norm.weight")),
    field("embd_pdrop", Value::Float(0.0)),
    field("resid_pdrop", Value::Float(0.0)),
];

const QKV: Expr = Expr::Tensor("blk.{i}.attn_qkv");
const ROWS: Dim = Dim::Times(&HEADS, &HEAD);
/// The file does not say how many key heads there are, but as many as value heads.
const KV_ROWS: Dim = Dim::Over(&Dim::Minus(&Dim::Rows("blk.0.attn_qkv.weight"), &ROWS), &Dim::Is(2));

/// The second of each pair is for files of Phi-2's first months, whose original held the three as one, and for
/// grouped attention that was made one.
static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.final_layernorm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj"),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj"),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rule("model.layers.{i}.self_attn.q_proj", Expr::Rows(&QKV, Dim::Is(0), ROWS)).optional(),
    rule("model.layers.{i}.self_attn.k_proj", Expr::Rows(&QKV, ROWS, KV_ROWS)).optional(),
    rule("model.layers.{i}.self_attn.v_proj", Expr::Rows(&QKV, Dim::Plus(&ROWS, &KV_ROWS), KV_ROWS))
        .optional(),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.dense"),
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_layernorm").optional(),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_layernorm").optional(),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.fc1"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.fc2"),
];

pub static SPEC: Spec = Spec {
    gguf: "phi2",
    when: &[],
    class: "PhiForCausalLM",
    model_type: "phi",
    strip: "",
    config: &[DECODER, LAYER_NORM, FIELDS],
    tensors: &[ONE_NORM, TENSORS],
    loss: None,
    proof: &["PhiForCausalLM"],
    source: "conversion/phi.py, class Phi2Model, llama.cpp 0c1e5709",
};

fn key_heads(scope: &Scope) -> Result<Option<Json>, Error> {
    let rows = if scope.has("blk.0.attn_k.weight") { KEY_ROWS } else { KV_ROWS };
    Ok(Some((rows.of(scope)? / HEAD.of(scope)?.max(1)).into()))
}
