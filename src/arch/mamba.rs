//! Mamba 1 and FalconMamba, which norms what enters the state.

use super::dim::Dim;
use super::spec::{Field, Spec, Tell, Value, field, int, number};
use super::ssm::{BACKBONE, BACKBONE_MAMBA, EXPAND, INNER};

const SOURCE: &str = "conversion/mamba.py, class MambaModel, llama.cpp 0c1e5709";

static FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    field("intermediate_size", Value::Dim(INNER)),
    field("expand", Value::Dim(EXPAND)),
    int("state_size", "ssm.state_size"),
    int("conv_kernel", "ssm.conv_kernel"),
    int("time_step_rank", "ssm.time_step_rank"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_rms_epsilon"),
    field("hidden_act", Value::Str("silu")),
    field("use_bias", Value::Present("blk.0.ssm_in.bias")),
    field("use_conv_bias", Value::Present("blk.0.ssm_conv1d.bias")),
    field("residual_in_fp32", Value::Bool(true)), // in every published model
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("initializer_range", Value::Float(0.1)),
    field("use_cache", Value::Bool(true)),
];

pub static SPEC: Spec = Spec {
    gguf: "mamba",
    when: &[],
    class: "MambaForCausalLM",
    model_type: "mamba",
    strip: "",
    config: &[FIELDS],
    tensors: &[BACKBONE, BACKBONE_MAMBA],
    loss: None,
    proof: &["MambaForCausalLM"],
    source: SOURCE,
};

pub static FALCON: Spec = Spec {
    gguf: "mamba",
    when: &[Tell::True("ssm.dt_b_c_rms")],
    class: "FalconMambaForCausalLM",
    model_type: "falcon_mamba",
    strip: "",
    config: &[FIELDS, &[field("mixer_rms_eps", Value::Float(1e-6))]], // of every published model; in no GGUF
    tensors: &[BACKBONE, BACKBONE_MAMBA],
    loss: None,
    proof: &["FalconMambaForCausalLM"],
    source: SOURCE,
};
