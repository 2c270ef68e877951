//! Qwen 3 with experts: 30B-A3B, 235B-A22B, Coder.

use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, NO_WINDOW, NORMS, QK_NORMS, QWEN_EXPERTS};
use serde_json::Value as Json;

use super::spec::{Spec, Value, derived, field};
use super::{Error, Scope};

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
            derived("norm_topk_prob", normalised_weights),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["Qwen3MoeForCausalLM"],
    source: "conversion/qwen.py, class Qwen3MoeModel, llama.cpp 0c1e5709",
};

/// Whether the weights of the chosen experts are made to sum to one. No GGUF says it. It is true in every published
/// model, and each of those states its head size; a file without that key came from a config that left the class's
/// defaults, where it is false.
fn normalised_weights(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(scope.u64("attention.key_length")?.is_some().into()))
}
