//! The text part of Gemma 3n.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::gemma::ACTIVATION;
use super::shared::{ATTENTION, DECODER, MLP, QK_NORMS, WINDOW};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename, rule};
use super::{Error, Scope};

/// Tokens with an embedding a layer. The converter pads with zeros to the vocabulary, which has 256 tokens more for
/// images and sound; the class takes another token's embedding for those, so the padding may not stay.
const PER_LAYER_VOCABULARY: Dim = Dim::Least(&Dim::Rows("per_layer_token_embd.weight"), &Dim::Is(262_144));
/// Projections between the copies of the hidden state: one for each but the active one.
const COPIES: Dim = Dim::Minus(&Dim::Key("altup.num_inputs"), &Dim::Is(1));

static FIELDS: &[Field] = &[
    field("intermediate_size", Value::PerLayer(Dim::Key("feed_forward_length"))),
    field("rope_theta", Value::Number("rope.freq_base", Some(1_000_000.0))),
    field("rope_local_base_freq", Value::Number("rope.freq_base_swa", Some(10_000.0))),
    field("layer_types", Value::LayerTypes(5)),
    field("final_logit_softcapping", Value::Number("final_logit_softcapping", Some(30.0))),
    field("vocab_size_per_layer_input", Value::Dim(PER_LAYER_VOCABULARY)),
    int("hidden_size_per_layer_input", "embedding_length_per_layer_input"),
    int("altup_active_idx", "altup.active_idx"),
    int("altup_num_inputs", "altup.num_inputs"),
    field("altup_coef_clip", Value::Float(120.0)),
    field("altup_correct_scale", Value::Bool(true)),
    int("num_kv_shared_layers", "attention.shared_kv_layers"),
    field("laurel_rank", Value::Dim(Dim::Rows("blk.0.laurel_l.weight"))),
    derived("activation_sparsity_pattern", sparsity),
];

static ENDS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rule(
        "model.embed_tokens_per_layer",
        Expr::Rows(&Expr::Tensor("per_layer_token_embd"), Dim::Is(0), PER_LAYER_VOCABULARY),
    ),
    rename("per_layer_model_proj", "model.per_layer_model_projection"),
    rename("per_layer_proj_norm", "model.per_layer_projection_norm"),
    rule("model.altup_projections.{e}", Expr::Expert(&Expr::Tensor("altup_proj"))).each(COPIES),
    rule("model.altup_unembed_projections.{e}", Expr::Expert(&Expr::Tensor("altup_unembd_proj")))
        .each(COPIES),
    rename("output_norm", "model.norm"),
];

/// Norms as in Gemma 2, but stored as they are.
pub static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.pre_feedforward_layernorm"),
    rename("blk.{i}.post_ffw_norm", "model.layers.{i}.post_feedforward_layernorm"),
];

static LAYERS: &[Rule] = &[
    exact("model.layers.{i}.altup.correct_output_scale", Expr::Tensor("blk.{i}.altup_correct_scale.weight")),
    rename("blk.{i}.altup_correct_coef", "model.layers.{i}.altup.correction_coefs"),
    rename("blk.{i}.altup_router", "model.layers.{i}.altup.modality_router"),
    rename("blk.{i}.altup_predict_coef", "model.layers.{i}.altup.prediction_coefs"),
    rename("blk.{i}.altup_router_norm", "model.layers.{i}.altup.router_norm"),
    rename("blk.{i}.laurel_l", "model.layers.{i}.laurel.linear_left"),
    rename("blk.{i}.laurel_r", "model.layers.{i}.laurel.linear_right"),
    rename("blk.{i}.laurel_post_norm", "model.layers.{i}.laurel.post_laurel_norm"),
    rename("blk.{i}.inp_gate", "model.layers.{i}.per_layer_input_gate"),
    rename("blk.{i}.proj", "model.layers.{i}.per_layer_projection"),
    rename("blk.{i}.post_norm", "model.layers.{i}.post_per_layer_input_norm"),
];

pub static SPEC: Spec = Spec {
    gguf: "gemma3n",
    when: &[],
    class: "Gemma3nForCausalLM",
    model_type: "gemma3n_text",
    strip: "",
    config: &[DECODER, ACTIVATION, WINDOW, FIELDS],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP, LAYERS],
    loss: None,
    proof: &["Gemma3nForCausalLM"],
    source: "conversion/gemma.py, class Gemma3NModel, llama.cpp 0c1e5709",
};

/// The part of each layer's activations that is cut off: the file has the normal distribution's quantile of it.
fn sparsity(scope: &Scope) -> Result<Option<Json>, Error> {
    let key = scope.key("activation_sparsity_scale");
    let Some(scales) = scope.metadata().value(&key).and_then(|v| v.as_array()) else { return Ok(None) };
    let share = |s: &Scope| {
        let scale = usize::try_from(s.layer).ok().and_then(|i| scales.get(i)?.as_f64());
        // Quantiles are f32 of round shares: seven digits of the share are what is left of it.
        let rounded = scale.map(|z| (normal_cdf(z) * 1e6).round() / 1e6);
        rounded.ok_or_else(|| Error::Layers { key: key.clone(), layer: s.layer })
    };
    Ok(Some(scope.each_layer(share)?.into()))
}

/// The share of a normal distribution below `z`: 1/2 + density(z) * (z + z^3/3 + z^5/(3*5) + ...).
fn normal_cdf(z: f64) -> f64 {
    if z.abs() > 8.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let terms = (1..200).scan(z, |term, n| {
        let now = *term;
        *term *= z * z / f64::from(2 * n + 1);
        Some(now)
    });
    0.5 + density * terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::normal_cdf;

    #[test]
    fn quantiles_give_their_shares_back() {
        for (quantile, share) in [(1.644_853_626_951_472_2, 0.95), (0.0, 0.5), (f64::NEG_INFINITY, 0.0)] {
            assert!((normal_cdf(quantile) - share).abs() < 1e-12, "{quantile}");
        }
    }
}
