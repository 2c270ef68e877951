//! PLM: DeepSeek's attention unsplit, with plain queries and no gate.

use super::dim::Dim;
use super::shared::{DECODER, ENDS, NORMS, UNGATED_MLP};
use super::spec::{Field, Rule, Spec, Value, field, int, omit, rename};

const ROPE: Dim = Dim::Key("rope.dimension_count");

static FIELDS: &[Field] = &[
    omit("head_dim"),
    field("hidden_act", Value::Str("relu2")),
    field("q_lora_rank", Value::Null),
    int("kv_lora_rank", "attention.kv_lora_rank"),
    field("qk_nope_head_dim", Value::Dim(Dim::Minus(&Dim::Key("attention.key_length"), &ROPE))),
    field("qk_rope_head_dim", Value::Dim(ROPE)),
    int("v_head_dim", "attention.value_length"),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
];

static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj"),
    rename("blk.{i}.attn_kv_a_mqa", "model.layers.{i}.self_attn.kv_a_proj_with_mqa"),
    rename("blk.{i}.attn_kv_a_norm", "model.layers.{i}.self_attn.kv_a_layernorm"),
    rename("blk.{i}.attn_kv_b", "model.layers.{i}.self_attn.kv_b_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "plm",
    when: &[],
    class: "PLMForCausalLM",
    model_type: "plm",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, UNGATED_MLP],
    loss: None,
    proof: &["PLMForCausalLM"],
    source: "conversion/plm.py, llama.cpp 0c1e5709",
};
