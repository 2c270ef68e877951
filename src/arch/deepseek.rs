//! DeepSeek MoE 16B, the first one.

use super::deepseek2::MIXTURE;
use super::dim::Dim;
use super::shared::{DECODER, DENSE_MLP, ENDS, GATE, NORMS, ROPED_ATTENTION, SHARED_EXPERTS, SPARSE_EXPERTS};
use super::spec::{Spec, Value, field, omit};

pub static SPEC: Spec = Spec {
    gguf: "deepseek",
    when: &[],
    class: "DeepseekForCausalLM",
    model_type: "deepseek",
    strip: "",
    config: &[
        DECODER,
        MIXTURE,
        &[
            omit("n_group"), // the first class has no groups
            omit("topk_group"),
            field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, DENSE_MLP, GATE, SPARSE_EXPERTS, SHARED_EXPERTS],
    loss: None,
    proof: &["DeepseekForCausalLM"],
    source: "conversion/deepseek.py, class DeepseekModel, llama.cpp 0c1e5709",
};
