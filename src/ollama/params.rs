//! The params layer: what ends a turn, and how the model's maker would sample.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::gguf::{Metadata, Value};

/// Ollama's option of each sampling key that has one (`api.Options`; the keys are llama.cpp's).
const SAMPLING: [(&str, &str); 6] = [
    ("general.sampling.min_p", "min_p"),
    ("general.sampling.penalty_last_n", "repeat_last_n"),
    ("general.sampling.penalty_repeat", "repeat_penalty"),
    ("general.sampling.temp", "temperature"),
    ("general.sampling.top_k", "top_k"),
    ("general.sampling.top_p", "top_p"),
];

/// The options to write, sorted as Go sorts them; nothing if there are none.
pub fn params(metadata: &Metadata, stop: &[String]) -> BTreeMap<&'static str, Json> {
    let sampling = SAMPLING.iter().filter_map(|(key, option)| Some((*option, number(metadata.value(key)?)?)));
    let stop = (!stop.is_empty()).then(|| ("stop", stop.into()));
    sampling.chain(stop).collect()
}

fn number(value: &Value) -> Option<Json> {
    let float = || value.as_f64().filter(|v| v.is_finite()).map(Json::from);
    value.as_i64().map(Json::from).or_else(float)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ollama::{Digest, go_json};

    /// The digests are those that Ollama's own tests assert (ollama-store.md 8.4).
    #[test]
    fn encodes_as_ollama_does() {
        let stop = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let phi3 =
            params(&Metadata::default(), &stop(&["<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]));
        let expected = "0d79f567714c62c048378f2107fb332dabee0135d080c302d884317da9433cc5";
        assert_eq!(Digest::of(&go_json::encode(&phi3)).hex(), expected);
        let llama3 =
            params(&Metadata::default(), &stop(&["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]));
        let digest = Digest::of(&go_json::encode(&llama3));
        assert!(digest.hex().starts_with("56bb8bd477a519ff") && digest.hex().ends_with("4dcb"), "{digest}");
        let mut typed = params(&Metadata::default(), &stop(&["USER:", "ASSISTANT:"]));
        typed.insert("temperature", 1.0.into());
        typed.insert("top_k", 10.into());
        let digest = Digest::of(&go_json::encode(&typed));
        assert!(digest.hex().starts_with("1d0ad712") && digest.hex().ends_with("1e37"), "{digest}");
    }
}
