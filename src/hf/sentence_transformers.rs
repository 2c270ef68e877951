//! The files by which sentence-transformers makes an embedding of a model's output: what it pools, and what follows.
//!
//! Knows `{arch}.pooling_type` and the tensors that an architecture puts into a module's folder (`2_Dense/...`); without
//! the key there is nothing to say, and sentence-transformers takes the mean by itself.

use serde_json::{Value as Json, json};

use crate::model::{Model, Weights};

/// One file: its path in the folder, and what it holds.
pub type File = (String, Json);

/// `modules.json` and the configuration of each module; empty for a model that is not said to pool.
pub fn files(model: &Model, weights: &Weights) -> Vec<File> {
    let number = |key: &str| {
        model.gguf.metadata.value(&format!("{}.{key}", weights.spec.gguf)).and_then(|v| v.as_u64())
    };
    // llama.cpp's enum; 0 is none, 4 ranks by a classifier.
    let mode = match number("pooling_type") {
        Some(1) => "pooling_mode_mean_tokens",
        Some(2) => "pooling_mode_cls_token",
        Some(3) => "pooling_mode_lasttoken",
        _ => return Vec::new(),
    };
    let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
    let mut files = vec![
        (
            "sentence_bert_config.json".into(),
            json!({"max_seq_length": number("context_length"), "do_lower_case": false}),
        ),
        ("1_Pooling/config.json".into(), pooling(mode, number("embedding_length"))),
    ];
    for tensor in weights.tensors.iter().filter(|t| t.name.ends_with("_Dense/linear.weight")) {
        let (folder, _) = tensor.name.split_once('/').expect("the filter asks for it");
        let (inputs, outputs) = (tensor.shape.last(), tensor.shape.first());
        let bias = weights.tensors.iter().any(|t| t.name == format!("{folder}/linear.bias"));
        modules.push(module(modules.len(), folder, "Dense"));
        files.push((
            format!("{folder}/config.json"),
            json!({
                "in_features": inputs,
                "out_features": outputs,
                "bias": bias,
                "activation_function": "torch.nn.modules.linear.Identity", // of every published model; no GGUF says it
            }),
        ));
    }
    // No GGUF says whether vectors are made of unit length; llama.cpp does it unless told otherwise.
    let last = format!("{}_Normalize", modules.len());
    modules.push(module(modules.len(), &last, "Normalize"));
    files.push(("modules.json".into(), modules.into()));
    files
}

fn module(index: usize, path: &str, class: &str) -> Json {
    let kind = format!("sentence_transformers.models.{class}");
    json!({"idx": index, "name": index.to_string(), "path": path, "type": kind})
}

/// The flags of all versions; later ones name the mode instead, and read these.
fn pooling(mode: &str, width: Option<u64>) -> Json {
    let modes = [
        "pooling_mode_cls_token",
        "pooling_mode_mean_tokens",
        "pooling_mode_max_tokens",
        "pooling_mode_mean_sqrt_len_tokens",
        "pooling_mode_weightedmean_tokens",
        "pooling_mode_lasttoken",
    ];
    let mut config = json!({"word_embedding_dimension": width});
    for name in modes {
        config[name] = (name == mode).into();
    }
    config["include_prompt"] = true.into();
    config
}
