//! PLaMo 3, whose converter adds to each norm what the class adds when it runs.

use super::config::sliding_layers;
use super::expr::Expr;
use super::shared::DECODER;
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, omit, rename, rule};
use crate::tensor::ElementOp;

/// What norms after attention are stored plus.
const MIXER: f32 = 1.0 / 5.0;
/// Likewise after the feed-forward network.
const MLP: f32 = 0.089_442_72; // 5^-1.5

/// A norm that is stored plus so much.
const fn norm(stored: &'static Expr, added: f32, hf: &'static str) -> Rule {
    rule(hf, Expr::Map(stored, ElementOp::Add(-added)))
}

/// A norm that the converter stored without a suffix.
const fn bare(stored: &'static Expr, added: f32, hf: &'static str) -> Rule {
    exact(hf, Expr::Map(stored, ElementOp::Add(-added)))
}

/// The class has fields of its own for yarn, of which it makes `rope_parameters`.
static FIELDS: &[Field] = &[
    omit("rope_scaling"),
    derived("rope_scaling_factor", |s| Ok(s.f64("rope.scaling.factor")?.map(Into::into))),
    derived("initial_context_length", |s| Ok(s.u64("rope.scaling.original_context_length")?.map(Into::into))),
    field("rope_local_theta", Value::Number("rope.freq_base_swa", Some(10_000.0))),
    field("window_size", Value::OptionalDim("attention.sliding_window")),
    derived("sliding_window_pattern", |s| {
        let key = s.key("attention.sliding_window_pattern");
        let given = s.metadata().value(&key);
        let every = given.and_then(|v| v.as_u64());
        let first_full = || sliding_layers(s, 1).map(|l| l.iter().position(|w| !w).map(|i| i as u64 + 1));
        Ok(match every {
            Some(every) => Some(every.into()),
            None => given.and(first_full()?).map(Into::into),
        })
    }),
];

/// What PLaMo 2 has too: all but the mixers.
pub static FRAME: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    norm(&Expr::Tensor("output_norm"), 1.0, "model.norm"),
    rename("output", "lm_head").optional(),
    norm(&Expr::Tensor("blk.{i}.attn_norm"), 1.0, "model.layers.layers.{i}.pre_mixer_norm"),
    bare(
        &Expr::Tensor("blk.{i}.post_attention_norm"),
        MIXER,
        "model.layers.layers.{i}.post_mixer_norm.weight",
    ),
    norm(&Expr::Tensor("blk.{i}.ffn_norm"), 1.0, "model.layers.layers.{i}.pre_mlp_norm"),
    bare(&Expr::Tensor("blk.{i}.post_ffw_norm"), MLP, "model.layers.layers.{i}.post_mlp_norm.weight"),
    rename("blk.{i}.ffn_up", "model.layers.layers.{i}.mlp.gate_up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.layers.{i}.mlp.down_proj"),
];

static ATTENTION: &[Rule] = &[
    norm(&Expr::Tensor("blk.{i}.attn_q_norm"), 1.0, "model.layers.layers.{i}.mixer.q_norm"),
    norm(&Expr::Tensor("blk.{i}.attn_k_norm"), 1.0, "model.layers.layers.{i}.mixer.k_norm"),
    rename("blk.{i}.attn_qkv", "model.layers.layers.{i}.mixer.qkv_proj"),
    rename("blk.{i}.attn_output", "model.layers.layers.{i}.mixer.o_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "plamo3",
    when: &[],
    class: "Plamo3ForCausalLM",
    model_type: "plamo3",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[FRAME, ATTENTION],
    loss: None,
    proof: &["Plamo3ForCausalLM"],
    source: "conversion/plamo.py, class Plamo3Model, llama.cpp 0c1e5709",
};
