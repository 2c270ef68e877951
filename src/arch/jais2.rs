//! Jais 2.

use super::shared::{ATTENTION, DECODER, ENDS, LAYER_NORM, NORMS, UNGATED_MLP};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "jais2",
    when: &[],
    class: "Jais2ForCausalLM",
    model_type: "jais2",
    strip: "",
    config: &[
        DECODER,
        LAYER_NORM,
        &[
            field("hidden_act", Value::Str("relu2")),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_up.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, UNGATED_MLP],
    loss: None,
    proof: &["Jais2ForCausalLM"],
    source: "conversion/jais.py, class Jais2Model, llama.cpp 0c1e5709",
};
