//! OpenELM, whose layers differ in heads and widths.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{HEADS, KV_HEADS, TRUNK};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("model_dim", "embedding_length"),
    int("head_dim", "attention.key_length"),
    field("num_transformer_layers", Value::Dim(TRUNK)),
    field("num_query_heads", Value::PerLayer(HEADS)),
    field("num_kv_heads", Value::PerLayer(KV_HEADS)),
    derived("ffn_multipliers", multipliers),
    field("ffn_dim_divisor", Value::Int(256)),
    field("ffn_with_glu", Value::Bool(true)),
    field("activation_fn_name", Value::Str("swish")),
    field("normalization_layer_name", Value::Str("rms_norm")),
    field("normalize_qk_projections", Value::Bool(true)),
    field("share_input_output_layers", Value::Bool(true)),
    int("max_context_length", "context_length"),
    field("rope_freq_constant", Value::Number("rope.freq_base", Some(10_000.0))),
    field("rope_max_length", Value::Dim(Dim::Times(&Dim::Is(2), &Dim::Key("context_length")))),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "transformer.token_embeddings"),
    rename("output_norm", "transformer.norm"),
    rename("blk.{i}.attn_norm", "transformer.layers.{i}.attn_norm"),
    rename("blk.{i}.attn_qkv", "transformer.layers.{i}.attn.qkv_proj"),
    rename("blk.{i}.attn_q_norm", "transformer.layers.{i}.attn.q_norm"),
    rename("blk.{i}.attn_k_norm", "transformer.layers.{i}.attn.k_norm"),
    rename("blk.{i}.attn_output", "transformer.layers.{i}.attn.out_proj"),
    rename("blk.{i}.ffn_norm", "transformer.layers.{i}.ffn_norm"),
    exact(
        "transformer.layers.{i}.ffn.proj_1.weight",
        Expr::Concat(&[Expr::Tensor("blk.{i}.ffn_gate.weight"), Expr::Tensor("blk.{i}.ffn_up.weight")]),
    ),
    rename("blk.{i}.ffn_down", "transformer.layers.{i}.ffn.proj_2"),
];

pub static SPEC: Spec = Spec {
    gguf: "openelm",
    when: &[],
    class: "OpenELMForCausalLM",
    model_type: "openelm",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["OpenELMForCausalLM"],
    source: "conversion/openelm.py, llama.cpp 0c1e5709",
};

/// Widths by the model's. The class rounds to multiples of 256, which the widths are.
fn multipliers(scope: &Scope) -> Result<Option<Json>, Error> {
    const WIDTH: Dim = Dim::Key("feed_forward_length");
    let model = Dim::Key("embedding_length").of(scope)? as f64;
    Ok(Some(json!(scope.each_layer(|s| Ok(WIDTH.of(s)? as f64 / model))?)))
}
