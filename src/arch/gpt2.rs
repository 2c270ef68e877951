//! GPT-2, whose linear layers are stored the other way round, and StarCoder 1, whose are not.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::HEADS;
use super::spec::{Field, Rule, Spec, Value, derived, exact, field, int, number, rename};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    int("n_embd", "embedding_length"),
    int("n_layer", "block_count"),
    field("n_head", Value::Dim(HEADS)),
    int("n_positions", "context_length"),
    // The key says four times the hidden size, whatever there is.
    field("n_inner", Value::Dim(Dim::Rows("blk.0.ffn_up.weight"))),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("layer_norm_epsilon", "attention.layer_norm_epsilon"),
    field("scale_attn_weights", Value::Bool(true)),
    field("tie_word_embeddings", Value::Absent("output.weight")),
    field("attn_pdrop", Value::Float(0.1)),
    field("embd_pdrop", Value::Float(0.1)),
    field("resid_pdrop", Value::Float(0.1)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

static SHARED: &[Rule] = &[
    rename("token_embd", "transformer.wte"),
    rename("position_embd", "transformer.wpe"),
    rename("output_norm", "transformer.ln_f"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "transformer.h.{i}.ln_1"),
    rename("blk.{i}.ffn_norm", "transformer.h.{i}.ln_2"),
];

/// The class keeps what enters along rows (`Conv1D`); a bias has no sides.
const fn turned(hf: &'static str, weight: &'static Expr) -> Rule {
    exact(hf, Expr::Transpose(weight))
}

static TURNED: &[Rule] = &[
    turned("transformer.h.{i}.attn.c_attn.weight", &Expr::Tensor("blk.{i}.attn_qkv.weight")),
    exact("transformer.h.{i}.attn.c_attn.bias", Expr::Tensor("blk.{i}.attn_qkv.bias")),
    turned("transformer.h.{i}.attn.c_proj.weight", &Expr::Tensor("blk.{i}.attn_output.weight")),
    exact("transformer.h.{i}.attn.c_proj.bias", Expr::Tensor("blk.{i}.attn_output.bias")),
    turned("transformer.h.{i}.mlp.c_fc.weight", &Expr::Tensor("blk.{i}.ffn_up.weight")),
    exact("transformer.h.{i}.mlp.c_fc.bias", Expr::Tensor("blk.{i}.ffn_up.bias")),
    turned("transformer.h.{i}.mlp.c_proj.weight", &Expr::Tensor("blk.{i}.ffn_down.weight")),
    exact("transformer.h.{i}.mlp.c_proj.bias", Expr::Tensor("blk.{i}.ffn_down.bias")),
];

static KEPT: &[Rule] = &[
    rename("blk.{i}.attn_qkv", "transformer.h.{i}.attn.c_attn"),
    rename("blk.{i}.attn_output", "transformer.h.{i}.attn.c_proj"),
    rename("blk.{i}.ffn_up", "transformer.h.{i}.mlp.c_fc"),
    rename("blk.{i}.ffn_down", "transformer.h.{i}.mlp.c_proj"),
];

pub static SPEC: Spec = Spec {
    gguf: "gpt2",
    when: &[],
    class: "GPT2LMHeadModel",
    model_type: "gpt2",
    strip: "",
    config: &[
        FIELDS,
        &[
            int("n_ctx", "context_length"), // llama.cpp's converter reads this one
            field("activation_function", Value::Str("gelu_new")),
            field("scale_attn_by_inverse_layer_idx", Value::Bool(false)),
            field("reorder_and_upcast_attn", Value::Bool(false)),
        ],
    ],
    tensors: &[SHARED, TURNED],
    loss: None,
    proof: &["GPT2LMHeadModel"],
    source: "conversion/gpt2.py, class GPT2Model, llama.cpp 0c1e5709",
};

pub static STARCODER: Spec = Spec {
    gguf: "starcoder",
    when: &[],
    class: "GPTBigCodeForCausalLM",
    model_type: "gpt_bigcode",
    strip: "",
    config: &[
        FIELDS,
        &[
            derived("multi_query", multi_query),
            field("activation_function", Value::Str("gelu_pytorch_tanh")),
            field("attention_softmax_in_fp32", Value::Bool(true)),
            field("scale_attention_softmax_in_fp32", Value::Bool(true)),
        ],
    ],
    tensors: &[SHARED, KEPT],
    loss: None,
    proof: &["GPTBigCodeForCausalLM"],
    source: "conversion/starcoder.py, class StarCoderModel, llama.cpp 0c1e5709",
};

/// Whether all query heads share one key and value: else the fused projection has three rows for each column. The key
/// says one head in either case.
fn multi_query(scope: &Scope) -> Result<Option<Json>, Error> {
    const ALL: Dim = Dim::Times(&Dim::Is(3), &Dim::Key("embedding_length"));
    Ok(Some((Dim::Rows("blk.0.attn_qkv.weight").of(scope)? != ALL.of(scope)?).into()))
}
