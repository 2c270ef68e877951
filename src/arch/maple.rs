//! Maple: Qwen 3 MoE's layout, a window in most layers, no rope in the others.

use super::dim::Dim;
use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, HEAD_DIM, NORMS, OWN_HEAD_DIM, QK_NORMS, WINDOW};
use super::spec::{Field, Spec, Value, field, int};

static FIELDS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    // The converter takes no other.
    field("norm_topk_prob", Value::Bool(true)),
    field("num_shared_experts", Value::Int(0)),
    field("nope_on_global_attention", Value::Bool(true)),
    field("layer_types", Value::LayerTypes(4)),
    field("partial_rotary_factor", Value::Ratio(Dim::KeyOr("rope.dimension_count", &HEAD_DIM), HEAD_DIM)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
];

pub static SPEC: Spec = Spec {
    gguf: "maple",
    when: &[],
    class: "MapleForCausalLM",
    model_type: "maple",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["MapleForCausalLM"],
    source: "conversion/maple.py, llama.cpp 0c1e5709",
};
