//! Hunyuan A13B.

use super::dim::Dim;
use super::hunyuan::{FIELDS, QK_NORMS};
use super::shared::{ATTENTION, DECODER, ENDS, NORMS, OWN_HEAD_DIM, SPARSE_EXPERTS};
use super::spec::{Field, Rule, Spec, Value, field, int, rename};

/// Three of them are lists, one number a layer.
static MIXTURE: &[Field] = &[
    int("num_experts", "expert_count"),
    field("moe_topk", Value::PerLayer(Dim::Key("expert_used_count"))),
    field("moe_intermediate_size", Value::PerLayer(Dim::Key("expert_feed_forward_length"))),
    field("num_shared_expert", Value::PerLayer(Dim::Key("expert_shared_count"))),
    field("use_mixed_mlp_moe", Value::Bool(true)),
    field("norm_topk_prob", Value::Bool(true)), // no GGUF says it; the class always does
];

static ROUTER: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.gate.wg"),
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.mlp.shared_mlp.gate_proj"),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.mlp.shared_mlp.up_proj"),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.mlp.shared_mlp.down_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "hunyuan-moe",
    when: &[],
    class: "HunYuanMoEV1ForCausalLM",
    model_type: "hunyuan_v1_moe",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, FIELDS, MIXTURE],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, ROUTER, SPARSE_EXPERTS],
    loss: None,
    proof: &["HunYuanMoEV1ForCausalLM"],
    source: "conversion/hunyuan.py, class HunYuanMoEModel, llama.cpp 0c1e5709",
};
