//! GLM-4 9B in transformers' own class, GLM-Edge, and ChatGLM 3 and GLM-4 in their makers' code.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::shared::{
    ATTENTION, DECODER, ENDS, FUSED_MLP, HEAD_DIM, HEADS, KV_HEADS, NORMS, OWN_HEAD_DIM, PARTIAL_ROTARY,
    TRUNK,
};
use super::spec::{Rule, Spec, Tell, Value, derived, field, int, number, rename};
use super::{Error, Scope};

/// The converter reads the names of the makers' code: where this class has others it wrote placeholders.
pub static GLM: Spec = Spec {
    gguf: "chatglm",
    when: &[Tell::Not(&Tell::Tensor("blk.0.attn_qkv.weight"))],
    class: "GlmForCausalLM",
    model_type: "glm",
    strip: "",
    config: &[
        DECODER,
        OWN_HEAD_DIM,
        PARTIAL_ROTARY,
        &[
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            derived("rms_norm_eps", epsilon),
            derived("max_position_embeddings", context),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, FUSED_MLP],
    loss: Some("the context length and the epsilon of norms, which are those of the published models"),
    proof: &["GlmForCausalLM"],
    source: "conversion/chatglm.py, llama.cpp 0c1e5709",
};

/// The placeholder is 1e-5, which GLM-Edge has; GLM-4 has the class's default.
fn epsilon(scope: &Scope) -> Result<Option<Json>, Error> {
    let edge = Tell::Named(&["edge"]).holds(scope)?;
    Ok(Some(if edge { json!(1e-5) } else { json!(1.5625e-07) }))
}

/// The placeholder is the hidden size; without the field the class has the published models' 131072.
fn context(scope: &Scope) -> Result<Option<Json>, Error> {
    let context = scope.u64("context_length")?;
    let known = context.filter(|_| context != scope.u64("embedding_length").ok().flatten());
    Ok(known.map(Json::from))
}

static NAMES: &[Rule] = &[
    rename("token_embd", "transformer.embedding.word_embeddings"),
    rename("output_norm", "transformer.encoder.final_layernorm"),
    rename("output", "transformer.output_layer").optional(),
    rename("blk.{i}.attn_norm", "transformer.encoder.layers.{i}.input_layernorm"),
    rename("blk.{i}.attn_qkv", "transformer.encoder.layers.{i}.self_attention.query_key_value"),
    rename("blk.{i}.attn_output", "transformer.encoder.layers.{i}.self_attention.dense"),
    rename("blk.{i}.ffn_norm", "transformer.encoder.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.ffn_up", "transformer.encoder.layers.{i}.mlp.dense_h_to_4h"),
    rename("blk.{i}.ffn_down", "transformer.encoder.layers.{i}.mlp.dense_4h_to_h"),
];

pub static CHATGLM: Spec = Spec {
    gguf: "chatglm",
    when: &[],
    class: "ChatGLMModel",
    model_type: "chatglm",
    strip: "",
    config: &[&[
        int("hidden_size", "embedding_length"),
        field("num_layers", Value::Dim(TRUNK)),
        field("num_attention_heads", Value::Dim(HEADS)),
        field("multi_query_attention", Value::Bool(true)),
        field("multi_query_group_num", Value::Dim(KV_HEADS)),
        field("kv_channels", Value::Dim(HEAD_DIM)),
        int("ffn_hidden_size", "feed_forward_length"),
        int("seq_length", "context_length"),
        field("padded_vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        number("layernorm_epsilon", "attention.layer_norm_rms_epsilon"),
        derived("rope_ratio", ratio),
        field("original_rope", Value::Bool(true)),
        field("rmsnorm", Value::Bool(true)),
        field("post_layer_norm", Value::Bool(true)),
        field("apply_residual_connection_post_layernorm", Value::Bool(false)),
        field("add_bias_linear", Value::Present("blk.0.ffn_up.bias")),
        field("add_qkv_bias", Value::Present("blk.0.attn_qkv.bias")),
        field("tie_word_embeddings", Value::Absent("output.weight")),
        field("use_cache", Value::Bool(true)),
    ]],
    tensors: &[NAMES],
    loss: None,
    proof: &["ChatGLMModel"],
    source: "conversion/chatglm.py, class ChatGLMModel, llama.cpp 0c1e5709",
};

/// What the converter multiplied 10000 by.
fn ratio(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(json!(scope.f64("rope.freq_base")?.unwrap_or(10_000.0) / 10_000.0)))
}
