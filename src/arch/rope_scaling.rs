//! `rope_scaling` of config.json, recovered from keys and from the frequency factors that converters store as tensors.

use serde_json::{Value as Json, json};

use super::shared::{HEAD_DIM, object};
use super::{Error, Scope};

/// The field in its classic spelling; `null` where rope is not scaled.
///
/// # Errors
/// If the file says something that no spelling expresses.
pub fn rope_scaling(scope: &Scope) -> Result<Option<Json>, Error> {
    if let Some(tensor) = scope.tensor("rope_freqs.weight")
        && let Some(scaling) = llama3(scope, &scope.values(tensor)?, HEAD_DIM.of(scope)?)?
    {
        return Ok(Some(scaling));
    }
    let number = |key: &str| scope.f64(&format!("rope.scaling.{key}")).map(|v| v.map(Json::from));
    let whole = |key: &str| scope.u64(&format!("rope.scaling.{key}")).map(|v| v.map(Json::from));
    let kind = match scope.str("rope.scaling.type")? {
        // Phi-3's and MiniCPM3's converters write the factors alone.
        None | Some("none") if scope.tensor("rope_factors_long.weight").is_some() => Some("longrope"),
        kind => kind,
    };
    Ok(Some(match kind {
        None | Some("none") => Json::Null,
        Some("linear") => json!({"rope_type": "linear", "type": "linear", "factor": number("factor")?}),
        Some("yarn") => object([
            ("rope_type", Some("yarn".into())),
            ("type", Some("yarn".into())),
            ("factor", number("factor")?),
            ("original_max_position_embeddings", whole("original_context_length")?),
            ("attention_factor", number("yarn_attn_factor")?),
            ("extrapolation_factor", number("yarn_ext_factor")?),
            ("beta_fast", number("yarn_beta_fast")?),
            ("beta_slow", number("yarn_beta_slow")?),
        ]),
        Some("longrope") => object([
            ("rope_type", Some("longrope".into())),
            ("type", Some("longrope".into())),
            ("long_factor", factors(scope, "rope_factors_long.weight")?),
            ("short_factor", factors(scope, "rope_factors_short.weight")?),
            ("factor", number("factor")?),
            ("original_max_position_embeddings", whole("original_context_length")?),
            ("attention_factor", number("attn_factor")?),
        ]),
        Some(other) => return Err(Error::Unsupported { what: format!("rope scaling of type {other:?}") }),
    }))
}

/// `rope_parameters`, where transformers 5 keeps what `rope_theta`, `rope_scaling` and `partial_rotary_factor` said. For classes that
/// no older version has: mlx-lm and mistral.rs look for nothing else there.
///
/// # Errors
/// If a key is of another type.
pub fn rope_parameters(
    scope: &Scope,
    scaling: Option<Json>,
    share: Option<Json>,
) -> Result<Option<Json>, Error> {
    let mut fields = match scaling {
        Some(Json::Object(fields)) => Json::Object(fields),
        _ => json!({"rope_type": "default"}),
    };
    fields["rope_theta"] = scope.f64("rope.freq_base")?.unwrap_or(10000.0).into();
    if let Some(share) = share {
        fields["partial_rotary_factor"] = share;
    }
    Ok(Some(fields))
}

/// Llama 3's scaling where rope turns a part of the head: the factors of what it does not turn are ones.
///
/// # Errors
/// If the factors are not such.
pub fn partial_llama3(scope: &Scope, rotated: u64) -> Result<Option<Json>, Error> {
    let Some(tensor) = scope.tensor("rope_freqs.weight") else { return Ok(None) };
    let factors = scope.values(tensor)?;
    let (turned, rest) = factors.split_at(factors.len().min((rotated / 2) as usize));
    if rest.iter().any(|&factor| factor != 1.0) {
        return Err(Error::Unsupported { what: "rope_freqs.weight scales what rope does not turn".into() });
    }
    llama3(scope, turned, rotated)
}

fn factors(scope: &Scope, name: &str) -> Result<Option<Json>, Error> {
    let Some(tensor) = scope.tensor(name) else { return Ok(None) };
    Ok(Some(scope.values(tensor)?.into_iter().map(crate::gguf::shortest).collect()))
}

/// Llama 3's scaling, from the factors that its converter computed (llama.cpp `conversion/llama.py`,
/// `generate_extra_tensors`).
///
/// With the wavelength w of pair i of what rope turns: the factor is 1 where w < L / high, F where w > L / low, and between them
/// 1 / ((1 - s) / F + s) with s = (L / w - low) / (high - low). So F is the largest factor, and s is linear in 1 / w: two
/// equations for three unknowns. Every published model has low = 1, which gives high and L.
/// `None` if all factors are 1: nothing is scaled.
fn llama3(scope: &Scope, factors: &[f32], rotated: u64) -> Result<Option<Json>, Error> {
    let base = scope.f64("rope.freq_base")?.unwrap_or(10000.0);
    let factors: Vec<f64> = factors.iter().map(|&f| f.into()).collect();
    let largest = factors.iter().copied().fold(1.0, f64::max);
    if largest == 1.0 && factors.iter().all(|&f| f == 1.0) {
        return Ok(None);
    }
    let unfit = || Error::Unsupported {
        what: "rope_freqs.weight holds factors that are not Llama 3's scaling".into(),
    };
    let length = |i: usize| std::f64::consts::TAU * base.powf(2.0 * i as f64 / rotated as f64);
    let between: Vec<(f64, f64)> = factors
        .iter()
        .enumerate()
        .filter(|&(_, &f)| f > 1.0 + 1e-6 && f < largest * (1.0 - 1e-6))
        .map(|(i, f)| (1.0 / length(i), (1.0 / f - 1.0 / largest) / (1.0 - 1.0 / largest)))
        .collect();
    let low = 1.0;
    let (high, original) = match between.as_slice() {
        [first, .., last] => {
            let slope = (first.1 - last.1) / (first.0 - last.0);
            let intercept = first.1 - slope * first.0; // -low / (high - low)
            let span = -low / intercept;
            ((low + span).round(), (slope * span).round())
        }
        // One or no pair between the bounds leaves high open: every published model has 4, which one pair gives L for.
        [only] => (4.0, ((only.1 * 3.0 + low) / only.0).round()),
        // Llama 4 Scout has both bounds at 1.
        [] => {
            let original = scope.u64("rope.scaling.original_context_length")?.unwrap_or(8192) as f64;
            let within = |i: usize| (original / 4.0..original).contains(&length(i));
            (if (0..factors.len()).any(within) { 1.0 } else { 4.0 }, original)
        }
    };
    let expected = |i: usize| {
        let wavelength = length(i);
        if wavelength < original / high {
            1.0
        } else if wavelength > original / low {
            largest
        } else {
            let s = (original / wavelength - low) / (high - low);
            1.0 / ((1.0 - s) / largest + s)
        }
    };
    if factors.iter().enumerate().any(|(i, f)| (expected(i) / f - 1.0).abs() > 1e-4) {
        return Err(unfit());
    }
    Ok(Some(json!({
        "rope_type": "llama3",
        "type": "llama3",
        "factor": largest,
        "low_freq_factor": low,
        "high_freq_factor": high,
        "original_max_position_embeddings": original as u64,
    })))
}
