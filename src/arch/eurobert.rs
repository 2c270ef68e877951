//! EuroBERT: a decoder's layers that look both ways.

use serde_json::Value as Json;

use super::modern_bert::pooling;
use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS};
use super::spec::{Spec, Value, derived, field};

pub static SPEC: Spec = Spec {
    gguf: "eurobert",
    when: &[],
    class: "EuroBertModel",
    model_type: "eurobert",
    strip: "model.",
    config: &[
        DECODER,
        &[
            field("tie_word_embeddings", Value::Bool(false)), // there is no head to tie
            derived("mask_token_id", |scope| {
                Ok(scope.metadata().u64("tokenizer.ggml.mask_token_id")?.map(Json::from))
            }),
            derived("classifier_pooling", pooling),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["EuroBertModel"],
    source: "conversion/bert.py, class EuroBertModel, llama.cpp 0c1e5709",
};
