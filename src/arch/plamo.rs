//! PLaMo 13B, whose converter writes what 8 query heads that share a key head have in another order.

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, HEADS};
use super::spec::{Field, Rule, Spec, Value, exact, field, rename};

const HEAD: Dim = Dim::Over(&Dim::Key("embedding_length"), &HEADS);
/// Key heads, and query heads that share one.
const GROUPS: Dim = Dim::Key("attention.head_count_kv");
const SHARING: Dim = Dim::Over(&HEADS, &GROUPS);
/// Stored (5, 8, head) for (8, 5, head).
const ORDER: &[(Dim, Dim)] = &[(SHARING, HEAD), (GROUPS, Dim::Times(&SHARING, &HEAD)), (HEAD, Dim::Is(1))];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.norm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "model.layers.layers.{i}.norm"),
    exact(
        "model.layers.layers.{i}.self_attn.q_proj.weight",
        Expr::Permute(&Expr::Tensor("blk.{i}.attn_q.weight"), ORDER),
    ),
    rename("blk.{i}.attn_k", "model.layers.layers.{i}.self_attn.k_proj"),
    rename("blk.{i}.attn_v", "model.layers.layers.{i}.self_attn.v_proj"),
    exact(
        "model.layers.layers.{i}.self_attn.o_proj.weight",
        Expr::PermuteColumns(&Expr::Tensor("blk.{i}.attn_output.weight"), ORDER),
    ),
    rename("blk.{i}.ffn_gate", "model.layers.layers.{i}.mlp.gate_proj"),
    rename("blk.{i}.ffn_up", "model.layers.layers.{i}.mlp.up_proj"),
    rename("blk.{i}.ffn_down", "model.layers.layers.{i}.mlp.down_proj"),
];

static FIELDS: &[Field] = &[
    // Published so; the class divides by the next instead.
    field("num_key_value_heads", Value::Dim(HEADS)),
    field("n_shared_head", Value::Dim(SHARING)),
];

pub static SPEC: Spec = Spec {
    gguf: "plamo",
    when: &[],
    class: "PlamoForCausalLM",
    model_type: "plamo",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["PlamoForCausalLM"],
    source: "conversion/plamo.py, class PlamoModel, llama.cpp 0c1e5709",
};
