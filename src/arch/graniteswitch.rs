//! Granite with several LoRA adapters built in, which control tokens in the text switch between.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::granite::MULTIPLIERS;
use super::shared::{DECODER, ENDS, HEADS, KV_HEADS, NORMS};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, number, rename};
use super::{Error, Scope};

const ADAPTERS: Dim = Dim::Key("adapters.count");
const RANK: Dim = Dim::Key("adapters.lora_rank");

const FUSED: Expr = Expr::Tensor("blk.{i}.attn_qkv.weight");
/// Rows of a head: of all heads of the fused projection, as the converter drops the config's own field.
const HEAD: Dim =
    Dim::Over(&Dim::Rows("blk.0.attn_qkv.weight"), &Dim::Plus(&HEADS, &Dim::Times(&Dim::Is(2), &KV_HEADS)));
const Q_ROWS: Dim = Dim::Times(&HEADS, &HEAD);
const KV_ROWS: Dim = Dim::Times(&KV_HEADS, &HEAD);

static FIELDS: &[Field] = &[
    // The switch counts as a layer, and has no tensors.
    field("num_hidden_layers", Value::Dim(Dim::Plus(&Dim::Key("block_count"), &Dim::Is(1)))),
    field("head_dim", Value::Dim(HEAD)),
    field("projection_head_dim", Value::Dim(HEAD)),
    int("shared_intermediate_size", "feed_forward_length"),
    field("num_local_experts", Value::Dim(Dim::KeyOr("expert_count", &Dim::Is(0)))),
    field("position_embedding_type", Value::Str("rope")),
    field("num_adapters", Value::Dim(ADAPTERS)),
    derived("adapter_token_ids", |scope| token_ids(scope, "adapters.token_ids_activate")),
    derived("adapter_substitute_token_ids", |scope| token_ids(scope, "adapters.token_ids_substitute")),
    number("control_token_gain", "adapters.router_gain"),
    field("control_dims", Value::Int(0)), // tokens are substituted, which is what the converter knows
    field("max_lora_rank", Value::Dim(RANK)),
    derived("adapter_ranks", ranks),
];

const SLOTS: Dim = Dim::Plus(&ADAPTERS, &Dim::Is(1));

/// The adapters of a stack: its first slot is zeros, for no adapter.
macro_rules! adapters {
    ($stack:expr) => {
        Expr::Rows(&Expr::Tensor($stack), Dim::Is(1), ADAPTERS)
    };
}

/// The two factors of a stack of adapters, which have one axis more in the original; the second may be reordered.
macro_rules! factors {
    ($stack:literal, $a:literal, $b:literal) => {
        factors!($stack, $a, $b, adapters!(concat!($stack, ".lora_b")))
    };
    ($stack:literal, $a:literal, $b:literal, $outputs:expr) => {
        [
            exact(
                $a,
                Expr::Reshape(
                    &adapters!(concat!($stack, ".lora_a")),
                    &[ADAPTERS, Dim::Is(1), RANK, Dim::RowLen(concat!($stack, ".lora_a"))],
                ),
            ),
            exact(
                $b,
                Expr::Reshape(
                    &$outputs,
                    &[ADAPTERS, Dim::Is(1), Dim::Over(&Dim::Rows(concat!($stack, ".lora_b")), &SLOTS), RANK],
                ),
            ),
        ]
    };
}

static Q: [Rule; 2] = factors!(
    "blk.{i}.attn_q",
    "model.layers.{i}.self_attn.qkv_proj.lora_A_slices.0",
    "model.layers.{i}.self_attn.qkv_proj.lora_B_slices.0",
    Expr::Rope(&adapters!("blk.{i}.attn_q.lora_b"), Dim::Times(&ADAPTERS, &HEADS))
);
static K: [Rule; 2] = factors!(
    "blk.{i}.attn_k",
    "model.layers.{i}.self_attn.qkv_proj.lora_A_slices.1",
    "model.layers.{i}.self_attn.qkv_proj.lora_B_slices.1",
    Expr::Rope(&adapters!("blk.{i}.attn_k.lora_b"), Dim::Times(&ADAPTERS, &KV_HEADS))
);
static V: [Rule; 2] = factors!(
    "blk.{i}.attn_v",
    "model.layers.{i}.self_attn.qkv_proj.lora_A_slices.2",
    "model.layers.{i}.self_attn.qkv_proj.lora_B_slices.2"
);
static O: [Rule; 2] = factors!(
    "blk.{i}.attn_output",
    "model.layers.{i}.self_attn.o_proj.lora_A",
    "model.layers.{i}.self_attn.o_proj.lora_B"
);
static GATE: [Rule; 2] = factors!(
    "blk.{i}.ffn_gate",
    "model.layers.{i}.shared_mlp.input_linear.lora_A_slices.0",
    "model.layers.{i}.shared_mlp.input_linear.lora_B_slices.0"
);
static UP: [Rule; 2] = factors!(
    "blk.{i}.ffn_up",
    "model.layers.{i}.shared_mlp.input_linear.lora_A_slices.1",
    "model.layers.{i}.shared_mlp.input_linear.lora_B_slices.1"
);
static DOWN: [Rule; 2] = factors!(
    "blk.{i}.ffn_down",
    "model.layers.{i}.shared_mlp.output_linear.lora_A",
    "model.layers.{i}.shared_mlp.output_linear.lora_B"
);

static BASE: &[Rule] = &[
    exact(
        "model.layers.{i}.self_attn.qkv_proj.base_layer.weight",
        Expr::Concat(&[
            Expr::Rope(&Expr::Rows(&FUSED, Dim::Is(0), Q_ROWS), HEADS),
            Expr::Rope(&Expr::Rows(&FUSED, Q_ROWS, KV_ROWS), KV_HEADS),
            Expr::Rows(&FUSED, Dim::Plus(&Q_ROWS, &KV_ROWS), KV_ROWS),
        ]),
    ),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj.base_layer"),
    exact(
        "model.layers.{i}.shared_mlp.input_linear.base_layer.weight",
        Expr::Concat(&[Expr::Tensor("blk.{i}.ffn_gate.weight"), Expr::Tensor("blk.{i}.ffn_up.weight")]),
    ),
    rename("blk.{i}.ffn_down", "model.layers.{i}.shared_mlp.output_linear.base_layer"),
];

pub static SPEC: Spec = Spec {
    gguf: "graniteswitch",
    when: &[],
    class: "GraniteSwitchForCausalLM",
    model_type: "granite_switch",
    strip: "",
    config: &[DECODER, MULTIPLIERS, FIELDS],
    tensors: &[ENDS, NORMS, BASE, &Q, &K, &V, &O, &GATE, &UP, &DOWN],
    loss: Some(
        "the names of its adapters, and their ranks where they differ: all are shown with the largest",
    ),
    proof: &["GraniteSwitchForCausalLM"],
    source: "conversion/granite.py, class GraniteSwitchModel, llama.cpp 0c1e5709",
};

/// Ids of tokens, one for each adapter.
fn token_ids(scope: &Scope, key: &str) -> Result<Option<Json>, Error> {
    let ids = scope.metadata().array(&scope.key(key))?;
    Ok(ids.map(|ids| ids.iter().map(|id| id.as_u64()).collect()))
}

/// Shorter adapters are padded with zeros to the largest rank.
fn ranks(scope: &Scope) -> Result<Option<Json>, Error> {
    let (adapters, rank) = (ADAPTERS.of(scope)?, RANK.of(scope)?);
    // Each has a token, so the metadata bounds what an untrue count may cost.
    let named = scope.metadata().array(&scope.key("adapters.token_ids_activate"))?.map_or(0, |ids| ids.len());
    Ok(Some((0..adapters.min(named as u64)).map(|_| rank).collect()))
}
