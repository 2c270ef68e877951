//! gpt-oss. Experts are shown as plain weights, one tensor for all.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::{ATTENTION, DECODER, ENDS, WINDOW};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    field(
        "intermediate_size",
        Value::Dim(Dim::KeyOr("expert_feed_forward_length", &Dim::Key("feed_forward_length"))),
    ),
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("experts_per_token", "expert_used_count"),
    field("layer_types", Value::LayerTypes(2)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    derived("rope_scaling", untruncated),
    field("swiglu_limit", Value::Float(7.0)),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.9)),
];

static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm"),
];

const EXPERTS: Dim = Dim::Key("expert_count");
/// Values of all gate biases, or of all up biases.
const BIASES: Dim = Dim::Times(&EXPERTS, &Dim::RowLen("blk.{i}.ffn_gate_exps.bias"));

/// Gate and up take turns, and each expert's matrix is turned.
static EXPERT_TENSORS: &[Rule] = &[
    exact("model.layers.{i}.self_attn.sinks", Expr::Tensor("blk.{i}.attn_sinks.weight")),
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.router"),
    exact(
        "model.layers.{i}.mlp.experts.gate_up_proj",
        Expr::Transpose(&Expr::Interleave(&[
            Expr::Tensor("blk.{i}.ffn_gate_exps.weight"),
            Expr::Tensor("blk.{i}.ffn_up_exps.weight"),
        ])),
    ),
    exact(
        "model.layers.{i}.mlp.experts.gate_up_proj_bias",
        Expr::Reshape(
            &Expr::Interleave(&[
                Expr::Reshape(&Expr::Tensor("blk.{i}.ffn_gate_exps.bias"), &[BIASES]),
                Expr::Reshape(&Expr::Tensor("blk.{i}.ffn_up_exps.bias"), &[BIASES]),
            ]),
            &[EXPERTS, Dim::Times(&Dim::Is(2), &Dim::RowLen("blk.{i}.ffn_gate_exps.bias"))],
        ),
    ),
    exact(
        "model.layers.{i}.mlp.experts.down_proj",
        Expr::Transpose(&Expr::Tensor("blk.{i}.ffn_down_exps.weight")),
    ),
    exact("model.layers.{i}.mlp.experts.down_proj_bias", Expr::Tensor("blk.{i}.ffn_down_exps.bias")),
];

pub static SPEC: Spec = Spec {
    gguf: "gpt-oss",
    when: &[],
    class: "GptOssForCausalLM",
    model_type: "gpt_oss",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, EXPERT_TENSORS],
    loss: None,
    proof: &["GptOssForCausalLM"],
    source: "conversion/gpt_oss.py, llama.cpp 0c1e5709",
};

/// Yarn whose bounds are not rounded to whole dimensions. No GGUF says it; false in every published model.
fn untruncated(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut scaling = rope_scaling(scope)?;
    if let Some(Json::Object(fields)) = &mut scaling {
        fields.insert("truncate".into(), false.into());
    }
    Ok(scaling)
}
