//! DeepSeek V2 and V3 and what has their layout: R1, Kimi K2, Moonlight, GLM-4.7-Flash, Youtu. Shares its attention and
//! mixture with the architectures that add an indexer.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::rope_scaling::rope_scaling;
use super::shared::{
    DECODER, DENSE_MLP, ENDS, GATE, HEADS, NEXTN, NORMS, SCORE_CORRECTION, SHARED_EXPERTS, SPARSE_EXPERTS,
    mlp_layer_types, predicting_layers, scoring_func,
};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, omit, rename};
use super::{Error, Scope};

const SOURCE: &str = "conversion/deepseek.py, class DeepseekV2Model, llama.cpp 0c1e5709";

/// Part of a query or key that rope turns.
pub const ROPE: Dim = Dim::Key("rope.dimension_count");
/// Size of a query or key. Files before April 2025 have it where others have the compressed size.
const QK: Dim = Dim::KeyOr("attention.key_length_mla", &Dim::Key("attention.key_length"));
/// Size of a value, likewise.
pub const V: Dim = Dim::KeyOr("attention.value_length_mla", &Dim::Key("attention.value_length"));
/// Part of a query or key that rope leaves alone.
pub const NOPE: Dim = Dim::Minus(&QK, &ROPE);
/// Size of the compressed state.
pub const RANK: Dim = Dim::Key("attention.kv_lora_rank");

/// Keys and values of all heads from the compressed state: of each head its key's rows, then its value's. The converter
/// stores them apart, the keys with rows and columns exchanged.
pub const KV_B: Expr = Expr::Reshape(
    &Expr::Join(&[
        Expr::Transpose(&Expr::Reshape(&Expr::Tensor("blk.{i}.attn_k_b.weight"), &[HEADS, RANK, NOPE])),
        Expr::Reshape(&Expr::Tensor("blk.{i}.attn_v_b.weight"), &[HEADS, V, RANK]),
    ]),
    &[Dim::Times(&HEADS, &Dim::Plus(&NOPE, &V)), RANK],
);

/// Attention over a compressed state. The file says one key head, which is how llama.cpp runs it.
pub static MLA: &[Field] = &[
    omit("head_dim"),
    field("num_key_value_heads", Value::Dim(HEADS)),
    field("q_lora_rank", Value::OptionalDim("attention.q_lora_rank")),
    field("kv_lora_rank", Value::Dim(RANK)),
    field("qk_nope_head_dim", Value::Dim(NOPE)),
    field("qk_rope_head_dim", Value::Dim(ROPE)),
    field("v_head_dim", Value::Dim(V)),
    field("attention_bias", Value::Present("blk.0.attn_kv_a_mqa.bias")),
    derived("rope_scaling", mscaled),
];

/// A mixture's sizes in DeepSeek's spelling.
pub static MIXTURE: &[Field] = &[
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("n_routed_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("n_shared_experts", Value::Dim(Dim::KeyOr("expert_shared_count", &Dim::Is(0)))),
    field("n_group", Value::Dim(Dim::KeyOr("expert_group_count", &Dim::Is(1)))),
    field("topk_group", Value::Dim(Dim::KeyOr("expert_group_used_count", &Dim::Is(1)))),
    field("routed_scaling_factor", Value::Number("expert_weights_scale", Some(1.0))),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", false)),
    derived("first_k_dense_replace", leading_dense),
    field("moe_layer_freq", Value::Int(1)),
    derived("scoring_func", scoring_func),
    derived("num_nextn_predict_layers", predicting_layers),
];

/// What llama.cpp splits and turns for its own way of attention; the last is for files before April 2025.
pub static MLA_ATTENTION: &[Rule] = &[
    rename("blk.{i}.attn_q", "model.layers.{i}.self_attn.q_proj").optional(),
    rename("blk.{i}.attn_q_a", "model.layers.{i}.self_attn.q_a_proj").only(COMPRESSED),
    rename("blk.{i}.attn_q_a_norm", "model.layers.{i}.self_attn.q_a_layernorm").only(COMPRESSED),
    rename("blk.{i}.attn_q_b", "model.layers.{i}.self_attn.q_b_proj").only(COMPRESSED),
    rename("blk.{i}.attn_kv_a_mqa", "model.layers.{i}.self_attn.kv_a_proj_with_mqa"),
    rename("blk.{i}.attn_kv_a_norm", "model.layers.{i}.self_attn.kv_a_layernorm"),
    exact("model.layers.{i}.self_attn.kv_b_proj.weight", KV_B),
    exact("model.layers.{i}.self_attn.kv_b_proj.weight", Expr::Tensor("blk.{i}.attn_kv_b.weight")).optional(),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

const COMPRESSED: &[Tell] = &[Tell::Not(&Tell::Tensor("blk.{i}.attn_q.weight"))];

static V2_FIELDS: &[Field] =
    &[derived("topk_method", topk_method), field("mlp_bias", Value::Present("blk.0.ffn_gate.bias"))];

pub static V2: Spec = Spec {
    gguf: "deepseek2",
    when: &[Tell::Positive("expert_count"), Tell::Not(&CORRECTED)],
    class: "DeepseekV2ForCausalLM",
    model_type: "deepseek_v2",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, V2_FIELDS],
    tensors: &[ENDS, NORMS, MLA_ATTENTION, DENSE_MLP, GATE, SPARSE_EXPERTS, SHARED_EXPERTS],
    loss: None,
    proof: &["DeepseekV2ForCausalLM"],
    source: SOURCE,
};

/// A layer beyond the leading dense ones corrects its scores: the last surely is one.
const CORRECTED: Tell = Tell::Any(&[
    Tell::AnyLayer(&Tell::Tensor("blk.{i}.exp_probs_b.bias")),
    Tell::Equals("expert_gating_func", 2),
]);

static V3_FIELDS: &[Field] =
    &[field("topk_method", Value::Str("noaux_tc")), field("rope_interleave", Value::Bool(true))];

pub static V3: Spec = Spec {
    gguf: "deepseek2",
    when: &[Tell::Positive("expert_count")],
    class: "DeepseekV3ForCausalLM",
    model_type: "deepseek_v3",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, V3_FIELDS],
    tensors: &[ENDS, NORMS, MLA_ATTENTION, DENSE_MLP, GATE, SPARSE_EXPERTS, SCORE_CORRECTION, SHARED_EXPERTS],
    loss: Some("the layers that predict further tokens, where the original has any"),
    proof: &["DeepseekV3ForCausalLM"],
    source: SOURCE,
};

/// GLM's vocabulary tells it from DeepSeek's own.
pub static GLM_LITE: Spec = Spec {
    gguf: "deepseek2",
    when: &[Tell::Positive("expert_count"), Tell::Text("tokenizer.ggml.pre", "glm4")],
    class: "Glm4MoeLiteForCausalLM",
    model_type: "glm4_moe_lite",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, V3_FIELDS, &[derived("mlp_layer_types", mlp_layer_types)]],
    tensors: &[
        ENDS,
        NORMS,
        MLA_ATTENTION,
        DENSE_MLP,
        GATE,
        SPARSE_EXPERTS,
        SCORE_CORRECTION,
        SHARED_EXPERTS,
        NEXTN,
    ],
    loss: None,
    proof: &["Glm4MoeLiteForCausalLM"],
    source: "conversion/glm.py, class Glm4MoeLiteModel, llama.cpp 0c1e5709",
};

pub static YOUTU: Spec = Spec {
    gguf: "deepseek2",
    when: &[],
    class: "YoutuForCausalLM",
    model_type: "youtu",
    strip: "",
    config: &[DECODER, MLA, &[field("rope_interleave", Value::Bool(true))]],
    tensors: &[ENDS, NORMS, MLA_ATTENTION, DENSE_MLP],
    loss: None,
    proof: &["YoutuForCausalLM"],
    source: SOURCE,
};

/// Layers before the first with experts. A class that lists its layers' kinds may have left this at nothing.
fn leading_dense(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(scope.u64("leading_dense_block_count")?.filter(|&n| n > 0).map(Json::from))
}

/// How V2 chooses experts. No GGUF says it: from groups in the models of 236B, which take 3 of 8, else among all.
fn topk_method(scope: &Scope) -> Result<Option<Json>, Error> {
    let groups = (scope.u64("expert_group_count")?, scope.u64("expert_group_used_count")?);
    Ok(Some(if groups == (Some(8), Some(3)) { "group_limited_greedy" } else { "greedy" }.into()))
}

/// Yarn with DeepSeek's multiplier, of which the file has a tenth; `mscale` equals it in every published model.
fn mscaled(scope: &Scope) -> Result<Option<Json>, Error> {
    let mut scaling = rope_scaling(scope)?;
    if let (Some(Json::Object(fields)), Some(tenth)) =
        (&mut scaling, scope.f64("rope.scaling.yarn_log_multiplier")?)
    {
        let mscale = crate::gguf::shortest((tenth / 0.1) as f32);
        fields.insert("mscale".into(), mscale.into());
        fields.insert("mscale_all_dim".into(), mscale.into());
    }
    Ok(scaling)
}
