//! SmolLM 3.

use serde_json::Value as Json;

use super::shared::{DECODER, ENDS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION};
use super::spec::{Field, Spec, Value, derived, field};
use super::{Error, Scope};

/// No GGUF says which layers are without rope: every fourth, in every published model and in llama.cpp.
static FIELDS: &[Field] = &[
    field("no_rope_layer_interval", Value::Int(4)),
    derived("no_rope_layers", rope_layers),
    field("layer_types", Value::LayerTypes(1)),
    field("use_sliding_window", Value::Bool(false)),
    field("sliding_window", Value::Null),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
];

pub static SPEC: Spec = Spec {
    gguf: "smollm3",
    when: &[],
    class: "SmolLM3ForCausalLM",
    model_type: "smollm3",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["SmolLM3ForCausalLM"],
    source: "conversion/llama.py, class SmolLM3Model, llama.cpp 0c1e5709",
};

fn rope_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(scope.each_layer(|s| Ok(u64::from((s.layer + 1) % 4 != 0)))?.into()))
}
