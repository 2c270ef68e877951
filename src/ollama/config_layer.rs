//! The config layer, as Ollama's own `create` derives it from a GGUF (`server/create.go`, v0.32.15).

use serde::Serialize;

use crate::arch::{self, Renderer};
use crate::gguf::{Gguf, Value};

/// The JSON of the config layer. Its fields are in Go's order.
#[derive(Debug, Serialize)]
pub struct ConfigLayer<'a> {
    model_format: &'static str,
    model_family: &'a str,
    model_families: [&'a str; 1],
    model_type: String,
    file_type: &'static str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    renderer: Option<Names>,
    /// Constants on every platform, as `os`.
    architecture: &'static str,
    os: &'static str,
}

#[derive(Debug, Serialize)]
struct Names {
    renderer: &'static str,
    parser: &'static str,
}

/// Names of `general.file_type` by number (`fs/ggml/type.go`); numbers that are not here are unknown to Ollama.
const FILE_TYPES: [(u32, &str); 35] = [
    (1, "F16"),
    (2, "Q4_0"),
    (3, "Q4_1"),
    (7, "Q8_0"),
    (8, "Q5_0"),
    (9, "Q5_1"),
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (19, "IQ2_XXS"),
    (20, "IQ2_XS"),
    (21, "Q2_K_S"),
    (22, "IQ3_XS"),
    (23, "IQ3_XXS"),
    (24, "IQ1_S"),
    (25, "IQ4_NL"),
    (26, "IQ3_S"),
    (27, "IQ3_M"),
    (28, "IQ2_S"),
    (29, "IQ2_M"),
    (30, "IQ4_XS"),
    (31, "IQ1_M"),
    (32, "BF16"),
    (36, "TQ1_0"),
    (37, "TQ2_0"),
    (38, "MXFP4_MOE"),
    (39, "NVFP4"),
    (40, "Q1_0"),
    (1024, UNKNOWN),
];

const UNKNOWN: &str = "unknown";

impl<'a> ConfigLayer<'a> {
    /// Describes a model.
    pub fn of(gguf: &'a Gguf) -> Self {
        let family = architecture(gguf);
        let names = |r: &'static Renderer| Names { renderer: r.name, parser: r.name };
        // Each product fits (directory.rs); the sum of a hostile file's may not.
        let parameters = gguf.tensors.iter().map(|t| t.dims.iter().product()).fold(0, u64::saturating_add);
        Self {
            model_format: "gguf",
            model_family: family,
            model_families: [family],
            model_type: human_number(parameters),
            file_type: file_type(gguf),
            renderer: renderer(gguf).map(names),
            architecture: "amd64",
            os: "linux",
        }
    }
}

/// The renderer that Ollama has for the model's architecture.
pub fn renderer(gguf: &Gguf) -> Option<&'static Renderer> {
    arch::renderer(architecture(gguf))
}

fn architecture(gguf: &Gguf) -> &str {
    gguf.metadata.value("general.architecture").and_then(|v| v.as_str()).unwrap_or(UNKNOWN)
}

/// Only a `u32` counts, and 0, which is F32, does not (`fs/ggml/ggml.go`).
fn file_type(gguf: &Gguf) -> &'static str {
    let Some(&Value::U32(number)) = gguf.metadata.value("general.file_type") else { return UNKNOWN };
    FILE_TYPES.iter().find(|(n, _)| *n == number).map_or(UNKNOWN, |(_, name)| name)
}

/// `format.HumanNumber`: three digits or so, the unit that fits.
fn human_number(n: u64) -> String {
    let scaled = |unit: u64, decimals| {
        let number = n as f64 / unit as f64;
        let decimals = if number.fract() == 0.0 { 0 } else { decimals };
        format!("{number:.decimals$}")
    };
    match n {
        1_000_000_000.. => scaled(1_000_000_000, 1) + "B",
        1_000_000.. => scaled(1_000_000, 2) + "M",
        1_000.. => scaled(1_000, 0) + "K",
        _ => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go's `format.HumanNumber` answers; it rounds to nearest even.
    #[test]
    fn numbers_read_as_ollama_writes_them() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1K"),
            (2_500, "2K"),
            (3_500, "4K"),
            (886_016, "886K"),
            (999_999, "1000K"),
            (1_000_000, "1M"),
            (1_005_000, "1.00M"),
            (134_515_008, "134.52M"),
            (1_000_000_000, "1B"),
            (1_250_000_000, "1.2B"),
            (1_235_814_432, "1.2B"),
            (70_553_706_496, "70.6B"),
        ];
        for (n, expected) in cases {
            assert_eq!(human_number(n), expected, "{n}");
        }
    }

    #[test]
    fn file_types_are_in_order_and_known_once() {
        assert!(FILE_TYPES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        for (number, name) in [(1, "F16"), (15, "Q4_K_M"), (18, "Q6_K"), (32, "BF16"), (38, "MXFP4_MOE")] {
            assert!(FILE_TYPES.contains(&(number, name)));
        }
    }
}
