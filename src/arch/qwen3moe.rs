//! Qwen 3 with experts: 30B-A3B, 235B-A22B, Coder.

use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, NO_WINDOW, NORMS, QK_NORMS, QWEN_EXPERTS};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "qwen3moe",
    when: &[],
    class: "Qwen3MoeForCausalLM",
    model_type: "qwen3_moe",
    strip: "",
    config: &[
        DECODER,
        NO_WINDOW,
        QWEN_EXPERTS,
        &[
            field("norm_topk_prob", Value::Bool(true)), // no GGUF says it; true in every published model
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["Qwen3MoeForCausalLM"],
    source: "conversion/qwen.py, class Qwen3MoeModel, llama.cpp 0c1e5709",
};
