//! Gemma 3, the text part of its multimodal models, and EmbeddingGemma.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::gemma::{ACTIVATION, ENDS, norm};
use super::gemma2::NORMS;
use super::shared::{ATTENTION, DECODER, DENSE_MODULES, HEADS, MLP, WINDOW};
use super::spec::{Field, Rule, Spec, Value, derived, field};
use super::{Error, Scope};

static QK_NORMS: &[Rule] = &[
    norm(&Expr::Tensor("blk.{i}.attn_q_norm"), "model.layers.{i}.self_attn.q_norm"),
    norm(&Expr::Tensor("blk.{i}.attn_k_norm"), "model.layers.{i}.self_attn.k_norm"),
];

static FIELDS: &[Field] = &[
    field("rope_theta", Value::Number("rope.freq_base", Some(1_000_000.0))),
    field("rope_local_base_freq", Value::Number("rope.freq_base_swa", Some(10_000.0))),
    derived("sliding_window_pattern", pattern),
    field("layer_types", Value::LayerTypes(6)),
    field("attn_logit_softcapping", Value::Null),
    field("final_logit_softcapping", Value::Optional("final_logit_softcapping")),
    derived("query_pre_attn_scalar", query_scalar),
];

pub static SPEC: Spec = Spec {
    gguf: "gemma3",
    when: &[],
    class: "Gemma3ForCausalLM",
    model_type: "gemma3_text",
    strip: "",
    config: &[DECODER, ACTIVATION, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP],
    loss: None,
    proof: &["Gemma3ForCausalLM", "gemma3-rope-linear"],
    source: "conversion/gemma.py, class Gemma3Model, llama.cpp 0c1e5709",
};

/// The window is the original config's: the class halves it when it loads.
pub static EMBEDDING: Spec = Spec {
    gguf: "gemma-embedding",
    when: &[],
    class: "Gemma3TextModel",
    model_type: "gemma3_text",
    strip: "model.",
    config: &[
        DECODER,
        ACTIVATION,
        WINDOW,
        FIELDS,
        &[field("use_bidirectional_attention", Value::Bool(true))],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP, DENSE_MODULES],
    loss: None,
    proof: &["gemma-embedding"],
    source: "conversion/gemma.py, class EmbeddingGemma, llama.cpp 0c1e5709",
};

/// Every how many layers one has no window: 6 in every published model; 1 where none has.
fn pattern(scope: &Scope) -> Result<Option<Json>, Error> {
    let windowed = scope.u64("attention.sliding_window")?.is_some();
    let given =
        scope.metadata().value(&scope.key("attention.sliding_window_pattern")).and_then(|v| v.as_u64());
    Ok(Some(given.unwrap_or(if windowed { 6 } else { 1 }).into()))
}

/// As in Gemma 2: 256, but for 27B, which llama.cpp too tells by its 62 layers.
fn query_scalar(scope: &Scope) -> Result<Option<Json>, Error> {
    const SHARE: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
    let scalar = if scope.u64("block_count")? == Some(62) { SHARE.of(scope)? } else { 256 };
    Ok(Some(scalar.into()))
}
