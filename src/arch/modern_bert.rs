//! ModernBERT.

use serde_json::Value as Json;

use super::bert::LABELS;
use super::shared::SIZES;
use super::spec::{Field, Rule, Spec, Tell, Value, derived, field, int, rename};
use super::{Error, Scope};

macro_rules! encoder {
    ($prefix:literal) => {
        &[
            rename("token_embd", concat!($prefix, "embeddings.tok_embeddings")),
            rename("token_embd_norm", concat!($prefix, "embeddings.norm")),
            rename("output_norm", concat!($prefix, "final_norm")),
            // The first layer has none: the embedding's norm is the same.
            rename("blk.{i}.attn_norm", concat!($prefix, "layers.{i}.attn_norm")).optional(),
            rename("blk.{i}.attn_qkv", concat!($prefix, "layers.{i}.attn.Wqkv")),
            rename("blk.{i}.attn_output", concat!($prefix, "layers.{i}.attn.Wo")),
            rename("blk.{i}.ffn_norm", concat!($prefix, "layers.{i}.mlp_norm")),
            rename("blk.{i}.ffn_up", concat!($prefix, "layers.{i}.mlp.Wi")),
            rename("blk.{i}.ffn_down", concat!($prefix, "layers.{i}.mlp.Wo")),
        ]
    };
}

static BARE: &[Rule] = encoder!("");
static NAMED: &[Rule] = encoder!("model.");
static HEAD: &[Rule] =
    &[rename("cls", "head.dense"), rename("cls.norm", "head.norm"), rename("cls.output", "classifier")];

static FIELDS: &[Field] = &[
    derived("norm_eps", norm_eps),
    derived("hidden_activation", activation),
    field("global_rope_theta", Value::Number("rope.freq_base", Some(160_000.0))),
    field("local_rope_theta", Value::Number("rope.freq_base_swa", Some(10_000.0))),
    int("local_attention", "attention.sliding_window"),
    // Absent, it is the class's 3 in every published model.
    derived("global_attn_every_n_layers", |scope| {
        Ok(scope.u64("attention.sliding_window_pattern")?.map(Json::from))
    }),
    field("norm_bias", Value::Present("output_norm.bias")),
    field("attention_bias", Value::Present("blk.0.attn_qkv.bias")),
    field("mlp_bias", Value::Present("blk.0.ffn_up.bias")),
    derived("sep_token_id", |scope| {
        Ok(scope.metadata().u64("tokenizer.ggml.seperator_token_id")?.map(Json::from))
    }),
    derived("classifier_pooling", pooling),
    field("attention_dropout", Value::Float(0.0)),
    field("initializer_range", Value::Float(0.02)),
];

const SOURCE: &str = "conversion/bert.py, class ModernBertModel, llama.cpp 0c1e5709";

pub static SPEC: Spec = Spec {
    gguf: "modern-bert",
    when: &[],
    class: "ModernBertModel",
    model_type: "modernbert",
    strip: "",
    config: &[SIZES, FIELDS],
    tensors: &[BARE],
    loss: None,
    proof: &["ModernBertModel"],
    source: SOURCE,
};

pub static CLASSIFIER: Spec = Spec {
    gguf: "modern-bert",
    when: &[Tell::Tensor("cls.output.weight")],
    class: "ModernBertForSequenceClassification",
    model_type: "modernbert",
    strip: "",
    config: &[SIZES, FIELDS, LABELS],
    tensors: &[NAMED, HEAD],
    loss: None,
    proof: &["ModernBertForSequenceClassification"],
    source: SOURCE,
};

/// The norm's epsilon; the converter has written it under either key.
fn norm_eps(scope: &Scope) -> Result<Option<Json>, Error> {
    let (rms, plain) =
        (scope.f64("attention.layer_norm_rms_epsilon")?, scope.f64("attention.layer_norm_epsilon")?);
    Ok(rms.or(plain).map(Json::from))
}

fn activation(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(scope.str("hidden_activation")?.unwrap_or("gelu").into()))
}

/// How a classifier pools, which may be said of a model without its head.
///
/// # Errors
/// If the key is no number.
pub fn pooling(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(match scope.u64("classifier.pooling_type")? {
        Some(1) => Some("mean".into()),
        Some(2) => Some("cls".into()),
        _ => None,
    })
}
