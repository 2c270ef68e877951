//! OLMo 1, whose norms have no weights.

use super::shared::{DECODER, MLP, ROPED_ATTENTION};
use super::spec::{Rule, Spec, Value, field, omit, rename};

static EMBEDDING: &[Rule] =
    &[rename("token_embd", "model.embed_tokens"), rename("output", "lm_head").optional()];

pub static SPEC: Spec = Spec {
    gguf: "olmo",
    when: &[],
    class: "OlmoForCausalLM",
    model_type: "olmo",
    strip: "",
    config: &[
        DECODER,
        &[
            omit("rms_norm_eps"),
            field("clip_qkv", Value::Optional("attention.clamp_kqv")),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
        ],
    ],
    tensors: &[EMBEDDING, ROPED_ATTENTION, MLP],
    loss: None,
    proof: &["OlmoForCausalLM", "olmo-clip"],
    source: "conversion/olmo.py, class OlmoModel, llama.cpp 0c1e5709",
};
