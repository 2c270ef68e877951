//! GLM-4-0414, and the text part of GLM-4.1V and GLM-OCR.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{
    ATTENTION, DECODER, ENDS, FUSED_MLP, HEADS, KV_HEADS, NEXTN, OWN_HEAD_DIM, PARTIAL_ROTARY, ROPE_FACTORS,
};
use super::spec::{Field, Rule, Spec, Tell, Value, field, rename, rule};

static FIELDS: &[Field] = &[field("attention_bias", Value::Present("blk.0.attn_q.bias"))];

static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_self_attn_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.post_ffw_norm", "model.layers.{i}.post_mlp_layernorm"),
];

const ROTARY: Dim = Dim::Key("rope.dimension_count");

/// The converter put the even rows of what rope turns before the odd ones.
static HALVED_ATTENTION: &[Rule] = &[
    rule("model.layers.{i}.self_attn.q_proj", Expr::EvenOdd(&Expr::Tensor("blk.{i}.attn_q"), HEADS, ROTARY)),
    rule(
        "model.layers.{i}.self_attn.k_proj",
        Expr::EvenOdd(&Expr::Tensor("blk.{i}.attn_k"), KV_HEADS, ROTARY),
    ),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

/// Positions in three dimensions are one for text, so the text part is a plain GLM-4.
pub static VISION: Spec = Spec {
    gguf: "glm4",
    when: &[Tell::Key("rope.dimension_sections")],
    class: "Glm4ForCausalLM",
    model_type: "glm4",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, PARTIAL_ROTARY, FIELDS],
    tensors: &[ENDS, NORMS, HALVED_ATTENTION, FUSED_MLP, NEXTN, ROPE_FACTORS],
    loss: None,
    proof: &["glm4-vision", "glm-ocr"],
    source: "conversion/glm.py, Glm4Model.normal_to_neox, llama.cpp 0c1e5709",
};

pub static SPEC: Spec = Spec {
    gguf: "glm4",
    when: &[],
    class: "Glm4ForCausalLM",
    model_type: "glm4",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, PARTIAL_ROTARY, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, FUSED_MLP, NEXTN, ROPE_FACTORS],
    loss: None,
    proof: &["Glm4ForCausalLM"],
    source: "conversion/glm.py, class Glm4Model, llama.cpp 0c1e5709",
};
