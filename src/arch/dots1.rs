//! dots.llm1.

use super::deepseek2::MIXTURE;
use super::dim::Dim;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, GATE, NO_WINDOW, NORMS, QK_NORMS, SCORE_CORRECTION, SHARED_EXPERTS,
    SPARSE_EXPERTS,
};
use super::spec::{Spec, Value, field};

pub static SPEC: Spec = Spec {
    gguf: "dots1",
    when: &[],
    class: "Dots1ForCausalLM",
    model_type: "dots1",
    strip: "",
    config: &[
        DECODER,
        NO_WINDOW,
        MIXTURE,
        &[
            field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
            field("layer_types", Value::LayerTypes(1)),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[
        ENDS,
        NORMS,
        ATTENTION,
        QK_NORMS,
        DENSE_MLP,
        GATE,
        SPARSE_EXPERTS,
        SCORE_CORRECTION,
        SHARED_EXPERTS,
    ],
    loss: None,
    proof: &["Dots1ForCausalLM"],
    source: "conversion/dots1.py, llama.cpp 0c1e5709",
};
