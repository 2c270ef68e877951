//! Kimi's delta attention: linear attention whose gate decays each channel on its own, in hybrids with compressed attention
//! (DeepSeek's) at some layers. Under two spellings of the attention's name.

use serde_json::Value as Json;

use super::dim::Dim;
use super::expr::Expr;
use super::shared::HEADS;
use super::spec::Tell;
use super::{Error, Scope};
use crate::tensor::ElementOp;

/// Holds at a layer of delta attention.
pub const LINEAR: &[Tell] = &[Tell::Tensor("blk.{i}.ssm_a")];
/// Holds at a layer of compressed attention.
pub const FULL: &[Tell] = &[Tell::Not(&LINEAR[0])];
/// Holds at a layer of compressed attention whose queries are compressed too.
pub const COMPRESSED: &[Tell] = &[FULL[0], Tell::Tensor("blk.{i}.attn_q_a.weight")];
/// Holds at a layer of compressed attention whose queries are not.
pub const UNCOMPRESSED: &[Tell] = &[FULL[0], Tell::Not(&Tell::Tensor("blk.{i}.attn_q_a.weight"))];

/// Rows of a head of delta attention.
pub const HEAD_DIM: Dim = Dim::Key("kda.head_dim");

/// A depthwise convolution over queries, keys or values, stored with two more axes of one element.
macro_rules! conv {
    ($stored:literal) => {
        Expr::Reshape(&Expr::Tensor($stored), &[Dim::Rows($stored), Dim::Is(1), Dim::Key("ssm.conv_kernel")])
    };
}
pub const CONV_Q: Expr = conv!("blk.{i}.ssm_conv1d_q.weight");
pub const CONV_K: Expr = conv!("blk.{i}.ssm_conv1d_k.weight");
pub const CONV_V: Expr = conv!("blk.{i}.ssm_conv1d_v.weight");

/// The decay, one number a head: the converter stores `-exp(A_log)`.
pub const A_LOG: Expr =
    Expr::Map(&Expr::Reshape(&Expr::Tensor("blk.{i}.ssm_a"), &[HEADS]), ElementOp::LogNegate);

/// Delta attention but for its gates, below the prefix of a layer's attention and with the name of its output projection.
macro_rules! delta_attention {
    ($prefix:literal, $output:literal) => {
        &[
            rename("blk.{i}.attn_q", concat!($prefix, "q_proj")).only(LINEAR),
            rename("blk.{i}.attn_k", concat!($prefix, "k_proj")).only(LINEAR),
            rename("blk.{i}.attn_v", concat!($prefix, "v_proj")).only(LINEAR),
            exact(concat!($prefix, "q_conv1d.weight"), CONV_Q).only(LINEAR),
            exact(concat!($prefix, "k_conv1d.weight"), CONV_K).only(LINEAR),
            exact(concat!($prefix, "v_conv1d.weight"), CONV_V).only(LINEAR),
            exact(concat!($prefix, "dt_bias"), Expr::Tensor("blk.{i}.ssm_dt.bias")).only(LINEAR),
            rename("blk.{i}.ssm_beta", concat!($prefix, "b_proj")).only(LINEAR),
            rename("blk.{i}.ssm_norm", concat!($prefix, "o_norm")).only(LINEAR),
            rename("blk.{i}.attn_output", concat!($prefix, $output)).only(LINEAR),
        ]
    };
}
pub(super) use delta_attention;

/// Compressed attention, likewise.
macro_rules! compressed_attention {
    ($prefix:literal, $output:literal) => {
        &[
            rename("blk.{i}.attn_q", concat!($prefix, "q_proj")).only(UNCOMPRESSED),
            rename("blk.{i}.attn_q_a", concat!($prefix, "q_a_proj")).only(COMPRESSED),
            rename("blk.{i}.attn_q_a_norm", concat!($prefix, "q_a_layernorm")).only(COMPRESSED),
            rename("blk.{i}.attn_q_b", concat!($prefix, "q_b_proj")).only(COMPRESSED),
            rename("blk.{i}.attn_kv_a_mqa", concat!($prefix, "kv_a_proj_with_mqa")).only(FULL),
            rename("blk.{i}.attn_kv_a_norm", concat!($prefix, "kv_a_layernorm")).only(FULL),
            exact(concat!($prefix, "kv_b_proj.weight"), KV_B).only(FULL),
            // Files for llama.cpp's older way of attention have it whole.
            exact(concat!($prefix, "kv_b_proj.weight"), Expr::Tensor("blk.{i}.attn_kv_b.weight")).optional(),
            rename("blk.{i}.attn_output", concat!($prefix, $output)).only(FULL),
        ]
    };
}
pub(super) use compressed_attention;

/// The layers, counted from 1, at which all of this holds.
///
/// # Errors
/// If the number of layers is absent.
pub fn layers_counted_from_one(scope: &Scope, tells: &[Tell]) -> Result<Json, Error> {
    let holds = scope.each_layer(|layer| Tell::all(tells, layer))?;
    Ok((1_u64..).zip(holds).filter(|(_, holds)| *holds).map(|(n, _)| n).collect())
}
