//! Qwen3-Next and Qwen 3.5: linear attention with gated attention at every fourth layer, dense or with experts.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::{rope_parameters, rope_scaling};
use super::shared::{DECODER, EXPERTS, MLP, NEXT, QWEN_EXPERTS, SHARED_EXPERT, TRUNK, object};
use super::spec::{Field, Rule, Spec, Tell, Value, all_over, derived, exact, field, int, rename, rule};
use super::{Error, Scope};
use crate::tensor::ElementOp;

const SOURCE: &str = "conversion/qwen.py, classes Qwen3NextModel to Qwen3_5MoeTextModel, llama.cpp 0c1e5709";

const K_HEADS: Dim = Dim::Key("ssm.group_count");
const V_HEADS: Dim = Dim::Key("ssm.time_step_rank");
const K_DIM: Dim = Dim::Key("ssm.state_size");
const V_DIM: Dim = Dim::Over(&Dim::Key("ssm.inner_size"), &V_HEADS);
const V_PER_K: Dim = Dim::Over(&V_HEADS, &K_HEADS);
const K_ROWS: Dim = Dim::Times(&K_HEADS, &K_DIM);
const QK_ROWS: Dim = Dim::Times(&Dim::Is(2), &K_ROWS);
const V_ROWS: Dim = Dim::Key("ssm.inner_size");

/// Norms are stored as what multiplies, one more than the weight; but for the norm within linear attention.
pub const fn norm(hf: &'static str, gguf: &'static Expr) -> Rule {
    rule(hf, Expr::Map(gguf, ElementOp::Add(-1.0)))
}

/// Holds at a layer of linear attention.
pub const LINEAR: &[Tell] = &[Tell::Tensor("blk.{i}.ssm_a")];
/// Holds at a layer of attention.
pub const ATTENTION: &[Tell] = &[Tell::Not(&LINEAR[0])];

static ENDS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    norm("model.norm", &Expr::Tensor("output_norm")),
    rename("output", "lm_head").optional(),
];

static LAYERS: &[Rule] = &[
    norm("model.layers.{i}.input_layernorm", &Expr::Tensor("blk.{i}.attn_norm")).over(TRUNK),
    norm("model.layers.{i}.post_attention_layernorm", &Expr::Tensor("blk.{i}.post_attention_norm"))
        .over(TRUNK),
    norm("model.layers.{i}.self_attn.q_norm", &Expr::Tensor("blk.{i}.attn_q_norm"))
        .over(TRUNK)
        .only(ATTENTION),
    norm("model.layers.{i}.self_attn.k_norm", &Expr::Tensor("blk.{i}.attn_k_norm"))
        .over(TRUNK)
        .only(ATTENTION),
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj").over(TRUNK).only(ATTENTION),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj").over(TRUNK).only(ATTENTION),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj").over(TRUNK).only(ATTENTION),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj").over(TRUNK).only(ATTENTION),
    exact("model.layers.{i}.linear_attn.norm.weight", Expr::Tensor("blk.{i}.ssm_norm.weight"))
        .over(TRUNK)
        .only(LINEAR),
];

const A_LOG: Expr = Expr::Map(&Expr::Tensor("blk.{i}.ssm_a"), ElementOp::LogNegate);
const CONV: Expr = Expr::Tensor("blk.{i}.ssm_conv1d.weight");
const CONV_SHAPE: &[Dim] = &[Dim::Rows("blk.{i}.ssm_conv1d.weight"), Dim::Is(1), Dim::Key("ssm.conv_kernel")];
const QKV: Expr = Expr::Tensor("blk.{i}.attn_qkv");
const VALUES: Expr = Expr::Rows(&QKV, QK_ROWS, V_ROWS);
const GATE: Expr = Expr::Tensor("blk.{i}.attn_gate");

/// Of each key head its query, key, values and gates; stored all queries first, then all keys, then all values, the
/// gates apart. Files of late 2025 have them as they were, in `ssm_in`.
static NEXT_MIXER: &[Rule] = &[
    exact("model.layers.{i}.linear_attn.A_log", A_LOG).over(TRUNK).only(LINEAR),
    exact("model.layers.{i}.linear_attn.dt_bias", Expr::Tensor("blk.{i}.ssm_dt.bias"))
        .over(TRUNK)
        .only(LINEAR),
    exact("model.layers.{i}.linear_attn.conv1d.weight", Expr::Reshape(&CONV, CONV_SHAPE))
        .over(TRUNK)
        .only(LINEAR),
    rename("blk.{i}.ssm_ba", "model.layers.{i}.linear_attn.in_proj_ba").over(TRUNK).only(LINEAR),
    rule(
        "model.layers.{i}.linear_attn.in_proj_qkvz",
        Expr::InterleaveRuns(
            K_HEADS,
            &[Expr::Rows(&QKV, Dim::Is(0), K_ROWS), Expr::Rows(&QKV, K_ROWS, K_ROWS), VALUES, GATE],
        ),
    )
    .over(TRUNK)
    .only(LINEAR),
    rename("blk.{i}.ssm_in", "model.layers.{i}.linear_attn.in_proj_qkvz").over(TRUNK).optional(),
    rename("blk.{i}.ssm_out", "model.layers.{i}.linear_attn.out_proj").over(TRUNK).only(LINEAR),
];

/// The order of value heads by key head, of blocks of so many rows, from the order in which each key head has its
/// first value head, then each its second (atlas 2.1, R3).
const V_BLOCKS: &[(Dim, Dim)] =
    &[(K_HEADS, V_DIM), (V_PER_K, Dim::Times(&K_HEADS, &V_DIM)), (V_DIM, Dim::Is(1))];
const V_SINGLES: &[(Dim, Dim)] = &[(K_HEADS, Dim::Is(1)), (V_PER_K, K_HEADS)];
const CONV_V: Expr = Expr::Rows(&CONV, QK_ROWS, V_ROWS);

/// Linear attention whose value heads stand in another order, as of Qwen 3.5.
pub static TILED_MIXER: &[Rule] = &[
    exact(
        "model.layers.{i}.linear_attn.A_log",
        Expr::Map(&Expr::Permute(&Expr::Tensor("blk.{i}.ssm_a"), V_SINGLES), ElementOp::LogNegate),
    )
    .over(TRUNK)
    .only(LINEAR),
    exact(
        "model.layers.{i}.linear_attn.dt_bias",
        Expr::Permute(&Expr::Tensor("blk.{i}.ssm_dt.bias"), V_SINGLES),
    )
    .over(TRUNK)
    .only(LINEAR),
    exact(
        "model.layers.{i}.linear_attn.conv1d.weight",
        Expr::Reshape(
            &Expr::Concat(&[Expr::Rows(&CONV, Dim::Is(0), QK_ROWS), Expr::Permute(&CONV_V, V_BLOCKS)]),
            CONV_SHAPE,
        ),
    )
    .over(TRUNK)
    .only(LINEAR),
    rule(
        "model.layers.{i}.linear_attn.in_proj_qkv",
        Expr::Concat(&[Expr::Rows(&QKV, Dim::Is(0), QK_ROWS), Expr::Permute(&VALUES, V_BLOCKS)]),
    )
    .over(TRUNK)
    .only(LINEAR),
    rule("model.layers.{i}.linear_attn.in_proj_z", Expr::Permute(&GATE, V_BLOCKS)).over(TRUNK).only(LINEAR),
    rule(
        "model.layers.{i}.linear_attn.in_proj_b",
        Expr::Permute(&Expr::Tensor("blk.{i}.ssm_beta"), V_SINGLES),
    )
    .over(TRUNK)
    .only(LINEAR),
    rule(
        "model.layers.{i}.linear_attn.in_proj_a",
        Expr::Permute(&Expr::Tensor("blk.{i}.ssm_alpha"), V_SINGLES),
    )
    .over(TRUNK)
    .only(LINEAR),
    rule(
        "model.layers.{i}.linear_attn.out_proj",
        Expr::PermuteColumns(&Expr::Tensor("blk.{i}.ssm_out"), V_BLOCKS),
    )
    .over(TRUNK)
    .only(LINEAR),
];

static TRUNK_MLP: [Rule; 3] = all_over(MLP, TRUNK);
/// Experts of the layers that are no predictors of further tokens.
pub static TRUNK_EXPERTS: [Rule; 4] = all_over(EXPERTS, TRUNK);
/// The shared expert of these.
pub static TRUNK_SHARED_EXPERT: [Rule; 4] = all_over(SHARED_EXPERT, TRUNK);

const fn mtp(rule: Rule) -> Rule {
    rule.from(TRUNK).over(NEXT)
}

/// What predicts further tokens: the first such block holds what they share.
static NEXT_TOKEN: &[Rule] = &[
    mtp(rename("blk.{i}.nextn.eh_proj", "mtp.fc")).optional(),
    mtp(norm("mtp.pre_fc_norm_embedding", &Expr::Tensor("blk.{i}.nextn.enorm"))).optional(),
    mtp(norm("mtp.pre_fc_norm_hidden", &Expr::Tensor("blk.{i}.nextn.hnorm"))).optional(),
    mtp(norm("mtp.norm", &Expr::Tensor("blk.{i}.nextn.shared_head_norm"))).optional(),
    mtp(norm("mtp.layers.{j}.input_layernorm", &Expr::Tensor("blk.{i}.attn_norm"))),
    mtp(norm("mtp.layers.{j}.post_attention_layernorm", &Expr::Tensor("blk.{i}.post_attention_norm"))),
    mtp(norm("mtp.layers.{j}.self_attn.q_norm", &Expr::Tensor("blk.{i}.attn_q_norm"))),
    mtp(norm("mtp.layers.{j}.self_attn.k_norm", &Expr::Tensor("blk.{i}.attn_k_norm"))),
    mtp(rename("blk.{i}.attn_q", "mtp.layers.{j}.self_attn.q_proj")),
    mtp(rename("blk.{i}.attn_k", "mtp.layers.{j}.self_attn.k_proj")),
    mtp(rename("blk.{i}.attn_v", "mtp.layers.{j}.self_attn.v_proj")),
    mtp(rename("blk.{i}.attn_output", "mtp.layers.{j}.self_attn.o_proj")),
];

static NEXT_TOKEN_MLP: &[Rule] = &[
    mtp(rename("blk.{i}.ffn_gate", "mtp.layers.{j}.mlp.gate_proj")),
    mtp(rename("blk.{i}.ffn_up", "mtp.layers.{j}.mlp.up_proj")),
    mtp(rename("blk.{i}.ffn_down", "mtp.layers.{j}.mlp.down_proj")),
];

static NEXT_TOKEN_EXPERTS: &[Rule] = &[
    mtp(rename("blk.{i}.ffn_gate_inp", "mtp.layers.{j}.mlp.gate")),
    mtp(rule(
        "mtp.layers.{j}.mlp.experts.{e}.gate_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    )),
    mtp(rule("mtp.layers.{j}.mlp.experts.{e}.up_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")))),
    mtp(rule(
        "mtp.layers.{j}.mlp.experts.{e}.down_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    )),
    mtp(rename("blk.{i}.ffn_gate_shexp", "mtp.layers.{j}.mlp.shared_expert.gate_proj")),
    mtp(rename("blk.{i}.ffn_up_shexp", "mtp.layers.{j}.mlp.shared_expert.up_proj")),
    mtp(rename("blk.{i}.ffn_down_shexp", "mtp.layers.{j}.mlp.shared_expert.down_proj")),
    mtp(exact(
        "mtp.layers.{j}.mlp.shared_expert_gate.weight",
        Expr::Reshape(
            &Expr::Tensor("blk.{i}.ffn_gate_inp_shexp.weight"),
            &[Dim::Is(1), Dim::Key("embedding_length")],
        ),
    )),
];

/// What the configs of these hybrids have beside a decoder's.
pub static FIELDS: &[Field] = &[
    field("num_hidden_layers", Value::Dim(TRUNK)),
    derived("layer_types", layer_types),
    derived("full_attention_interval", |scope| Ok(scope.u64("full_attention_interval")?.map(Json::from))),
    derived("partial_rotary_factor", rotary_share),
    derived("attention_bias", |scope| {
        Ok(Some(scope.first_layer_with("blk.{i}.attn_q.bias")?.is_some().into()))
    }),
    field("attn_output_gate", Value::Bool(true)),
    int("linear_conv_kernel_dim", "ssm.conv_kernel"),
    field("linear_key_head_dim", Value::Dim(K_DIM)),
    field("linear_value_head_dim", Value::Dim(V_DIM)),
    field("linear_num_key_heads", Value::Dim(K_HEADS)),
    field("linear_num_value_heads", Value::Dim(V_HEADS)),
];

/// Weights of the chosen experts sum to one in every published model; no GGUF says it.
pub static EXPERT_FIELDS: &[Field] = &[
    int("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    field("norm_topk_prob", Value::Bool(true)),
];

/// How many blocks predict further tokens, and rope sections where they are not the class's.
static FIELDS_35: &[Field] = &[
    derived("mtp_num_hidden_layers", |scope| Ok(scope.u64("nextn_predict_layers")?.map(Json::from))),
    derived("rope_scaling", sections),
    derived("rope_parameters", |scope| rope_parameters(scope, sections(scope)?, rotary_share(scope)?)),
];

pub static SPEC: Spec = Spec {
    gguf: "qwen3next",
    when: &[],
    class: "Qwen3NextForCausalLM",
    model_type: "qwen3_next",
    strip: "",
    config: &[DECODER, QWEN_EXPERTS, FIELDS, EXPERT_FIELDS],
    tensors: &[
        ENDS,
        LAYERS,
        NEXT_MIXER,
        &TRUNK_EXPERTS,
        &TRUNK_SHARED_EXPERT,
        NEXT_TOKEN,
        NEXT_TOKEN_EXPERTS,
    ],
    loss: None,
    proof: &["Qwen3NextForCausalLM"],
    source: SOURCE,
};

pub static QWEN35: Spec = Spec {
    gguf: "qwen35",
    when: &[],
    class: "Qwen3_5ForCausalLM",
    model_type: "qwen3_5_text",
    strip: "",
    config: &[DECODER, FIELDS, FIELDS_35],
    tensors: &[ENDS, LAYERS, TILED_MIXER, &TRUNK_MLP, NEXT_TOKEN, NEXT_TOKEN_MLP],
    loss: None,
    proof: &["Qwen3_5ForCausalLM"],
    source: SOURCE,
};

pub static QWEN35_MOE: Spec = Spec {
    gguf: "qwen35moe",
    when: &[],
    class: "Qwen3_5MoeForCausalLM",
    model_type: "qwen3_5_moe_text",
    strip: "",
    config: &[
        DECODER,
        QWEN_EXPERTS,
        FIELDS,
        EXPERT_FIELDS,
        FIELDS_35,
        &[derived("intermediate_size", |_| Ok(None))], // every layer has experts
    ],
    tensors: &[
        ENDS,
        LAYERS,
        TILED_MIXER,
        &TRUNK_EXPERTS,
        &TRUNK_SHARED_EXPERT,
        NEXT_TOKEN,
        NEXT_TOKEN_EXPERTS,
    ],
    loss: None,
    proof: &["Qwen3_5MoeForCausalLM"],
    source: SOURCE,
};

fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let kind = |at: &Scope| Ok(if Tell::all(LINEAR, at)? { "linear_attention" } else { "full_attention" });
    Ok(Some(scope.each_layer(kind)?.into()))
}

fn rotary_share(scope: &Scope) -> Result<Option<Json>, Error> {
    let (rotated, head) = (scope.u64("rope.dimension_count")?, scope.u64("attention.key_length")?);
    Ok(rotated.zip(head).filter(|(_, head)| *head > 0).map(|(r, head)| (r as f64 / head as f64).into()))
}

/// Scaling, with the sections of multi-dimensional rope where they are not the class's own. Text is at the same place
/// in each, so they do not change what it computes.
///
/// # Errors
/// If a key is of another type.
pub fn sections(scope: &Scope) -> Result<Option<Json>, Error> {
    let scaling = rope_scaling(scope)?;
    let stored = scope.metadata().value(&scope.key("rope.dimension_sections"));
    let sections: Vec<u64> = stored
        .and_then(|v| v.as_array())
        .map_or_else(Vec::new, |a| a.iter().filter_map(|v| v.as_u64()).collect());
    let sections = sections.strip_suffix(&[0]).unwrap_or(&sections);
    if sections.is_empty() || sections == [11, 11, 10] {
        return Ok(scaling);
    }
    let mut fields = match scaling {
        Some(Json::Object(fields)) => Json::Object(fields),
        _ => object([("rope_type", Some("default".into())), ("type", Some("default".into()))]),
    };
    fields["mrope_section"] = json!(sections);
    fields["mrope_interleaved"] = json!(true);
    Ok(Some(fields))
}
