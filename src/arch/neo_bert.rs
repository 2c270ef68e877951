//! NeoBERT, a class of remote code.

use super::dim::Dim;
use super::shared::HEADS;
use super::spec::{Rule, Spec, Value, field, int, number, rename};

static TENSORS: &[Rule] = &[
    rename("token_embd", "encoder"),
    rename("enc.output_norm", "layer_norm"),
    rename("blk.{i}.attn_norm", "transformer_encoder.{i}.attention_norm"),
    rename("blk.{i}.attn_qkv", "transformer_encoder.{i}.qkv"),
    rename("blk.{i}.attn_output", "transformer_encoder.{i}.wo"),
    rename("blk.{i}.ffn_norm", "transformer_encoder.{i}.ffn_norm"),
    rename("blk.{i}.ffn_up", "transformer_encoder.{i}.ffn.w12"),
    rename("blk.{i}.ffn_down", "transformer_encoder.{i}.ffn.w3"),
];

pub static SPEC: Spec = Spec {
    gguf: "neo-bert",
    when: &[],
    class: "NeoBERT",
    model_type: "neobert",
    strip: "",
    config: &[&[
        int("hidden_size", "embedding_length"),
        int("num_hidden_layers", "block_count"),
        field("num_attention_heads", Value::Dim(HEADS)),
        // The class takes two thirds of it for each of gate and up; the file has that.
        field(
            "intermediate_size",
            Value::Dim(Dim::Over(&Dim::Times(&Dim::Key("feed_forward_length"), &Dim::Is(3)), &Dim::Is(2))),
        ),
        int("max_length", "context_length"),
        field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
        number("norm_eps", "attention.layer_norm_rms_epsilon"),
        field("hidden_act", Value::Str("SwiGLU")), // this and the next two: in every published model
        field("rope", Value::Bool(true)),
        field("rms_norm", Value::Bool(true)),
    ]],
    tensors: &[TENSORS],
    loss: Some("the head that predicts masked tokens is not in the file"),
    proof: &["NeoBERT"],
    source: "conversion/bert.py, class NeoBert, llama.cpp 0c1e5709",
};
