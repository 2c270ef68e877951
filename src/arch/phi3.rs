//! Phi 3, 3.5 and 4, dense, which hold queries, keys and values as one, and gate and up as one.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::rope_scaling::rope_scaling;
use super::shared::{DECODER, ENDS, FUSED_MLP, HEADS, NORMS, ROPE_FACTORS, WINDOW};
use super::spec::{Field, Rule, Spec, Value, derived, field, rename};
use super::{Error, Scope};

/// Size of a head: the converter counts by it, whatever the config says.
const HEAD: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
const ORIGINAL: Dim = Dim::KeyOr("rope.scaling.original_context_length", &Dim::Key("context_length"));

static FIELDS: &[Field] = &[
    field("original_max_position_embeddings", Value::Dim(ORIGINAL)),
    field("partial_rotary_factor", Value::Ratio(Dim::KeyOr("rope.dimension_count", &HEAD), HEAD)),
    derived("rope_scaling", longrope),
    field("attention_bias", Value::Present("blk.0.attn_qkv.bias")),
    field("embd_pdrop", Value::Float(0.0)),
    field("resid_pdrop", Value::Float(0.0)),
];

static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_qkv", "model.layers.{i}.self_attn.qkv_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "phi3",
    when: &[],
    class: "Phi3ForCausalLM",
    model_type: "phi3",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, FUSED_MLP, ROPE_FACTORS],
    loss: None,
    proof: &["Phi3ForCausalLM", "phi3-longrope"],
    source: "conversion/phi.py, class Phi3MiniModel, llama.cpp 0c1e5709",
};

/// transformers 4 refuses any field but these three; the multiplier of attention follows from the lengths.
pub fn longrope(scope: &Scope) -> Result<Option<Json>, Error> {
    let scaling = rope_scaling(scope)?.unwrap_or(Json::Null);
    Ok(Some(match &scaling["long_factor"] {
        Json::Null => Json::Null,
        long => json!({"type": "longrope", "long_factor": long, "short_factor": scaling["short_factor"]}),
    }))
}
