//! LFM2: short convolutions and attention, dense or with experts.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, HEAD_DIM};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename, rule};
use super::{Error, Scope};

const CONVOLUTION: &[Tell] = &[Tell::Tensor("blk.{i}.shortconv.in_proj.weight")];
const ATTENTION: &[Tell] = &[Tell::Not(&CONVOLUTION[0])];
const SPARSE: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_gate_inp.weight")];
const DENSE: &[Tell] = &[Tell::Not(&SPARSE[0])];

static FIELDS: &[Field] = &[
    derived("num_key_value_heads", kv_heads),
    derived("layer_types", layer_types),
    derived("rms_norm_eps", |_| Ok(None)),
    number("norm_eps", "attention.layer_norm_rms_epsilon"),
    int("conv_L_cache", "shortconv.l_cache"),
    derived("conv_bias", |scope| {
        Ok(Some(scope.first_layer_with("blk.{i}.shortconv.in_proj.bias")?.is_some().into()))
    }),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("token_embd_norm", "model.embedding_norm"),
    rename("output_norm", "model.embedding_norm").optional(), // in files before the converter of December 2025
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "model.layers.{i}.operator_norm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.ffn_norm"),
    exact(
        "model.layers.{i}.conv.conv.weight",
        Expr::Reshape(
            &Expr::Tensor("blk.{i}.shortconv.conv.weight"),
            &[Dim::Rows("blk.{i}.shortconv.conv.weight"), Dim::Is(1), Dim::Key("shortconv.l_cache")],
        ),
    )
    .only(CONVOLUTION),
    exact("model.layers.{i}.conv.conv.bias", Expr::Tensor("blk.{i}.shortconv.conv.bias")).optional(),
    rename("blk.{i}.shortconv.in_proj", "model.layers.{i}.conv.in_proj").only(CONVOLUTION),
    rename("blk.{i}.shortconv.out_proj", "model.layers.{i}.conv.out_proj").only(CONVOLUTION),
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj").only(ATTENTION),
    rename("blk.{i}.attn_k", "model.layers.{i}.self_attn.k_proj").only(ATTENTION),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj").only(ATTENTION),
    rename("blk.{i}.attn_q_norm", "model.layers.{i}.self_attn.q_layernorm").only(ATTENTION),
    rename("blk.{i}.attn_k_norm", "model.layers.{i}.self_attn.k_layernorm").only(ATTENTION),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.out_proj").only(ATTENTION),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.w1").only(DENSE),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.w2").only(DENSE),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.w3").only(DENSE),
];

static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.feed_forward.gate").only(SPARSE),
    exact("model.layers.{i}.feed_forward.expert_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).optional(),
    rule(
        "model.layers.{i}.feed_forward.experts.{e}.w1",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    )
    .only(SPARSE),
    rule(
        "model.layers.{i}.feed_forward.experts.{e}.w2",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    )
    .only(SPARSE),
    rule("model.layers.{i}.feed_forward.experts.{e}.w3", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")))
        .only(SPARSE),
];

pub static SPEC: Spec = Spec {
    gguf: "lfm2",
    when: &[],
    class: "Lfm2ForCausalLM",
    model_type: "lfm2",
    strip: "",
    config: &[
        DECODER,
        FIELDS,
        &[
            int("block_dim", "embedding_length"),
            int("conv_dim", "embedding_length"),
            int("conv_dim_out", "embedding_length"),
            // The file has the width that the class would compute from others; vLLM and published configs name it so.
            derived("intermediate_size", |_| Ok(None)),
            int("block_ff_dim", "feed_forward_length"),
            field("block_auto_adjust_ff_dim", Value::Bool(false)),
        ],
    ],
    tensors: &[TENSORS],
    loss: None,
    proof: &["Lfm2ForCausalLM"],
    source: "conversion/lfm2.py, class LFM2Model, llama.cpp 0c1e5709",
};

pub static MOE: Spec = Spec {
    gguf: "lfm2moe",
    when: &[],
    class: "Lfm2MoeForCausalLM",
    model_type: "lfm2_moe",
    strip: "",
    config: &[
        DECODER,
        FIELDS,
        &[
            int("num_experts", "expert_count"),
            int("num_experts_per_tok", "expert_used_count"),
            int("moe_intermediate_size", "expert_feed_forward_length"),
            int("num_dense_layers", "leading_dense_block_count"),
            derived("use_expert_bias", |scope| {
                Ok(Some(scope.first_layer_with("blk.{i}.exp_probs_b.bias")?.is_some().into()))
            }),
            field("norm_topk_prob", Value::Flag("expert_weights_norm", true)), // of every published model
            field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
        ],
    ],
    tensors: &[TENSORS, EXPERTS],
    loss: None,
    proof: &["Lfm2MoeForCausalLM"],
    source: "conversion/lfm2.py, class LFM2MoeModel, llama.cpp 0c1e5709",
};

fn layer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let kind = |at: &Scope| Ok(if Tell::all(CONVOLUTION, at)? { "conv" } else { "full_attention" });
    Ok(Some(scope.each_layer(kind)?.into()))
}

fn kv_heads(scope: &Scope) -> Result<Option<Json>, Error> {
    const ROWS: Dim = Dim::Over(&Dim::Rows("blk.{i}.attn_k.weight"), &HEAD_DIM);
    let attends = scope.first_layer_with("blk.{i}.attn_k.weight")?;
    attends.map(|layer| Ok(ROWS.of(&scope.at(layer))?.into())).transpose()
}
