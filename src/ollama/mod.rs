//! The view of a model as a store of Ollama: `manifests/` and `blobs/`, as `OLLAMA_MODELS` names them.
//!
//! The blob is the GGUF itself; the other layers are derived from it as Ollama's own `create` would, but for the
//! template ([`template`]). Exactly the blobs that the manifest names are there and no directory is empty, since a
//! server that finds something to tidy up on a read-only mount does not start (`server/routes.go`, `PruneDirectory`).
//!
//! - [`name`]: what the model is called. - [`digest`]: what its blob is called.
//! - `config_layer`, `params`, [`template`]: the small layers. - `manifest`: what holds them together.
//! - [`blob`]: how the GGUF's bytes come to a reader. - `go_json`: the encoding.

pub mod blob;
mod config_layer;
pub mod digest;
mod go_json;
mod manifest;
pub mod name;
mod params;
pub mod template;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rawrz_vfs::{Bytes, FileContent, NodeId, TreeBuilder};

pub use blob::BlobMode;
use config_layer::ConfigLayer;
pub use digest::{Digest, Origin};
use manifest::{Layer, Manifest, MediaType};
pub use name::Name;
use template::{SpecialText, Template, Underivable};

use crate::model::{Kind, Model};

/// How the store is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the model is called; `None`: by its file.
    pub name: Option<Name>,
    /// The blob's digest, where it is known; `None`: what the file's place proves, else a quick one.
    pub digest: Option<Digest>,
    /// Which template layer there is.
    pub template: TemplateChoice,
    /// How the blob's bytes come to a reader.
    pub blob: BlobMode,
}

/// Which template layer a store has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TemplateChoice {
    /// The one derived from the model's own, if that can be.
    #[default]
    Auto,
    /// None.
    None,
    /// This text.
    Text(String),
}

/// What was added.
#[derive(Debug)]
pub struct Store {
    /// What the model is called.
    pub name: Name,
    /// The manifest's digest, which Ollama shows as the model's ID.
    pub id: Digest,
    /// The blob's digest.
    pub digest: Digest,
    /// How the blob's bytes come to a reader.
    pub blob: BlobMode,
    /// What became of the template.
    pub template: TemplateLayer,
}

/// Why there is a template layer, or none.
#[derive(Debug)]
pub enum TemplateLayer {
    /// Derived from the model's own template, and proved to render as it does.
    Derived,
    /// The user's.
    Given,
    /// The user wants none, the model has no chat template, or Ollama has code for its prompts.
    Absent(&'static str),
    /// None could be derived.
    Underivable(Underivable),
}

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Ollama takes an adapter only together with its base.
    #[error("{} is an adapter and no model", .0.display())]
    Adapter(PathBuf),
    /// The file could not be read.
    #[error("{} could not be read to the end", .0.display())]
    Read(PathBuf),
    /// The link's target could not be found out.
    #[error("{}", path.display())]
    Link {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The files of a split model hold more than one file can.
    #[error("the files of {} are too large to be shown as one", .0.display())]
    TooLarge(PathBuf),
}

/// Whether a model is an adapter of one, which makes no store.
pub fn is_adapter(model: &Model) -> bool {
    model.weights.as_ref().is_some_and(|weights| weights.kind == Kind::Adapter)
}

/// The digest of a model's blob: what its place proves, or what is remembered, or by reading all of it.
///
/// # Errors
/// [`Error::Read`], [`Error::TooLarge`].
pub fn full_digest(
    model: &Model,
    cache: Option<&digest::Cache>,
    progress: impl FnMut(u64),
) -> Result<Digest, Error> {
    if let Some(proved) = proved_digest(model) {
        return Ok(proved);
    }
    let files: Vec<_> = model.gguf.sources.iter().map(|s| s.identity()).collect();
    if let Some(remembered) = cache.and_then(|cache| cache.find(&files)) {
        return Ok(remembered);
    }
    let (content, _) = blob::content(&model.gguf).ok_or_else(|| Error::TooLarge(model.path.clone()))?;
    let digest = Digest::of_content(&*content, progress).map_err(|_| Error::Read(model.path.clone()))?;
    if let Some(error) = cache.and_then(|cache| cache.remember(&files, &digest).err()) {
        tracing::warn!(%error, "the digest is not remembered: it will be computed again");
    }
    Ok(digest)
}

/// The digest that the file's place proves. A split model has none: its blob is none of its files.
fn proved_digest(model: &Model) -> Option<Digest> {
    if model.gguf.sources.len() == 1 { Digest::of_place(&model.path) } else { None }
}

/// Adds the store below `parent`, or the model to a store that is there.
///
/// # Errors
/// See [`Error`].
///
/// # Panics
/// If the store has a model of this name or a blob of this digest already.
pub fn add(
    model: &Arc<Model>,
    options: &Options,
    tree: &mut TreeBuilder,
    parent: NodeId,
) -> Result<Store, Error> {
    if is_adapter(model) {
        return Err(Error::Adapter(model.path.clone()));
    }
    let (content, header_len) =
        blob::content(&model.gguf).ok_or_else(|| Error::TooLarge(model.path.clone()))?;
    let digest = match options.digest.clone().or_else(|| proved_digest(model)) {
        Some(digest) => digest,
        None => Digest::quick(&*content, header_len).map_err(|_| Error::Read(model.path.clone()))?,
    };
    let blobs = tree.directory(parent, "blobs", model.modified);
    let size = content.len();
    if options.blob == BlobMode::Link {
        let link = |source| Error::Link { path: model.path.clone(), source };
        let target = fs::canonicalize(&model.path).map_err(link)?;
        tree.symlink(blobs, digest.file_name(), model.modified, target);
    } else {
        tree.file(blobs, digest.file_name(), model.modified, content);
    }
    let mut writer = Writer { model, tree, blobs };
    let mut layers = vec![Layer::new(MediaType::Model, &digest, size)];
    let (template, outcome) = template_layer(model, &options.template);
    let renderer = config_layer::renderer(&model.gguf);
    let mut stop: Vec<_> = renderer.iter().flat_map(|r| r.stop).map(|s| (*s).to_owned()).collect();
    if let Some(template) = template {
        layers.push(writer.layer(MediaType::Template, template.text.into_bytes()));
        stop.extend(template.stop);
    }
    let params = params::params(&model.gguf.metadata, &stop);
    if !params.is_empty() {
        layers.push(writer.layer(MediaType::Params, go_json::encode(&params)));
    }
    let config = writer.layer(MediaType::Config, go_json::encode(&ConfigLayer::of(&model.gguf)));
    let manifest = go_json::encode(&Manifest::new(config, layers));
    let name = options.name.clone().unwrap_or_else(|| Name::of(model));
    let id = Digest::of(&manifest);
    let path = format!("manifests/{}", name.path());
    tree.file_at(parent, &path, model.modified, Arc::new(Bytes::from(manifest)));
    Ok(Store { name, id, digest, blob: options.blob, template: outcome })
}

/// Adds blobs.
struct Writer<'a> {
    model: &'a Model,
    tree: &'a mut TreeBuilder,
    blobs: NodeId,
}

impl Writer<'_> {
    fn layer(&mut self, media_type: MediaType, bytes: Vec<u8>) -> Layer {
        let digest = Digest::of(&bytes);
        let layer = Layer::new(media_type, &digest, bytes.len() as u64);
        let name = digest.file_name();
        // Layers of one content are one blob, whichever models they belong to.
        if self.tree.find(self.blobs, name.as_ref()).is_none() {
            let content: Arc<dyn FileContent> = Arc::new(Bytes::from(bytes));
            self.tree.file(self.blobs, name, self.model.modified, content);
        }
        layer
    }
}

fn template_layer(model: &Model, choice: &TemplateChoice) -> (Option<Template>, TemplateLayer) {
    let absent = |why| (None, TemplateLayer::Absent(why));
    match choice {
        TemplateChoice::None => return absent("left out on request"),
        TemplateChoice::Text(text) => {
            let template = Template { text: text.clone(), stop: Vec::new() };
            return (Some(template), TemplateLayer::Given);
        }
        TemplateChoice::Auto => {}
    }
    if config_layer::renderer(&model.gguf).is_some() {
        return absent("Ollama renders this architecture's prompts itself");
    }
    let source = model.gguf.metadata.value("tokenizer.chat_template").and_then(|v| v.as_str());
    let Some(source) = source else { return absent("the model has no chat template") };
    match template::derive(source, &SpecialText::of(&model.gguf.metadata, &model.tokenizer.special)) {
        Ok(template) => (Some(template), TemplateLayer::Derived),
        Err(why) => (None, TemplateLayer::Underivable(why)),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::path::Path;

    use rawrz_vfs::{Kind as NodeKind, Tree};

    use super::*;
    use crate::gguf::writer::Writer as GgufWriter;
    use crate::model;

    fn store(path: &Path, options: &Options) -> (Arc<Tree>, Store) {
        let model = Arc::new(Model::open(path, &model::Options::default()).unwrap());
        let mut tree = Tree::builder(model.modified);
        let store = add(&model, options, &mut tree, NodeId::ROOT).unwrap();
        (tree.build(), store)
    }

    fn read(tree: &Tree, path: &str) -> Vec<u8> {
        let id = tree.resolve(path.split('/').map(OsStr::new)).unwrap();
        let mut bytes = vec![0; tree.attr(id).unwrap().len as usize];
        tree.read_at(id, 0, &mut bytes).unwrap();
        bytes
    }

    /// All paths below a directory; none of the directories is empty.
    fn files(tree: &Tree, id: NodeId, path: &str, all: &mut Vec<String>) {
        let entries = tree.entries(id).unwrap();
        assert!(!entries.is_empty(), "{path} is empty");
        for entry in entries {
            let path = format!("{path}{}", entry.name.to_str().unwrap());
            match entry.kind {
                NodeKind::Directory => files(tree, entry.id, &format!("{path}/"), all),
                NodeKind::File | NodeKind::Symlink => all.push(path),
            }
        }
    }

    /// The smallest model there is; digests asserted by Ollama's own tests (ollama-store.md 8.4).
    #[test]
    fn the_smallest_store_is_ollamas_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Some Model-Q4_K_M.gguf");
        let bytes = GgufWriter::default().set("general.architecture", "test".into()).to_bytes();
        fs::write(&path, &bytes[..68]).unwrap(); // less the padding
        let digest = Digest::of(&bytes[..68]);
        assert_eq!(digest.hex(), "89a2116c3a82d6a97f59f748d86ed4417214353fd178ee54df418fde32495fad");
        let (tree, store) = store(&path, &Options { digest: Some(digest.clone()), ..Options::default() });
        assert_eq!(store.name.to_string(), "some-model:latest");
        assert_eq!(store.id.hex(), "f75369d1dd1fb2f7c3db80c05854077604d2e78397dbe270fbe9d8a453ae62ff");
        let config = "99759ad5b91e723db0393d698ffbb448b1b7df5ff6377a108c49254583b1bc8c";
        let expected = [
            format!("blobs/{}", digest.file_name()),
            format!("blobs/sha256-{config}"),
            "manifests/registry.ollama.ai/library/some-model/latest".to_owned(),
        ];
        let mut found = Vec::new();
        files(&tree, NodeId::ROOT, "", &mut found);
        assert_eq!(found, expected);
        assert_eq!(read(&tree, &expected[0]), &bytes[..68]);
        assert_eq!(read(&tree, &expected[1]).len(), 147);
        assert_eq!(read(&tree, &expected[2]).len(), 408);
    }

    #[test]
    fn a_quantised_model_has_its_layers() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quant/llama-q8_0.gguf");
        let (tree, quick) = store(&path, &Options::default());
        assert_eq!(quick.digest.origin, Origin::Quick);
        assert!(matches!(quick.template, TemplateLayer::Derived), "{:?}", quick.template);
        let manifest = read(&tree, "manifests/registry.ollama.ai/library/llama/latest");
        let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        for layer in layers {
            let (digest, size) = (layer["digest"].as_str().unwrap(), layer["size"].as_u64().unwrap());
            let bytes = read(&tree, &format!("blobs/{}", digest.replace(':', "-")));
            assert_eq!(bytes.len() as u64, size);
            let is_model = digest == quick.digest.to_string();
            assert!(is_model || Digest::of(&bytes).to_string() == digest, "{layer}");
            assert!(!is_model || bytes == fs::read(&path).unwrap());
        }
        // The blob is the file for a door that can hand files to the kernel.
        let blob = quick.digest.file_name();
        let id = tree.resolve(["blobs", &blob].map(OsStr::new)).unwrap();
        assert!(tree.backing(id).unwrap().is_some());
        // Another place, another time: the same store. What is chosen changes it.
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("llama-q8_0.gguf");
        fs::copy(&path, &copy).unwrap();
        assert_eq!(store(&copy, &Options::default()).1.id, quick.id);
        let none = store(&copy, &Options { template: TemplateChoice::None, ..Options::default() }).1;
        assert_ne!(none.id, quick.id);
        let given = TemplateChoice::Text("{{ .Prompt }}".to_owned());
        let given = store(&copy, &Options { template: given, ..Options::default() }).1;
        assert!(matches!(given.template, TemplateLayer::Given) && given.id != none.id);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_points_to_the_file_itself() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quant/llama-q8_0.gguf");
        let folder = tempfile::tempdir().unwrap();
        let digest = Digest::of(&fs::read(&path).unwrap());
        let cached = folder.path().join("blobs").join(digest.hex());
        fs::create_dir(folder.path().join("blobs")).unwrap();
        fs::copy(&path, &cached).unwrap();
        let named = folder.path().join("llama-q8_0.gguf");
        std::os::unix::fs::symlink("blobs/".to_owned() + digest.hex(), &named).unwrap();
        let (tree, store) = store(&named, &Options { blob: BlobMode::Link, ..Options::default() });
        assert_eq!((store.digest.hex(), store.digest.origin), (digest.hex(), Origin::Place));
        let id = tree.resolve(["blobs", &digest.file_name()].map(OsStr::new)).unwrap();
        assert_eq!(tree.link_target(id).unwrap(), fs::canonicalize(&cached).unwrap());
    }

    #[test]
    fn a_full_digest_is_remembered() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quant/llama-q8_0.gguf");
        let model = Model::open(&path, &model::Options::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let cache = digest::Cache::new(folder.path().join("digests"));
        let mut done = 0;
        let digest = full_digest(&model, Some(&cache), |n| done = n).unwrap();
        assert_eq!((digest.clone(), done), (Digest::of(&fs::read(&path).unwrap()), model.gguf.len()));
        let again = full_digest(&model, Some(&cache), |_| panic!("read again")).unwrap();
        assert_eq!(again, digest);
    }
}
