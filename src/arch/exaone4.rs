//! EXAONE 4, and the text part of EXAONE 4.5.

use serde_json::Value as Json;

use super::config::sliding_layers;
use super::shared::{ATTENTION, DECODER, ENDS, MLP, NEXTN, POST_NORMS, QK_NORMS, ROPE_FACTORS, WINDOW};
use super::spec::{Field, Spec, Value, derived, field};
use super::{Error, Scope};

static FIELDS: &[Field] =
    &[field("layer_types", Value::LayerTypes(4)), derived("sliding_window_pattern", pattern)];

pub static SPEC: Spec = Spec {
    gguf: "exaone4",
    when: &[],
    class: "Exaone4ForCausalLM",
    model_type: "exaone4",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[ENDS, POST_NORMS, ATTENTION, QK_NORMS, MLP, NEXTN, ROPE_FACTORS],
    loss: None,
    proof: &["Exaone4ForCausalLM"],
    source: "conversion/exaone.py, class Exaone4Model, llama.cpp 0c1e5709",
};

/// Three layers with a window, one without: so in every model that has one.
pub fn pattern(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(if sliding_layers(scope, 4)?.contains(&true) { 4.into() } else { Json::Null }))
}
