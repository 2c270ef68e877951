//! Hunyuan 4: DeepSeek's attention, an indexer, and residuals that are several streams.

use super::deepseek2::{MIXTURE, MLA, MLA_ATTENTION};
use super::dim::Dim;
use super::expr::Expr;
use super::glm_dsa::{INDEXER, indexer_types};
use super::shared::{
    DECODER, DENSE_MLP, ENDS, GATE, NORMS, ROUTED, SCORE_CORRECTION, SHARED_EXPERTS, mlp_layer_types,
};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, rename};

static FIELDS: &[Field] = &[
    field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
    derived("mlp_layer_types", mlp_layer_types),
    derived("indexer_types", indexer_types),
    int("index_n_heads", "attention.indexer.head_count"),
    int("index_head_dim", "attention.indexer.key_length"),
    int("index_topk", "attention.indexer.top_k"),
    int("hc_mult", "hyper_connection.count"),
    field("hc_eps", Value::Number("hyper_connection.epsilon", Some(1e-6))),
    field("hc_magnitude", Value::Number("hyper_connection.magnitude", Some(2.0))),
    derived("swiglu_limit", |s| {
        let key = s.key("swiglu_clamp_exp");
        let limits = s.metadata().value(&key).and_then(|v| v.as_array());
        Ok(Some(limits.and_then(|a| a.get(0)?.as_f64()).unwrap_or(0.0).into()))
    }),
];

const SPARSE: &[Tell] = &[ROUTED];

static TENSORS: &[Rule] = &[
    exact("model.hc_head.hc_head_fn", Expr::Tensor("output_hc_fn.weight")),
    exact("model.hc_head.hc_head_base", Expr::Tensor("output_hc_base.weight")),
    exact("model.hc_head.hc_head_scale", Expr::Tensor("output_hc_scale.weight")),
    exact("model.layers.{i}.hc_attn_layer.hc_pre.hc_fn", Expr::Tensor("blk.{i}.hc_attn_fn.weight")),
    exact("model.layers.{i}.hc_attn_layer.hc_pre.hc_base", Expr::Tensor("blk.{i}.hc_attn_base.weight")),
    exact("model.layers.{i}.hc_attn_layer.hc_pre.hc_scale", Expr::Tensor("blk.{i}.hc_attn_scale.weight")),
    exact("model.layers.{i}.hc_mlp_layer.hc_pre.hc_fn", Expr::Tensor("blk.{i}.hc_ffn_fn.weight")),
    exact("model.layers.{i}.hc_mlp_layer.hc_pre.hc_base", Expr::Tensor("blk.{i}.hc_ffn_base.weight")),
    exact("model.layers.{i}.hc_mlp_layer.hc_pre.hc_scale", Expr::Tensor("blk.{i}.hc_ffn_scale.weight")),
    exact("model.layers.{i}.self_attn.learnable_sink_param", Expr::Tensor("blk.{i}.attn_sinks.weight")),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.linear_gate"),
    exact(
        "model.layers.{i}.mlp.experts.gate_up_proj",
        Expr::Join(&[
            Expr::Tensor("blk.{i}.ffn_gate_exps.weight"),
            Expr::Tensor("blk.{i}.ffn_up_exps.weight"),
        ]),
    )
    .only(SPARSE),
    exact("model.layers.{i}.mlp.experts.down_proj", Expr::Tensor("blk.{i}.ffn_down_exps.weight"))
        .only(SPARSE),
];

pub static SPEC: Spec = Spec {
    gguf: "hy_v4",
    when: &[],
    class: "HYV4ForCausalLM",
    model_type: "hy_v4",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, FIELDS],
    tensors: &[
        ENDS,
        NORMS,
        MLA_ATTENTION,
        INDEXER,
        TENSORS,
        DENSE_MLP,
        GATE,
        SCORE_CORRECTION,
        SHARED_EXPERTS,
    ],
    loss: Some("the layers that predict further tokens, where the original has any"),
    proof: &["HYV4ForCausalLM"],
    source: "conversion/hy_v4.py, llama.cpp 0c1e5709",
};
