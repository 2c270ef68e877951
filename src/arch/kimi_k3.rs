//! Kimi K3: Kimi Linear with gated attention, experts in a smaller space, and residuals that attend over earlier blocks.
//! The language model of a class that sees images.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::kda::{A_LOG, FULL, HEAD_DIM, LINEAR, layers_counted_from_one};
use super::kimi_linear::{COMPRESSED_ATTENTION, DELTA, FIELDS, FORGET_GATE, MIXTURE, heads};
use super::shared::{DECODER, DENSE_MLP, NORMS, object};
use super::spec::{Field, Rule, Spec, Value, all_rooted, derived, exact, field, int, number, rename};
use super::{Error, Scope};
use crate::tensor::ElementOp;

/// Where the language model's names begin.
const ROOT: &str = "language_model.model.";

const HIDDEN: Dim = Dim::Key("embedding_length");
const ONES: Expr =
    Expr::Map(&Expr::Reshape(&Expr::Zeros(HIDDEN, Dim::Is(1)), &[HIDDEN]), ElementOp::Add(1.0));

/// The score of a residual: the converter stores the norm's weight times the projection's, which is all that the class
/// uses of them. The norm shows as one, the projection as the product.
macro_rules! score {
    ($stored:literal, $name:literal) => {
        [
            exact(concat!($name, "_norm.weight"), ONES).rooted(ROOT),
            exact(
                concat!($name, "_proj.weight"),
                Expr::Reshape(&Expr::Tensor($stored), &[Dim::Is(1), HIDDEN]),
            )
            .rooted(ROOT),
        ]
    };
}
static SCORES: [[Rule; 2]; 3] = [
    score!("blk.{i}.attn_res_score.weight", "model.layers.{i}.self_attention_res"),
    score!("blk.{i}.ffn_res_score.weight", "model.layers.{i}.mlp_res"),
    score!("output_res_score.weight", "model.output_attn_res"),
];

static OWN: &[Rule] = &[
    rename("token_embd", "model.embed_tokens").rooted(ROOT),
    rename("output_norm", "model.norm").rooted(ROOT),
    rename("output", "language_model.lm_head").optional(),
    exact("model.layers.{i}.self_attn.A_log", A_LOG).only(LINEAR).rooted(ROOT),
    // The gate of the output has one name in the original and two here.
    rename("blk.{i}.ssm_g", "model.layers.{i}.self_attn.g_proj").only(LINEAR).rooted(ROOT),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.g_proj").only(FULL).rooted(ROOT),
    rename("blk.{i}.ffn_routed_down", "model.layers.{i}.block_sparse_moe.routed_expert_down_proj")
        .optional()
        .rooted(ROOT),
    rename("blk.{i}.ffn_routed_up", "model.layers.{i}.block_sparse_moe.routed_expert_up_proj")
        .optional()
        .rooted(ROOT),
    rename("blk.{i}.ffn_routed_norm", "model.layers.{i}.block_sparse_moe.routed_expert_norm")
        .optional()
        .rooted(ROOT),
];

static ROOTED_NORMS: [Rule; 2] = all_rooted(NORMS, ROOT);
static ROOTED_DELTA: [Rule; 10] = all_rooted(DELTA, ROOT);
static ROOTED_FORGET_GATE: [Rule; 2] = all_rooted(FORGET_GATE, ROOT);
static ROOTED_COMPRESSED_ATTENTION: [Rule; 9] = all_rooted(COMPRESSED_ATTENTION, ROOT);
static ROOTED_DENSE_MLP: [Rule; 3] = all_rooted(DENSE_MLP, ROOT);
static ROOTED_MIXTURE: [Rule; 8] = all_rooted(MIXTURE, ROOT);

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
        field("text_config", Value::Fields(&[DECODER, FIELDS, TEXT_FIELDS])),
        field("tie_word_embeddings", Value::Absent("output.weight")),
    ]],
    tensors: &[
        OWN,
        &ROOTED_NORMS,
        &ROOTED_DELTA,
        &ROOTED_FORGET_GATE,
        &ROOTED_COMPRESSED_ATTENTION,
        &ROOTED_DENSE_MLP,
        &ROOTED_MIXTURE,
        &SCORES[0],
        &SCORES[1],
        &SCORES[2],
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
