//! Llama 1 to 3.3 and all that share its layout, Mistral 7B to Large, and Mixtral.

use super::shared::{
    DECODER, DENSE_MODULES, EMBEDS, ENCODER, ENDS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION, SPARSE_BLOCK,
};
use super::spec::{Field, Rule, Spec, Tell, Value, field, int, rename};

const SOURCE: &str = "conversion/llama.py, class LlamaModel, llama.cpp 0c1e5709";

pub static LLAMA: Spec = Spec {
    gguf: "llama",
    when: &[],
    class: "LlamaForCausalLM",
    model_type: "llama",
    strip: "",
    config: &[
        DECODER,
        &[
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
            field("pretraining_tp", Value::Int(1)),
        ],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &[
        "LlamaForCausalLM",
        "llama-bias",
        "llama-mha-headdim",
        "llama-rope-linear",
        "llama-rope-llama3",
        "llama-rope-yarn",
        "llama-spm-untied",
        "llama-tied",
    ],
    source: SOURCE,
};

static BIASES: &[Field] = &[
    field("attention_bias", Value::Present("blk.0.attn_q.bias")),
    field("mlp_bias", Value::Present("blk.0.ffn_gate.bias")),
];

/// Embedding models made of it.
pub static EMBEDDING: Spec = Spec {
    gguf: "llama",
    when: EMBEDS,
    class: "LlamaModel",
    model_type: "llama",
    strip: "model.",
    config: &[DECODER, BIASES, ENCODER],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS, DENSE_MODULES],
    loss: None,
    proof: &["LlamaModel"],
    source: SOURCE,
};

/// Encoders made of it, which look both ways (llama-embed-nemotron).
pub static BIDIRECTIONAL: Spec = Spec {
    gguf: "llama-embed",
    when: &[],
    class: "LlamaBidirectionalModel",
    model_type: "llama_bidirec",
    strip: "model.",
    config: &[DECODER, BIASES, ENCODER],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS, DENSE_MODULES],
    loss: None,
    proof: &["LlamaBidirectionalModel"],
    source: "conversion/llama.py, class LlamaEmbedNemotronModel, llama.cpp 0c1e5709",
};

/// The window of Mistral v0.1 is in no GGUF; `null` says that there is none, where the class would assume 4096.
pub static MISTRAL: Spec = Spec {
    gguf: "llama",
    when: &[Tell::Any(&[
        Tell::Text("tokenizer.ggml.pre", "tekken"),
        Tell::Named(&["mistral", "ministral", "devstral", "mathstral", "codestral"]),
    ])],
    class: "MistralForCausalLM",
    model_type: "mistral",
    strip: "",
    config: &[DECODER, &[field("sliding_window", Value::Null)]],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["MistralForCausalLM", "mistral-sliding-none"],
    source: SOURCE,
};

static MIXTRAL_FIELDS: &[Field] = &[
    int("num_local_experts", "expert_count"),
    int("num_experts_per_tok", "expert_used_count"),
    field("sliding_window", Value::Null),
    field("output_router_logits", Value::Bool(false)),
    field("router_aux_loss_coef", Value::Float(0.001)),
    field("router_jitter_noise", Value::Float(0.0)),
];

/// Experts in files of December 2023 to April 2024, a tensor an expert.
static LEGACY_EXPERTS: &[Rule] = &[
    rename("blk.{i}.ffn_gate.{e}", "model.layers.{i}.block_sparse_moe.experts.{e}.w1").optional(),
    rename("blk.{i}.ffn_down.{e}", "model.layers.{i}.block_sparse_moe.experts.{e}.w2").optional(),
    rename("blk.{i}.ffn_up.{e}", "model.layers.{i}.block_sparse_moe.experts.{e}.w3").optional(),
];

pub static MIXTRAL: Spec = Spec {
    gguf: "llama",
    when: &[Tell::Positive("expert_count")],
    class: "MixtralForCausalLM",
    model_type: "mixtral",
    strip: "",
    config: &[DECODER, MIXTRAL_FIELDS],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, SPARSE_BLOCK, LEGACY_EXPERTS, ROPE_FACTORS],
    loss: None,
    proof: &["MixtralForCausalLM"],
    source: SOURCE,
};
