//! PLaMo 2: Mamba 2 and attention by turns. As with PLaMo 3, the converter adds to each norm what the class adds when it runs.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::plamo3::FRAME;
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename};
use super::ssm::{A_LOG, CONV, MIXER, NO_MIXER, SSM_HEADS};
use super::{Error, Scope};

static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_qkv", "model.layers.layers.{i}.mixer.qkv_proj").only(NO_MIXER),
    rename("blk.{i}.attn_output", "model.layers.layers.{i}.mixer.o_proj").only(NO_MIXER),
    exact("model.layers.layers.{i}.mixer.q_weight", Expr::Tensor("blk.{i}.attn_q_norm.weight"))
        .only(NO_MIXER),
    exact("model.layers.layers.{i}.mixer.k_weight", Expr::Tensor("blk.{i}.attn_k_norm.weight"))
        .only(NO_MIXER),
];

static MAMBA: &[Rule] = &[
    rename("blk.{i}.ssm_in", "model.layers.layers.{i}.mixer.in_proj").only(MIXER),
    exact("model.layers.layers.{i}.mixer.conv1d.weight", CONV).only(MIXER),
    rename("blk.{i}.ssm_x", "model.layers.layers.{i}.mixer.bcdt_proj").only(MIXER),
    exact("model.layers.layers.{i}.mixer.dt_proj.weight", Expr::Tensor("blk.{i}.ssm_dt.weight")).only(MIXER),
    exact("model.layers.layers.{i}.mixer.dt_bias", Expr::Tensor("blk.{i}.ssm_dt.bias")).only(MIXER),
    exact("model.layers.layers.{i}.mixer.A_log", A_LOG).only(MIXER),
    exact("model.layers.layers.{i}.mixer.D", Expr::Tensor("blk.{i}.ssm_d")).only(MIXER),
    exact("model.layers.layers.{i}.mixer.dt_norm_weight", Expr::Tensor("blk.{i}.ssm_dt_norm")).only(MIXER),
    exact("model.layers.layers.{i}.mixer.B_norm_weight", Expr::Tensor("blk.{i}.ssm_b_norm")).only(MIXER),
    exact("model.layers.layers.{i}.mixer.C_norm_weight", Expr::Tensor("blk.{i}.ssm_c_norm")).only(MIXER),
    rename("blk.{i}.ssm_out", "model.layers.layers.{i}.mixer.out_proj").only(MIXER),
];

static FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    derived("num_attention_heads", |scope| heads(scope, "blk.{i}.attn_q_norm.weight")),
    derived("num_key_value_heads", |scope| heads(scope, "blk.{i}.attn_k_norm.weight")),
    int("hidden_size_per_head", "attention.key_length"),
    int("intermediate_size", "feed_forward_length"),
    int("max_position_embeddings", "context_length"),
    // Of every published model; the file has no window.
    field("attention_window_size", Value::Int(2048)),
    field("full_attention_idx", Value::Null),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    field("rope_theta", Value::Number("rope.freq_base", Some(10000.0))),
    derived("mamba_enabled", |scope| Ok(Some(mixers(scope)?.contains(&true).into()))),
    derived("mamba_step", step),
    field("mamba_num_heads", Value::Dim(SSM_HEADS)),
    int("mamba_d_state", "ssm.state_size"),
    int("mamba_d_conv", "ssm.conv_kernel"),
    field("mamba_chunk_size", Value::Int(256)), // says only how the same sum is cut
    field("linear_type", Value::Str("normal")),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

pub static SPEC: Spec = Spec {
    gguf: "plamo2",
    when: &[],
    class: "Plamo2ForCausalLM",
    model_type: "plamo2",
    strip: "",
    config: &[FIELDS],
    tensors: &[FRAME, ATTENTION, MAMBA],
    loss: Some("the window of attention, which is that of the published models"),
    proof: &["Plamo2ForCausalLM"],
    source: "conversion/plamo.py, class Plamo2Model, llama.cpp 0c1e5709",
};

/// Heads of the first layer that attends: rows of its norm, as the file counts none where every layer attends.
fn heads(scope: &Scope, norm: &'static str) -> Result<Option<Json>, Error> {
    let layer = scope.first_layer_with(norm)?;
    layer.map(|layer| Ok(Dim::Rows(norm).of(&scope.at(layer))?.into())).transpose()
}

fn mixers(scope: &Scope) -> Result<Vec<bool>, Error> {
    scope.each_layer(|layer| Tell::all(MIXER, layer))
}

/// Every how many layers one attends: the first that does is that whose number is half of it.
fn step(scope: &Scope) -> Result<Option<Json>, Error> {
    let mixers = mixers(scope)?;
    if !mixers.contains(&true) {
        return Ok(Some(json!(2)));
    }
    let first = mixers.iter().position(|mixer| !mixer).filter(|&first| first > 0);
    let fits =
        |step: &usize| (0..).zip(&mixers).all(|(i, mixer): (usize, _)| *mixer == (i % step != step / 2));
    let step = first.and_then(|first| [2 * first, 2 * first + 1].into_iter().find(fits));
    let step =
        step.ok_or_else(|| Error::Unsupported { what: "attention at layers that follow no step".into() })?;
    Ok(Some(step.into()))
}
