//! Mamba 2 and Mamba-Codestral.

use super::dim::Dim;
use super::spec::{Spec, Value, field, int, number};
use super::ssm::{BACKBONE, BACKBONE_MAMBA2, EXPAND, INNER, SSM_HEADS};

pub static SPEC: Spec = Spec {
    gguf: "mamba2",
    when: &[],
    class: "Mamba2ForCausalLM",
    model_type: "mamba2",
    strip: "",
    config: &[&[
        int("hidden_size", "embedding_length"),
        int("num_hidden_layers", "block_count"),
        field("expand", Value::Dim(EXPAND)),
        field("num_heads", Value::Dim(SSM_HEADS)),
        field("head_dim", Value::Dim(Dim::Over(&INNER, &SSM_HEADS))),
        int("n_groups", "ssm.group_count"),
        int("state_size", "ssm.state_size"),
        int("conv_kernel", "ssm.conv_kernel"),
        field("chunk_size", Value::Int(256)), // says only how the same sum is cut
        field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        number("layer_norm_epsilon", "attention.layer_norm_rms_epsilon"),
        field("rms_norm", Value::Bool(true)),
        field("hidden_act", Value::Str("silu")),
        field("use_bias", Value::Present("blk.0.ssm_in.bias")),
        field("use_conv_bias", Value::Present("blk.0.ssm_conv1d.bias")),
        field("residual_in_fp32", Value::Bool(true)), // in every published model
        field("tie_word_embeddings", Value::Absent("output.weight")),
        field("initializer_range", Value::Float(0.1)),
        field("use_cache", Value::Bool(true)),
    ]],
    tensors: &[BACKBONE, BACKBONE_MAMBA2],
    loss: None,
    proof: &["Mamba2ForCausalLM"],
    source: "conversion/mamba.py, class Mamba2Model, llama.cpp 0c1e5709",
};
