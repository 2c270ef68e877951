//! The view of a model as a Hugging Face folder.

mod card;
mod config;
mod safetensors;
mod sentence_transformers;

use std::sync::Arc;

use rawrz_vfs::{Bytes, FileContent, NodeId, TreeBuilder};
use serde::Serialize;

use crate::model::{Kind, Model};

/// Which shape the folder has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Shards {
    /// One file if the weights take at most 4 GiB, else files of 4 GiB.
    ///
    /// torch maps a file private and writable, and Linux refuses such a mapping of more than all memory; each file is
    /// judged alone (hf-folder.md 2.3).
    #[default]
    Auto,
    /// One file, however large.
    One,
    /// Files of at most so many bytes, but for a tensor that is larger alone.
    UpTo(u64),
}

/// Why a folder cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A safetensors header may have 100,000,000 bytes.
    #[error(
        "the header of {file:?} would take {len} bytes, more than readers accept; give a smaller --shard-size"
    )]
    Header {
        /// The file.
        file: String,
        /// Bytes of its header.
        len: usize,
    },
}

/// Adds the model's folder below `parent`.
///
/// # Errors
/// See [`Error`].
pub fn add(model: &Arc<Model>, shards: Shards, tree: &mut TreeBuilder, parent: NodeId) -> Result<(), Error> {
    let mut add =
        |path: &str, content: Arc<dyn FileContent>| tree.file_at(parent, path, model.modified, content);
    for (path, bytes) in &model.tokenizer.files {
        add(path, Arc::new(Bytes::shared(bytes.clone())));
    }
    add("gguf/metadata.json", Arc::new(Bytes::shared(model.metadata_json.clone())));
    add("README.md", Arc::new(Bytes::from(card::markdown(model))));
    if let Some(weights) = &model.weights
        && weights.kind == Kind::Adapter
    {
        add("adapter_config.json", Arc::new(Bytes::from(pretty(&weights.config))));
        add("adapter_model.safetensors", Arc::new(safetensors::adapter(model, &weights.tensors)?));
    } else if let Some(weights) = &model.weights {
        add("config.json", Arc::new(Bytes::from(pretty(&config::json(weights, &model.tokenizer.special)))));
        let files = safetensors::files(model, &weights.tensors, shards)?;
        add("model.safetensors.index.json", Arc::new(Bytes::from(pretty(&safetensors::index(&files)))));
        for file in files.into_iter().chain(safetensors::modules(model, &weights.tensors)?) {
            add(&file.name.clone(), Arc::new(file));
        }
        for (path, content) in sentence_transformers::files(model, weights) {
            add(&path, Arc::new(Bytes::from(pretty(&content))));
        }
    }
    Ok(())
}

/// JSON as Hugging Face writes it: two spaces of indentation and a newline at the end.
fn pretty(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("maps with text keys are JSON");
    text.push(b'\n');
    text
}
