//! Nemotron 51B and 253B, whose layers differ and may lack attention or the feed-forward network.

use serde_json::{Value as Json, json};

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, ENDS, HEADS, KV_HEADS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, field, omit, rename, rule};
use super::{Error, Scope};

/// Heads of a layer that has any.
const MOST: Dim = Dim::Over(&Dim::Key("embedding_length"), &Dim::Key("attention.key_length"));

static FIELDS: &[Field] = &[
    field("num_attention_heads", Value::Dim(MOST)),
    omit("num_key_value_heads"),
    omit("intermediate_size"),
    omit("head_dim"),
    derived("block_configs", blocks),
    field("attention_bias", Value::Bool(false)),
    field("mlp_bias", Value::Bool(false)),
];

const ATTENTIVE: &[Tell] = &[Tell::Tensor("blk.{i}.attn_q.weight")];
const FED: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_up.weight")];
/// A linear projection in place of attention.
const LINEAR: &[Tell] =
    &[Tell::Tensor("blk.{i}.attn_output.weight"), Tell::Not(&Tell::Tensor("blk.{i}.attn_q.weight"))];

static LAYERS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm").optional(),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.post_attention_layernorm").optional(),
    rule("model.layers.{i}.self_attn.q_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_q"), HEADS))
        .only(ATTENTIVE),
    rule("model.layers.{i}.self_attn.k_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_k"), KV_HEADS))
        .only(ATTENTIVE),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj").only(ATTENTIVE),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj").only(ATTENTIVE),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.linear_attn").only(LINEAR),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.mlp.gate_proj").only(FED),
    rename("blk.{i}.ffn_up", "model.layers.{i}.mlp.up_proj").only(FED),
    rename("blk.{i}.ffn_down", "model.layers.{i}.mlp.down_proj").only(FED),
];

pub static SPEC: Spec = Spec {
    gguf: "deci",
    when: &[Tell::Tensor("rope_freqs.weight")],
    class: "DeciLMForCausalLM",
    model_type: "nemotron-nas",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, LAYERS, ROPE_FACTORS],
    loss: None,
    proof: &["deci-nas"],
    source: "conversion/deci.py, llama.cpp 0c1e5709",
};

/// DeciLM 7B: key heads differ from layer to layer.
pub static SEVEN: Spec = Spec {
    gguf: "deci",
    when: &[],
    class: "DeciLMForCausalLM",
    model_type: "deci",
    strip: "",
    config: &[
        DECODER,
        &[
            omit("num_key_value_heads"),
            field("num_key_value_heads_per_layer", Value::PerLayer(KV_HEADS)),
            field("attention_bias", Value::Bool(false)),
        ],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP],
    loss: None,
    proof: &["deci-7b"],
    source: "conversion/deci.py, llama.cpp 0c1e5709",
};

/// What each layer has. A width of the feed-forward network is two thirds of its multiple of the hidden size, rounded up
/// to multiples of 256; the multiple that gives the stored width exactly gives it again.
fn blocks(scope: &Scope) -> Result<Option<Json>, Error> {
    let hidden = Dim::Key("embedding_length").of(scope)? as f64;
    let heads = MOST.of(scope)?;
    let block = |s: &Scope| {
        let kv = s.u64("attention.head_count_kv")?.unwrap_or(0);
        let width = s.u64("feed_forward_length")?.unwrap_or(0);
        let linear = kv == 0 && s.u64("attention.head_count")?.unwrap_or(0) > 0;
        let group = heads.checked_div(kv);
        let multiple = (width > 0).then(|| (width as f64 + 0.5) * 3.0 / 2.0 / hidden);
        Ok(json!({
            "attention": {
                "n_heads_in_group": group,
                "no_op": group.is_none() && !linear,
                "num_sink_tokens": null,
                "replace_with_linear": linear,
                "sparsify": null,
                "unshifted_sink": false,
                "use_prefill_window_in_sink_attention": false,
                "window_length": null,
            },
            "ffn": {
                "ffn_mult": multiple,
                "no_op": width == 0,
                "replace_with_linear": false,
                "sparsify": null,
            },
        }))
    };
    Ok(Some(scope.each_layer(block)?.into()))
}
