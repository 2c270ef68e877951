//! A model mounted for a test, and the parts of its folder.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawrz::hf::{self, Shards};
use rawrz::model::{Model, Options};
use rawrz_fs_unix::{Backend, Mount};
use rawrz_vfs::{NodeId, Tree};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The tree of a model.
pub fn tree(path: &Path, options: &Options, shards: Shards) -> Arc<Tree> {
    let model = Model::open(path, options).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    let model = Arc::new(model);
    let mut tree = Tree::builder(model.modified);
    hf::add(&model, shards, &mut tree, NodeId::ROOT).unwrap();
    tree.build()
}

/// A live mount; unmounted on drop.
pub struct Mounted {
    mount: Option<Mount>,
    directory: TempDir,
}

impl Mounted {
    /// Mounts the model at `path` on a new directory.
    pub fn new(path: &Path, options: &Options, shards: Shards) -> Self {
        Self::through(None, path, options, shards)
    }

    /// The same with this backend, or the best that can be had here.
    pub fn through(backend: Option<Backend>, path: &Path, options: &Options, shards: Shards) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let how = rawrz_fs_unix::Options { backend, ..Default::default() };
        let mount = rawrz_fs_unix::mount(tree(path, options, shards), directory.path(), &how).unwrap();
        Self { mount: Some(mount), directory }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Some(mount) = self.mount.take() {
            mount.unmount().unwrap();
        }
    }
}

/// The safetensors files of a folder.
pub fn weight_files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "safetensors"));
    files.sort();
    files
}

/// Name to (dtype, shape, sha256) of every tensor of a folder, as the safetensors crate reads it.
pub fn digests(folder: &Path) -> BTreeMap<String, (String, Vec<usize>, String)> {
    let mut all = BTreeMap::new();
    for file in weight_files(folder) {
        let bytes = fs::read(&file).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        for (name, tensor) in tensors.iter() {
            let entry = (tensor.dtype().to_string(), tensor.shape().to_vec(), sha256(tensor.data()));
            assert!(all.insert(name.to_owned(), entry).is_none(), "{name} is in two files");
        }
    }
    all
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
