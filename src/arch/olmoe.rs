//! OLMoE.

use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, NORMS, QK_NORMS};
use super::spec::{Spec, Value, field, int};

pub static SPEC: Spec = Spec {
    gguf: "olmoe",
    when: &[],
    class: "OlmoeForCausalLM",
    model_type: "olmoe",
    strip: "",
    config: &[
        DECODER,
        &[
            int("num_experts", "expert_count"),
            int("num_experts_per_tok", "expert_used_count"),
            field("norm_topk_prob", Value::Bool(false)), // no GGUF says it; false in every published model
            field("clip_qkv", Value::Optional("attention.clamp_kqv")),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("output_router_logits", Value::Bool(false)),
            field("router_aux_loss_coef", Value::Float(0.01)),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["OlmoeForCausalLM"],
    source: "conversion/olmo.py, class OlmoeModel, llama.cpp 0c1e5709",
};
