//! MiniMax-Text-01 and MiniMax-M1: linear attention, with attention over all at every eighth layer.

use serde_json::Value as Json;

use super::dim::Dim;
use super::shared::{ATTENTION, DECODER, ENDS, NORMS, SPARSE_BLOCK};
use super::spec::{Field, Rule, Spec, Tell, Value, all_only, derived, field, int, number, rename};
use super::{Error, Scope};

const SOURCE: &str = "conversion/minimax.py, class MiniMaxText01Model, llama.cpp 0c1e5709";

/// The converter takes no model whose residual scales differ, or whose scales of what is added are not 1.
static FIELDS: &[Field] = &[
    derived("attn_type_list", attention_kinds),
    number("layernorm_full_attention_alpha", "residual_scale"),
    field("layernorm_full_attention_beta", Value::Float(1.0)),
    number("layernorm_linear_attention_alpha", "residual_scale"),
    field("layernorm_linear_attention_beta", Value::Float(1.0)),
    number("layernorm_mlp_alpha", "residual_scale"),
    field("layernorm_mlp_beta", Value::Float(1.0)),
    field("postnorm", Value::Bool(true)), // this and the shared expert: in every published model
    field("shared_intermediate_size", Value::Int(0)),
    field("shared_moe_mode", Value::Str("sigmoid")),
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("rotary_dim", Value::Dim(Dim::Key("rope.dimension_count"))),
    field("sliding_window", Value::Null),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.001)),
    field("router_jitter_noise", Value::Float(0.0)),
];

const GATED: Tell = Tell::Tensor("blk.{i}.attn_gate.weight");
const LINEAR: &[Tell] = &[GATED];
const FULL: &[Tell] = &[Tell::Not(&GATED)];

static FULL_ATTENTION: [Rule; 4] = all_only(ATTENTION, FULL);

static LINEAR_ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_qkv", "model.layers.{i}.self_attn.qkv_proj").only(LINEAR),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.output_gate").only(LINEAR),
    rename("blk.{i}.attn_norm_2", "model.layers.{i}.self_attn.norm").only(LINEAR),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.out_proj").only(LINEAR),
];

static TENSORS: &[&[Rule]] = &[ENDS, NORMS, &FULL_ATTENTION, LINEAR_ATTENTION, SPARSE_BLOCK];

pub static M1: Spec = Spec {
    gguf: "minimax-01",
    when: &[Tell::Named(&["minimax-m1", "minimax m1"])],
    class: "MiniMaxM1ForCausalLM",
    model_type: "minimax_m1",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: TENSORS,
    loss: None,
    proof: &["MiniMaxM1ForCausalLM"],
    source: SOURCE,
};

pub static TEXT: Spec = Spec {
    gguf: "minimax-01",
    when: &[],
    class: "MiniMaxText01ForCausalLM",
    model_type: "minimax_text_01",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: TENSORS,
    loss: None,
    proof: &["MiniMaxText01ForCausalLM"],
    source: SOURCE,
};

/// For each layer 1 where it attends to all, 0 where its attention is linear.
fn attention_kinds(scope: &Scope) -> Result<Option<Json>, Error> {
    let linear = scope.each_layer(|at| GATED.holds(at))?;
    Ok(Some(linear.into_iter().map(|linear| u64::from(!linear)).collect()))
}
