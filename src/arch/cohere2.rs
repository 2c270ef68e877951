//! Command R7B and Command A.

use super::cohere::FIELDS;
use super::dim::Dim;
use super::shared::{ATTENTION, DECODER, ENDS, HEADS, LAYER_NORM, MLP, ONE_NORM, WINDOW};
use super::spec::{Spec, Value, field};

/// The converter takes the share of hidden size by heads, whatever the head size is.
const SHARE: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);

pub static SPEC: Spec = Spec {
    gguf: "cohere2",
    when: &[],
    class: "Cohere2ForCausalLM",
    model_type: "cohere2",
    strip: "",
    config: &[
        DECODER,
        LAYER_NORM,
        FIELDS,
        WINDOW,
        &[
            field("layer_types", Value::LayerTypes(4)),
            field("sliding_window_pattern", Value::Int(4)),
            field("rotary_pct", Value::Ratio(Dim::KeyOr("rope.dimension_count", &SHARE), SHARE)),
        ],
    ],
    tensors: &[ENDS, ONE_NORM, ATTENTION, MLP],
    loss: None,
    proof: &["Cohere2ForCausalLM"],
    source: "conversion/command_r.py, class Cohere2Model, llama.cpp 0c1e5709",
};
