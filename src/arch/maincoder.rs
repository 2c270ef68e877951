//! Maincoder: Qwen 3's blocks, with rope that turns neighbours in pairs, as llama.cpp does for it.

use super::shared::{ATTENTION, DECODER, ENDS, NORMS, QK_NORMS};
use super::spec::{Field, Rule, Spec, Value, field, int, rename};

/// The class takes the width from `intermediate_size_mlp`; the converter stores `intermediate_size`, its equal in the
/// published model.
static FIELDS: &[Field] = &[
    int("intermediate_size_mlp", "feed_forward_length"),
    field("use_qk_norm", Value::Present("blk.0.attn_q_norm.weight")),
];

static FEED_FORWARD: &[Rule] = &[
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.gate_proj"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.down_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "maincoder",
    when: &[],
    class: "MaincoderForCausalLM",
    model_type: "maincoder",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, FEED_FORWARD],
    loss: None,
    proof: &["MaincoderForCausalLM"],
    source: "conversion/maincoder.py, class MaincoderModel, llama.cpp 0c1e5709",
};
