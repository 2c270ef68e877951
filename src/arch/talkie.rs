//! Talkie: norms without weights, gains in their place. Its rope turns the other way, which the converter undid by
//! negating the second half of each query and key head.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, HEAD_DIM, HEADS};
use super::spec::{Field, Rule, Spec, derived, exact, omit, rename, rule};
use crate::tensor::ElementOp;

/// The class has no key heads of its own to count, and takes the smallest `f32` step for epsilon.
static FIELDS: &[Field] = &[
    omit("rms_norm_eps"),
    derived("num_key_value_heads", |scope| Ok(scope.u64("attention.head_count_kv")?.map(Json::from))),
];

const HALF: Dim = Dim::Over(&HEAD_DIM, &Dim::Is(2));
const Q: Expr = Expr::Tensor("blk.{i}.attn_q");
const K: Expr = Expr::Tensor("blk.{i}.attn_k");

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed"),
    exact("lm_head", Expr::Tensor("output.weight")),
    exact("lm_head_gain.w_g", Expr::Number("talkie.logit_scale")),
    rule(
        "model.blocks.{i}.attn.attn_query",
        Expr::InterleaveRuns(
            HEADS,
            &[
                Expr::WithinRuns(&Q, HEADS, Dim::Is(0), HALF),
                Expr::Map(&Expr::WithinRuns(&Q, HEADS, HALF, HALF), ElementOp::Multiply(-1.0)),
            ],
        ),
    ),
    rule(
        "model.blocks.{i}.attn.attn_key",
        Expr::InterleaveRuns(
            HEADS,
            &[
                Expr::WithinRuns(&K, HEADS, Dim::Is(0), HALF),
                Expr::Map(&Expr::WithinRuns(&K, HEADS, HALF, HALF), ElementOp::Multiply(-1.0)),
            ],
        ),
    ),
    rename("blk.{i}.attn_v", "model.blocks.{i}.attn.attn_value"),
    rename("blk.{i}.attn_output", "model.blocks.{i}.attn.attn_resid"),
    exact(
        "model.blocks.{i}.attn.head_gain.head_g",
        Expr::Reshape(&Expr::Tensor("blk.{i}.attn_q_norm.weight"), &[HEADS]),
    ),
    exact("model.blocks.{i}.attn_gain.a_g", Expr::Tensor("blk.{i}.attn_output.scale")),
    rename("blk.{i}.ffn_gate", "model.blocks.{i}.mlp.mlp_gate"),
    rename("blk.{i}.ffn_up", "model.blocks.{i}.mlp.mlp_linear"),
    rename("blk.{i}.ffn_down", "model.blocks.{i}.mlp.mlp_resid"),
    exact("model.blocks.{i}.mlp_gain.a_g", Expr::Tensor("blk.{i}.ffn_down.scale")),
    exact("model.blocks.{i}.embed_skip.a_g", Expr::Tensor("blk.{i}.layer_output_scale.weight")),
];

pub static SPEC: Spec = Spec {
    gguf: "talkie",
    when: &[],
    class: "TalkieForCausalLM",
    model_type: "talkie",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["TalkieForCausalLM"],
    source: "conversion/talkie.py, class TalkieModel, llama.cpp 0c1e5709",
};
