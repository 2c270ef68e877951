//! StarCoder 2. Its window is in no GGUF; `null` says that there is none, as llama.cpp runs it.

use super::shared::{ATTENTION, DECODER, ENDS, NORMS};
use super::spec::{Field, Rule, Spec, Value, field, number, omit, rename};

static FIELDS: &[Field] = &[
    omit("rms_norm_eps"),
    number("norm_epsilon", "attention.layer_norm_epsilon"),
    field("hidden_act", Value::Str("gelu_pytorch_tanh")),
    field("use_bias", Value::Present("blk.0.attn_q.bias")),
    field("sliding_window", Value::Null),
    field("embedding_dropout", Value::Float(0.0)),
    field("residual_dropout", Value::Float(0.0)),
];

static MLP: &[Rule] = &[
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.c_fc"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.c_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "starcoder2",
    when: &[],
    class: "Starcoder2ForCausalLM",
    model_type: "starcoder2",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: Some("the window of attention (4096 in the published models), which matters beyond its length"),
    proof: &["Starcoder2ForCausalLM"],
    source: "conversion/starcoder.py, class StarCoder2Model, llama.cpp 0c1e5709",
};
