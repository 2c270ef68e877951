//! Seed-OSS.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, OWN_HEAD_DIM};
use super::spec::{Rule, Spec, Value, field, rename};

static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm"),
];

pub static SPEC: Spec = Spec {
    gguf: "seed_oss",
    when: &[],
    class: "SeedOssForCausalLM",
    model_type: "seed_oss",
    strip: "",
    config: &[
        DECODER,
        OWN_HEAD_DIM,
        &[
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("attention_out_bias", Value::Present("blk.0.attn_output.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
            field("residual_dropout", Value::Float(0.0)),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["SeedOssForCausalLM"],
    source: "conversion/olmo.py, class SeedOssModel, llama.cpp 0c1e5709",
};
