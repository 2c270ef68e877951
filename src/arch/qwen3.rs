//! Qwen 3, dense.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NO_WINDOW, NORMS, QK_NORMS};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "qwen3",
    when: &[],
    class: "Qwen3ForCausalLM",
    model_type: "qwen3",
    strip: "",
    config: &[DECODER, NO_WINDOW, &[field("attention_bias", Value::Present("blk.0.attn_q.bias"))]],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP],
    loss: None,
    proof: &["Qwen3ForCausalLM", "qwen3-tied"],
    source: "conversion/qwen.py, class Qwen3Model, llama.cpp 0c1e5709",
};
