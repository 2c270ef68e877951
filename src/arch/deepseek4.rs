//! DeepSeek V4, under its maker's own names: attention over compressed keys, residual streams of hyper-connections, and
//! first layers that choose experts by token.

use serde_json::Value as Json;

use super::expr::Expr;
use super::shared::{DECODER, scoring_func, swiglu_limit};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename, rule};
use super::{Error, Scope};

static FIELDS: &[Field] = &[
    derived("intermediate_size", |scope| Ok(scope.u64("feed_forward_length")?.map(Json::from))),
    int("qk_rope_head_dim", "rope.dimension_count"),
    int("q_lora_rank", "attention.q_lora_rank"),
    int("o_groups", "attention.output_group_count"),
    int("o_lora_rank", "attention.output_lora_rank"),
    int("sliding_window", "attention.sliding_window"),
    derived("compress_ratios", ratios),
    number("compress_rope_theta", "attention.compress_rope_freq_base"),
    int("index_n_heads", "attention.indexer.head_count"),
    int("index_head_dim", "attention.indexer.key_length"),
    int("index_topk", "attention.indexer.top_k"),
    int("hc_mult", "hyper_connection.count"),
    int("hc_sinkhorn_iters", "hyper_connection.sinkhorn_iterations"),
    number("hc_eps", "hyper_connection.epsilon"),
    int("n_routed_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    int("moe_intermediate_size", "expert_feed_forward_length"),
    int("n_shared_experts", "expert_shared_count"),
    number("routed_scaling_factor", "expert_weights_scale"),
    field("norm_topk_prob", Value::Flag("expert_weights_norm", true)),
    derived("scoring_func", scoring_func),
    field("topk_method", Value::Str("noaux_tc")),
    int("num_hash_layers", "hash_layer_count"),
    derived("swiglu_limit", swiglu_limit),
    field("num_nextn_predict_layers", Value::Int(0)), // the converter writes them to files of their own
    field("attention_bias", Value::Bool(false)),
];

const INDEXER: Tell = Tell::Tensor("blk.{i}.indexer.attn_q_b.weight");
const INDEXED: &[Tell] = &[INDEXER];
const COMPRESSED: &[Tell] = &[Tell::Tensor("blk.{i}.attn_compressor_kv.weight")];
const HASHED: &[Tell] = &[Tell::Tensor("blk.{i}.ffn_gate_tid2eid.weight")];

static ENDS: &[Rule] = &[
    rename("token_embd", "embed"),
    rename("output_norm", "norm"),
    rename("output", "head").optional(),
    exact("hc_head_fn", Expr::Tensor("output_hc_fn.weight")),
    exact("hc_head_base", Expr::Tensor("output_hc_base.weight")),
    exact("hc_head_scale", Expr::Tensor("output_hc_scale.weight")),
];

static LAYERS: &[Rule] = &[
    rename("blk.{i}.attn_norm", "layers.{i}.attn_norm"),
    rename("blk.{i}.ffn_norm", "layers.{i}.ffn_norm"),
    exact("layers.{i}.hc_attn_fn", Expr::Tensor("blk.{i}.hc_attn_fn.weight")),
    exact("layers.{i}.hc_attn_base", Expr::Tensor("blk.{i}.hc_attn_base.weight")),
    exact("layers.{i}.hc_attn_scale", Expr::Tensor("blk.{i}.hc_attn_scale.weight")),
    exact("layers.{i}.hc_ffn_fn", Expr::Tensor("blk.{i}.hc_ffn_fn.weight")),
    exact("layers.{i}.hc_ffn_base", Expr::Tensor("blk.{i}.hc_ffn_base.weight")),
    exact("layers.{i}.hc_ffn_scale", Expr::Tensor("blk.{i}.hc_ffn_scale.weight")),
];

static ATTENTION: &[Rule] = &[
    exact("layers.{i}.attn.attn_sink", Expr::Tensor("blk.{i}.attn_sinks.weight")),
    rename("blk.{i}.attn_q_a", "layers.{i}.attn.wq_a"),
    rename("blk.{i}.attn_q_b", "layers.{i}.attn.wq_b"),
    rename("blk.{i}.attn_q_a_norm", "layers.{i}.attn.q_norm"),
    rename("blk.{i}.attn_kv", "layers.{i}.attn.wkv"),
    rename("blk.{i}.attn_kv_a_norm", "layers.{i}.attn.kv_norm"),
    rename("blk.{i}.attn_output_a", "layers.{i}.attn.wo_a"),
    rename("blk.{i}.attn_output_b", "layers.{i}.attn.wo_b"),
    exact("layers.{i}.attn.compressor.ape", Expr::Tensor("blk.{i}.attn_compressor_ape.weight"))
        .only(COMPRESSED),
    rename("blk.{i}.attn_compressor_kv", "layers.{i}.attn.compressor.wkv").only(COMPRESSED),
    rename("blk.{i}.attn_compressor_gate", "layers.{i}.attn.compressor.wgate").only(COMPRESSED),
    rename("blk.{i}.attn_compressor_norm", "layers.{i}.attn.compressor.norm").only(COMPRESSED),
    rename("blk.{i}.indexer.attn_q_b", "layers.{i}.attn.indexer.wq_b").only(INDEXED),
    rename("blk.{i}.indexer.proj", "layers.{i}.attn.indexer.weights_proj").only(INDEXED),
    exact("layers.{i}.attn.indexer.compressor.ape", Expr::Tensor("blk.{i}.indexer_compressor_ape.weight"))
        .only(INDEXED),
    rename("blk.{i}.indexer_compressor_kv", "layers.{i}.attn.indexer.compressor.wkv").only(INDEXED),
    rename("blk.{i}.indexer_compressor_gate", "layers.{i}.attn.indexer.compressor.wgate").only(INDEXED),
    rename("blk.{i}.indexer_compressor_norm", "layers.{i}.attn.indexer.compressor.norm").only(INDEXED),
];

/// The router's correction is a bias in name alone; a file with images has another for them.
static EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate_inp", "layers.{i}.ffn.gate"),
    exact("layers.{i}.ffn.gate.bias", Expr::Tensor("blk.{i}.exp_probs_b.bias")).optional(),
    exact("layers.{i}.ffn.gate.bias_vl", Expr::Tensor("blk.{i}.exp_probs_b_vl.bias")).optional(),
    exact("layers.{i}.ffn.gate.tid2eid", Expr::Tensor("blk.{i}.ffn_gate_tid2eid.weight")).only(HASHED),
    rule("layers.{i}.ffn.experts.{e}.w1", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps"))),
    rule("layers.{i}.ffn.experts.{e}.w2", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps"))),
    rule("layers.{i}.ffn.experts.{e}.w3", Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps"))),
    rename("blk.{i}.ffn_gate_shexp", "layers.{i}.ffn.shared_experts.w1"),
    rename("blk.{i}.ffn_down_shexp", "layers.{i}.ffn.shared_experts.w2"),
    rename("blk.{i}.ffn_up_shexp", "layers.{i}.ffn.shared_experts.w3"),
];

pub static SPEC: Spec = Spec {
    gguf: "deepseek4",
    when: &[],
    class: "DeepseekV4ForCausalLM",
    model_type: "deepseek_v4",
    strip: "",
    config: &[DECODER, FIELDS],
    tensors: &[ENDS, LAYERS, ATTENTION, EXPERTS],
    loss: Some(
        "the packed form of its weights, which are shown as plain numbers, and the layers that predict further tokens",
    ),
    proof: &["DeepseekV4ForCausalLM"],
    source: "conversion/deepseek.py, class DeepseekV4Model, llama.cpp 0c1e5709",
};

/// How many keys each layer makes one of; 0 where none.
fn ratios(scope: &Scope) -> Result<Option<Json>, Error> {
    let ratios = scope.metadata().array(&scope.key("attention.compress_ratios"))?;
    Ok(ratios.map(|ratios| ratios.iter().map(|ratio| ratio.as_u64()).collect()))
}
