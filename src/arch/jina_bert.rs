//! Jina's BERTs: version 2, with linear biases for positions and gated layers, and the one for code; version 3, with rope.

use super::bert::{LATE_FIELDS, POOLER};
use super::dim::Dim;
use super::expr::Expr;
use super::shared::SIZES;
use super::spec::{Field, Rule, Spec, Tell, Value, derived, field, number, rename, rule};

static EMBEDDINGS: &[Rule] = &[
    rename("token_embd", "embeddings.word_embeddings"),
    rename("token_types", "embeddings.token_type_embeddings"),
];

static V2_LAYERS: &[Rule] = &[
    rename("token_embd_norm", "embeddings.LayerNorm"),
    rename("blk.{i}.attn_q", "encoder.layer.{i}.attention.self.query"),
    rename("blk.{i}.attn_k", "encoder.layer.{i}.attention.self.key"),
    rename("blk.{i}.attn_v", "encoder.layer.{i}.attention.self.value"),
    rename("blk.{i}.attn_output", "encoder.layer.{i}.attention.output.dense"),
    rename("blk.{i}.attn_output_norm", "encoder.layer.{i}.attention.output.LayerNorm"),
];

const UP: Expr = Expr::Tensor("blk.{i}.ffn_up");
const GATE: Expr = Expr::Tensor("blk.{i}.ffn_gate");
/// Files of early 2025 hold gate and up apart, newer ones as the original does.
const SPLIT: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_gate.weight")];
const WHOLE: &[Tell] = &[Tell::Not(&SPLIT[0])];

static PLAIN: &[Rule] = &[
    rule("encoder.layer.{i}.mlp.gated_layers", UP).only(WHOLE),
    rule("encoder.layer.{i}.mlp.gated_layers", Expr::Concat(&[GATE, UP])).only(SPLIT),
    rename("blk.{i}.ffn_down", "encoder.layer.{i}.mlp.wo"),
    rename("blk.{i}.layer_output_norm", "encoder.layer.{i}.mlp.layernorm"),
];

static CODE_LAYERS: &[Rule] = &[
    rename("blk.{i}.attn_q_norm", "encoder.layer.{i}.attention.self.layer_norm_q"),
    rename("blk.{i}.attn_k_norm", "encoder.layer.{i}.attention.self.layer_norm_k"),
    rename("blk.{i}.attn_norm_2", "encoder.layer.{i}.layer_norm_1"),
    rule("encoder.layer.{i}.mlp.up_gated_layer", UP).only(WHOLE),
    rule("encoder.layer.{i}.mlp.up_gated_layer", Expr::Concat(&[UP, GATE])).only(SPLIT),
    rename("blk.{i}.ffn_down", "encoder.layer.{i}.mlp.down_layer"),
    rename("blk.{i}.layer_output_norm", "encoder.layer.{i}.layer_norm_2"),
];

static FIELDS: &[Field] = &[
    field("type_vocab_size", Value::Dim(Dim::Rows("token_types.weight"))),
    number("layer_norm_eps", "attention.layer_norm_epsilon"),
    field("hidden_act", Value::Str("gelu")),
    field("attention_probs_dropout_prob", Value::Float(0.0)),
    field("hidden_dropout_prob", Value::Float(0.1)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

/// By these the class knows itself from BERT, whose type it has.
static V2_FIELDS: &[Field] = &[
    field("position_embedding_type", Value::Str("alibi")),
    field("feed_forward_type", Value::Str("geglu")),
    field("emb_pooler", Value::Str("mean")),
    field("attn_implementation", Value::Str("torch")),
];

/// With norms of queries and keys.
pub static CODE: Spec = Spec {
    when: &[Tell::Tensor("blk.0.attn_q_norm.weight")],
    tensors: &[EMBEDDINGS, V2_LAYERS, CODE_LAYERS],
    proof: &["jina-bert-code"],
    ..V2_SPEC
};

const V2_SPEC: Spec = Spec {
    gguf: "jina-bert-v2",
    when: &[],
    class: "JinaBertModel",
    model_type: "bert",
    strip: "",
    config: &[SIZES, FIELDS, V2_FIELDS],
    tensors: &[EMBEDDINGS, V2_LAYERS, PLAIN],
    loss: POOLER,
    proof: &[],
    source: "conversion/bert.py, class JinaBertV2Model, llama.cpp 0c1e5709",
};

pub static V2: Spec = Spec { proof: &["JinaBertModel"], ..V2_SPEC };

static V3_LAYERS: &[Rule] = &[
    rename("token_embd_norm", "emb_ln"),
    rename("blk.{i}.attn_qkv", "encoder.layers.{i}.mixer.Wqkv"),
    rename("blk.{i}.attn_output", "encoder.layers.{i}.mixer.out_proj"),
    rename("blk.{i}.attn_output_norm", "encoder.layers.{i}.norm1"),
    rename("blk.{i}.ffn_up", "encoder.layers.{i}.mlp.fc1"),
    rename("blk.{i}.ffn_down", "encoder.layers.{i}.mlp.fc2"),
    rename("blk.{i}.layer_output_norm", "encoder.layers.{i}.norm2"),
];

static V3_FIELDS: &[Field] = &[
    field("attention_probs_dropout_prob", Value::Float(0.1)),
    derived("rope_parameters", |scope| {
        let theta = scope.f64("rope.freq_base")?.unwrap_or(20000.0);
        Ok(Some(serde_json::json!({"rope_theta": theta, "rope_type": "default"})))
    }),
];

/// The original is code of its own, under the name of XLM-RoBERTa; transformers has the same as a class and reads the
/// original's names.
pub static V3: Spec = Spec {
    gguf: "jina-bert-v3",
    when: &[],
    class: "JinaEmbeddingsV3Model",
    model_type: "jina_embeddings_v3",
    strip: "",
    config: &[SIZES, FIELDS, LATE_FIELDS, V3_FIELDS],
    tensors: &[EMBEDDINGS, V3_LAYERS],
    loss: Some(
        "the pooling layer is in no GGUF: loaders make a new one, which embeddings do not use; the tasks' adapters are in files of their own",
    ),
    proof: &["JinaEmbeddingsV3Model"],
    source: "conversion/bert.py, class XLMRobertaModel, llama.cpp 0c1e5709",
};
