//! LLaDA, dense and with experts: diffusion models.

use super::dim::Dim;
use super::expr::Expr;
use super::rnd1::mask;
use super::shared::{ATTENTION, DECODER, ENDS, EXPERTS, HEADS, KV_HEADS, NORMS, QK_NORMS, TRUNK};
use super::spec::{Field, Rule, Spec, Value, derived, field, int, number, rename, rule};

static FIELDS: &[Field] = &[
    int("d_model", "embedding_length"),
    field("n_heads", Value::Dim(HEADS)),
    field("n_kv_heads", Value::Dim(KV_HEADS)),
    field("n_layers", Value::Dim(TRUNK)),
    int("mlp_hidden_size", "feed_forward_length"),
    int("max_sequence_length", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("embedding_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    number("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    field("rope", Value::Bool(true)),
    field("rope_theta", Value::Number("rope.freq_base", Some(500_000.0))),
    field("rope_full_precision", Value::Bool(true)),
    field("block_type", Value::Str("llama")),
    field("activation_type", Value::Str("silu")),
    field("layer_norm_type", Value::Str("rms")),
    field("weight_tying", Value::Absent("output.weight")),
    field("include_bias", Value::Bool(false)),
    field("include_qkv_bias", Value::Bool(false)),
    field("input_emb_norm", Value::Bool(false)),
    field("alibi", Value::Bool(false)),
    derived("mask_token_id", mask),
];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.transformer.wte"),
    rename("output_norm", "model.transformer.ln_f"),
    rename("output", "model.transformer.ff_out").optional(),
    rename("blk.{i}.attn_norm", "model.transformer.blocks.{i}.attn_norm"),
    rule("model.transformer.blocks.{i}.q_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_q"), HEADS)),
    rule("model.transformer.blocks.{i}.k_proj", Expr::Rope(&Expr::Tensor("blk.{i}.attn_k"), KV_HEADS)),
    rename("blk.{i}.attn_v", "model.transformer.blocks.{i}.v_proj"),
    rename("blk.{i}.attn_output", "model.transformer.blocks.{i}.attn_out"),
    rename("blk.{i}.ffn_norm", "model.transformer.blocks.{i}.ff_norm"),
    rename("blk.{i}.ffn_gate", "model.transformer.blocks.{i}.ff_proj"),
    rename("blk.{i}.ffn_up", "model.transformer.blocks.{i}.up_proj"),
    rename("blk.{i}.ffn_down", "model.transformer.blocks.{i}.ff_out"),
];

pub static SPEC: Spec = Spec {
    gguf: "llada",
    when: &[],
    class: "LLaDAModelLM",
    model_type: "llada",
    strip: "",
    config: &[FIELDS],
    tensors: &[TENSORS],
    loss: None,
    proof: &["LLaDAModelLM"],
    source: "conversion/llada.py, class LLaDAModel, llama.cpp 0c1e5709",
};

pub static MOE: Spec = Spec {
    gguf: "llada-moe",
    when: &[],
    class: "LLaDAMoEModelLM",
    model_type: "llada", // as the published models' own config class has it
    strip: "",
    config: &[
        DECODER,
        &[
            int("num_experts", "expert_count"),
            int("num_experts_per_tok", "expert_used_count"),
            int("expert_intermediate_size", "expert_feed_forward_length"),
            int("dense_intermediate_size", "feed_forward_length"),
            // The published class's defaults are placeholders: -1 and an empty list.
            field("moe_layer_freq", Value::PerLayer(Dim::Is(1))),
            field("partial_rotary_factor", Value::Int(1)),
            field("qk_layernorm", Value::Present("blk.0.attn_q_norm.weight")),
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            derived("mask_token_id", mask),
        ],
    ],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, EXPERTS],
    loss: None,
    proof: &["LLaDAMoEModelLM"],
    source: "conversion/llada.py, class LLaDAMoEModel, llama.cpp 0c1e5709",
};
