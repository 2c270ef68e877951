//! Gemma 2.

use serde_json::Value as Json;

use super::expr::Expr;
use super::gemma::{ACTIVATION, ENDS, norm};
use super::shared::{ATTENTION, DECODER, HEADS, MLP, WINDOW};
use super::spec::{Rule, Spec, Value, derived, field};
use super::{Error, Scope};
use crate::arch::dim::Dim;

/// Norms before and after attention, before and after the feed-forward network.
pub static NORMS: &[Rule] = &[
    norm(&Expr::Tensor("blk.{i}.attn_norm"), "model.layers.{i}.input_layernorm"),
    norm(&Expr::Tensor("blk.{i}.post_attention_norm"), "model.layers.{i}.post_attention_layernorm"),
    norm(&Expr::Tensor("blk.{i}.ffn_norm"), "model.layers.{i}.pre_feedforward_layernorm"),
    norm(&Expr::Tensor("blk.{i}.post_ffw_norm"), "model.layers.{i}.post_feedforward_layernorm"),
];

pub static SPEC: Spec = Spec {
    gguf: "gemma2",
    when: &[],
    class: "Gemma2ForCausalLM",
    model_type: "gemma2",
    strip: "",
    config: &[
        DECODER,
        ACTIVATION,
        WINDOW,
        &[
            field("layer_types", Value::LayerTypes(2)),
            // Files of the first weeks lack both, and llama.cpp reads them with these.
            field("attn_logit_softcapping", Value::Number("attn_logit_softcapping", Some(50.0))),
            field("final_logit_softcapping", Value::Number("final_logit_softcapping", Some(30.0))),
            field("sliding_window", Value::Dim(Dim::KeyOr("attention.sliding_window", &Dim::Is(4096)))),
            derived("query_pre_attn_scalar", query_scalar),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["Gemma2ForCausalLM"],
    source: "conversion/gemma.py, class Gemma2Model, llama.cpp 0c1e5709",
};

/// What queries are divided by the root of. No GGUF says it: 256 for 2B and 9B, hidden size by heads for 27B, which
/// llama.cpp too tells by its 46 layers.
fn query_scalar(scope: &Scope) -> Result<Option<Json>, Error> {
    const SHARE: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
    let scalar = if scope.u64("block_count")? == Some(46) { SHARE.of(scope)? } else { 256 };
    Ok(Some(scalar.into()))
}
