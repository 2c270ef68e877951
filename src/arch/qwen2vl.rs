//! The text part of Qwen 2 VL and Qwen 2.5 VL: positions in three dimensions are one for text.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NO_WINDOW, NORMS};
use super::spec::Spec;

pub static SPEC: Spec = Spec {
    gguf: "qwen2vl",
    when: &[],
    class: "Qwen2ForCausalLM",
    model_type: "qwen2",
    strip: "",
    config: &[DECODER, NO_WINDOW],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: Some("the vision tower, which is in a file of its own"),
    proof: &["qwen2vl"],
    source: "conversion/qwenvl.py, class Qwen2VLModel, llama.cpp 0c1e5709",
};
