//! The text part of PaddleOCR-VL: ERNIE 4.5's tensors, but rope turns the halves of a head as Llama's does, where ERNIE's turns
//! pairs. Positions in three dimensions are one for text.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS, OWN_HEAD_DIM};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "paddleocr",
    when: &[],
    class: "LlamaForCausalLM",
    model_type: "llama",
    strip: "",
    config: &[
        DECODER,
        OWN_HEAD_DIM,
        &[
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: Some("the vision tower, which is in a file of its own"),
    proof: &["paddleocr"],
    source: "conversion/ernie.py, class PaddleOCRModel, llama.cpp 0c1e5709",
};
