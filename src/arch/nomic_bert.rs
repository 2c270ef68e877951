//! nomic-embed-text: BERT with rope and gated layers, or with experts at every other layer.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::HEADS;
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename};
use super::{Error, Scope};

const SOURCE: &str = "conversion/bert.py, class NomicBertModel, llama.cpp 0c1e5709";

static SHARED: &[Rule] = &[
    rename("token_embd", "embeddings.word_embeddings"),
    rename("token_types", "embeddings.token_type_embeddings"),
    rename("token_embd_norm", "emb_ln"),
    rename("blk.{i}.attn_qkv", "encoder.layers.{i}.attn.Wqkv"),
    rename("blk.{i}.attn_output", "encoder.layers.{i}.attn.out_proj"),
    rename("blk.{i}.attn_output_norm", "encoder.layers.{i}.norm1"),
    rename("blk.{i}.layer_output_norm", "encoder.layers.{i}.norm2"),
];

static GATED: &[Rule] = &[
    rename("blk.{i}.ffn_up", "encoder.layers.{i}.mlp.fc11"),
    rename("blk.{i}.ffn_gate", "encoder.layers.{i}.mlp.fc12"),
    rename("blk.{i}.ffn_down", "encoder.layers.{i}.mlp.fc2"),
];

const ROUTED: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_gate_inp.weight")];
const PLAIN: &[Tell] = &[Tell::Not(&ROUTED[0])];
const ALL_ROWS: Dim = Dim::Rows("blk.{i}.ffn_up_exps.weight");
const UP: Expr = Expr::Tensor("blk.{i}.ffn_up_exps.weight");
const DOWN: Expr = Expr::Transpose(&Expr::Tensor("blk.{i}.ffn_down_exps.weight"));
/// The experts' rows one below the other.
const FLAT: &[Dim] = &[ALL_ROWS, Dim::Key("embedding_length")];

static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "encoder.layers.{i}.mlp.router.layer").only(ROUTED),
    exact("encoder.layers.{i}.mlp.experts.mlp.w1", Expr::Reshape(&UP, FLAT)).only(ROUTED),
    exact("encoder.layers.{i}.mlp.experts.mlp.w2", Expr::Reshape(&DOWN, FLAT)).only(ROUTED),
    rename("blk.{i}.ffn_up", "encoder.layers.{i}.mlp.fc1").only(PLAIN),
    rename("blk.{i}.ffn_down", "encoder.layers.{i}.mlp.fc2").only(PLAIN),
];

/// In the words of the remote class, which published configs use, and in those of transformers 5.
static FIELDS: &[Field] = &[
    int("n_embd", "embedding_length"),
    int("hidden_size", "embedding_length"),
    int("n_layer", "block_count"),
    int("num_hidden_layers", "block_count"),
    field("n_head", Value::Dim(HEADS)),
    field("num_attention_heads", Value::Dim(HEADS)),
    int("n_inner", "feed_forward_length"),
    int("intermediate_size", "feed_forward_length"),
    derived("n_positions", positions),
    field("max_trained_positions", Value::Int(2048)),
    int("max_position_embeddings", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("type_vocab_size", Value::Dim(Dim::Rows("token_types.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    number("layer_norm_eps", "attention.layer_norm_epsilon"),
    field("rotary_emb_base", Value::Number("rope.freq_base", Some(1000.0))),
    field("rope_theta", Value::Number("rope.freq_base", Some(1000.0))),
    field("rotary_emb_fraction", Value::Float(1.0)), // the converter takes these three only
    field("rotary_emb_interleaved", Value::Bool(false)),
    field("rotary_emb_scale_base", Value::Null),
    field("causal", Value::Bool(false)),
    field("prenorm", Value::Bool(false)),
    field("qkv_proj_bias", Value::Present("blk.0.attn_qkv.bias")),
    field("mlp_fc1_bias", Value::Present("blk.0.ffn_up.bias")),
    field("mlp_fc2_bias", Value::Present("blk.0.ffn_down.bias")),
    field("use_rms_norm", Value::Bool(false)),
    field("tie_word_embeddings", Value::Bool(true)),
];

pub static SPEC: Spec = Spec {
    gguf: "nomic-bert",
    when: &[],
    class: "NomicBertModel",
    model_type: "nomic_bert",
    strip: "",
    config: &[
        FIELDS,
        &[field("activation_function", Value::Str("swiglu")), field("hidden_act", Value::Str("silu"))],
    ],
    tensors: &[SHARED, GATED],
    loss: None,
    proof: &["NomicBertModel"],
    source: SOURCE,
};

pub static MOE: Spec = Spec {
    gguf: "nomic-bert-moe",
    when: &[],
    class: "NomicBertModel",
    model_type: "nomic_bert",
    strip: "",
    config: &[
        FIELDS,
        &[
            field("activation_function", Value::Str("gelu")),
            field("hidden_act", Value::Str("gelu")),
            int("moe_every_n_layers", "moe_every_n_layers"),
            int("num_experts", "expert_count"),
            int("moe_top_k", "expert_used_count"),
        ],
    ],
    tensors: &[SHARED, EXPERTS],
    loss: Some("the bias that experts share is not in the file"),
    proof: &["nomic-bert-moe"],
    source: SOURCE,
};

/// Positions as configs say them: the file says how many were trained, of which published models have these two.
fn positions(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(match Dim::Key("context_length").of(scope)? {
        2048 => 8192.into(),
        512 => 2048.into(),
        other => other.into(),
    }))
}
