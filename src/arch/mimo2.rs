//! MiMo V2. What predicts further tokens has names of its own in the original (as vLLM's mimo_v2_mtp.py lists them), so rules
//! for layers stop before it.

use serde_json::Value as Json;

use super::config::{layer_type, sliding_layers};
use super::dim::Dim;
use super::expr::Expr;
use super::shared::{
    DECODER, DENSE, ENDS, HEAD_DIM, HEADS, NEXT, ROUTED, TRUNK, mlp_layer_types, scoring_func,
};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, omit, rename, rule};
use super::{Error, Scope};

/// The converter takes no model whose layers with a window have other query heads or sizes of heads.
static FIELDS: &[Field] = &[
    omit("rms_norm_eps"),
    omit("rope_scaling"), // null is taken for the parameters of rope
    number("layernorm_epsilon", "attention.layer_norm_rms_epsilon"),
    field("head_dim", Value::Dim(HEAD_DIM)),
    int("v_head_dim", "attention.value_length"),
    field("swa_head_dim", Value::Dim(HEAD_DIM)),
    int("swa_v_head_dim", "attention.value_length"),
    field("swa_num_attention_heads", Value::Dim(HEADS)),
    derived("num_key_value_heads", |s| key_heads(s, false)),
    derived("swa_num_key_value_heads", |s| key_heads(s, true)),
    derived("hybrid_layer_pattern", windows),
    int("sliding_window", "attention.sliding_window"),
    int("sliding_window_size", "attention.sliding_window"), // transformers' window is one larger than this field
    field("swa_rope_theta", Value::Number("rope.freq_base_swa", Some(10_000.0))),
    field("partial_rotary_factor", Value::Ratio(Dim::Key("rope.dimension_count"), HEAD_DIM)),
    derived("attention_value_scale", |s| Ok(s.f64("attention.value_scale")?.map(Json::from))),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    derived("add_swa_attention_sink_bias", |s| sinks(s, true)),
    derived("add_full_attention_sink_bias", |s| sinks(s, false)),
    int("n_routed_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    derived("moe_layer_freq", sparse),
    field("n_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    field("norm_topk_prob", Value::Bool(true)), // no GGUF says it; so in every published model
    derived("scoring_func", scoring_func),
    field("topk_method", Value::Str("noaux_tc")),
];

const SPARSE: &[Tell] = &[ROUTED];

static LAYERS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm").over(TRUNK),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm").over(TRUNK),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj").over(TRUNK),
    exact("model.layers.{i}.self_attn.attention_sink_bias", Expr::Tensor("blk.{i}.attn_sinks.weight"))
        .over(TRUNK)
        .optional(),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj").only(DENSE).over(TRUNK),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj").only(DENSE).over(TRUNK),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj").only(DENSE).over(TRUNK),
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.gate").only(SPARSE).over(TRUNK),
    exact("model.layers.{i}.mlp.gate.e_score_correction_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias"))
        .over(TRUNK)
        .optional(),
    rule("model.layers.{i}.mlp.experts.{e}.gate_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")))
        .only(SPARSE)
        .over(TRUNK),
    rule("model.layers.{i}.mlp.experts.{e}.up_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")))
        .only(SPARSE)
        .over(TRUNK),
    rule("model.layers.{i}.mlp.experts.{e}.down_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")))
        .only(SPARSE)
        .over(TRUNK),
];

/// The layers that predict further tokens, which have a window and no experts.
const fn next(gguf: &'static str, hf: &'static str) -> Rule {
    rename(gguf, hf).over(NEXT).from(TRUNK)
}

/// Attention, of the trunk and of what predicts, in tensors of their own.
static SPLIT: &[Rule] = &[
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj").over(TRUNK),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj").over(TRUNK),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj").over(TRUNK),
    next("blk.{i}.attn_q", "model.mtp.layers.{j}.self_attn.q_proj"),
    next("blk.{i}.attn_k", "model.mtp.layers.{j}.self_attn.k_proj"),
    next("blk.{i}.attn_v", "model.mtp.layers.{j}.self_attn.v_proj"),
];

/// Rows of the queries, the keys, the values: of shards in FP8, which have them in turn, the converter has made this.
static FUSED: &[Rule] = &[
    rename("blk.{i}.attn_qkv", "model.layers.{i}.self_attn.qkv_proj").over(TRUNK),
    next("blk.{i}.attn_qkv", "model.mtp.layers.{j}.self_attn.qkv_proj"),
];

static NEXT_TOKENS: &[Rule] = &[
    next("blk.{i}.nextn.enorm", "model.mtp.layers.{j}.enorm"),
    next("blk.{i}.nextn.hnorm", "model.mtp.layers.{j}.hnorm"),
    next("blk.{i}.nextn.eh_proj", "model.mtp.layers.{j}.eh_proj"),
    next("blk.{i}.attn_norm", "model.mtp.layers.{j}.input_layernorm"),
    next("blk.{i}.attn_output", "model.mtp.layers.{j}.self_attn.o_proj"),
    exact("model.mtp.layers.{j}.self_attn.attention_sink_bias", Expr::Tensor("blk.{i}.attn_sinks.weight"))
        .over(NEXT)
        .from(TRUNK)
        .optional(),
    next("blk.{i}.ffn_norm", "model.mtp.layers.{j}.pre_mlp_layernorm"),
    next("blk.{i}.ffn_gate", "model.mtp.layers.{j}.mlp.gate_proj"),
    next("blk.{i}.ffn_up", "model.mtp.layers.{j}.mlp.up_proj"),
    next("blk.{i}.ffn_down", "model.mtp.layers.{j}.mlp.down_proj"),
    next("blk.{i}.layer_output_norm", "model.mtp.layers.{j}.final_layernorm"),
];

/// What transformers reads where the remote class reads `hybrid_layer_pattern` and `moe_layer_freq`.
static KINDS: &[Field] = &[
    derived("layer_types", |s| Ok(Some(sliding(s)?.into_iter().map(layer_type).collect()))),
    derived("mlp_layer_types", mlp_layer_types),
];

const SOURCE: &str = "conversion/mimo.py, class MimoV2Model, llama.cpp 0c1e5709";

pub static SPEC: Spec = Spec {
    gguf: "mimo2",
    when: &[],
    class: "MiMoV2FlashForCausalLM",
    model_type: "mimo_v2_flash",
    strip: "",
    config: &[DECODER, FIELDS, KINDS],
    tensors: &[ENDS, LAYERS, SPLIT, NEXT_TOKENS],
    loss: None,
    proof: &["MiMoV2FlashForCausalLM"],
    source: SOURCE,
};

/// MiMo V2.5 and later, whose queries, keys and values are one tensor: theirs is another class.
pub static FUSED_QKV: Spec = Spec {
    gguf: "mimo2",
    when: &[Tell::Tensor("blk.0.attn_qkv.weight")],
    class: "MiMoV2ForCausalLM",
    model_type: "mimo_v2",
    strip: "",
    config: &[DECODER, FIELDS, &[field("attention_projection_layout", Value::Str("fused_qkv"))]],
    tensors: &[ENDS, LAYERS, FUSED, NEXT_TOKENS],
    loss: Some("the vision and audio towers, which are in files of their own, where the original has any"),
    proof: &["MiMoV2ForCausalLM"],
    source: SOURCE,
};

/// Key heads of layers with or without a window.
fn key_heads(scope: &Scope, windowed: bool) -> Result<Option<Json>, Error> {
    let sliding = sliding(scope)?;
    let layer = sliding.iter().position(|&s| s == windowed).unwrap_or(0);
    Ok(scope.at(layer as u64).u64("attention.head_count_kv")?.map(Json::from))
}

/// Which layers have a window: numbers, in files of this architecture.
fn sliding(scope: &Scope) -> Result<Vec<bool>, Error> {
    let key = scope.key("attention.sliding_window_pattern");
    let numbers = scope
        .metadata()
        .value(&key)
        .and_then(|v| v.as_array())
        .filter(|a| a.get(0).is_some_and(|v| v.as_u64().is_some()));
    match numbers {
        Some(array) => scope.each_layer(|s| {
            let number = usize::try_from(s.layer).ok().and_then(|i| array.get(i)?.as_u64());
            number.map(|n| n == 1).ok_or_else(|| Error::Layers { key: key.clone(), layer: s.layer })
        }),
        None => sliding_layers(scope, 6),
    }
}

fn windows(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(sliding(scope)?.into_iter().map(u64::from).collect()))
}

fn sparse(scope: &Scope) -> Result<Option<Json>, Error> {
    let routed = scope.each_layer(|s| ROUTED.holds(s))?;
    Ok(Some(routed.into_iter().map(u64::from).collect()))
}

/// Whether layers with or without a window have sinks.
fn sinks(scope: &Scope, windowed: bool) -> Result<Option<Json>, Error> {
    let sliding = sliding(scope)?;
    let layer = sliding.iter().position(|&s| s == windowed);
    let has = |layer: usize| Tell::Tensor("blk.{i}.attn_sinks.weight").holds(&scope.at(layer as u64));
    Ok(Some(layer.map(has).transpose()?.unwrap_or(false).into()))
}
