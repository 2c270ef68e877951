//! openPangu Embedded.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "pangu-embedded",
    when: &[],
    class: "PanguEmbeddedForCausalLM",
    model_type: "PanguEmbedded",
    strip: "",
    config: &[DECODER, &[field("bias", Value::Present("blk.0.attn_q.bias"))]],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["PanguEmbeddedForCausalLM"],
    source: "conversion/pangu.py, llama.cpp 0c1e5709",
};
