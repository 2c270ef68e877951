//! A file whose architecture is not known, shown as it is on request: no names are changed and nothing is undone.

use serde_json::{Map, Value as Json};

use super::spec::Spec;
use crate::gguf::Gguf;

/// Stands for the class that is not known.
pub static AS_STORED: Spec = Spec {
    gguf: "",
    when: &[],
    class: "GGUF names",
    model_type: "gguf",
    strip: "",
    config: &[],
    tensors: &[],
    loss: Some("names, shapes and values are the GGUF's: what the converter changed is not undone"),
    proof: &[],
    source: "",
};

/// config.json: no class claims to load this, and a field says why.
pub fn config_as_stored(gguf: &Gguf) -> Map<String, Json> {
    let architecture = gguf.metadata.value("general.architecture").and_then(|v| v.as_str());
    let mut config = Map::new();
    config.insert("architectures".into(), Json::Array(Vec::new()));
    config.insert("model_type".into(), AS_STORED.model_type.into());
    config.insert("gguf_architecture".into(), architecture.into());
    config.insert("gguf_names".into(), true.into());
    config
}
