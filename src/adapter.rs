//! A low-rank adapter: what PEFT's adapter_config.json says of a file of `general.type` adapter.

use serde_json::{Map, Value as Json, json};

use crate::arch::Module;
use crate::gguf::{Gguf, Metadata};

/// Whether the file is an adapter.
pub fn is_adapter(gguf: &Gguf) -> bool {
    text(&gguf.metadata, "general.type") == Some("adapter")
}

/// The kind of adapter that can be shown; llama.cpp knows no other.
pub fn is_low_rank(gguf: &Gguf) -> bool {
    text(&gguf.metadata, "adapter.type") == Some("lora")
}

/// adapter_config.json.
///
/// A file has one alpha, by which the product of factors of rank r is scaled by alpha / r, as PEFT does with one
/// `lora_alpha`. Alpha 0 is no scaling, which is an alpha of r for each.
pub fn config(gguf: &Gguf, modules: &[Module], encoder: bool) -> Map<String, Json> {
    let metadata = &gguf.metadata;
    let ranks: Vec<_> = modules.iter().filter_map(|m| Some((m.name.as_str(), m.rank?))).collect();
    let rank = ranks.first().map_or(0, |(_, rank)| *rank);
    let others: Map<_, _> =
        ranks.iter().filter(|(_, r)| *r != rank).map(|(name, r)| ((*name).to_owned(), (*r).into())).collect();
    let alpha = metadata.value("adapter.lora.alpha").and_then(|v| v.as_f64()).unwrap_or(0.0);
    let base = text(metadata, "general.base_model.0.repo_url").unwrap_or_default();
    let whole = leaves(modules.iter().filter(|m| m.rank.is_none()));
    let config = json!({
        "peft_type": "LORA",
        "task_type": if encoder { "FEATURE_EXTRACTION" } else { "CAUSAL_LM" },
        "base_model_name_or_path": base.trim_start_matches("https://huggingface.co/"),
        "r": rank,
        "lora_alpha": if alpha == 0.0 { rank.into() } else { number(alpha) },
        "rank_pattern": others,
        "alpha_pattern": if alpha == 0.0 { others.clone() } else { Map::new() },
        "target_modules": leaves(modules.iter().filter(|m| m.rank.is_some())),
        "modules_to_save": if whole.is_empty() { Json::Null } else { whole.into() },
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": false,
        "use_rslora": false,
        "use_dora": false,
        "inference_mode": true,
    });
    let Json::Object(mut config) = config else { return Map::new() };
    if let Some(tokens) = metadata.value("adapter.alora.invocation_tokens").and_then(|v| v.as_array()) {
        config.insert("alora_invocation_tokens".into(), tokens.iter().map(|v| v.as_u64()).collect());
    }
    config
}

/// The last words of modules' names, each once.
fn leaves<'a>(modules: impl Iterator<Item = &'a Module>) -> Vec<&'a str> {
    let mut leaves: Vec<_> = modules.map(|m| m.name.rsplit('.').next().unwrap_or(&m.name)).collect();
    leaves.sort_unstable();
    leaves.dedup();
    leaves
}

/// A whole number where it is one: PEFT's field was an integer once.
fn number(value: f64) -> Json {
    if value.fract() == 0.0 && value.abs() < 1e15 { (value as i64).into() } else { value.into() }
}

fn text<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.value(key).and_then(|v| v.as_str())
}
