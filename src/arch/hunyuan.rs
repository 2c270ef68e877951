//! Hunyuan, dense, and the text part of Hunyuan-VL.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS, OWN_HEAD_DIM};
use super::spec::{Field, Rule, Spec, Value, field, rename};

/// The converter folds Hunyuan's stretching of rope into its base, so that nothing is left to scale.
pub static FIELDS: &[Field] = &[
    field("rope_scaling", Value::Null),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("use_qk_norm", Value::Present("blk.0.attn_q_norm.weight")),
];

/// Norms of query and key heads under Hunyuan's names.
pub static QK_NORMS: &[Rule] = &[
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.query_layernorm").optional(),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.key_layernorm").optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "hunyuan-dense",
    when: &[],
    class: "HunYuanDenseV1ForCausalLM",
    model_type: "hunyuan_v1_dense",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP],
    loss: None,
    proof: &["HunYuanDenseV1ForCausalLM"],
    source: "conversion/hunyuan.py, class HunYuanModel, llama.cpp 0c1e5709",
};
