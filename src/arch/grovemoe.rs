//! GroveMoE: Qwen 3 MoE with smaller experts that each two share.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, NORMS, QK_NORMS, QWEN_EXPERTS};
use super::spec::{Field, Rule, Spec, Value, field, rule};

static FIELDS: &[Field] = &[
    field("norm_topk_prob", Value::Bool(true)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("use_sliding_window", Value::Bool(false)),
    field("sliding_window", Value::Null),
];

const CHUNKS: Dim = Dim::Over(&Dim::Key("expert_count"), &Dim::Is(2));

static CHUNK_EXPERTS: &[Rule] = &[
    rule(
        "model.layers.{i}.mlp.chunk_experts.{e}.gate_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_chexps")),
    )
    .each(CHUNKS),
    rule(
        "model.layers.{i}.mlp.chunk_experts.{e}.up_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_chexps")),
    )
    .each(CHUNKS),
    rule(
        "model.layers.{i}.mlp.chunk_experts.{e}.down_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_chexps")),
    )
    .each(CHUNKS),
];

pub static SPEC: Spec = Spec {
    gguf: "grovemoe",
    when: &[],
    class: "GroveMoeForCausalLM",
    model_type: "grove_moe",
    strip: "",
    config: &[DECODER, QWEN_EXPERTS, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS, CHUNK_EXPERTS],
    loss: Some("the router's bias that balances experts while training"),
    proof: &["GroveMoeForCausalLM"],
    source: "conversion/grovemoe.py, llama.cpp 0c1e5709",
};
