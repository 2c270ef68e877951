//! Ministral 3 and the text part of Mistral 3.

use serde_json::Value as Json;

use super::rope_scaling::{rope_parameters, rope_scaling};
use super::shared::{DECODER, ENDS, MLP, NORMS, ROPED_ATTENTION};
use super::spec::{Field, Spec, Value, derived, field};
use super::{Error, Scope};

pub static SPEC: Spec = Spec {
    gguf: "mistral3",
    when: &[],
    class: "Ministral3ForCausalLM",
    model_type: "ministral3",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP],
    loss: None,
    proof: &["Ministral3ForCausalLM"],
    source: "conversion/mistral3.py, llama.cpp 0c1e5709",
};

static FIELDS: &[Field] = &[
    derived("rope_scaling", scaled_queries),
    derived("rope_parameters", |scope| rope_parameters(scope, scaled_queries(scope)?, None)),
    field("sliding_window", Value::Null),
];

/// Yarn with Ministral's own fields: queries scaled by position, and the multiplier that the file stores once, as
/// `mscale` and `mscale_all_dim` are equal in every published model.
fn scaled_queries(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut scaling = rope_scaling(scope)?;
    if let Some(Json::Object(fields)) = &mut scaling {
        if let Some(beta) = scope.f64("attention.temperature_scale")? {
            fields.insert("llama_4_scaling_beta".into(), beta.into());
        }
        if let Some(multiplier) = scope.f64("rope.scaling.yarn_log_multiplier")? {
            fields.insert("mscale".into(), multiplier.into());
            fields.insert("mscale_all_dim".into(), multiplier.into());
        }
    }
    Ok(scaling)
}
