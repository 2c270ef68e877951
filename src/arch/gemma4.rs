//! The text part of Gemma 4, dense and with experts.

use serde_json::{Value as Json, json};

use super::config::sliding_layers;
use super::dim::Dim;
use super::expr::Expr;
use super::gemma::ACTIVATION;
use super::gemma3n::NORMS;
use super::shared::{DECODER, MLP, ROPE_FACTORS, ROUTED, WINDOW};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, omit, rename, rule};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    field("head_dim", Value::Dim(Dim::KeyOr("attention.key_length_swa", &Dim::Key("attention.key_length")))),
    int("global_head_dim", "attention.key_length"),
    derived("num_global_key_value_heads", global_kv_heads),
    derived("attention_k_eq_v", keys_are_values),
    field("layer_types", Value::LayerTypes(6)),
    omit("rope_theta"),
    omit("rope_scaling"),
    derived("rope_parameters", rope_parameters),
    field("final_logit_softcapping", Value::Optional("final_logit_softcapping")),
    field("use_bidirectional_attention", Value::Null),
    int("hidden_size_per_layer_input", "embedding_length_per_layer_input"),
    derived("vocab_size_per_layer_input", per_layer_vocabulary),
    int("num_kv_shared_layers", "attention.shared_kv_layers"),
    derived("use_double_wide_mlp", double_wide),
    field("enable_moe_block", Value::Present("blk.0.ffn_gate_inp.weight")),
    field("num_experts", Value::OptionalDim("expert_count")),
    field("top_k_experts", Value::OptionalDim("expert_used_count")),
    field("moe_intermediate_size", Value::OptionalDim("expert_feed_forward_length")),
];

static ENDS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("per_layer_token_embd", "model.embed_tokens_per_layer").optional(),
    rename("per_layer_model_proj", "model.per_layer_model_projection").optional(),
    rename("per_layer_proj_norm", "model.per_layer_projection_norm").optional(),
    rename("output_norm", "model.norm"),
];

/// Layers that share keys and values have neither; full ones may have keys alone, which are their values.
static ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj"),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj").optional(),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj").optional(),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_norm"),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_norm").optional(),
];

const PER_LAYER: &[Tell] = &[Tell::Tensor("per_layer_token_embd.weight")];

static LAYERS: &[Rule] = &[
    exact("model.layers.{i}.layer_scalar", Expr::Tensor("blk.{i}.layer_output_scale.weight")).optional(),
    rename("blk.{i}.inp_gate", "model.layers.{i}.per_layer_input_gate").only(PER_LAYER),
    rename("blk.{i}.proj", "model.layers.{i}.per_layer_projection").only(PER_LAYER),
    rename("blk.{i}.post_norm", "model.layers.{i}.post_per_layer_input_norm").only(PER_LAYER),
];

const SPARSE: &[Tell] = &[ROUTED];

/// Experts beside the dense network, as one tensor for all.
static EXPERTS: &[Rule] = &[
    rule("model.layers.{i}.router.proj", Expr::Tensor("blk.{i}.ffn_gate_inp")).only(SPARSE),
    exact("model.layers.{i}.router.scale", Expr::Tensor("blk.{i}.ffn_gate_inp.scale")).only(SPARSE),
    exact("model.layers.{i}.router.per_expert_scale", Expr::Tensor("blk.{i}.ffn_down_exps.scale"))
        .only(SPARSE),
    exact("model.layers.{i}.experts.gate_up_proj", Expr::Tensor("blk.{i}.ffn_gate_up_exps.weight"))
        .only(SPARSE),
    exact(
        "model.layers.{i}.experts.gate_up_proj",
        Expr::Join(&[
            Expr::Tensor("blk.{i}.ffn_gate_exps.weight"),
            Expr::Tensor("blk.{i}.ffn_up_exps.weight"),
        ]),
    )
    .optional(),
    exact("model.layers.{i}.experts.down_proj", Expr::Tensor("blk.{i}.ffn_down_exps.weight")).only(SPARSE),
    rename("blk.{i}.post_ffw_norm_1", "model.layers.{i}.post_feedforward_layernorm_1").only(SPARSE),
    rename("blk.{i}.post_ffw_norm_2", "model.layers.{i}.post_feedforward_layernorm_2").only(SPARSE),
    rename("blk.{i}.pre_ffw_norm_2", "model.layers.{i}.pre_feedforward_layernorm_2").only(SPARSE),
];

pub static SPEC: Spec = Spec {
    gguf: "gemma4",
    when: &[],
    class: "Gemma4ForCausalLM",
    model_type: "gemma4_text",
    strip: "",
    config: &[DECODER, ACTIVATION, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, MLP, LAYERS, EXPERTS, ROPE_FACTORS],
    loss: None,
    proof: &["Gemma4ForCausalLM"],
    source: "conversion/gemma.py, class Gemma4Model, llama.cpp 0c1e5709",
};

/// Layers without a window may have fewer key and value heads.
fn global_kv_heads(scope: &Scope) -> Result<Option<Json>, Error> {
    let sliding = sliding_layers(scope, 6)?;
    let full = sliding.iter().position(|&s| !s).map_or(0, |layer| layer as u64);
    let (first, full) =
        (scope.u64("attention.head_count_kv")?, scope.at(full).u64("attention.head_count_kv")?);
    Ok(Some(if first == full { Json::Null } else { full.into() }))
}

/// A layer without a window that has keys but no values.
fn keys_are_values(scope: &Scope) -> Result<Option<Json>, Error> {
    let keys_alone = |s: &Scope| {
        let has = |name: &str| s.tensor(&s.name(name)).is_some();
        Ok(has("blk.{i}.attn_k.weight") && !has("blk.{i}.attn_v.weight"))
    };
    Ok(Some(scope.each_layer(keys_alone)?.contains(&true).into()))
}

fn per_layer_vocabulary(scope: &Scope) -> Result<Option<Json>, Error> {
    let rows = scope.tensor("per_layer_token_embd.weight").map(|_| Dim::Rows("per_layer_token_embd.weight"));
    rows.map(|rows| Ok(rows.of(scope)?.into())).transpose()
}

/// Whether layers that share keys and values have a network twice as wide.
fn double_wide(scope: &Scope) -> Result<Option<Json>, Error> {
    let widths = scope.each_layer(|s| s.u64("feed_forward_length"))?;
    Ok(Some(widths.windows(2).any(|pair| pair[0] != pair[1]).into()))
}

/// Rope of both kinds of layer. Full ones turn part of a head: `rope_freqs.weight` has 1 for each pair that turns and
/// 1e30 for the others.
fn rope_parameters(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut full = json!({
        "rope_type": "proportional",
        "partial_rotary_factor": 0.25,
        "rope_theta": scope.f64("rope.freq_base")?.unwrap_or(1_000_000.0),
    });
    if let Some(tensor) = scope.tensor("rope_freqs.weight") {
        let factors = scope.values(tensor)?;
        let turning = factors.iter().take_while(|&&f| f == 1.0).count();
        if factors.is_empty() || factors[turning..].iter().any(|&f| f != 1e30) {
            let what = "rope_freqs.weight holds factors that are not Gemma 4's".into();
            return Err(Error::Unsupported { what });
        }
        full["partial_rotary_factor"] = (turning as f64 / factors.len() as f64).into();
    }
    Ok(Some(json!({
        "full_attention": full,
        "sliding_attention": {
            "rope_type": "default",
            "rope_theta": scope.f64("rope.freq_base_swa")?.unwrap_or(10_000.0),
        },
    })))
}
