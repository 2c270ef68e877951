//! MiniCPM 1 and 2, and MiniCPM 3, whose attention is DeepSeek's unsplit.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::rope_scaling::rope_scaling;
use super::shared::{DECODER, ENDS, HEADS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION};
use super::spec::{Field, Rule, Spec, Value, derived, field, omit, rename};
use super::{Error, Scope};

const QK: Dim = Dim::Key("attention.key_length");
const ROPE: Dim = Dim::Key("rope.dimension_count");

/// The numbers of the only published model, which are llama.cpp's constants: no GGUF has them.
static FIELDS3: &[Field] = &[
    omit("head_dim"),
    field("q_lora_rank", Value::OptionalDim("attention.q_lora_rank")),
    field("kv_lora_rank", Value::Dim(Dim::Key("attention.kv_lora_rank"))),
    field("qk_nope_head_dim", Value::Dim(Dim::Minus(&QK, &ROPE))),
    field("qk_rope_head_dim", Value::Dim(ROPE)),
    field("v_head_dim", Value::Dim(Dim::Over(&Dim::RowLen("blk.0.attn_output.weight"), &HEADS))),
    field("attention_bias", Value::Present("blk.0.attn_kv_a_mqa.bias")),
    field("scale_emb", Value::Int(12)),
    field("scale_depth", Value::Float(1.4)),
    field("dim_model_base", Value::Int(256)),
    derived("rope_scaling", stretched),
];

static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q_a", "model.layers.{i}.self_attn.q_a_proj"),
    rename("blk.{i}.attn_q_a_norm", "model.layers.{i}.self_attn.q_a_layernorm"),
    rename("blk.{i}.attn_q_b", "model.layers.{i}.self_attn.q_b_proj"),
    rename("blk.{i}.attn_kv_a_mqa", "model.layers.{i}.self_attn.kv_a_proj_with_mqa"),
    rename("blk.{i}.attn_kv_a_norm", "model.layers.{i}.self_attn.kv_a_layernorm"),
    rename("blk.{i}.attn_kv_b", "model.layers.{i}.self_attn.kv_b_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

pub static MINICPM3: Spec = Spec {
    gguf: "minicpm3",
    when: &[],
    class: "MiniCPM3ForCausalLM",
    model_type: "minicpm3",
    strip: "",
    config: &[DECODER, FIELDS3],
    tensors: &[ENDS, NORMS, ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["MiniCPM3ForCausalLM"],
    source: "conversion/minicpm.py, class MiniCPM3Model, llama.cpp 0c1e5709",
};

static FIELDS: &[Field] = &[
    field("scale_emb", Value::Number("embedding_scale", Some(12.0))),
    derived("scale_depth", depth_scale),
    derived("dim_model_base", base_width),
    // Published configs lack it, and then the file does; the class takes 10000, as llama.cpp does.
    derived("rope_theta", |scope| Ok(scope.f64("rope.freq_base")?.map(Json::from))),
    derived("rope_scaling", stretched),
];

pub static MINICPM: Spec = Spec {
    gguf: "minicpm",
    when: &[],
    class: "MiniCPMForCausalLM",
    model_type: "minicpm",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["MiniCPMForCausalLM"],
    source: "conversion/minicpm.py, class MiniCPMModel, llama.cpp 0c1e5709",
};

/// The file has it divided by the root of the number of layers.
fn depth_scale(scope: &Scope) -> Result<Option<Json>, Error> {
    let layers = scope.layers()? as f64;
    let scale = scope.f64("residual_scale")?.map_or(1.4, |s| (s * layers.sqrt() * 1e5).round() / 1e5);
    Ok(Some(scale.into()))
}

/// The file has the hidden size divided by it.
fn base_width(scope: &Scope) -> Result<Option<Json>, Error> {
    const WIDTH: Dim = Dim::Key("embedding_length");
    let base = scope.f64("logit_scale")?.filter(|&s| s > 0.0).map(|s| WIDTH.of(scope).map(|w| w as f64 / s));
    Ok(Some((base.transpose()?.map_or(256.0, f64::round) as u64).into()))
}

/// Factors for short and long texts, of which the file lacks the length that they part at: the models' own.
fn stretched(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut scaling = rope_scaling(scope)?;
    if let Some(Json::Object(fields)) = &mut scaling
        && !fields.contains_key("original_max_position_embeddings")
        && fields.contains_key("long_factor")
    {
        fields.insert("original_max_position_embeddings".into(), json!(scope.u64("context_length")?));
    }
    Ok(scaling)
}
