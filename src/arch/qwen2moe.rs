//! Qwen 1.5 MoE and Qwen 2 57B-A14B.

use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, NO_WINDOW, NORMS, QWEN_EXPERTS, SHARED_EXPERT};
use super::spec::{Spec, Value, field, int};

pub static SPEC: Spec = Spec {
    gguf: "qwen2moe",
    when: &[],
    class: "Qwen2MoeForCausalLM",
    model_type: "qwen2_moe",
    strip: "",
    config: &[
        DECODER,
        NO_WINDOW,
        QWEN_EXPERTS,
        &[
            int("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
            field("norm_topk_prob", Value::Bool(false)), // no GGUF says it; false in every published model
            field("qkv_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, EXPERTS, SHARED_EXPERT],
    loss: None,
    proof: &["Qwen2MoeForCausalLM"],
    source: "conversion/qwen.py, class Qwen2MoeModel, llama.cpp 0c1e5709",
};
