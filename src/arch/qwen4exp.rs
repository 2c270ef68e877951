//! Qwen 3.8 Flash Next: Qwen 3.5 with several residual streams in place of norms, an indexer for attention, and hashed n-grams
//! at one layer.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::qwen3next::{
    ATTENTION, EXPERT_FIELDS, FIELDS, LINEAR, TILED_MIXER, TRUNK_EXPERTS, TRUNK_SHARED_EXPERT, norm, sections,
};
use super::shared::{DECODER, QWEN_EXPERTS};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, omit, rename, rule};
use super::{Error, Scope};

static STREAMS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output", "lm_head").optional(),
    norm("model.hyper_connection_mixer.hc_norm", &Expr::Tensor("output_hc_norm")),
    rename("output_hc_down", "model.hyper_connection_mixer.input_mix_weight_down"),
    rename("output_hc_up", "model.hyper_connection_mixer.input_mix_weight_up"),
    norm("model.layers.{i}.attn_hyper_connection.hc_norm", &Expr::Tensor("blk.{i}.hc_attn_norm")),
    rename("blk.{i}.hc_attn_down", "model.layers.{i}.attn_hyper_connection.input_mix_weight_down"),
    rename("blk.{i}.hc_attn_up", "model.layers.{i}.attn_hyper_connection.input_mix_weight_up"),
    rename("blk.{i}.hc_attn_inject", "model.layers.{i}.attn_hyper_connection.block_inject_weight"),
    norm("model.layers.{i}.mlp_hyper_connection.hc_norm", &Expr::Tensor("blk.{i}.hc_ffn_norm")),
    rename("blk.{i}.hc_ffn_down", "model.layers.{i}.mlp_hyper_connection.input_mix_weight_down"),
    rename("blk.{i}.hc_ffn_up", "model.layers.{i}.mlp_hyper_connection.input_mix_weight_up"),
    rename("blk.{i}.hc_ffn_inject", "model.layers.{i}.mlp_hyper_connection.block_inject_weight"),
];

static MIXERS: &[Rule] = &[
    exact("model.layers.{i}.linear_attn.norm.weight", Expr::Tensor("blk.{i}.ssm_norm.weight")).only(LINEAR),
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj").only(ATTENTION),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj").only(ATTENTION),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj").only(ATTENTION),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj").only(ATTENTION),
    norm("model.layers.{i}.self_attn.q_norm", &Expr::Tensor("blk.{i}.attn_q_norm")).only(ATTENTION),
    norm("model.layers.{i}.self_attn.k_norm", &Expr::Tensor("blk.{i}.attn_k_norm")).only(ATTENTION),
    rule(
        "model.layers.{i}.self_attn.indexer.index_qk_proj",
        Expr::Concat(&[Expr::Tensor("blk.{i}.indexer.q_proj"), Expr::Tensor("blk.{i}.indexer.k_proj")]),
    )
    .only(ATTENTION),
    norm("model.layers.{i}.self_attn.indexer.q_layernorm", &Expr::Tensor("blk.{i}.indexer.q_norm"))
        .only(ATTENTION),
    norm("model.layers.{i}.self_attn.indexer.k_layernorm", &Expr::Tensor("blk.{i}.indexer.k_norm"))
        .only(ATTENTION),
];

const PLE: &[Tell] = &[Tell::Tensor("blk.{i}.ple_key.weight")];
const CONV: &str = "blk.{i}.ple_conv1d.weight";
const TABLE: Expr = Expr::Tensor("per_layer_token_embd.weight");

/// The layer that takes in n-grams. Originals have the table in shards, whose number no key says; here it is one. The numbers
/// by which tokens are hashed are 45 bits long, which the converter keeps as metadata.
static N_GRAMS: &[Rule] = &[
    rename("blk.{i}.ple_key", "model.layers.{i}.ple.key_proj").optional(),
    rename("blk.{i}.ple_value", "model.layers.{i}.ple.value_proj").only(PLE),
    norm("model.layers.{i}.ple.norm_key", &Expr::Tensor("blk.{i}.ple_norm_key")).only(PLE),
    norm("model.layers.{i}.ple.norm_query", &Expr::Tensor("blk.{i}.ple_norm_query")).only(PLE),
    norm("model.layers.{i}.ple.norm_conv", &Expr::Tensor("blk.{i}.ple_norm_conv")).only(PLE),
    exact(
        "model.layers.{i}.ple.conv1d.weight",
        Expr::Reshape(&Expr::Tensor(CONV), &[Dim::Rows(CONV), Dim::Is(1), Dim::Key("ple.conv_kernel")]),
    )
    .only(PLE),
    exact("model.layers.{i}.ple.ple_embedding.ngram_embedding.shard_0.weight", TABLE).only(PLE),
    exact(
        "model.layers.{i}.ple.ple_embedding.layer_multipliers",
        Expr::Integers("qwen4exp.ple.layer_multipliers"),
    )
    .only(PLE),
    exact(
        "model.layers.{i}.ple.ple_embedding.ngram_heads_offsets",
        Expr::Integers("qwen4exp.ple.head_offsets"),
    )
    .only(PLE),
    exact(
        "model.layers.{i}.ple.ple_embedding.ngram_heads_vocab_sizes",
        Expr::Integers("qwen4exp.ple.head_vocab_sizes"),
    )
    .only(PLE),
];

static OWN_FIELDS: &[Field] = &[
    derived("rope_scaling", sections),
    omit("intermediate_size"), // every layer has experts
    int("hc_count", "hyper_connection.count"),
    int("hc_lowrank", "hyper_connection.low_rank"),
    int("indexer_n_heads", "attention.indexer.head_count"),
    field("indexer_kv_heads", Value::Int(1)), // the class takes no other number
    int("indexer_head_dim", "attention.indexer.key_length"),
    int("indexer_budget", "attention.indexer.top_k"),
    derived("indexer_compress_ratio", compress_ratio),
];

static N_GRAM_FIELDS: &[Field] = &[
    derived("ple_layer_ids", ple_layers),
    derived("ple_embed_dim", |scope| match ple_layer(scope)? {
        Some(layer) => Ok(Some(Dim::RowLen("blk.{i}.ple_key.weight").of(&layer)?.into())),
        None => Ok(None),
    }),
    derived("ple_conv_kernel_size", |scope| number(scope, "ple.conv_kernel")),
    derived("ngram_size", |scope| number(scope, "ple.ngram_size")),
    derived("heads_per_ngram", |scope| number(scope, "ple.heads_per_ngram")),
    derived("ngram_vocab_size_base", |scope| Ok(sizes(scope).first().map(|&size| size.into()))),
    derived("make_ngram_vocab_size_divisible_by", divisor),
    derived("split_ngram_parts", |scope| Ok(ple_layer(scope)?.map(|_| 1.into()))),
    derived("eos_token_id", |scope| number(scope, "ple.eos_token_id")),
    derived("image_token_id", |scope| number(scope, "ple.image_token_id")),
];

pub static SPEC: Spec = Spec {
    gguf: "qwen4exp",
    when: &[],
    class: "Qwen4ExpForCausalLM",
    model_type: "qwen4_exp_text",
    strip: "",
    config: &[DECODER, QWEN_EXPERTS, FIELDS, EXPERT_FIELDS, OWN_FIELDS, N_GRAM_FIELDS],
    tensors: &[STREAMS, MIXERS, TILED_MIXER, &TRUNK_EXPERTS, &TRUNK_SHARED_EXPERT, N_GRAMS],
    loss: Some(
        "the layers that predict further tokens, where the original has any; its table of n-grams, in several shards there, is one",
    ),
    proof: &["Qwen4ExpForCausalLM"],
    source: "conversion/qwen4exp.py, class Qwen4ExpTextModel, llama.cpp 0c1e5709",
};

fn number(scope: &Scope, key: &str) -> Result<Option<Json>, Error> {
    Ok(scope.u64(key)?.map(Json::from))
}

/// The scope of the layer that takes in n-grams.
fn ple_layer<'a>(scope: &Scope<'a>) -> Result<Option<Scope<'a>>, Error> {
    Ok(scope.first_layer_with("blk.{i}.ple_key.weight")?.map(|layer| scope.at(layer)))
}

/// Layers are counted from 1 here, from 0 there.
fn ple_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(ple_layer(scope)?.map(|at| at.layer + 1).into_iter().collect()))
}

/// Sizes of the tables of hashed n-grams, each a prime of its own: the first is the least not below the config's number.
fn sizes(scope: &Scope) -> Vec<u64> {
    let sizes = scope.metadata().value(&scope.key("ple.head_vocab_sizes")).and_then(|v| v.as_array());
    sizes.map_or_else(Vec::new, |all| all.iter().filter_map(|v| v.as_u64()).collect())
}

/// What the rows of all tables together are filled up to a multiple of: the class's number, or else their own.
fn divisor(scope: &Scope) -> Result<Option<Json>, Error> {
    const CLASS: u64 = 128;
    if ple_layer(scope)?.is_none() {
        return Ok(None);
    }
    let rows = Dim::Rows("per_layer_token_embd.weight").of(scope)?;
    let used = sizes(scope).iter().try_fold(0_u64, |sum, &size| sum.checked_add(size));
    let filled = used.and_then(|used| used.checked_next_multiple_of(CLASS));
    Ok(Some(if filled == Some(rows) { CLASS } else { rows }.into()))
}

/// Keys that an index of the indexer stands for: one number at all layers that attend.
fn compress_ratio(scope: &Scope) -> Result<Option<Json>, Error> {
    let ratios = scope.each_layer(|layer| layer.u64("attention.compress_ratios"))?;
    let ratio = ratios.into_iter().flatten().find(|&ratio| ratio > 0);
    let ratio = ratio.ok_or_else(|| Error::MissingKey { key: scope.key("attention.compress_ratios") })?;
    Ok(Some(ratio.into()))
}
