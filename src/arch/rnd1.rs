//! RND1 and Dream: diffusion models with the layout of Qwen 3 MoE and Qwen 2.

use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, MLP, NO_WINDOW, NORMS, QK_NORMS, QWEN_EXPERTS};
use super::spec::{Spec, Value, derived, field};

pub static RND1: Spec = Spec {
    gguf: "rnd1",
    when: &[],
    class: "RND1",
    model_type: "rnd1",
    strip: "",
    config: &[
        DECODER,
        NO_WINDOW,
        QWEN_EXPERTS,
        &[
            field("norm_topk_prob", Value::Bool(true)),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            derived("mask_token_id", mask),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["RND1"],
    source: "conversion/qwen.py, class RND1Model, llama.cpp 0c1e5709",
};

pub static DREAM: Spec = Spec {
    gguf: "dream",
    when: &[],
    class: "DreamModel",
    model_type: "Dream",
    strip: "",
    config: &[DECODER, NO_WINDOW, &[derived("mask_token_id", mask)]],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["DreamModel"],
    source: "conversion/dream.py, llama.cpp 0c1e5709",
};

/// The token that stands for what is not yet known.
pub fn mask(scope: &super::Scope) -> Result<Option<serde_json::Value>, super::Error> {
    Ok(scope.metadata().u64("tokenizer.ggml.mask_token_id")?.map(Into::into))
}
