//! The text part of Mistral Small 4: DeepSeek's attention, experts as one tensor for all.

use serde_json::{Value as Json, json};

use super::deepseek2::{MIXTURE, MLA, MLA_ATTENTION};
use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::{DECODER, DENSE_MLP, ENDS, GATE, NORMS, ROUTED, SHARED_EXPERTS};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, omit};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
    field("rope_interleave", Value::Bool(true)),
    omit("rope_theta"),
    omit("rope_scaling"),
    derived("rope_parameters", rope_parameters),
];

const SPARSE: &[Tell] = &[ROUTED];

static EXPERTS: &[Rule] = &[
    exact("model.layers.{i}.mlp.experts.gate_up_proj", Expr::Tensor("blk.{i}.ffn_gate_up_exps.weight"))
        .only(SPARSE),
    exact(
        "model.layers.{i}.mlp.experts.gate_up_proj",
        Expr::Join(&[
            Expr::Tensor("blk.{i}.ffn_gate_exps.weight"),
            Expr::Tensor("blk.{i}.ffn_up_exps.weight"),
        ]),
    )
    .optional(),
    exact("model.layers.{i}.mlp.experts.down_proj", Expr::Tensor("blk.{i}.ffn_down_exps.weight"))
        .only(SPARSE),
];

pub static SPEC: Spec = Spec {
    gguf: "mistral4",
    when: &[],
    class: "Mistral4ForCausalLM",
    model_type: "mistral4",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, FIELDS],
    tensors: &[ENDS, NORMS, MLA_ATTENTION, DENSE_MLP, GATE, EXPERTS, SHARED_EXPERTS],
    loss: Some("the vision tower, which is in a file of its own"),
    proof: &["Mistral4ForCausalLM"],
    source: "conversion/mistral3.py, class Mistral4Model, llama.cpp 0c1e5709",
};

/// Yarn in the spelling that the class alone knows. The multiplier is stored as a tenth, and equals `mscale` in the
/// published model; so does the growth of queries with position, 0.1, which no file of this architecture has.
fn rope_parameters(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut rope = match rope_scaling(scope)? {
        Some(Json::Object(scaling)) => Json::Object(scaling),
        _ => json!({"rope_type": "default"}),
    };
    rope["rope_theta"] = scope.f64("rope.freq_base")?.unwrap_or(10_000.0).into();
    if let Some(tenth) = scope.f64("rope.scaling.yarn_log_multiplier")? {
        let mscale: Json = crate::gguf::shortest((tenth / 0.1) as f32).into();
        rope["mscale"] = mscale.clone();
        rope["mscale_all_dim"] = mscale;
    }
    rope["llama_4_scaling_beta"] = scope.f64("attention.temperature_scale")?.unwrap_or(0.1).into();
    Ok(Some(rope))
}
