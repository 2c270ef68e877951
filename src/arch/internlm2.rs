//! InternLM 2 and 2.5, which hold queries, keys and values as one, group by group.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, HEADS, KV_HEADS};
use super::spec::{Rule, Spec, Value, exact, field, rename};

const HIDDEN: Dim = Dim::Key("embedding_length");
const HEAD: Dim = Dim::Over(&HIDDEN, &HEADS);
/// Rows of a group's queries.
const SHARE: Dim = Dim::Times(&Dim::Over(&HEADS, &KV_HEADS), &HEAD);
const ROWS: Dim = Dim::Times(&Dim::Plus(&HEADS, &Dim::Times(&Dim::Is(2), &KV_HEADS)), &HEAD);

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.tok_embeddings"),
    rename("output_norm", "model.norm"),
    rename("output", "output").optional(),
    rename("blk.{i}.attn_norm", "model.layers.{i}.attention_norm"),
    exact(
        "model.layers.{i}.attention.wqkv.weight",
        Expr::Reshape(
            &Expr::Join(&[
                Expr::Reshape(
                    &Expr::Rope(&Expr::Tensor("blk.{i}.attn_q.weight"), HEADS),
                    &[KV_HEADS, SHARE, HIDDEN],
                ),
                Expr::Reshape(
                    &Expr::Rope(&Expr::Tensor("blk.{i}.attn_k.weight"), KV_HEADS),
                    &[KV_HEADS, HEAD, HIDDEN],
                ),
                Expr::Reshape(&Expr::Tensor("blk.{i}.attn_v.weight"), &[KV_HEADS, HEAD, HIDDEN]),
            ]),
            &[ROWS, HIDDEN],
        ),
    ),
    rename("blk.{i}.attn_output", "model.layers.{i}.attention.wo"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.ffn_norm"),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.w1"),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.w3"),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.w2"),
];

pub static SPEC: Spec = Spec {
    gguf: "internlm2",
    when: &[],
    class: "InternLM2ForCausalLM",
    model_type: "internlm2",
    strip: "",
    config: &[DECODER, &[field("bias", Value::Present("blk.0.attn_output.bias"))]],
    tensors: &[TENSORS],
    loss: None,
    proof: &["InternLM2ForCausalLM"],
    source: "conversion/internlm.py, class InternLM2Model, llama.cpp 0c1e5709",
};
