//! Granite 4 and Bamba: Mamba 2 and attention, with or without experts.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ATTENTION, DECODER, ENDS, NORMS, ROPED_ATTENTION};
use super::spec::{Rule, Spec, Tell, Value, all_only, derived, field, number, rename, rule};
use super::ssm::{
    EXPAND, HYBRID_MAMBA2, HYBRID_MAMBA2_FIELDS, HYBRID_MAMBA2_NORM, NO_MIXER, hybrid_kv_heads, positions,
};
use super::{Error, Scope};

const SOURCE: &str = "conversion/granite.py, class GraniteHybridModel, llama.cpp 0c1e5709";

/// The converter reorders rows for rope at the layers that it takes for attention, and only those have heads in the
/// array. It takes none for that where transformers 5 named them (atlas 8, hazard 2): there rows are as they were.
static REORDERED: [Rule; 4] = all_only(ROPED_ATTENTION, &[Tell::Positive("attention.head_count_kv")]);
static KEPT: [Rule; 4] = all_only(ATTENTION, NO_MIXER);

/// Of each expert gate, then up.
const GATE_UP: Expr =
    Expr::Join(&[Expr::Tensor("blk.{i}.ffn_gate_exps"), Expr::Tensor("blk.{i}.ffn_up_exps")]);

const SPARSE: &[Tell] = &[Tell::Positive("expert_count")];
const DENSE: &[Tell] = &[Tell::Not(&Tell::Positive("expert_count"))];

static FEED_FORWARD: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.block_sparse_moe.router.layer").only(SPARSE),
    rule("model.layers.{i}.block_sparse_moe.input_linear", GATE_UP).only(SPARSE),
    rename("blk.{i}.ffn_down_exps", "model.layers.{i}.block_sparse_moe.output_linear").only(SPARSE),
    rule(
        "model.layers.{i}.shared_mlp.input_linear",
        Expr::Concat(&[Expr::Tensor("blk.{i}.ffn_gate_shexp"), Expr::Tensor("blk.{i}.ffn_up_shexp")]),
    )
    .only(SPARSE),
    rename("blk.{i}.ffn_down_shexp", "model.layers.{i}.shared_mlp.output_linear").only(SPARSE),
    rule(
        "model.layers.{i}.shared_mlp.input_linear",
        Expr::Concat(&[Expr::Tensor("blk.{i}.ffn_gate"), Expr::Tensor("blk.{i}.ffn_up")]),
    )
    .only(DENSE),
    rename("blk.{i}.ffn_down", "model.layers.{i}.shared_mlp.output_linear").only(DENSE),
];

pub static SPEC: Spec = Spec {
    gguf: "granitehybrid",
    when: &[],
    class: "GraniteMoeHybridForCausalLM",
    model_type: "granitemoehybrid",
    strip: "",
    config: &[
        DECODER,
        HYBRID_MAMBA2_FIELDS,
        &[
            derived("num_key_value_heads", hybrid_kv_heads),
            derived("max_position_embeddings", positions),
            derived("position_embedding_type", position_type),
            derived("layer_types", layer_types),
            field("mamba_expand", Value::Dim(EXPAND)),
            field("attention_bias", Value::Bool(false)),
            number("embedding_multiplier", "embedding_scale"),
            number("attention_multiplier", "attention.scale"),
            number("residual_multiplier", "residual_scale"),
            number("logits_scaling", "logit_scale"),
            field("num_local_experts", Value::Dim(Dim::KeyOr("expert_count", &Dim::Is(0)))),
            field("num_experts_per_tok", Value::Dim(Dim::KeyOr("expert_used_count", &Dim::Is(0)))),
            field(
                "shared_intermediate_size",
                Value::Dim(Dim::KeyOr("expert_shared_feed_forward_length", &Dim::Key("feed_forward_length"))),
            ),
            field("output_router_logits", Value::Bool(false)),
            field("router_aux_loss_coef", Value::Float(0.001)),
        ],
    ],
    tensors: &[ENDS, NORMS, &REORDERED, &KEPT, HYBRID_MAMBA2, HYBRID_MAMBA2_NORM, FEED_FORWARD],
    loss: None,
    proof: &["GraniteMoeHybridForCausalLM"],
    source: SOURCE,
};

/// Bamba, which scales nothing.
pub static BAMBA: Spec = Spec {
    gguf: "granitehybrid",
    when: &[Tell::Not(&Tell::Key("embedding_scale")), Tell::Not(&Tell::Positive("expert_count"))],
    class: "BambaForCausalLM",
    model_type: "bamba",
    strip: "",
    config: &[
        DECODER,
        HYBRID_MAMBA2_FIELDS,
        &[
            derived("num_key_value_heads", hybrid_kv_heads),
            derived("attn_layer_indices", attention_layers),
            field("mamba_expand", Value::Dim(EXPAND)),
            field("partial_rotary_factor", Value::Float(0.5)), // of the class: rope.dimension_count says head size
            field("attention_bias", Value::Bool(false)),
            field("mlp_bias", Value::Bool(false)),
        ],
    ],
    tensors: &[BAMBA_TENSORS, &REORDERED, &KEPT, HYBRID_MAMBA2, HYBRID_MAMBA2_NORM],
    loss: None,
    proof: &["BambaForCausalLM"],
    source: SOURCE,
};

static BAMBA_TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.final_layernorm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.pre_ff_layernorm"),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.gate_proj"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.down_proj"),
];

fn attends(at: &Scope) -> bool {
    at.tensor(&at.name("blk.{i}.ssm_in.weight")).is_none()
}

/// Kinds of layers, in the words that the converter saw: those of transformers 5 it takes for mixers throughout.
fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let heads = scope.each_layer(|at| Ok(at.u64("attention.head_count_kv")?.unwrap_or(0)))?;
    let (attention, mixer) = match heads.iter().any(|&heads| heads > 0) {
        true => ("attention", "mamba"),
        false => ("full_attention", "linear_attention"),
    };
    let types = scope.each_layer(|at| Ok(if attends(at) { attention } else { mixer }))?;
    Ok(Some(types.into()))
}

fn attention_layers(scope: &Scope) -> Result<Option<Json>, Error> {
    let attending = scope.each_layer(|at| Ok(attends(at).then_some(at.layer)))?;
    Ok(Some(attending.into_iter().flatten().collect()))
}

/// Rope, or no positions; llama.cpp reads the same key for it.
fn position_type(scope: &Scope) -> Result<Option<Json>, Error> {
    let rope = scope.metadata().bool(&scope.key("rope.scaling.finetuned"))?.unwrap_or(false);
    Ok(Some(if rope { "rope" } else { "nope" }.into()))
}
