//! The text part of Qwen 3 VL and Qwen 3 Omni, dense and with experts. The converter unfolds the experts to the layout of
//! the text classes.

use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, MLP, NO_WINDOW, NORMS, QK_NORMS, QWEN_EXPERTS};
use super::spec::{Field, Spec, Value, field};

const LOSS: Option<&str> = Some("the vision tower, which is in a file of its own");
static BIAS: &[Field] = &[field("attention_bias", Value::Present("blk.0.attn_q.bias"))];

pub static SPEC: Spec = Spec {
    gguf: "qwen3vl",
    when: &[],
    class: "Qwen3ForCausalLM",
    model_type: "qwen3",
    strip: "",
    config: &[DECODER, NO_WINDOW, BIAS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP],
    loss: LOSS,
    proof: &["qwen3vl"],
    source: "conversion/qwen3vl.py, class Qwen3VLTextModel, llama.cpp 0c1e5709",
};

pub static MOE: Spec = Spec {
    gguf: "qwen3vlmoe",
    when: &[],
    class: "Qwen3MoeForCausalLM",
    model_type: "qwen3_moe",
    strip: "",
    // Weights of the chosen experts sum to one: so in every published model.
    config: &[DECODER, NO_WINDOW, QWEN_EXPERTS, BIAS, &[field("norm_topk_prob", Value::Bool(true))]],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: LOSS,
    proof: &["qwen3vlmoe"],
    source: "conversion/qwen3vl.py, class Qwen3VLMoeTextModel, llama.cpp 0c1e5709",
};
