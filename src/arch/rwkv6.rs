//! RWKV 6, and the Qwen 2 whose attention was replaced by it.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ENDS, MLP, NORMS};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename, rule};

const SOURCE: &str = "conversion/rwkv.py, classes Rwkv6Model and RWKV6Qwen2Model, llama.cpp 0c1e5709";

const HIDDEN: Dim = Dim::Key("embedding_length");
/// Vectors are stored without their axes of one element.
const VECTOR: &[Dim] = &[Dim::Is(1), Dim::Is(1), HIDDEN];
macro_rules! vector {
    ($stored:literal) => {
        Expr::Reshape(&Expr::Tensor($stored), VECTOR)
    };
}

/// What mixes a token's state with the one before it: five vectors as one tensor, of decay, keys, values, receptance, gate.
const FUSED: Expr = Expr::Reshape(&Expr::Tensor("blk.{i}.time_mix_lerp_fused.weight"), &[Dim::Is(5), HIDDEN]);
macro_rules! mix {
    ($nth:literal) => {
        Expr::Reshape(&Expr::Rows(&FUSED, Dim::Is($nth), Dim::Is(1)), VECTOR)
    };
}

const MIX_1: Expr = Expr::Tensor("blk.{i}.time_mix_w1.weight");
const MIX_2: Expr = Expr::Tensor("blk.{i}.time_mix_w2.weight");

/// Time mixing below the prefix of a layer's.
macro_rules! time_mix {
    ($prefix:literal, $mix_1:expr, $mix_2:expr) => {
        &[
            exact(concat!($prefix, "time_maa_x"), vector!("blk.{i}.time_mix_lerp_x.weight")),
            exact(concat!($prefix, "time_maa_w"), mix!(0)),
            exact(concat!($prefix, "time_maa_k"), mix!(1)),
            exact(concat!($prefix, "time_maa_v"), mix!(2)),
            exact(concat!($prefix, "time_maa_r"), mix!(3)),
            exact(concat!($prefix, "time_maa_g"), mix!(4)),
            // Files of 2024 have the five apart.
            exact(concat!($prefix, "time_maa_w"), vector!("blk.{i}.time_mix_lerp_w.weight")).optional(),
            exact(concat!($prefix, "time_maa_k"), vector!("blk.{i}.time_mix_lerp_k.weight")).optional(),
            exact(concat!($prefix, "time_maa_v"), vector!("blk.{i}.time_mix_lerp_v.weight")).optional(),
            exact(concat!($prefix, "time_maa_r"), vector!("blk.{i}.time_mix_lerp_r.weight")).optional(),
            exact(concat!($prefix, "time_maa_g"), vector!("blk.{i}.time_mix_lerp_g.weight")).optional(),
            exact(concat!($prefix, "time_maa_w1"), Expr::Transpose(&$mix_1)),
            exact(concat!($prefix, "time_maa_w2"), Expr::Transpose(&$mix_2)),
            exact(concat!($prefix, "time_decay"), vector!("blk.{i}.time_mix_decay.weight")),
            exact(
                concat!($prefix, "time_decay_w1"),
                Expr::Transpose(&Expr::Tensor("blk.{i}.time_mix_decay_w1.weight")),
            ),
            exact(
                concat!($prefix, "time_decay_w2"),
                Expr::Transpose(&Expr::Tensor("blk.{i}.time_mix_decay_w2.weight")),
            ),
            rename("blk.{i}.time_mix_gate", concat!($prefix, "gate")),
        ]
    };
}

/// Weights before a residual are halved every so many layers, so that states stay in the range of fp16.
const RESCALED: &[Tell] = &[Tell::Positive("rescale_every_n_layers")];
const AS_IT_IS: &[Tell] = &[Tell::Not(&RESCALED[0])];
const HALVINGS: Dim = Dim::Floor(&Dim::Layer, &Dim::Key("rescale_every_n_layers"));
const OUTPUT: Expr = Expr::Tensor("blk.{i}.time_mix_output");
const CHANNEL_VALUE: Expr = Expr::Tensor("blk.{i}.channel_mix_value");

static TIME_MIX: &[Rule] = time_mix!("rwkv.blocks.{i}.attention.", MIX_1, MIX_2);

static TENSORS: &[Rule] = &[
    rename("token_embd", "rwkv.embeddings"),
    rename("token_embd_norm", "rwkv.blocks.0.pre_ln"),
    rename("output_norm", "rwkv.ln_out"),
    rename("output", "head"),
    rename("blk.{i}.attn_norm", "rwkv.blocks.{i}.ln1"),
    rename("blk.{i}.attn_norm_2", "rwkv.blocks.{i}.ln2"),
    exact("rwkv.blocks.{i}.attention.time_faaaa", Expr::Tensor("blk.{i}.time_mix_first.weight")),
    rename("blk.{i}.time_mix_receptance", "rwkv.blocks.{i}.attention.receptance"),
    rename("blk.{i}.time_mix_key", "rwkv.blocks.{i}.attention.key"),
    rename("blk.{i}.time_mix_value", "rwkv.blocks.{i}.attention.value"),
    rename("blk.{i}.time_mix_ln", "rwkv.blocks.{i}.attention.ln_x"),
    rule("rwkv.blocks.{i}.attention.output", Expr::Doubled(&OUTPUT, HALVINGS)).only(RESCALED),
    rule("rwkv.blocks.{i}.attention.output", OUTPUT).only(AS_IT_IS),
    exact("rwkv.blocks.{i}.feed_forward.time_maa_k", vector!("blk.{i}.channel_mix_lerp_k.weight")),
    exact("rwkv.blocks.{i}.feed_forward.time_maa_r", vector!("blk.{i}.channel_mix_lerp_r.weight")),
    rename("blk.{i}.channel_mix_key", "rwkv.blocks.{i}.feed_forward.key"),
    rename("blk.{i}.channel_mix_receptance", "rwkv.blocks.{i}.feed_forward.receptance"),
    rule("rwkv.blocks.{i}.feed_forward.value", Expr::Doubled(&CHANNEL_VALUE, HALVINGS)).only(RESCALED),
    rule("rwkv.blocks.{i}.feed_forward.value", CHANNEL_VALUE).only(AS_IT_IS),
];

static FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("attention_hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    int("intermediate_size", "feed_forward_length"),
    int("head_size", "wkv.head_size"),
    field("head_size_divisor", Value::Int(8)), // of every published model
    number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    field("rescale_every", Value::Dim(Dim::KeyOr("rescale_every_n_layers", &Dim::Is(0)))),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("tie_word_embeddings", Value::Bool(false)),
    field("use_cache", Value::Bool(true)),
];

pub static SPEC: Spec = Spec {
    gguf: "rwkv6",
    when: &[],
    class: "Rwkv6ForCausalLM",
    model_type: "rwkv6",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS, TIME_MIX],
    loss: None,
    proof: &["Rwkv6ForCausalLM"],
    source: SOURCE,
};

/// Rows of each of the five parts.
const PART: Dim = Dim::Key("time_mix_extra_dim");
/// The converter has put the first of the five parts and the fourth in each other's place.
const SWAPPED_1: Expr = Expr::Concat(&[
    Expr::Rows(&MIX_1, Dim::Times(&Dim::Is(3), &PART), PART),
    Expr::Rows(&MIX_1, PART, Dim::Times(&Dim::Is(2), &PART)),
    Expr::Rows(&MIX_1, Dim::Is(0), PART),
    Expr::Rows(&MIX_1, Dim::Times(&Dim::Is(4), &PART), PART),
]);
const SWAPPED_2: Expr = Expr::Concat(&[
    Expr::Rows(&MIX_2, Dim::Is(3), Dim::Is(1)),
    Expr::Rows(&MIX_2, Dim::Is(1), Dim::Is(2)),
    Expr::Rows(&MIX_2, Dim::Is(0), Dim::Is(1)),
    Expr::Rows(&MIX_2, Dim::Is(4), Dim::Is(1)),
]);

static QWEN_TIME_MIX: &[Rule] = time_mix!("model.layers.{i}.self_attn.", SWAPPED_1, SWAPPED_2);

static QWEN_TENSORS: &[Rule] = &[
    rename("blk.{i}.time_mix_receptance", "model.layers.{i}.self_attn.q_proj"),
    rename("blk.{i}.time_mix_key", "model.layers.{i}.self_attn.k_proj"),
    rename("blk.{i}.time_mix_value", "model.layers.{i}.self_attn.v_proj"),
    rename("blk.{i}.time_mix_output", "model.layers.{i}.self_attn.o_proj"),
    rename("blk.{i}.time_mix_ln", "model.layers.{i}.self_attn.ln_x").optional(),
];

static QWEN_FIELDS: &[Field] = &[
    int("hidden_size", "embedding_length"),
    int("num_hidden_layers", "block_count"),
    field("num_attention_heads", Value::Dim(Dim::Over(&HIDDEN, &Dim::Key("wkv.head_size")))),
    int("num_key_value_heads", "attention.head_count_kv"),
    int("intermediate_size", "feed_forward_length"),
    field("lora_rank_tokenshift", Value::Dim(PART)),
    int("lora_rank_decay", "time_decay_extra_dim"),
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    field("hidden_act", Value::Str("silu")),
    field("attention_bias", Value::Present("blk.0.time_mix_receptance.bias")),
    field("groupnorm_att", Value::Present("blk.0.time_mix_ln.weight")),
    // As llama.cpp runs every file of this architecture.
    field("use_rope", Value::Bool(false)),
    field("balance_state", Value::Bool(true)),
    field("gate_rank_type", Value::Int(1)),
    field("use_tokenshift", Value::Bool(true)),
    derived("max_position_embeddings", super::ssm::positions),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    derived("sliding_window", |_| Ok(Some(Json::Null))),
    field("use_cache", Value::Bool(true)),
];

pub static QWEN: Spec = Spec {
    gguf: "rwkv6qwen2",
    when: &[],
    class: "RWKV6Qwen2ForCausalLM",
    model_type: "rwkv6qwen2",
    strip: "",
    config: &[QWEN_FIELDS],
    tensors: &[ENDS, NORMS, QWEN_TENSORS, QWEN_TIME_MIX, MLP],
    loss: None,
    proof: &["RWKV6Qwen2ForCausalLM"],
    source: SOURCE,
};
