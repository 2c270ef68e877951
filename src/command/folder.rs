//! The folder that a model is shown as, before it is mounted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawrz::hf;
use rawrz::model::{Model, Names, Options};
use rawrz_vfs::{Kind, NodeId, Tree};

use super::Failure;
use crate::cli::{self, Tokenizer, View};

/// A model and its folder.
pub struct Folder {
    /// The model.
    pub model: Arc<Model>,
    /// The folder.
    pub tree: Arc<Tree>,
}

/// A file of a folder.
pub struct File {
    /// Its path in the folder.
    pub path: PathBuf,
    /// Its bytes.
    pub len: u64,
}

impl Folder {
    /// Opens a model and lays its folder out.
    ///
    /// # Errors
    /// If the model cannot be shown.
    pub fn open(source: &Path, view: &View) -> Result<Self, Failure> {
        let options = Options {
            precision: view.precision,
            class: view.class.clone(),
            base: view.base.clone(),
            names: match view.names {
                cli::Names::Hf => Names::HuggingFace,
                cli::Names::Gguf => Names::Gguf,
            },
            tokenizer: view.tokenizer == Tokenizer::Auto,
        };
        let model = Arc::new(Model::open(source, &options)?);
        let mut tree = Tree::builder(model.modified);
        hf::add(&model, view.shard_size.unwrap_or_default(), &mut tree, NodeId::ROOT)?;
        Ok(Self { model, tree: tree.build() })
    }

    /// All files, by path.
    pub fn files(&self) -> Vec<File> {
        let mut files = Vec::new();
        self.collect(NodeId::ROOT, Path::new(""), &mut files);
        files
    }

    /// The Hugging Face class and the dtype shown, or what else the file is.
    pub fn what(&self) -> String {
        match &self.model.weights {
            Some(weights) => format!("{}, {}", weights.spec.class, weights.dtype),
            None => "a vocabulary without weights".to_owned(),
        }
    }

    fn collect(&self, directory: NodeId, path: &Path, files: &mut Vec<File>) {
        for entry in self.tree.entries(directory).expect("a directory of this tree") {
            let path = path.join(&entry.name);
            match entry.kind {
                Kind::Directory => self.collect(entry.id, &path, files),
                Kind::File | Kind::Symlink => {
                    let len = self.tree.attr(entry.id).expect("an entry of this tree").len;
                    files.push(File { path, len });
                }
            }
        }
    }
}
