//! Orion 14B: Llama with norms that subtract the mean. Its converter writes neither the base of rope nor its dimensions.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS};
use super::spec::{Spec, Value, field, number};

pub static SPEC: Spec = Spec {
    gguf: "orion",
    when: &[],
    class: "OrionForCausalLM",
    model_type: "orion",
    strip: "",
    config: &[
        DECODER,
        &[
            number("rms_norm_eps", "attention.layer_norm_epsilon"),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("pretraining_tp", Value::Int(1)),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["OrionForCausalLM"],
    source: "conversion/orion.py, llama.cpp 0c1e5709",
};
