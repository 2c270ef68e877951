//! Groups of fields and rules that several specs list, each proved by the cases of those specs.

use serde_json::{Map, Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling;
use super::spec::{Field, Rule, Tell, Value, derived, drop, exact, field, int, number, omit, rename, rule};
use super::{Error, Scope};

/// The last layers, which predict further tokens.
pub const NEXT: Dim = Dim::KeyOr("nextn_predict_layers", &Dim::Is(0));
/// Layers of the model proper, without these.
pub const TRUNK: Dim = Dim::Minus(&Dim::Key("block_count"), &NEXT);
/// Query heads.
pub const HEADS: Dim = Dim::Key("attention.head_count");
/// Key and value heads; files without grouped attention may lack the key.
pub const KV_HEADS: Dim = Dim::KeyOr("attention.head_count_kv", &HEADS);
/// Rows of a head: given, or the query projection's share.
pub const HEAD_DIM: Dim =
    Dim::KeyOr("attention.key_length", &Dim::Over(&Dim::Key("embedding_length"), &HEADS));

/// What every decoder's config.json holds. `vocab_size` is the embedding's rows: the key may be larger or absent.
pub static DECODER: &[Field] = &[
    int("hidden_size", "embedding_length"),
    field("num_hidden_layers", Value::Dim(TRUNK)),
    field("num_attention_heads", Value::Dim(HEADS)),
    field("num_key_value_heads", Value::Dim(KV_HEADS)),
    derived("head_dim", head_dim),
    int("intermediate_size", "feed_forward_length"),
    int("max_position_embeddings", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    field("hidden_act", Value::Str("silu")),
    field("rope_theta", Value::Number("rope.freq_base", Some(10000.0))),
    derived("rope_scaling", rope_scaling::rope_scaling),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("attention_dropout", Value::Float(0.0)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

/// Sizes in the spelling of BERT, GPT-NeoX and their kin.
pub static SIZES: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    field("num_attention_heads", Value::Dim(HEADS)),
    int("intermediate_size", "feed_forward_length"),
    int("max_position_embeddings", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
];

/// The size of a head, where the file says it: classes divide otherwise, and llama.cpp's converter writes the key
/// exactly if the original config had the field.
fn head_dim(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(scope.u64("attention.key_length")?.map(Json::from))
}

/// A mixture's sizes in Qwen's spelling.
pub static QWEN_EXPERTS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    derived("moe_intermediate_size", expert_width),
    field("decoder_sparse_step", Value::Int(1)),
    derived("mlp_only_layers", |_| Ok(Some(json!([])))),
    field("router_aux_loss_coef", Value::Float(0.001)),
    field("output_router_logits", Value::Bool(false)),
];

/// The width of an expert: given, or (files before mid-2024) the rows of one in the stack.
fn expert_width(scope: &Scope) -> Result<Option<Json>, Error> {
    const STACKED: Dim = Dim::Over(&Dim::Rows("blk.0.ffn_gate_exps.weight"), &Dim::Key("expert_count"));
    Ok(Some(Dim::KeyOr("expert_feed_forward_length", &STACKED).of(scope)?.into()))
}

/// Sliding window of Qwen2 and its kin: no GGUF of them has one. candle needs the fields.
pub static NO_WINDOW: &[Field] = &[
    field("use_sliding_window", Value::Bool(false)),
    field("sliding_window", Value::Null),
    int("max_window_layers", "block_count"),
];

/// Embedding, final norm and head. No head in the file: it is tied.
pub static ENDS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
];

/// Norms before attention and before the feed-forward network.
pub static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm"),
];

/// Attention whose rows are as in the original.
pub static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj"),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj"),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

/// Attention whose query and key rows the converter reordered for pairwise rope.
pub static ROPED_ATTENTION: &[Rule] = &[
    rule("model.layers.{i}.self_attn.q_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_q"), HEADS)),
    rule("model.layers.{i}.self_attn.k_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_k"), KV_HEADS)),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

/// Norms of query and key heads.
pub static QK_NORMS: &[Rule] = &[
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_norm"),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_norm"),
];

/// The gated feed-forward network.
pub static MLP: &[Rule] = &[
    rename("blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj"),
];

/// The feed-forward network without a gate.
pub static UNGATED_MLP: &[Rule] = &[
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj"),
];

/// Router and experts in Qwen's spelling, a tensor an expert: every loader knows that one.
pub static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.gate"),
    rule("model.layers.{i}.mlp.experts.{e}.gate_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps"))),
    rule("model.layers.{i}.mlp.experts.{e}.up_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps"))),
    rule("model.layers.{i}.mlp.experts.{e}.down_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps"))),
];

/// The shared expert of Qwen2-MoE and its gate, which is one row; files may have dropped that axis.
pub static SHARED_EXPERT: &[Rule] = &[
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.mlp.shared_expert.gate_proj"),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.mlp.shared_expert.up_proj"),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.mlp.shared_expert.down_proj"),
    exact(
        "model.layers.{i}.mlp.shared_expert_gate.weight",
        Expr::Reshape(
            &Expr::Tensor("blk.{i}.ffn_gate_inp_shexp.weight"),
            &[Dim::Is(1), Dim::Key("embedding_length")],
        ),
    ),
];

/// The router of a layer that has experts.
pub const ROUTED: Tell = Tell::Tensor("blk.{i}.ffn_gate_inp.weight");
const SPARSE: &[Tell] = &[ROUTED];
/// Layers that have no router.
pub const DENSE: &[Tell] = &[Tell::Not(&ROUTED)];

/// The gated network of a mixture's dense layers.
pub static DENSE_MLP: &[Rule] = &[
    rename("blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj").only(DENSE),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj").only(DENSE),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj").only(DENSE),
];

/// The experts of a mixture's sparse layers.
pub static SPARSE_EXPERTS: &[Rule] = &[
    rule("model.layers.{i}.mlp.experts.{e}.gate_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")))
        .only(SPARSE),
    rule("model.layers.{i}.mlp.experts.{e}.up_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")))
        .only(SPARSE),
    rule("model.layers.{i}.mlp.experts.{e}.down_proj", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")))
        .only(SPARSE),
];

/// The router of sparse layers under its usual name.
pub static GATE: &[Rule] = &[rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.gate").optional()];

/// DeepSeek's correction of the router's scores. Files differ in the suffix.
pub static SCORE_CORRECTION: &[Rule] = &[
    exact("model.layers.{i}.mlp.gate.e_score_correction_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias"))
        .optional(),
    exact("model.layers.{i}.mlp.gate.e_score_correction_bias", Expr::Tensor("blk.{i}.exp_probs_b"))
        .optional(),
];

const SHARED: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_up_shexp.weight")];

/// Experts that every token takes, as one network, in DeepSeek's spelling.
pub static SHARED_EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_shexp", "model.layers.{i}.mlp.shared_experts.gate_proj").only(SHARED),
    rename("blk.{i}.ffn_up_shexp", "model.layers.{i}.mlp.shared_experts.up_proj").optional(),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.mlp.shared_experts.down_proj").only(SHARED),
];

/// What the layers that predict further tokens have beside a layer's own tensors.
pub static NEXTN: &[Rule] = &[
    rename("blk.{i}.nextn.eh_proj", "model.layers.{i}.eh_proj").optional(),
    rename("blk.{i}.nextn.enorm", "model.layers.{i}.enorm").optional(),
    rename("blk.{i}.nextn.hnorm", "model.layers.{i}.hnorm").optional(),
    rename("blk.{i}.nextn.embed_tokens", "model.layers.{i}.embed_tokens").optional(),
    rename("blk.{i}.nextn.shared_head_head", "model.layers.{i}.shared_head.head").optional(),
    rename("blk.{i}.nextn.shared_head_norm", "model.layers.{i}.shared_head.norm").optional(),
];

/// The norms of blocks that have one after attention and one after the feed-forward network, and none before.
pub static POST_NORMS: &[Rule] = &[
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.post_ffw_norm", "model.layers.{i}.post_feedforward_layernorm"),
];

/// The norm before attention, in blocks where attention and feed-forward network share it.
pub static ONE_NORM: &[Rule] = &[rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm")];

/// The up projection of files that hold gate and up as one.
pub static FUSED_MLP: &[Rule] = &[
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.gate_up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj"),
];

/// Frequency factors that the config says in numbers.
pub static ROPE_FACTORS: &[Rule] = &[
    drop("rope_freqs.weight", "rope_scaling in config.json says the same"),
    drop("rope_factors_long.weight", "rope_scaling in config.json says the same"),
    drop("rope_factors_short.weight", "rope_scaling in config.json says the same"),
];

/// The epsilon of classes whose norms subtract the mean.
pub static LAYER_NORM: &[Field] =
    &[omit("rms_norm_eps"), number("layer_norm_eps", "attention.layer_norm_epsilon")];

/// Where the file has no size of a head: what hidden size and heads give, as the class's default is another.
pub static OWN_HEAD_DIM: &[Field] = &[field("head_dim", Value::Dim(HEAD_DIM))];

/// Part of a head that rope turns.
pub static PARTIAL_ROTARY: &[Field] =
    &[field("partial_rotary_factor", Value::Ratio(Dim::Key("rope.dimension_count"), HEAD_DIM))];

/// Window and which layers have one. A file without the key has none.
pub static WINDOW: &[Field] = &[field("sliding_window", Value::OptionalDim("attention.sliding_window"))];

/// The epsilon of norms under either key, as converters of different times wrote it.
///
/// # Errors
/// If a key is no number.
pub fn epsilon(scope: &Scope) -> Result<Option<Json>, Error> {
    let rms = scope.f64("attention.layer_norm_rms_epsilon")?;
    let given = rms.or(scope.f64("attention.layer_norm_epsilon")?);
    Ok(Some(json!(given.unwrap_or(1e-6))))
}

/// How many layers predict further tokens, where the file says it.
///
/// # Errors
/// If the key is no number.
pub fn predicting_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(scope.u64("nextn_predict_layers")?.map(Json::from))
}

/// For each layer whether it has experts.
///
/// # Errors
/// If the number of layers is absent.
pub fn mlp_layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let kind = |s: &Scope| {
        if s.tensor(&s.name("blk.{i}.ffn_gate_inp.weight")).is_some() { "sparse" } else { "dense" }
    };
    Ok(Some(scope.each_layer(|s| Ok(kind(s)))?.into()))
}

/// The width of one of the experts that every token takes: their rows, as no key says it.
///
/// # Errors
/// If a key is of another type, or the rows are no multiple of the experts.
pub fn shared_expert_width(scope: &Scope) -> Result<Option<Json>, Error> {
    const UP: &str = "blk.{i}.ffn_up_shexp.weight";
    const WIDTH: Dim = Dim::Over(&Dim::Rows(UP), &Dim::KeyOr("expert_shared_count", &Dim::Is(1)));
    let layer = scope.first_layer_with(UP)?;
    layer.map(|layer| Ok(WIDTH.of(&scope.at(layer))?.into())).transpose()
}

/// The limit of the activation, which converters repeat for each block.
///
/// # Errors
/// If the key is no array.
pub fn swiglu_limit(scope: &Scope) -> Result<Option<Json>, Error> {
    let limits = scope.metadata().array(&scope.key("swiglu_clamp_exp"))?;
    Ok(limits.and_then(|limits| limits.get(0)?.as_f64()).map(Json::from))
}

/// How the router turns scores into weights, where the file says it: classes that know one way do not name it.
///
/// # Errors
/// If the number stands for no function that configs name.
pub fn scoring_func(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(match scope.u64("expert_gating_func")? {
        None => None,
        Some(1) => Some("softmax".into()),
        Some(2) => Some("sigmoid".into()),
        Some(4) => Some("sqrtsoftplus".into()),
        Some(other) => return Err(Error::Unsupported { what: format!("expert_gating_func {other}") }),
    })
}
/// What is lost of a model with a tower where its class knows no text part alone.
pub const NO_TOWER: Option<&str> = Some(
    "the vision tower, which is in a file of its own: transformers makes one at random, which text does not use",
);

/// What tells an embedding model: it is said to pool or to look both ways (the converter writes the key only then), and has
/// no head to predict tokens.
pub const EMBEDS: &[Tell] = &[
    Tell::Any(&[Tell::Key("pooling_type"), Tell::Key("attention.causal")]),
    Tell::Not(&Tell::Tensor("output.weight")),
];

/// Whether a decoder made into an encoder looks only back. Without a head there is nothing to tie, whatever the config of
/// the decoder said.
pub static ENCODER: &[Field] = &[
    derived("is_causal", |scope| Ok(scope.metadata().bool(&scope.key("attention.causal"))?.map(Json::from))),
    omit("tie_word_embeddings"),
];

/// Modules that follow pooling in embedding models, each in its own folder.
pub static DENSE_MODULES: &[Rule] =
    &[rename("dense_2", "2_Dense/linear").optional(), rename("dense_3", "3_Dense/linear").optional()];

/// Router and experts in Mixtral's spelling, a tensor an expert.
pub static SPARSE_BLOCK: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.block_sparse_moe.gate"),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.w1",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    ),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.w2",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    ),
    rule(
        "model.layers.{i}.block_sparse_moe.experts.{e}.w3",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")),
    ),
];

/// An object for a field, less what is null.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Option<Json>)>) -> Json {
    let present = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Json::Object(present.collect::<Map<_, _>>())
}
