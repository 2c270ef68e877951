//! HRM-Text: two stacks of layers that take turns. Norms have no weights.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::DECODER;
use super::spec::{Field, Rule, Spec, Value, exact, field, int, number, omit, rename};

const STACK: Dim = Dim::Key("hrm.layers_per_stack");

/// `num_hidden_layers` counts a layer each time it runs, in the class as in the file.
static FIELDS: &[Field] = &[
    omit("num_key_value_heads"),
    int("num_hidden_layers", "block_count"),
    field("num_layers_per_stack", Value::Dim(STACK)),
    int("H_cycles", "hrm.h_cycles"),
    int("L_cycles", "hrm.l_cycles"),
    number("embedding_scale", "embedding_scale"),
    field("prefix_lm", Value::Flag("hrm.prefix_lm", false)),
    field("attention_bias", Value::Bool(false)),
    field("mlp_bias", Value::Bool(false)),
];

const ATTENTION: Expr = Expr::Concat(&[
    Expr::Tensor("blk.{i}.attn_gate.weight"),
    Expr::Tensor("blk.{i}.attn_q.weight"),
    Expr::Tensor("blk.{i}.attn_k.weight"),
    Expr::Tensor("blk.{i}.attn_v.weight"),
]);
const GATE_UP: Expr =
    Expr::Concat(&[Expr::Tensor("blk.{i}.ffn_gate.weight"), Expr::Tensor("blk.{i}.ffn_up.weight")]);

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output", "lm_head").optional(),
    exact("model.z_L_init", Expr::Tensor("hrm.z_l_init")),
    exact("model.L_module.layers.{j}.attn.gqkv_proj.weight", ATTENTION).over(STACK),
    rename("blk.{i}.attn_output", "model.L_module.layers.{j}.attn.o_proj").over(STACK),
    exact("model.L_module.layers.{j}.mlp.gate_up_proj.weight", GATE_UP).over(STACK),
    rename("blk.{i}.ffn_down", "model.L_module.layers.{j}.mlp.down_proj").over(STACK),
    exact("model.H_module.layers.{j}.attn.gqkv_proj.weight", ATTENTION).over(STACK).from(STACK),
    rename("blk.{i}.attn_output", "model.H_module.layers.{j}.attn.o_proj").over(STACK).from(STACK),
    exact("model.H_module.layers.{j}.mlp.gate_up_proj.weight", GATE_UP).over(STACK).from(STACK),
    rename("blk.{i}.ffn_down", "model.H_module.layers.{j}.mlp.down_proj").over(STACK).from(STACK),
];

pub static SPEC: Spec = Spec {
    gguf: "hrm_text",
    when: &[],
    class: "HrmTextForCausalLM",
    model_type: "hrm_text",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["HrmTextForCausalLM"],
    source: "conversion/hrm_text.py, llama.cpp 0c1e5709",
};
