//! Trinity.

use super::expr::Expr;
use super::shared::{
    ATTENTION, DECODER, DENSE_MLP, ENDS, QK_NORMS, ROPE_FACTORS, SHARED_EXPERTS, SPARSE_EXPERTS, WINDOW,
    scoring_func,
};
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, rename};

static FIELDS: &[Field] = &[
    int("num_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("num_shared_experts", "expert_shared_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("num_dense_layers", "leading_dense_block_count"),
    field("route_scale", Value::Number("expert_weights_scale", Some(1.0))),
    // Files have the key if the original config has the field: the published ones do, the class does not.
    derived("route_norm", |s| Ok(s.metadata().bool(&s.key("expert_weights_norm"))?.map(Into::into))),
    derived("score_func", scoring_func),
    // Embeddings grown by the root of the width. No GGUF says it: true in every published model, each of which has the
    // key below; without it the file came from the class's defaults, where it is false.
    derived("mup_enabled", |s| Ok(Some(s.metadata().value(&s.key("expert_weights_norm")).is_some().into()))),
    field("layer_types", Value::LayerTypes(4)),
    field("global_attn_every_n_layers", Value::Int(4)),
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
];

static NORMS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.post_attention_norm", "model.layers.{i}.post_attention_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.pre_mlp_layernorm"),
    rename("blk.{i}.post_ffw_norm", "model.layers.{i}.post_mlp_layernorm"),
    rename("blk.{i}.attn_gate", "model.layers.{i}.self_attn.gate_proj"),
];

static ROUTER: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.mlp.router.gate").optional(),
    exact("model.layers.{i}.mlp.expert_bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).optional(),
];

pub static SPEC: Spec = Spec {
    gguf: "afmoe",
    when: &[],
    class: "AfmoeForCausalLM",
    model_type: "afmoe",
    strip: "",
    config: &[DECODER, WINDOW, FIELDS],
    tensors: &[
        ENDS,
        NORMS,
        ATTENTION,
        QK_NORMS,
        DENSE_MLP,
        ROUTER,
        SPARSE_EXPERTS,
        SHARED_EXPERTS,
        ROPE_FACTORS,
    ],
    loss: None,
    proof: &["AfmoeForCausalLM"],
    source: "conversion/afmoe.py, llama.cpp 0c1e5709",
};
