//! Jamba: Mamba 1, attention and experts, each at layers of a period.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{ATTENTION, DECODER};
use super::spec::{Rule, Spec, Tell, Value, all_only, derived, exact, field, int, rename, rule};
use super::ssm::{A_LOG, CONV, EXPAND, MIXER, NO_MIXER, hybrid_kv_heads};
use super::{Error, Scope};

static ATTENTION_LAYERS: [Rule; 4] = all_only(ATTENTION, NO_MIXER);

const ROUTER: &str = "blk.{i}.ffn_gate_inp.weight";
const SPARSE: &[Tell] = &[Tell::Tensor(ROUTER)];
const DENSE: &[Tell] = &[Tell::Not(&Tell::Tensor(ROUTER))];

static TENSORS: &[Rule] = &[
    rename("token_embd", "model.embed_tokens"),
    rename("output_norm", "model.final_layernorm"),
    rename("output", "lm_head").optional(),
    rename("blk.{i}.attn_norm", "model.layers.{i}.input_layernorm"),
    rename("blk.{i}.ffn_norm", "model.layers.{i}.pre_ff_layernorm"),
    exact("model.layers.{i}.mamba.A_log", A_LOG).only(MIXER),
    exact("model.layers.{i}.mamba.D", Expr::Tensor("blk.{i}.ssm_d")).only(MIXER),
    exact("model.layers.{i}.mamba.conv1d.weight", CONV).only(MIXER),
    exact("model.layers.{i}.mamba.conv1d.bias", Expr::Tensor("blk.{i}.ssm_conv1d.bias")).optional(),
    rename("blk.{i}.ssm_in", "model.layers.{i}.mamba.in_proj").only(MIXER),
    rename("blk.{i}.ssm_x", "model.layers.{i}.mamba.x_proj").only(MIXER),
    rename("blk.{i}.ssm_dt", "model.layers.{i}.mamba.dt_proj").only(MIXER),
    rename("blk.{i}.ssm_out", "model.layers.{i}.mamba.out_proj").only(MIXER),
    rename("blk.{i}.ssm_dt_norm", "model.layers.{i}.mamba.dt_layernorm").only(MIXER),
    rename("blk.{i}.ssm_b_norm", "model.layers.{i}.mamba.b_layernorm").only(MIXER),
    rename("blk.{i}.ssm_c_norm", "model.layers.{i}.mamba.c_layernorm").only(MIXER),
    rename("blk.{i}.ffn_gate", "model.layers.{i}.feed_forward.gate_proj").only(DENSE),
    rename("blk.{i}.ffn_up", "model.layers.{i}.feed_forward.up_proj").only(DENSE),
    rename("blk.{i}.ffn_down", "model.layers.{i}.feed_forward.down_proj").only(DENSE),
    rename("blk.{i}.ffn_gate_inp", "model.layers.{i}.feed_forward.router").only(SPARSE),
    rule(
        "model.layers.{i}.feed_forward.experts.{e}.gate_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_gate_exps")),
    )
    .only(SPARSE),
    rule(
        "model.layers.{i}.feed_forward.experts.{e}.up_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_up_exps")),
    )
    .only(SPARSE),
    rule(
        "model.layers.{i}.feed_forward.experts.{e}.down_proj",
        Expr::Expert(&Expr::Tensor("blk.{i}.ffn_down_exps")),
    )
    .only(SPARSE),
];

pub static SPEC: Spec = Spec {
    gguf: "jamba",
    when: &[],
    class: "JambaForCausalLM",
    model_type: "jamba",
    strip: "",
    config: &[
        DECODER,
        &[
            // There are no positions in a Jamba.
            derived("rope_theta", |_| Ok(None)),
            derived("rope_scaling", |_| Ok(None)),
            derived("num_key_value_heads", hybrid_kv_heads),
            derived("attn_layer_period", |scope| Ok(Some(attention(scope)?.0.into()))),
            derived("attn_layer_offset", |scope| Ok(Some(attention(scope)?.1.into()))),
            derived("expert_layer_period", |scope| Ok(Some(experts(scope)?.0.into()))),
            derived("expert_layer_offset", |scope| Ok(Some(experts(scope)?.1.into()))),
            field("num_experts", Value::Dim(Dim::KeyOr("expert_count", &Dim::Is(1)))),
            field("num_experts_per_tok", Value::Dim(Dim::KeyOr("expert_used_count", &Dim::Is(1)))),
            int("mamba_d_conv", "ssm.conv_kernel"),
            int("mamba_d_state", "ssm.state_size"),
            int("mamba_dt_rank", "ssm.time_step_rank"),
            field("mamba_expand", Value::Dim(EXPAND)),
            derived("mamba_conv_bias", |scope| mixer_has(scope, "blk.{i}.ssm_conv1d.bias")),
            derived("mamba_proj_bias", |scope| mixer_has(scope, "blk.{i}.ssm_in.bias")),
            field("use_mamba_kernels", Value::Bool(true)),
            field("output_router_logits", Value::Bool(false)),
            field("router_aux_loss_coef", Value::Float(0.001)),
        ],
    ],
    tensors: &[TENSORS, &ATTENTION_LAYERS],
    loss: None,
    proof: &["JambaForCausalLM"],
    source: "conversion/jamba.py, llama.cpp 0c1e5709",
};

fn mixer_has(scope: &Scope, tensor: &str) -> Result<Option<Json>, Error> {
    Ok(Some(scope.first_layer_with(tensor)?.is_some().into()))
}

/// Period and offset of the layers that attend.
fn attention(scope: &Scope) -> Result<(u64, u64), Error> {
    period(
        scope,
        "attention",
        &scope.each_layer(|at| Ok(at.tensor(&at.name("blk.{i}.ssm_in.weight")).is_none()))?,
    )
}

/// Period and offset of the layers that have experts.
fn experts(scope: &Scope) -> Result<(u64, u64), Error> {
    period(scope, "experts", &scope.each_layer(|at| Ok(at.tensor(&at.name(ROUTER)).is_some()))?)
}

/// The period and offset by which layers are chosen; past the last layer where none is.
fn period(scope: &Scope, what: &str, chosen: &[bool]) -> Result<(u64, u64), Error> {
    let layers = scope.layers()?;
    let mut at = (0..).zip(chosen).filter(|(_, chosen)| **chosen).map(|(layer, _)| layer);
    let offset = at.next().unwrap_or(layers);
    let period = at.next().map_or_else(|| layers.max(offset + 1), |second| second - offset);
    let fits = (0..).zip(chosen).all(|(layer, &chosen)| chosen == (layer % period == offset));
    if fits {
        Ok((period, offset))
    } else {
        Err(Error::Unsupported { what: format!("the layers with {what} follow no period") })
    }
}
