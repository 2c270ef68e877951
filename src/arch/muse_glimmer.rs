//! The text part of Muse Glimmer.

use serde_json::{Value as Json, json};

use super::config::sliding_layers;
use super::expr::Expr;
use super::gemma::norm;
use super::shared::{DECODER, ENDS, MLP, NO_TOWER, ROPED_ATTENTION, WINDOW};
use super::spec::{Field, Rule, Spec, Value, all_rooted, derived, drop, field, number, omit, rename};
use super::{Error, Scope};

const ROOT: &str = "model.language_model.";

static TEXT: &[Field] = &[
    field("model_type", Value::Str("muse_glimmer_text")),
    omit("hidden_act"),
    field("hidden_activation", Value::Str("silu")),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("layer_types", Value::LayerTypes(4)),
    derived("layer_rope_theta", bases),
    derived("qk_scale_factor", query_scale),
    number("output_multiplier", "logit_scale"),
    number("final_logit_softcapping", "final_logit_softcapping"),
    field("post_norm_eps", Value::Float(1e-8)), // no GGUF says it; so in the published model
];

/// The class has a vision tower, which this folder lacks: one of no layers.
static FIELDS: &[Field] = &[
    field("text_config", Value::Fields(&[DECODER, WINDOW, TEXT])),
    derived("vision_config", |_| {
        Ok(Some(json!({"model_type": "muse_glimmer_vision", "num_hidden_layers": 0})))
    }),
    field("tie_word_embeddings", Value::Absent("output.weight")),
];

static LAYERS: &[Rule] = &[
    norm(&Expr::Tensor("blk.{i}.attn_norm"), "model.layers.{i}.input_layernorm").rooted(ROOT),
    norm(&Expr::Tensor("blk.{i}.post_attention_norm"), "model.layers.{i}.post_attention_layernorm")
        .rooted(ROOT),
    norm(&Expr::Tensor("blk.{i}.ffn_norm"), "model.layers.{i}.pre_feedforward_layernorm").rooted(ROOT),
    norm(&Expr::Tensor("blk.{i}.post_ffw_norm"), "model.layers.{i}.post_feedforward_layernorm").rooted(ROOT),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.gate_proj").rooted(ROOT),
    drop(QUERY_NORM, "qk_scale_factor in config.json says the same"),
    drop(KEY_NORM, "the class has norms without weights, which the converter stores as ones"),
];

static ROOTED_ENDS: [Rule; 3] = all_rooted(ENDS, ROOT);
static ROOTED_ATTENTION: [Rule; 4] = all_rooted(ROPED_ATTENTION, ROOT);
static ROOTED_MLP: [Rule; 3] = all_rooted(MLP, ROOT);

pub static SPEC: Spec = Spec {
    gguf: "muse-glimmer",
    when: &[],
    class: "MuseGlimmerForConditionalGeneration",
    model_type: "muse_glimmer",
    strip: "",
    config: &[FIELDS],
    tensors: &[&ROOTED_ENDS, LAYERS, &ROOTED_ATTENTION, &ROOTED_MLP],
    loss: NO_TOWER,
    proof: &["MuseGlimmerForConditionalGeneration"],
    source: "conversion/muse_glimmer.py, class MuseGlimmerModel, llama.cpp 0c1e5709",
};

const QUERY_NORM: &str = "blk.{i}.attn_q_norm.weight";
const KEY_NORM: &str = "blk.{i}.attn_k_norm.weight";

/// What queries are multiplied by, which the converter stores as a norm's weights, all alike; those of keys are 1.
fn query_scale(scope: &Scope) -> Result<Option<Json>, Error> {
    let weights = |at: &Scope, pattern| {
        let name = at.name(pattern);
        let tensor = at.tensor(&name).ok_or(Error::NoSuchTensor { name })?;
        at.values(tensor)
    };
    let mut scale = None;
    for (query, key) in scope.each_layer(|at| Ok((weights(at, QUERY_NORM)?, weights(at, KEY_NORM)?)))? {
        let first = *scale.get_or_insert(query.first().copied().unwrap_or(1.0));
        if query.iter().any(|&w| w != first) || key.iter().any(|&w| w != 1.0) {
            return Err(Error::Unsupported {
                what: "norms of queries and keys that are no single scale".into(),
            });
        }
    }
    Ok(scale.map(|scale| crate::gguf::shortest(scale).into()))
}

/// The base of rope for each layer, 0 where it has none: layers without a window have no positions.
fn bases(scope: &Scope) -> Result<Option<Json>, Error> {
    let base = scope.f64("rope.freq_base")?.unwrap_or(500_000.0);
    Ok(Some(sliding_layers(scope, 4)?.into_iter().map(|sliding| if sliding { base } else { 0.0 }).collect()))
}
