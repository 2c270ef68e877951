//! An opened model: its file, the class it came from, and the tensors of its folder, all checked.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use serde_json::{Map, Value as Json};

use crate::adapter;
use crate::arch::{self, Scope, Spec};
use crate::gguf::{self, Gguf};
use crate::quant::Dtype;
use crate::tensor::VirtualTensor;
use crate::tokenizer::{self, Tokenizer};

/// What the folder's float tensors are shown as.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Precision {
    /// The file's own float type; bf16 for quantised files.
    #[default]
    Auto,
    /// One dtype for all.
    As(Dtype),
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "bf16" => Ok(Self::As(Dtype::Bf16)),
            "fp16" => Ok(Self::As(Dtype::F16)),
            "fp32" => Ok(Self::As(Dtype::F32)),
            _ => Err(format!("{text:?} is none of auto, bf16, fp16, fp32")),
        }
    }
}

/// What becomes of a file whose architecture is not known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Names {
    /// It is refused.
    #[default]
    HuggingFace,
    /// Its tensors are shown under their GGUF names, as they are stored; config.json says so.
    Gguf,
}

/// How to open a model.
#[derive(Clone, Debug)]
pub struct Options {
    /// What float tensors are shown as.
    pub precision: Precision,
    /// The Hugging Face class to show, where several share an architecture; `None`: by the file's tells.
    pub class: Option<String>,
    /// The GGUF of an adapter's base, for adapters whose rows the converter reordered.
    pub base: Option<PathBuf>,
    /// What becomes of a file whose architecture is not known.
    pub names: Names,
    /// Whether tokenizer files are made; without, a file whose pre-tokenizer is unknown can still be shown.
    pub tokenizer: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            precision: Precision::Auto,
            class: None,
            names: Names::HuggingFace,
            base: None,
            tokenizer: true,
        }
    }
}

/// A model, ready to be shown. From here on nothing can be wrong with it but the disk.
pub struct Model {
    /// The file or files.
    pub gguf: Gguf,
    /// The file that was named.
    pub path: PathBuf,
    /// Weights and configuration; `None` for a file that holds a vocabulary alone.
    pub weights: Option<Weights>,
    /// The tokenizer's files and special tokens.
    pub tokenizer: Tokenizer,
    /// All metadata as JSON text.
    pub metadata_json: Arc<Vec<u8>>,
    /// Newest modification time of the files.
    pub modified: SystemTime,
}

/// What kind of folder the weights make.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A whole model.
    Model,
    /// A low-rank adapter, in PEFT's spelling.
    Adapter,
}

/// What a class makes of a file's tensors.
pub struct Weights {
    /// A model or an adapter of one.
    pub kind: Kind,
    /// The class.
    pub spec: &'static Spec,
    /// What float tensors are shown as.
    pub dtype: Dtype,
    /// The folder's tensors in the order of the virtual file.
    pub tensors: Vec<VirtualTensor>,
    /// Fields of config.json that the architecture gives, or all of adapter_config.json.
    pub config: Map<String, Json>,
}

/// Why a model cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read as GGUF.
    #[error(transparent)]
    Gguf(#[from] gguf::OpenError),
    /// Its architecture cannot be shown.
    #[error("{}", path.display())]
    Arch {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: arch::Error,
    },
    /// Its tokenizer cannot be shown.
    #[error("{}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: tokenizer::Error,
    },
}

impl Model {
    /// Opens the model at `path` and checks everything that its folder will hold.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        let gguf = Gguf::open(path)?;
        let modified =
            gguf.sources.iter().map(|s| s.identity().modified).max().unwrap_or(SystemTime::UNIX_EPOCH);
        // A large vocabulary takes longer than all the rest, so it gets a thread of its own.
        let (tokenizer, weights, metadata_json) = thread::scope(|scope| {
            let tokenizer = scope.spawn(|| tokenizer(path, &gguf, options));
            let weights = (!gguf.tensors.is_empty()).then(|| weights(path, &gguf, options)).transpose();
            let metadata_json = gguf.metadata.to_json_text();
            (tokenizer.join().unwrap_or_else(|panic| resume_unwind(panic)), weights, metadata_json)
        });
        let (weights, tokenizer) = (weights?, tokenizer?);
        let metadata_json = Arc::new(metadata_json);
        Ok(Self { gguf, path: path.to_owned(), weights, tokenizer, metadata_json, modified })
    }

    /// The model's name: `general.name`, or the file's.
    pub fn name(&self) -> String {
        let named = self.gguf.metadata.value("general.name").and_then(|v| v.as_str());
        named.filter(|n| !n.trim().is_empty()).map_or_else(|| self.stem(), str::to_owned)
    }

    /// The file's name without `.gguf` and without the number of a split file.
    pub fn stem(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let split = stem.len().checked_sub("-00001-of-00002".len()).filter(|_| self.gguf.sources.len() > 1);
        split.and_then(|at| stem.get(..at)).unwrap_or(&stem).to_owned()
    }
}

fn weights(path: &Path, gguf: &Gguf, options: &Options) -> Result<Weights, Error> {
    let error = |source| Error::Arch { path: path.to_owned(), source };
    let dtype = match options.precision {
        Precision::As(dtype) => dtype,
        Precision::Auto => own_dtype(gguf),
    };
    if adapter::is_adapter(gguf) {
        return adapter_weights(gguf, dtype, options, error);
    }
    let spec = match arch::pick(gguf, options.class.as_deref()) {
        Err(arch::Error::UnknownArchitecture { .. } | arch::Error::RefusedArchitecture { .. })
            if options.names == Names::Gguf =>
        {
            let tensors = arch::bind_as_stored(gguf, dtype).map_err(error)?;
            let config = arch::config_as_stored(gguf);
            return Ok(Weights { kind: Kind::Model, spec: &arch::AS_STORED, dtype, tensors, config });
        }
        picked => picked.map_err(error)?,
    };
    let tensors = arch::bind(spec, gguf, dtype).map_err(error)?;
    let config = arch::config(spec, &Scope::new(gguf, spec.gguf)).map_err(error)?;
    Ok(Weights { kind: Kind::Model, spec, dtype, tensors, config })
}

fn adapter_weights(
    gguf: &Gguf,
    dtype: Dtype,
    options: &Options,
    error: impl Fn(arch::Error) -> Error,
) -> Result<Weights, Error> {
    if !adapter::is_low_rank(gguf) {
        return Err(error(arch::Error::Unsupported {
            what: "an adapter that is not of the type lora".into(),
        }));
    }
    let base = options.base.as_deref().map(Gguf::open).transpose()?;
    let spec = arch::pick_base(gguf, base.as_ref(), options.class.as_deref()).map_err(&error)?;
    let (tensors, modules) = arch::bind_adapter(spec, gguf, base.as_ref(), dtype).map_err(&error)?;
    let encoder = !spec.class.contains("ForCausalLM");
    let config = adapter::config(gguf, &modules, encoder);
    Ok(Weights { kind: Kind::Adapter, spec, dtype, tensors, config })
}

/// The float type that most of the file's weights have, bf16 if most are quantised.
fn own_dtype(gguf: &Gguf) -> Dtype {
    let floats = [Dtype::Bf16, Dtype::F16, Dtype::F32];
    let elements = |dtype: Option<Dtype>| -> u64 {
        let of = gguf.tensors.iter().filter(|t| t.format.dtype == dtype);
        of.map(|t| t.dims.iter().product::<u64>()).sum()
    };
    let own =
        floats.into_iter().max_by_key(|&d| elements(Some(d))).filter(|&d| elements(Some(d)) > elements(None));
    own.unwrap_or(Dtype::Bf16)
}

fn tokenizer(path: &Path, gguf: &Gguf, options: &Options) -> Result<Tokenizer, Error> {
    let metadata = &gguf.metadata;
    let text = |key: &str| metadata.value(key).and_then(|v| v.as_str()).unwrap_or_default();
    let architecture = text("general.architecture");
    let max_length = metadata.value(&format!("{architecture}.context_length")).and_then(|v| v.as_u64());
    let quirks = arch::quirks(architecture, text("general.name"));
    let context = tokenizer::Context { metadata, architecture, quirks, max_length };
    let is_adapter = adapter::is_adapter(gguf);
    let tokenizer = match options.tokenizer && !is_adapter {
        true => tokenizer::build(&context),
        false => tokenizer::without(&context),
    };
    let tokenizer = tokenizer.map_err(|source| Error::Tokenizer { path: path.to_owned(), source })?;
    // An adapter's folder holds nothing of its base.
    Ok(if is_adapter { Tokenizer { files: Vec::new(), note: None, ..tokenizer } } else { tokenizer })
}
