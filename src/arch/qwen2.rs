//! Qwen 1.5, 2 and 2.5, QwQ, and the DeepSeek-R1 distillations of them.

use super::shared::{ATTENTION, DECODER, DENSE_MODULES, EMBEDS, ENCODER, ENDS, MLP, NO_WINDOW, NORMS};
use super::spec::Spec;

pub static SPEC: Spec = Spec {
    gguf: "qwen2",
    when: &[],
    class: "Qwen2ForCausalLM",
    model_type: "qwen2",
    strip: "",
    config: &[DECODER, NO_WINDOW],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["Qwen2ForCausalLM", "qwen2-tied", "qwen2-yarn"],
    source: "conversion/qwen.py, class Qwen2Model, llama.cpp 0c1e5709",
};

/// gte-Qwen2 and other embedding models.
pub static EMBEDDING: Spec = Spec {
    gguf: "qwen2",
    when: EMBEDS,
    class: "Qwen2Model",
    model_type: "qwen2",
    strip: "model.",
    config: &[DECODER, NO_WINDOW, ENCODER],
    tensors: &[ENDS, NORMS, ATTENTION, MLP, DENSE_MODULES],
    loss: None,
    proof: &["Qwen2Model"],
    source: "conversion/qwen.py, class Qwen2Model, llama.cpp 0c1e5709",
};
