//! What chooses experts: shown in fp32 where its values need that, whatever the rest of the folder is.
//!
//! The classes keep these tensors in fp32 themselves, in a model of any dtype (transformers 5.23,
//! `_keep_in_fp32_modules_strict`: the correction of scores of DeepSeek V3, GLM 4.5 and others, of Ernie 4.5 the router too).
//! A correction is added to scores between 0 and 1; one above 4 has steps of 0.03 in bf16, so that a rounded one may choose
//! other experts. Every converter stores these tensors in fp32, so the values tell what the original was.

use super::spec::Rule;
use super::{Error, Scope};
use crate::quant::{Dtype, is_exact};

/// Stored tensors that choose experts: scores, and the correction of scores. Files differ in the correction's suffix.
const STORED: &[&str] = &["blk.{i}.ffn_gate_inp", "blk.{i}.exp_probs_b"];
/// Bytes of each that are looked at. Corrections have less; a router of hundreds of megabytes must not hold up a mount, and
/// one value in 65,536 of an fp32 tensor is a bf16 by chance.
const LOOKED_AT: u64 = 16 << 10;

/// Whether the rule's tensor chooses experts, and has values that `dtype` would round.
///
/// # Errors
/// If the stored tensor cannot be read.
pub fn needs_f32(rule: &Rule, scope: &Scope, stored: &[String], dtype: Dtype) -> Result<bool, Error> {
    let mut routes = false;
    rule.expr.visit_tensors(&mut |name| {
        let slot = [".weight", ".bias"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        routes |= STORED.contains(&slot);
    });
    if !routes {
        return Ok(false);
    }
    for tensor in stored.iter().filter_map(|name| scope.tensor(name)) {
        let is_f32 = tensor.format.dtype == Some(Dtype::F32);
        if is_f32 && !is_exact(dtype, &scope.first_values(tensor, LOOKED_AT)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
