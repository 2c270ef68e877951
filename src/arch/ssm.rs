//! State-space mixers, Mamba 1 and 2, under the two spellings of their names, and what hybrids of them and attention share.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::HEAD_DIM;
use super::spec::{Field, Rule, Tell, Value, exact, field, int, rename};
use super::{Error, Scope};
use crate::tensor::ElementOp;

/// Size of the mixer's inner state.
pub const INNER: Dim = Dim::Key("ssm.inner_size");
/// Heads of a Mamba 2 mixer. For Mamba 1 the key is the rank of its time step.
pub const SSM_HEADS: Dim = Dim::Key("ssm.time_step_rank");
/// Inner size over hidden size.
pub const EXPAND: Dim = Dim::Over(&INNER, &Dim::Key("embedding_length"));

/// The converter stores `-exp(A_log)`.
pub const A_LOG: Expr = Expr::Map(&Expr::Tensor("blk.{i}.ssm_a"), ElementOp::LogNegate);
/// Of Mamba 2 one number a head, stored as a column.
const A_LOG_HEADS: Expr = Expr::Reshape(&A_LOG, &[SSM_HEADS]);
const D_HEADS: Expr = Expr::Reshape(&Expr::Tensor("blk.{i}.ssm_d"), &[SSM_HEADS]);
/// A depthwise convolution, stored without its axis of one channel.
pub const CONV: Expr = Expr::Reshape(
    &Expr::Tensor("blk.{i}.ssm_conv1d.weight"),
    &[Dim::Rows("blk.{i}.ssm_conv1d.weight"), Dim::Is(1), Dim::Key("ssm.conv_kernel")],
);
/// Stored as a row a group.
const GROUPED_NORM: Expr = Expr::Reshape(&Expr::Tensor("blk.{i}.ssm_norm.weight"), &[INNER]);
const CONV_BIAS: Expr = Expr::Tensor("blk.{i}.ssm_conv1d.bias");
const DT_BIAS: Expr = Expr::Tensor("blk.{i}.ssm_dt.bias");

/// Holds at a layer that is a state-space mixer.
pub const MIXER: &[Tell] = &[Tell::Tensor("blk.{i}.ssm_in.weight")];
/// Holds at a layer that is none.
pub const NO_MIXER: &[Tell] = &[Tell::Not(&Tell::Tensor("blk.{i}.ssm_in.weight"))];

/// Mamba 1 as a model of its own.
pub static BACKBONE_MAMBA: &[Rule] = &[
    exact("backbone.layers.{i}.mixer.A_log", A_LOG),
    exact("backbone.layers.{i}.mixer.D", Expr::Tensor("blk.{i}.ssm_d")),
    exact("backbone.layers.{i}.mixer.conv1d.weight", CONV),
    exact("backbone.layers.{i}.mixer.conv1d.bias", CONV_BIAS).optional(),
    rename("blk.{i}.ssm_dt", "backbone.layers.{i}.mixer.dt_proj"),
    rename("blk.{i}.ssm_in", "backbone.layers.{i}.mixer.in_proj"),
    rename("blk.{i}.ssm_out", "backbone.layers.{i}.mixer.out_proj"),
    rename("blk.{i}.ssm_x", "backbone.layers.{i}.mixer.x_proj"),
];

/// Mamba 2 as a model of its own, and in Nemotron-H.
pub static BACKBONE_MAMBA2: &[Rule] = &[
    exact("backbone.layers.{i}.mixer.A_log", A_LOG_HEADS).only(MIXER),
    exact("backbone.layers.{i}.mixer.D", D_HEADS).only(MIXER),
    exact("backbone.layers.{i}.mixer.conv1d.weight", CONV).only(MIXER),
    exact("backbone.layers.{i}.mixer.conv1d.bias", CONV_BIAS).optional(),
    exact("backbone.layers.{i}.mixer.dt_bias", DT_BIAS).only(MIXER),
    exact("backbone.layers.{i}.mixer.norm.weight", GROUPED_NORM).only(MIXER),
    rename("blk.{i}.ssm_in", "backbone.layers.{i}.mixer.in_proj").only(MIXER),
    rename("blk.{i}.ssm_out", "backbone.layers.{i}.mixer.out_proj").only(MIXER),
];

/// Embedding and norms beside these mixers.
pub static BACKBONE: &[Rule] = &[
    rename("token_embd", "backbone.embeddings"),
    rename("blk.{i}.attn_norm", "backbone.layers.{i}.norm"),
    rename("output_norm", "backbone.norm_f"),
    rename("output", "lm_head").optional(),
];

/// Mamba 2 in a hybrid decoder.
pub static HYBRID_MAMBA2: &[Rule] = &[
    exact("model.layers.{i}.mamba.A_log", A_LOG_HEADS).only(MIXER),
    exact("model.layers.{i}.mamba.D", D_HEADS).only(MIXER),
    exact("model.layers.{i}.mamba.conv1d.weight", CONV).only(MIXER),
    exact("model.layers.{i}.mamba.conv1d.bias", CONV_BIAS).optional(),
    exact("model.layers.{i}.mamba.dt_bias", DT_BIAS).only(MIXER),
    rename("blk.{i}.ssm_in", "model.layers.{i}.mamba.in_proj").only(MIXER),
    rename("blk.{i}.ssm_out", "model.layers.{i}.mamba.out_proj").only(MIXER),
];

/// The norm of these mixers, which not every hybrid has.
pub static HYBRID_MAMBA2_NORM: &[Rule] =
    &[exact("model.layers.{i}.mamba.norm.weight", GROUPED_NORM).only(MIXER)];

/// Sizes of a Mamba 2 mixer in a hybrid's spelling. `mamba_chunk_size` only says how the same sum is cut.
pub static HYBRID_MAMBA2_FIELDS: &[Field] = &[
    field("mamba_n_heads", Value::Dim(SSM_HEADS)),
    field("mamba_d_head", Value::Dim(Dim::Over(&INNER, &SSM_HEADS))),
    int("mamba_n_groups", "ssm.group_count"),
    int("mamba_d_state", "ssm.state_size"),
    int("mamba_d_conv", "ssm.conv_kernel"),
    field("mamba_chunk_size", Value::Int(256)),
    field("mamba_proj_bias", Value::Bool(false)), // no published hybrid has one
    field("mamba_conv_bias", Value::Bool(true)),  // nor lacks this one
];

/// Key and value heads of a hybrid: rows of the first key projection over rows of a head. The array of the key is zero
/// throughout where transformers 5 named the layers for the converter (atlas 8, hazard 2).
pub const HYBRID_KV_HEADS: Dim = Dim::Over(&Dim::Rows("blk.{i}.attn_k.weight"), &HEAD_DIM);

/// The field `num_key_value_heads` of a hybrid; none where no layer attends.
pub fn hybrid_kv_heads(scope: &Scope) -> Result<Option<Json>, Error> {
    let attends = scope.first_layer_with("blk.{i}.attn_k.weight")?;
    attends.map(|layer| Ok(HYBRID_KV_HEADS.of(&scope.at(layer))?.into())).transpose()
}

/// The field `max_position_embeddings`, where the file says it: 2^20 is what the converter writes for a model without
/// positions.
pub fn positions(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(scope.u64("context_length")?.filter(|&length| length != 1 << 20).map(Json::from))
}
