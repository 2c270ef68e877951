//! AFM: Llama without a gate.

use super::shared::{DECODER, ENDS, NORMS, ROPE_FACTORS, ROPED_ATTENTION, UNGATED_MLP};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "arcee",
    when: &[],
    class: "ArceeForCausalLM",
    model_type: "arcee",
    strip: "",
    config: &[
        DECODER,
        &[
            field("hidden_act", Value::Str("relu2")),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_up.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, UNGATED_MLP, ROPE_FACTORS],
    loss: None,
    proof: &["ArceeForCausalLM", "arcee-fused"],
    source: "conversion/llama.py, class ArceeModel, llama.cpp 0c1e5709",
};
