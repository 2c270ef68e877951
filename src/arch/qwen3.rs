//! Qwen 3, dense.

use super::bert::LABELS;
use super::shared::{
    ATTENTION, DECODER, DENSE_MODULES, EMBEDS, ENCODER, ENDS, MLP, NO_WINDOW, NORMS, QK_NORMS,
};
use super::spec::{Field, Rule, Spec, Tell, Value, field, omit, rename};

static BIAS: &[Field] = &[field("attention_bias", Value::Present("blk.0.attn_q.bias"))];

pub static SPEC: Spec = Spec {
    gguf: "qwen3",
    when: &[],
    class: "Qwen3ForCausalLM",
    model_type: "qwen3",
    strip: "",
    config: &[DECODER, NO_WINDOW, BIAS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP],
    loss: None,
    proof: &["Qwen3ForCausalLM", "qwen3-tied"],
    source: "conversion/qwen.py, class Qwen3Model, llama.cpp 0c1e5709",
};

/// Qwen3-Embedding and kin.
pub static EMBEDDING: Spec = Spec {
    gguf: "qwen3",
    when: EMBEDS,
    class: "Qwen3Model",
    model_type: "qwen3",
    strip: "model.",
    config: &[DECODER, NO_WINDOW, BIAS, ENCODER],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP, DENSE_MODULES],
    loss: None,
    proof: &["Qwen3Model"],
    source: "conversion/qwen.py, class Qwen3Model, llama.cpp 0c1e5709",
};

/// What is left of the head: the rows of two answers.
static ANSWERS: &[Rule] = &[rename("cls.output", "score")];

/// Qwen3-Reranker, whose head the converter cut down to the rows of "yes" and "no".
pub static RERANKER: Spec = Spec {
    gguf: "qwen3",
    when: &[Tell::Tensor("cls.output.weight")],
    class: "Qwen3ForSequenceClassification",
    model_type: "qwen3",
    strip: "",
    config: &[DECODER, NO_WINDOW, BIAS, LABELS, &[omit("tie_word_embeddings")]],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP, ANSWERS],
    loss: Some("the head holds the rows of its two answers alone, as the scores of two labels"),
    proof: &["qwen3-reranker"],
    source: "conversion/qwen.py, class Qwen3Model, llama.cpp 0c1e5709",
};
