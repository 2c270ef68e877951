//! Kimi K3: Kimi Linear with gated attention, experts in a smaller space, and residuals that attend over earlier blocks.
//! The language model of a class that sees images.

use serde_json::{Value as Json, json};

use super::deepseek2::KV_B;
use super::dim::Dim;
use super::expr::Expr;
use super::kda::{
    A_LOG, COMPRESSED, CONV_K, CONV_Q, CONV_V, FULL, HEAD_DIM, LINEAR, UNCOMPRESSED, compressed_attention,
    delta_attention, layers_counted_from_one,
};
use super::kimi_linear::{FIELDS, SPARSE, heads, kimi};
use super::shared::{DECODER, DENSE, object};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, number, rename, rule};
use super::{Error, Scope};
use crate::tensor::ElementOp;

const HIDDEN: Dim = Dim::Key("embedding_length");
const ONES: Expr =
    Expr::Map(&Expr::Reshape(&Expr::Zeros(HIDDEN, Dim::Is(1)), &[HIDDEN]), ElementOp::Add(1.0));

/// The score of a residual: the converter stores the norm's weight times the projection's, which is all that the class
/// uses of them. The norm shows as one, the projection as the product.
macro_rules! score {
    ($stored:literal, $name:literal) => {
        [
            exact(concat!($name, "_norm.weight"), ONES),
            exact(
                concat!($name, "_proj.weight"),
                Expr::Reshape(&Expr::Tensor($stored), &[Dim::Is(1), HIDDEN]),
            ),
        ]
    };
}
static ATTENTION_SCORES: &[Rule] =
    &score!("blk.{i}.attn_res_score.weight", "language_model.model.layers.{i}.self_attention_res");
static MLP_SCORES: &[Rule] =
    &score!("blk.{i}.ffn_res_score.weight", "language_model.model.layers.{i}.mlp_res");
static OUTPUT_SCORES: &[Rule] = &score!("output_res_score.weight", "language_model.model.output_attn_res");

static LAYERS: &[Rule] = kimi!("language_model.");
static DELTA: &[Rule] = delta_attention!("language_model.model.layers.{i}.self_attn.", "o_proj");
static COMPRESSED_ATTENTION: &[Rule] =
    compressed_attention!("language_model.model.layers.{i}.self_attn.", "o_proj");

/// The gate of the output has one name in the original and two here.
static GATES: &[Rule] = &[
    exact("language_model.model.layers.{i}.self_attn.A_log", A_LOG).only(LINEAR),
    rename("blk.{i}.ssm_g", "language_model.model.layers.{i}.self_attn.g_proj").only(LINEAR),
    rename("blk.{i}.attn_gate", "language_model.model.layers.{i}.self_attn.g_proj").only(FULL),
];

static LATENT: &[Rule] = &[
    rename(
        "blk.{i}.ffn_routed_down",
        "language_model.model.layers.{i}.block_sparse_moe.routed_expert_down_proj",
    )
    .optional(),
    rename("blk.{i}.ffn_routed_up", "language_model.model.layers.{i}.block_sparse_moe.routed_expert_up_proj")
        .optional(),
    rename("blk.{i}.ffn_routed_norm", "language_model.model.layers.{i}.block_sparse_moe.routed_expert_norm")
        .optional(),
];

static TEXT_FIELDS: &[Field] = &[
    derived("architectures", |_| Ok(Some(json!(["KimiLinearForCausalLM"])))),
    field("model_type", Value::Str("kimi_linear")),
    field("hidden_act", Value::Str("situ")),
    number("activation_situ_beta", "activation.situ_beta"),
    number("activation_situ_linear_beta", "activation.situ_linear_beta"),
    int("attn_res_block_size", "attn_res.block_size"),
    field("mla_use_output_gate", Value::Bool(true)),
    derived("routed_expert_hidden_size", |scope| Ok(scope.u64("expert_latent_length")?.map(Json::from))),
    derived("latent_moe_use_norm", |scope| {
        Ok(Some(scope.first_layer_with("blk.{i}.ffn_routed_norm.weight")?.is_some().into()))
    }),
    derived("linear_attn_config", linear_attention),
];

pub static SPEC: Spec = Spec {
    gguf: "kimi-k3",
    when: &[],
    class: "KimiK3ForConditionalGeneration",
    model_type: "kimi_k3",
    strip: "",
    config: &[&[
        field("text_config", Value::Object(&[DECODER, FIELDS, TEXT_FIELDS])),
        field("tie_word_embeddings", Value::Absent("output.weight")),
    ]],
    tensors: &[
        LAYERS,
        DELTA,
        GATES,
        COMPRESSED_ATTENTION,
        LATENT,
        ATTENTION_SCORES,
        MLP_SCORES,
        OUTPUT_SCORES,
    ],
    loss: Some(
        "the vision tower is in no GGUF of it; the norms of attention residuals are multiplied into the projections behind them: the same function, other numbers",
    ),
    proof: &["KimiK3ForConditionalGeneration"],
    source: "conversion/kimi_k3.py, llama.cpp 0c1e5709",
};

fn linear_attention(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(object([
        ("full_attn_layers", Some(layers_counted_from_one(scope, FULL)?)),
        ("gate_lower_bound", scope.f64("kda.gate_lower_bound")?.map(Json::from)),
        ("head_dim", Some(HEAD_DIM.of(scope)?.into())),
        ("kda_layers", Some(layers_counted_from_one(scope, LINEAR)?)),
        ("num_heads", Some(heads(scope)?.into())),
        ("short_conv_kernel_size", Some(Dim::Key("ssm.conv_kernel").of(scope)?.into())),
        ("use_full_rank_gate", Some(true.into())),
    ])))
}
