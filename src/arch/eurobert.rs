//! EuroBERT: a decoder's layers that look both ways.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "eurobert",
    when: &[],
    class: "EuroBertModel",
    model_type: "eurobert",
    strip: "model.",
    config: &[
        DECODER,
        &[
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &[],
    source: "conversion/bert.py, class EuroBertModel, llama.cpp 0c1e5709",
};
