//! GLM-5 and DeepSeek V3.2: DeepSeek's attention with an indexer that chooses what to attend to.

use serde_json::Value as Json;

use super::deepseek2::{MIXTURE, MLA, MLA_ATTENTION};
use super::dim::Dim;
use super::rope_scaling::{rope_parameters, rope_scaling};
use super::shared::{
    DECODER, DENSE_MLP, ENDS, GATE, NEXTN, NORMS, SCORE_CORRECTION, SHARED_EXPERTS, SPARSE_EXPERTS,
    mlp_layer_types, scoring_func,
};
use super::spec::{Field, Rule, Spec, Value, derived, field, int, rename};
use super::{Error, Scope};

static INDEXED: &[Field] = &[
    int("index_n_heads", "attention.indexer.head_count"),
    int("index_head_dim", "attention.indexer.key_length"),
    int("index_topk", "attention.indexer.top_k"),
    field("first_k_dense_replace", Value::Dim(Dim::KeyOr("leading_dense_block_count", &Dim::Is(0)))),
    derived("mlp_layer_types", mlp_layer_types),
    field("topk_method", Value::Str("noaux_tc")),
    derived("scoring_func", scoring_func),
];

static GLM_FIELDS: &[Field] = &[
    derived("indexer_types", indexer_types),
    derived("rope_parameters", |scope| rope_parameters(scope, rope_scaling(scope)?, None)),
];

/// The indexer. Layers may share that of an earlier one.
pub static INDEXER: &[Rule] = &[
    rename("blk.{i}.indexer.k_norm", "model.layers.{i}.self_attn.indexer.k_norm").optional(),
    rename("blk.{i}.indexer.proj", "model.layers.{i}.self_attn.indexer.weights_proj").optional(),
    rename("blk.{i}.indexer.attn_k", "model.layers.{i}.self_attn.indexer.wk").optional(),
    rename("blk.{i}.indexer.attn_q_b", "model.layers.{i}.self_attn.indexer.wq_b").optional(),
];

static TENSORS: &[&[Rule]] = &[
    ENDS,
    NORMS,
    MLA_ATTENTION,
    INDEXER,
    DENSE_MLP,
    GATE,
    SPARSE_EXPERTS,
    SCORE_CORRECTION,
    SHARED_EXPERTS,
    NEXTN,
];

pub static SPEC: Spec = Spec {
    gguf: "glm-dsa",
    when: &[],
    class: "GlmMoeDsaForCausalLM",
    model_type: "glm_moe_dsa",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, INDEXED, GLM_FIELDS],
    tensors: TENSORS,
    loss: None,
    proof: &["GlmMoeDsaForCausalLM"],
    source: "conversion/glm.py, class GlmMoeDsaModel, llama.cpp 0c1e5709",
};

pub static DEEPSEEK: Spec = Spec {
    gguf: "deepseek32",
    when: &[],
    class: "DeepseekV32ForCausalLM",
    model_type: "deepseek_v32",
    strip: "",
    config: &[DECODER, MLA, MIXTURE, INDEXED],
    tensors: TENSORS,
    loss: None,
    proof: &["DeepseekV32ForCausalLM"],
    source: "conversion/deepseek.py, class DeepseekV32Model, llama.cpp 0c1e5709",
};

/// Which layers have an indexer of their own: all, unless the file says otherwise.
///
/// # Errors
/// If the array has no truth value for a layer.
pub fn indexer_types(scope: &Scope) -> Result<Option<Json>, Error> {
    let key = scope.key("attention.indexer.types");
    let own = scope.metadata().value(&key).and_then(|v| v.as_array());
    let kind = |s: &Scope| {
        let own =
            own.map_or(Some(true), |own| usize::try_from(s.layer).ok().and_then(|i| own.get(i)?.as_bool()));
        let own = own.ok_or_else(|| Error::Layers { key: key.clone(), layer: s.layer })?;
        Ok(if own { "full" } else { "shared" })
    };
    Ok(Some(scope.each_layer(kind)?.into()))
}
