//! Tensors that the converter writes as one when it is told to, whatever the architecture: `--fuse-qkv` and
//! `--fuse-gate-up-exps` (conversion/base.py, `prepare_qkv_fusion` and `modify_tensors`, llama.cpp 0c1e5709).
//!
//! Specs name the parts. Where a file has the whole instead, a part is rows of it.

use super::Scope;
use super::dim::Dim;
use super::shared::{HEAD_DIM, HEADS, KV_HEADS};
use crate::gguf::Tensor;
use crate::tensor::Strides;

/// One stored tensor that stands for several.
struct Fusion {
    /// Its slot: the name without layer and suffix.
    whole: &'static str,
    /// Slots of the tensors that it stands for, in the order of their rows.
    parts: &'static [&'static str],
    /// Rows of each part, in every way that occurs: the first whose sum is the whole's rows holds.
    rows: &'static [&'static [Dim]],
    /// Whether the first axis counts experts, and the rows are those of each.
    stacked: bool,
}

const TWICE: Dim = Dim::Is(2);
const Q: Dim = Dim::Times(&HEADS, &HEAD_DIM);
const K: Dim = Dim::Times(&KV_HEADS, &HEAD_DIM);
const V: Dim = Dim::Times(&KV_HEADS, &Dim::KeyOr("attention.value_length", &HEAD_DIM));
/// Layers with a window may have heads of another size.
const WINDOWED: Dim = Dim::Key("attention.key_length_swa");
const WINDOWED_Q: Dim = Dim::Times(&HEADS, &WINDOWED);
const WINDOWED_K: Dim = Dim::Times(&KV_HEADS, &WINDOWED);
/// A gate of the heads' output, beside the queries.
const GATED_Q: Dim = Dim::Times(&TWICE, &Q);
/// Linear attention whose heads all have queries, keys and values of one size.
const LINEAR: Dim = Dim::Times(&HEADS, &Dim::Key("kda.head_dim"));
const HALF: Dim =
    Dim::Over(&Dim::Rows("blk.{i}.ffn_gate_up_exps.weight"), &Dim::Times(&TWICE, &Dim::Key("expert_count")));

static FUSIONS: &[Fusion] = &[
    Fusion {
        whole: "attn_qkv",
        parts: &["attn_q", "attn_k", "attn_v"],
        rows: &[
            &[Q, K, V],
            &[WINDOWED_Q, WINDOWED_K, WINDOWED_K],
            &[GATED_Q, K, V],
            &[LINEAR, LINEAR, LINEAR],
        ],
        stacked: false,
    },
    Fusion {
        whole: "ffn_gate_up_exps",
        parts: &["ffn_gate_exps", "ffn_up_exps"],
        rows: &[&[HALF, HALF]],
        stacked: true,
    },
];

/// A tensor that a file has as rows of another.
pub struct Part<'a> {
    /// The stored tensor.
    pub whole: &'a Tensor,
    /// The part's shape, in torch's order.
    pub shape: Vec<u64>,
    /// Its rows of the whole's, with all axes but the last taken as one.
    pub rows: Strides,
}

/// The tensor of this full name as a part of another; `None` if the file has no such whole, or its rows are not the
/// parts' (an architecture whose originals are fused names the whole itself).
pub fn part<'a>(scope: &Scope<'a>, name: &str) -> Option<Part<'a>> {
    let (layer, slot, suffix) = split(name)?;
    let (fusion, nth) =
        FUSIONS.iter().find_map(|f| Some((f, f.parts.iter().position(|&part| part == slot)?)))?;
    let whole = scope.tensor(&format!("blk.{layer}.{}.{suffix}", fusion.whole))?;
    let mut shape: Vec<u64> = whole.dims.iter().rev().copied().collect();
    let axis = usize::from(fusion.stacked);
    let &all = shape.get(axis)?;
    let scope = scope.at(layer);
    // A size that cannot be had is that of a way which this file does not have.
    let mut ways = fusion.rows.iter().filter_map(|way| way.iter().map(|n| n.of(&scope).ok()).collect());
    // A layer without key heads is none that these sizes are of.
    let sums_up = |way: &Vec<u64>| {
        way.iter().all(|&n| n > 0) && way.iter().try_fold(0_u64, |sum, &n| sum.checked_add(n)) == Some(all)
    };
    let rows = ways.find(sums_up)?;
    let experts = if fusion.stacked { shape[0] } else { 1 };
    shape[axis] = rows[nth];
    let rows = Strides::new(rows[..nth].iter().sum(), &[(experts, all), (rows[nth], 1)]);
    Some(Part { whole, shape, rows })
}

/// The full names of what the tensor of this full name may stand for.
pub fn parts(name: &str) -> Option<impl Iterator<Item = String>> {
    let (layer, slot, suffix) = split(name)?;
    let fusion = FUSIONS.iter().find(|f| f.whole == slot)?;
    Some(fusion.parts.iter().map(move |part| format!("blk.{layer}.{part}.{suffix}")))
}

/// Layer, slot and suffix of a full name.
fn split(name: &str) -> Option<(u64, &str, &str)> {
    let (layer, rest) = name.strip_prefix("blk.")?.split_once('.')?;
    let (slot, suffix) = rest.split_once('.')?;
    Some((layer.parse().ok()?, slot, suffix))
}
