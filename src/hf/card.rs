//! README.md of the folder: a model card from the metadata.

use std::fmt::Write;

use crate::exactness::Exactness;
use crate::model::Model;

/// The model card.
pub fn markdown(model: &Model) -> String {
    let text = |key: &str| model.gguf.metadata.value(key).and_then(|v| v.as_str());
    let mut card = String::from("---\n");
    if let Some(license) = text("general.license") {
        let _ = writeln!(card, "license: {}", quoted(license));
    }
    if let Some(url) = text("general.base_model.0.repo_url") {
        let repository = url.trim_start_matches("https://huggingface.co/");
        let _ = writeln!(card, "base_model: {}", quoted(repository));
    }
    card.push_str("library_name: transformers\ntags:\n- gguf\n---\n\n");
    let _ = writeln!(card, "# {}\n", model.name().replace(['\n', '\r'], " "));
    let _ = writeln!(
        card,
        "This folder is a view of `{}` by rawrz-mount. Nothing here is stored: files are made when they are read.\n",
        model.path.display()
    );
    for (label, key) in [
        ("Author", "general.author"),
        ("Organisation", "general.organization"),
        ("Version", "general.version"),
        ("Quantised by", "general.quantized_by"),
        ("Source", "general.source.url"),
        ("Description", "general.description"),
    ] {
        if let Some(value) = text(key) {
            let _ = writeln!(card, "- {label}: {}", value.replace(['\n', '\r'], " "));
        }
    }
    if let Some(weights) = &model.weights {
        let spec = weights.spec;
        let _ = writeln!(card, "- Class: {} (GGUF architecture {})", spec.class, spec.gguf);
        let _ = writeln!(card, "- Shown as: {}", weights.dtype);
    }
    if let Some(exactness) = Exactness::of(model) {
        let _ = writeln!(card, "- Exactness: {exactness}");
    }
    if let Some(note) = &model.tokenizer.note {
        let _ = writeln!(card, "- Tokenizer: {note}");
    }
    let _ = writeln!(card, "\n## Stored types\n\n| type | tensors | bytes |\n|---|--:|--:|");
    for (name, (count, bytes)) in model.gguf.types() {
        let _ = writeln!(card, "| {name} | {count} | {bytes} |");
    }
    card
}

/// A YAML scalar: JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
