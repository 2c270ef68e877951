//! GPT-NeoX, Pythia and kin.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::{HEADS, SIZES};
use super::spec::{Rule, Spec, Value, derived, field, number, rename, rule};
use super::{Error, Scope};

/// Rows of a query, key or value head.
const HEAD_ROWS: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
/// Of each head query, key and value; stored all queries first, then all keys, then all values.
pub const BY_HEAD: &[(Dim, Dim)] =
    &[(HEADS, HEAD_ROWS), (Dim::Is(3), Dim::Key("embedding_length")), (HEAD_ROWS, Dim::Is(1))];

static TENSORS: &[Rule] = &[
    rename("token_embd", "gpt_neox.embed_in"),
    rename("output_norm", "gpt_neox.final_layer_norm"),
    rename("output", "embed_out").optional(),
    rename("blk.{i}.attn_norm", "gpt_neox.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "gpt_neox.layers.{i}.post_attention_layernorm"),
    rule(
        "gpt_neox.layers.{i}.attention.query_key_value",
        Expr::Permute(&Expr::Tensor("blk.{i}.attn_qkv"), BY_HEAD),
    ),
    rename("blk.{i}.attn_output", "gpt_neox.layers.{i}.attention.dense"),
    rename("blk.{i}.ffn_up", "gpt_neox.layers.{i}.mlp.dense_h_to_4h"),
    rename("blk.{i}.ffn_down", "gpt_neox.layers.{i}.mlp.dense_4h_to_h"),
];

pub static SPEC: Spec = Spec {
    gguf: "gptneox",
    when: &[],
    class: "GPTNeoXForCausalLM",
    model_type: "gpt_neox",
    strip: "",
    config: &[
        SIZES,
        &[
            number("layer_norm_eps", "attention.layer_norm_epsilon"),
            field("hidden_act", Value::Str("gelu")),
            derived("rotary_pct", rotary_share),
            field("rotary_emb_base", Value::Number("rope.freq_base", Some(10000.0))),
            derived("rope_scaling", rope_scaling),
            field("use_parallel_residual", Value::Flag("use_parallel_residual", true)),
            field("attention_bias", Value::Present("blk.0.attn_qkv.bias")),
            field("tie_word_embeddings", Value::Absent("output.weight")),
            field("attention_dropout", Value::Float(0.0)),
            field("hidden_dropout", Value::Float(0.0)),
            field("initializer_range", Value::Float(0.02)),
            field("use_cache", Value::Bool(true)),
        ],
    ],
    tensors: &[TENSORS],
    loss: None,
    proof: &["GPTNeoXForCausalLM", "gptneox-parallel"],
    source: "conversion/gptneox.py, llama.cpp 0c1e5709",
};

/// The share of a head that is rotated.
fn rotary_share(scope: &Scope) -> Result<Option<Json>, Error> {
    let (rotated, head) = (Dim::Key("rope.dimension_count").of(scope)?, HEAD_ROWS.of(scope)?);
    Ok((head > 0).then(|| (rotated as f64 / head as f64).into()))
}
