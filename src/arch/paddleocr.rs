//! The text part of PaddleOCR-VL, which is an ERNIE 4.5: positions in three dimensions are one for text.

use super::ernie4_5::BIASES;
use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS, OWN_HEAD_DIM};
use super::spec::Spec;

pub static SPEC: Spec = Spec {
    gguf: "paddleocr",
    when: &[],
    class: "Ernie4_5ForCausalLM",
    model_type: "ernie4_5",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, BIASES],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: Some("the vision tower, which is in a file of its own"),
    proof: &["paddleocr"],
    source: "conversion/ernie.py, class PaddleOCRModel, llama.cpp 0c1e5709",
};
