//! The language part of DeepSeek-OCR, which is a DeepSeek MoE of the first kind: attention with a key for each head.

use super::deepseek2::MIXTURE;
use super::dim::Dim;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, NORMS, SCORE_CORRECTION, SHARED_EXPERTS, SPARSE_EXPERTS,
};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "deepseek2-ocr",
    when: &[],
    class: "DeepseekForCausalLM",
    model_type: "deepseek",
    strip: "",
    config: &[
        DECODER,
        MIXTURE,
        &[
            field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, DENSE_MLP, GATE, SPARSE_EXPERTS, SCORE_CORRECTION, SHARED_EXPERTS],
    loss: Some("the vision towers, which are in a file of their own"),
    proof: &["deepseek-ocr"],
    source: "conversion/deepseek.py, class DeepseekV2Model, llama.cpp 0c1e5709",
};
