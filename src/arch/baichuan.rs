//! Baichuan and XVERSE, whose converters reorder rows for pairwise rope by the number of query heads. Keys with fewer
//! heads they order otherwise (atlas 2.1, R1): no published model has them, and the square shape refuses them.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{DECODER, ENDS, HEADS, MLP, NORMS};
use super::spec::{Field, Rule, Spec, derived, exact, int, rename};

/// Neither class has the fields; of a later one a file may.
static SAID: &[Field] = &[
    derived("num_key_value_heads", |scope| Ok(scope.u64("attention.head_count_kv")?.map(Json::from))),
    derived("rope_theta", |scope| Ok(scope.f64("rope.freq_base")?.map(Json::from))),
];

const HIDDEN: Dim = Dim::Key("embedding_length");
const SQUARE: &[Dim] = &[HIDDEN, HIDDEN];
const QUERIES: Expr = Expr::Rope(&Expr::Tensor("blk.{i}.attn_q.weight"), HEADS);
const KEYS: Expr = Expr::Rope(&Expr::Reshape(&Expr::Tensor("blk.{i}.attn_k.weight"), SQUARE), HEADS);

static PACKED: &[Rule] = &[
    exact(
        "model.layers.{i}.self_attn.W_pack.weight",
        Expr::Concat(&[QUERIES, KEYS, Expr::Tensor("blk.{i}.attn_v.weight")]),
    ),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

pub static BAICHUAN: Spec = Spec {
    gguf: "baichuan",
    when: &[],
    class: "BaichuanForCausalLM",
    model_type: "baichuan",
    strip: "",
    config: &[DECODER, SAID, &[int("model_max_length", "context_length")]],
    tensors: &[ENDS, NORMS, PACKED, MLP],
    loss: None,
    proof: &["BaichuanForCausalLM"],
    source: "conversion/baichuan.py, llama.cpp 0c1e5709",
};

static APART: &[Rule] = &[
    exact("model.layers.{i}.self_attn.q_proj.weight", QUERIES),
    exact("model.layers.{i}.self_attn.k_proj.weight", KEYS),
    rename("blk.{i}.attn_v", "model.layers.{i}.self_attn.v_proj"),
    rename("blk.{i}.attn_output", "model.layers.{i}.self_attn.o_proj"),
];

pub static XVERSE: Spec = Spec {
    gguf: "xverse",
    when: &[],
    class: "XverseForCausalLM",
    model_type: "xverse",
    strip: "",
    config: &[DECODER, SAID, &[int("max_tokenizer_truncation", "context_length")]],
    tensors: &[ENDS, NORMS, APART, MLP],
    loss: None,
    proof: &["XverseForCausalLM"],
    source: "conversion/xverse.py, llama.cpp 0c1e5709",
};
