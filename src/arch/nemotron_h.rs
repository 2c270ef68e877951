//! Nemotron-H and Nemotron 3: layers of one kind each, Mamba 2, attention, a feed-forward network or experts.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::{HEAD_DIM, HEADS, KV_HEADS, NEXT, TRUNK};
use super::spec::{
    Field, Rule, Spec, Tell, Value, all_over, derived, exact, field, int, number, rename, rule,
};
use super::ssm::{BACKBONE, BACKBONE_MAMBA2, INNER, MIXER, SSM_HEADS, hybrid_kv_heads, positions};
use super::{Error, Scope};

const SOURCE: &str = "conversion/nemotron.py, class NemotronHModel, llama.cpp 0c1e5709";

const ROUTER: &str = "blk.{i}.ffn_gate_inp.weight";
const ATTENTION: &[Tell] = &[Tell::Tensor("blk.{i}.attn_q.weight")];
const SPARSE: &[Tell] = &[Tell::Tensor(ROUTER)];
const DENSE: &[Tell] = &[Tell::Not(&Tell::Any(&[MIXER[0], ATTENTION[0], SPARSE[0]]))];

static TRUNK_MIXERS: [Rule; 8] = all_over(BACKBONE_MAMBA2, TRUNK);
static ENDS: [Rule; 4] = all_over(BACKBONE, TRUNK);

/// Query and key rows are reordered for rope although there is none.
const Q: Expr = Expr::Rope(&Expr::Tensor("blk.{i}.attn_q"), HEADS);
const K: Expr = Expr::Rope(&Expr::Tensor("blk.{i}.attn_k"), KV_HEADS);
const EXPERT_UP: Expr = Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps"));
const EXPERT_DOWN: Expr = Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps"));
const PROBABILITY_BIAS: Expr = Expr::Tensor("blk.{i}.exp_probs_b.bias");

static LAYERS: &[Rule] = &[
    rule("backbone.layers.{i}.mixer.q_proj", Q).over(TRUNK).only(ATTENTION),
    rule("backbone.layers.{i}.mixer.k_proj", K).over(TRUNK).only(ATTENTION),
    rename("blk.{i}.attn_v", "backbone.layers.{i}.mixer.v_proj").over(TRUNK).only(ATTENTION),
    rename("blk.{i}.attn_output", "backbone.layers.{i}.mixer.o_proj").over(TRUNK).only(ATTENTION),
    rename("blk.{i}.ffn_up", "backbone.layers.{i}.mixer.up_proj").over(TRUNK).only(DENSE),
    rename("blk.{i}.ffn_down", "backbone.layers.{i}.mixer.down_proj").over(TRUNK).only(DENSE),
    rename("blk.{i}.ffn_gate_inp", "backbone.layers.{i}.mixer.gate").over(TRUNK).only(SPARSE),
    exact("backbone.layers.{i}.mixer.gate.e_score_correction_bias", PROBABILITY_BIAS)
        .over(TRUNK)
        .only(SPARSE),
    rule("backbone.layers.{i}.mixer.experts.{e}.up_proj", EXPERT_UP).over(TRUNK).only(SPARSE),
    rule("backbone.layers.{i}.mixer.experts.{e}.down_proj", EXPERT_DOWN).over(TRUNK).only(SPARSE),
    rename("blk.{i}.ffn_up_shexp", "backbone.layers.{i}.mixer.shared_experts.up_proj")
        .over(TRUNK)
        .only(SPARSE),
    rename("blk.{i}.ffn_down_shexp", "backbone.layers.{i}.mixer.shared_experts.down_proj")
        .over(TRUNK)
        .only(SPARSE),
    rename("blk.{i}.ffn_latent_down", "backbone.layers.{i}.mixer.fc1_latent_proj").over(TRUNK).optional(),
    rename("blk.{i}.ffn_latent_up", "backbone.layers.{i}.mixer.fc2_latent_proj").over(TRUNK).optional(),
];

const fn next(hf: &'static str, expr: Expr) -> Rule {
    rule(hf, expr).from(TRUNK).over(NEXT)
}

/// The layer that predicts one token further: one block here, two layers there.
static NEXT_TOKEN: &[Rule] = &[
    next("mtp.layers.0.enorm", Expr::Tensor("blk.{i}.nextn.enorm")),
    next("mtp.layers.0.hnorm", Expr::Tensor("blk.{i}.nextn.hnorm")),
    next("mtp.layers.0.eh_proj", Expr::Tensor("blk.{i}.nextn.eh_proj")),
    next("mtp.layers.0.norm", Expr::Tensor("blk.{i}.attn_norm")),
    next("mtp.layers.0.mixer.q_proj", Q),
    next("mtp.layers.0.mixer.k_proj", K),
    next("mtp.layers.0.mixer.v_proj", Expr::Tensor("blk.{i}.attn_v")),
    next("mtp.layers.0.mixer.o_proj", Expr::Tensor("blk.{i}.attn_output")),
    next("mtp.layers.1.norm", Expr::Tensor("blk.{i}.post_attention_norm")),
    next("mtp.layers.1.mixer.gate", Expr::Tensor("blk.{i}.ffn_gate_inp")),
    exact("mtp.layers.1.mixer.gate.e_score_correction_bias", PROBABILITY_BIAS).from(TRUNK).over(NEXT),
    next("mtp.layers.1.mixer.experts.{e}.up_proj", EXPERT_UP),
    next("mtp.layers.1.mixer.experts.{e}.down_proj", EXPERT_DOWN),
    next("mtp.layers.1.mixer.shared_experts.up_proj", Expr::Tensor("blk.{i}.ffn_up_shexp")),
    next("mtp.layers.1.mixer.shared_experts.down_proj", Expr::Tensor("blk.{i}.ffn_down_shexp")),
    next("mtp.layers.1.mixer.fc1_latent_proj", Expr::Tensor("blk.{i}.ffn_latent_down")).optional(),
    next("mtp.layers.1.mixer.fc2_latent_proj", Expr::Tensor("blk.{i}.ffn_latent_up")).optional(),
    next("mtp.layers.1.final_layernorm", Expr::Tensor("blk.{i}.nextn.shared_head_norm")),
];

static FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    field("num_hidden_layers", Value::Dim(TRUNK)),
    derived("hybrid_override_pattern", pattern),
    field("num_attention_heads", Value::Dim(HEADS)),
    derived("num_key_value_heads", hybrid_kv_heads),
    field("head_dim", Value::Dim(HEAD_DIM)),
    derived("intermediate_size", dense_width),
    derived("max_position_embeddings", positions),
    derived("rope_scaling", rope_scaling),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    field("mlp_hidden_act", Value::Str("relu2")),
    field("attention_bias", Value::Bool(false)), // this and the next three: in every published model
    field("mlp_bias", Value::Bool(false)),
    field("use_bias", Value::Bool(false)),
    field("residual_in_fp32", Value::Bool(false)),
    field("mamba_num_heads", Value::Dim(SSM_HEADS)),
    field("mamba_head_dim", Value::Dim(Dim::Over(&INNER, &SSM_HEADS))),
    field("mamba_hidden_act", Value::Str("silu")),
    field("mamba_proj_bias", Value::Bool(false)),
    field("use_conv_bias", Value::Bool(true)),
    field("chunk_size", Value::Int(128)), // says only how the same sum is cut
    int("n_groups", "ssm.group_count"),
    int("ssm_state_size", "ssm.state_size"),
    int("conv_kernel", "ssm.conv_kernel"),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("attention_dropout", Value::Float(0.0)),
    field("hidden_dropout", Value::Float(0.0)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

static EXPERT_FIELDS: &[Field] = &[
    int("n_routed_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("moe_shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    int("n_shared_experts", "expert_shared_count"),
    derived("moe_latent_size", |scope| Ok(scope.u64("moe_latent_size")?.map(Json::from))),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("n_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    field("num_nextn_predict_layers", Value::Dim(NEXT)),
];

pub static DENSE_SPEC: Spec = Spec {
    gguf: "nemotron_h",
    when: &[],
    class: "NemotronHForCausalLM",
    model_type: "nemotron_h",
    strip: "",
    config: &[FIELDS],
    tensors: &[&ENDS, &TRUNK_MIXERS, LAYERS],
    loss: None,
    proof: &["nemotron_h-dense"],
    source: SOURCE,
};

pub static MOE: Spec = Spec {
    gguf: "nemotron_h_moe",
    when: &[],
    class: "NemotronHForCausalLM",
    model_type: "nemotron_h",
    strip: "",
    config: &[FIELDS, EXPERT_FIELDS],
    tensors: &[&ENDS, &TRUNK_MIXERS, LAYERS, NEXT_TOKEN],
    loss: None,
    proof: &["NemotronHForCausalLM"],
    source: SOURCE,
};

/// A letter a layer: M mixer, * attention, E experts, - feed-forward network.
fn pattern(scope: &Scope) -> Result<Option<Json>, Error> {
    let letter = |at: &Scope| {
        let holds = |tells: &[Tell]| Tell::all(tells, at);
        Ok(match () {
            () if holds(MIXER)? => 'M',
            () if holds(ATTENTION)? => '*',
            () if holds(SPARSE)? => 'E',
            () => '-',
        })
    };
    Ok(Some(scope.each_layer(letter)?.into_iter().collect::<String>().into()))
}

/// Rows of the first plain feed-forward network: the key has a number only for layers that the converter took for one.
fn dense_width(scope: &Scope) -> Result<Option<Json>, Error> {
    let layer = scope.first_layer_with("blk.{i}.ffn_up.weight")?;
    layer.map(|layer| Ok(Dim::Rows("blk.{i}.ffn_up.weight").of(&scope.at(layer))?.into())).transpose()
}
