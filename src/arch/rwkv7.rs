//! RWKV 7, in flash-linear-attention's spelling, and the Qwen 2 whose attention was replaced by it.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ENDS, MLP, NORMS};
use super::spec::{Field, Rule, Spec, Tell, Value, drop, exact, field, int, number, rename};

const SOURCE: &str = "conversion/rwkv.py, classes Rwkv7Model and ARwkv7Model, llama.cpp 0c1e5709";

const HIDDEN: Dim = Dim::Key("embedding_length");
const HEAD: Dim = Dim::Key("wkv.head_size");
const HEADS: Dim = Dim::Over(&HIDDEN, &HEAD);
/// Vectors are stored without their axes of one element.
const VECTOR: &[Dim] = &[Dim::Is(1), Dim::Is(1), HIDDEN];
const VECTORS: &[Dim] = &[Dim::Rows(LERP), HIDDEN];

/// What mixes a token's state with the one before it: vectors as one tensor, of receptance, decay, keys, values, rate, and
/// gate where there is one.
const LERP: &str = "blk.{i}.time_mix_lerp_fused.weight";
macro_rules! mix {
    ($nth:literal) => {
        Expr::Reshape(
            &Expr::Rows(&Expr::Reshape(&Expr::Tensor(LERP), VECTORS), Dim::Is($nth), Dim::Is(1)),
            VECTOR,
        )
    };
}
const GATED: &[Tell] = &[Tell::Tensor("blk.{i}.time_mix_g1.weight")];

/// Layers that mix in values of the first; the converter gives the first a copy of others, which nothing reads.
const LATER: Dim = Dim::Minus(&Dim::Key("block_count"), &Dim::Is(1));
const UNREAD: &str = "the first layer has none; these are a copy of its rate's";
static FIRST_LAYER: &[Rule] = &[
    drop("blk.0.time_mix_v0.weight", UNREAD),
    drop("blk.0.time_mix_v1.weight", UNREAD),
    drop("blk.0.time_mix_v2.weight", UNREAD),
];

const fn later(rule: Rule) -> Rule {
    rule.from(Dim::Is(1)).over(LATER)
}

const R_K: Expr = Expr::Reshape(&Expr::Tensor("blk.{i}.time_mix_r_k.weight"), &[HEADS, HEAD]);

static TIME_MIX: &[Rule] = &[
    exact("model.layers.{i}.attn.x_r", mix!(0)),
    exact("model.layers.{i}.attn.x_w", mix!(1)),
    exact("model.layers.{i}.attn.x_k", mix!(2)),
    exact("model.layers.{i}.attn.x_v", mix!(3)),
    exact("model.layers.{i}.attn.x_a", mix!(4)),
    exact("model.layers.{i}.attn.x_g", mix!(5)),
    exact("model.layers.{i}.attn.k_k", Expr::Tensor("blk.{i}.time_mix_k_k.weight")),
    exact("model.layers.{i}.attn.k_a", Expr::Tensor("blk.{i}.time_mix_k_a.weight")),
    exact("model.layers.{i}.attn.r_k", R_K),
    rename("blk.{i}.time_mix_receptance", "model.layers.{i}.attn.r_proj"),
    rename("blk.{i}.time_mix_key", "model.layers.{i}.attn.k_proj"),
    rename("blk.{i}.time_mix_value", "model.layers.{i}.attn.v_proj"),
    rename("blk.{i}.time_mix_output", "model.layers.{i}.attn.o_proj"),
    rename("blk.{i}.time_mix_ln", "model.layers.{i}.attn.g_norm"),
    exact("model.layers.{i}.attn.w_lora.lora.0.weight", Expr::Tensor("blk.{i}.time_mix_w1.weight")),
    exact("model.layers.{i}.attn.w_lora.lora.2.weight", Expr::Tensor("blk.{i}.time_mix_w2.weight")),
    exact("model.layers.{i}.attn.w_lora.lora.2.bias", Expr::Tensor("blk.{i}.time_mix_w0.weight")),
    exact("model.layers.{i}.attn.a_lora.lora.0.weight", Expr::Tensor("blk.{i}.time_mix_a1.weight")),
    exact("model.layers.{i}.attn.a_lora.lora.2.weight", Expr::Tensor("blk.{i}.time_mix_a2.weight")),
    exact("model.layers.{i}.attn.a_lora.lora.2.bias", Expr::Tensor("blk.{i}.time_mix_a0.weight")),
    exact("model.layers.{i}.attn.g_lora.lora.0.weight", Expr::Tensor("blk.{i}.time_mix_g1.weight")),
    exact("model.layers.{i}.attn.g_lora.lora.2.weight", Expr::Tensor("blk.{i}.time_mix_g2.weight")),
    later(exact("model.layers.{i}.attn.v_lora.lora.0.weight", Expr::Tensor("blk.{i}.time_mix_v1.weight"))),
    later(exact("model.layers.{i}.attn.v_lora.lora.2.weight", Expr::Tensor("blk.{i}.time_mix_v2.weight"))),
    later(exact("model.layers.{i}.attn.v_lora.lora.2.bias", Expr::Tensor("blk.{i}.time_mix_v0.weight"))),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embeddings"),
    rename("token_embd_norm", "model.layers.0.pre_norm"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "model.layers.{i}.attn_norm"),
    rename("blk.{i}.attn_norm_2", "model.layers.{i}.ffn_norm"),
    exact("model.layers.{i}.ffn.x_k", Expr::Tensor("blk.{i}.channel_mix_lerp_k.weight")),
    rename("blk.{i}.channel_mix_key", "model.layers.{i}.ffn.key"),
    rename("blk.{i}.channel_mix_value", "model.layers.{i}.ffn.value"),
];

static FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    field("num_heads", Value::Dim(HEADS)),
    field("head_dim", Value::Dim(HEAD)),
    int("intermediate_size", "feed_forward_length"),
    field("hidden_ratio", Value::Ratio(Dim::Key("feed_forward_length"), HIDDEN)),
    field("value_dim", Value::PerLayer(HIDDEN)),
    int("decay_low_rank_dim", "attention.decay_lora_rank"),
    int("a_low_rank_dim", "attention.iclr_lora_rank"),
    int("v_low_rank_dim", "attention.value_residual_mix_lora_rank"),
    int("gate_low_rank_dim", "attention.gate_lora_rank"),
    number("norm_eps", "attention.layer_norm_epsilon"),
    field("norm_bias", Value::Present("blk.0.attn_norm.bias")),
    field("norm_first", Value::Present("token_embd_norm.weight")),
    field("hidden_act", Value::Str("sqrelu")),
    field("attn", Value::Null),
    field("attn_mode", Value::Str("chunk")),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("fuse_norm", Value::Bool(false)),
    field("initializer_range", Value::Float(0.006)),
    field("use_cache", Value::Bool(true)),
];

pub static SPEC: Spec = Spec {
    gguf: "rwkv7",
    when: &[],
    class: "RWKV7ForCausalLM",
    model_type: "rwkv7",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS, TIME_MIX, FIRST_LAYER],
    loss: None,
    proof: &["RWKV7ForCausalLM"],
    source: SOURCE,
};

macro_rules! vector {
    ($stored:literal) => {
        Expr::Reshape(&Expr::Tensor($stored), VECTOR)
    };
}
macro_rules! turned {
    ($stored:literal) => {
        Expr::Transpose(&Expr::Tensor($stored))
    };
}

static HYBRID_TIME_MIX: &[Rule] = &[
    exact("model.layers.{i}.self_attn.time_mixer.x_r", mix!(0)),
    exact("model.layers.{i}.self_attn.time_mixer.x_w", mix!(1)),
    exact("model.layers.{i}.self_attn.time_mixer.x_k", mix!(2)),
    exact("model.layers.{i}.self_attn.time_mixer.x_v", mix!(3)),
    exact("model.layers.{i}.self_attn.time_mixer.x_a", mix!(4)),
    exact("model.layers.{i}.self_attn.time_mixer.x_g", mix!(5)).only(GATED),
    exact("model.layers.{i}.self_attn.time_mixer.w0", vector!("blk.{i}.time_mix_w0.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.w1", turned!("blk.{i}.time_mix_w1.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.w2", turned!("blk.{i}.time_mix_w2.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.a0", vector!("blk.{i}.time_mix_a0.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.a1", turned!("blk.{i}.time_mix_a1.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.a2", turned!("blk.{i}.time_mix_a2.weight")),
    later(exact("model.layers.{i}.self_attn.time_mixer.v0", vector!("blk.{i}.time_mix_v0.weight"))),
    later(exact("model.layers.{i}.self_attn.time_mixer.v1", turned!("blk.{i}.time_mix_v1.weight"))),
    later(exact("model.layers.{i}.self_attn.time_mixer.v2", turned!("blk.{i}.time_mix_v2.weight"))),
    exact("model.layers.{i}.self_attn.time_mixer.g1", turned!("blk.{i}.time_mix_g1.weight")).only(GATED),
    exact("model.layers.{i}.self_attn.time_mixer.g2", turned!("blk.{i}.time_mix_g2.weight")).only(GATED),
    exact("model.layers.{i}.self_attn.time_mixer.k_k", vector!("blk.{i}.time_mix_k_k.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.k_a", vector!("blk.{i}.time_mix_k_a.weight")),
    exact("model.layers.{i}.self_attn.time_mixer.r_k", R_K),
    rename("blk.{i}.time_mix_receptance", "model.layers.{i}.self_attn.time_mixer.receptance"),
    rename("blk.{i}.time_mix_key", "model.layers.{i}.self_attn.time_mixer.key"),
    rename("blk.{i}.time_mix_value", "model.layers.{i}.self_attn.time_mixer.value"),
    rename("blk.{i}.time_mix_output", "model.layers.{i}.self_attn.time_mixer.output"),
    rename("blk.{i}.time_mix_ln", "model.layers.{i}.self_attn.time_mixer.ln_x").optional(),
];

static HYBRID_FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    int("intermediate_size", "feed_forward_length"),
    field("head_size", Value::Dim(HEAD)),
    field("num_wkv_heads", Value::Dim(HEADS)),
    field("wkv_version", Value::Int(7)),
    field("wkv_layers", Value::Str("full")),
    field("wkv_has_gate", Value::Present("blk.0.time_mix_g1.weight")),
    field("wkv_has_group_norm", Value::Present("blk.0.time_mix_ln.weight")),
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    field("hidden_act", Value::Str("silu")),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

pub static HYBRID: Spec = Spec {
    gguf: "arwkv7",
    when: &[],
    class: "RwkvHybridForCausalLM",
    model_type: "rwkv_hybrid",
    strip: "",
    config: &[HYBRID_FIELDS],
    tensors: &[ENDS, NORMS, HYBRID_TIME_MIX, FIRST_LAYER, MLP],
    loss: Some("what the first layer would mix of the first layer's values, which it never reads"),
    proof: &["RwkvHybridForCausalLM"],
    source: SOURCE,
};
