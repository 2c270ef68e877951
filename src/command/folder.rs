//! The folder that a model is shown as, before it is mounted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawrz::hf;
use rawrz::model::{Model, Names, Options};
use rawrz_vfs::{Kind, NodeId, Tree, TreeBuilder};

use super::Failure;
use super::ollama::{self, Readers};
use crate::cli::{self, Store, Tokenizer, View};

/// A model and its folder.
pub struct Folder {
    /// The model.
    pub model: Arc<Model>,
    /// The folder.
    pub tree: Arc<Tree>,
    /// The store for Ollama in it.
    pub store: Option<ollama::Store>,
}

/// A file of a folder.
pub struct File {
    /// Its path in the folder.
    pub path: PathBuf,
    /// Its bytes.
    pub len: u64,
}

impl File {
    /// Whether it belongs to the store for Ollama.
    pub fn is_in_store(&self) -> bool {
        self.path.starts_with("blobs") || self.path.starts_with("manifests")
    }
}

impl Folder {
    /// Opens a model and lays its folder out.
    ///
    /// # Errors
    /// If the model cannot be shown.
    pub fn open(source: &Path, view: &View) -> Result<Self, Failure> {
        let model = Self::model(source, view)?;
        let tree = Self::tree(&model, view)?.build();
        Ok(Self { model, tree, store: None })
    }

    /// The same with a store for Ollama, unless the user wants none.
    ///
    /// # Errors
    /// If the model cannot be shown.
    pub fn with_store(source: &Path, view: &View, store: &Store, readers: Readers) -> Result<Self, Failure> {
        let model = Self::model(source, view)?;
        let mut tree = Self::tree(&model, view)?;
        let store = ollama::add(&model, store, readers, &mut tree)?;
        Ok(Self { model, tree: tree.build(), store })
    }

    fn tree(model: &Arc<Model>, view: &View) -> Result<TreeBuilder, Failure> {
        let mut tree = Tree::builder(model.modified);
        hf::add(model, view.shard_size.unwrap_or_default(), &mut tree, NodeId::ROOT)?;
        Ok(tree)
    }

    /// Opens a model.
    ///
    /// # Errors
    /// If it cannot be shown.
    pub fn model(source: &Path, view: &View) -> Result<Arc<Model>, Failure> {
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
        Ok(Arc::new(Model::open(source, &options)?))
    }

    /// Bytes of all files but the store's, which are the model again.
    pub fn len(&self) -> u64 {
        self.files().iter().filter(|f| !f.is_in_store()).map(|f| f.len).sum()
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
                Kind::File => {
                    let len = self.tree.attr(entry.id).expect("an entry of this tree").len;
                    files.push(File { path, len });
                }
                // The one link there is: the model's blob.
                Kind::Symlink => files.push(File { path, len: self.model.gguf.len() }),
            }
        }
    }
}
