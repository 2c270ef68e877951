//! What is in a file, and what its folder will hold.

use rawrz::engines::{self, Engine, Evidence};
use rawrz::exactness::Exactness;
use rawrz::gguf::Gguf;
use rawrz::model::{Kind, Precision};
use rawrz::quant::Dtype;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::Failure;
use super::folder::Folder;
use super::ollama::Readers;
use super::print::{Column, columns, line};
use super::size::human;
use crate::cli::{Inspect, Tokenizer, View};

/// Characters of a metadata value that are printed. The JSON has them all.
const VALUE_LEN: usize = 80;

/// Prints what is in a file. One that cannot be shown as a folder is printed too, and then refused.
///
/// # Errors
/// If the model cannot be shown.
pub fn run(args: &Inspect) -> Result<(), Failure> {
    let print = |report: Report| {
        if args.json {
            line(serde_json::to_string_pretty(&report).expect("maps with text keys are JSON"));
        } else {
            report.print();
        }
    };
    match Folder::with_store(&args.source, &args.view, &args.store, Readers::Own) {
        Ok(folder) => {
            print(Report::new(&folder.model.gguf, Some(Shown::new(&folder, args)), None));
            Ok(())
        }
        Err(failure) => {
            if let Ok(gguf) = Gguf::open(&args.source) {
                print(Report::new(&gguf, None, Some(failure.text())));
            }
            Err(failure)
        }
    }
}

/// A file, and its folder if it has one.
#[derive(Serialize)]
struct Report<'a> {
    files: usize,
    bytes: u64,
    refused: Option<&'a str>,
    shown: Option<Shown<'a>>,
    metadata: Map<String, Json>,
    types: Vec<Type>,
    stored: Vec<Tensor<'a>>,
}

/// The folder.
#[derive(Serialize)]
struct Shown<'a> {
    class: Option<&'a str>,
    model_type: Option<&'a str>,
    dtype: Option<&'a str>,
    parameters: u64,
    weights: Vec<Size>,
    exactness: Option<String>,
    engines: Vec<Known>,
    note: Option<&'a str>,
    folder: Vec<File>,
    tensors: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct File {
    path: String,
    bytes: u64,
}

/// What the weights files take in a precision.
#[derive(Serialize)]
struct Size {
    precision: &'static str,
    bytes: u64,
}

/// An engine that is known to load the class.
#[derive(Serialize)]
struct Known {
    engine: &'static str,
    version: &'static str,
    evidence: &'static str,
}

/// A stored type.
#[derive(Serialize)]
struct Type {
    name: &'static str,
    tensors: usize,
    bytes: u64,
}

/// A tensor, stored or shown; its shape is in torch's order.
#[derive(Serialize)]
struct Tensor<'a> {
    name: &'a str,
    r#type: &'static str,
    shape: Vec<u64>,
    bytes: u64,
}

impl<'a> Shown<'a> {
    fn new(folder: &'a Folder, args: &Inspect) -> Self {
        let model = &folder.model;
        let weights = model.weights.as_ref();
        let tensor = |t: &'a rawrz::tensor::VirtualTensor| Tensor {
            name: &t.name,
            r#type: t.dtype.name(),
            shape: t.shape.clone(),
            bytes: t.len(),
        };
        let tensors: Vec<_> = weights.iter().flat_map(|w| &w.tensors).map(tensor).collect();
        let files = folder.files().into_iter();
        Self {
            class: weights.map(|w| w.spec.class),
            model_type: weights.map(|w| w.spec.model_type),
            dtype: weights.map(|w| w.dtype.name()),
            parameters: tensors.iter().map(|t| t.shape.iter().product::<u64>()).sum(),
            weights: weights.map(|_| sizes(args)).unwrap_or_default(),
            exactness: Exactness::of(model).map(|exactness| exactness.to_string()),
            engines: known(folder).into_iter().map(Known::from).collect(),
            note: model.tokenizer.note.as_deref(),
            folder: files.map(|f| File { path: f.path.display().to_string(), bytes: f.len }).collect(),
            tensors,
        }
    }

    fn print(&self) {
        match (self.class, self.model_type, self.dtype) {
            (Some(class), Some(model_type), Some(dtype)) => {
                line(format_args!("shown as    {class} (model_type {model_type}), {dtype}"));
            }
            _ => line("shown as    a vocabulary without weights"),
        }
        line(format_args!("parameters  {}", self.parameters));
        let sizes: Vec<_> =
            self.weights.iter().map(|s| format!("{} in {}", human(s.bytes), s.precision)).collect();
        let notes = [
            ("weights    ", (!sizes.is_empty()).then(|| sizes.join(", "))),
            ("exactness  ", self.exactness.clone()),
            ("engines    ", self.engines_text()),
            ("note       ", self.note.map(str::to_owned)),
        ];
        for (label, note) in notes {
            if let Some(note) = note {
                line(format_args!("{label} {note}"));
            }
        }
        let rows = self.folder.iter().map(|f| [f.path.clone(), human(f.bytes)]);
        line(format_args!("\n{}", columns([Column::Left("FILE"), Column::Right("SIZE")], rows)));
    }

    /// Those that tests ran, and those that list the class.
    fn engines_text(&self) -> Option<String> {
        let told = [(Evidence::Run, "give the same output in tests"), (Evidence::Lists, "list the class")];
        let told = told.map(|(evidence, what)| {
            let known = self.engines.iter().filter(|e| e.evidence == evidence.name());
            let names: Vec<_> = known.map(|e| format!("{} {}", e.engine, e.version)).collect();
            (!names.is_empty()).then(|| format!("{} {what}", names.join(", ")))
        });
        let told: Vec<_> = told.into_iter().flatten().collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

impl From<Engine> for Known {
    fn from(engine: Engine) -> Self {
        Self { engine: engine.name, version: engine.version, evidence: engine.evidence.name() }
    }
}

/// The engines for a folder's class. An adapter is loaded upon its base, not by its class.
fn known(folder: &Folder) -> Vec<Engine> {
    match &folder.model.weights {
        Some(weights) if weights.kind == Kind::Model => engines::known(weights.spec.class),
        _ => Vec::new(),
    }
}

/// What the weights files would take in each precision.
fn sizes(args: &Inspect) -> Vec<Size> {
    let size = |(precision, dtype)| {
        let view = View { precision: Precision::As(dtype), tokenizer: Tokenizer::None, ..args.view.clone() };
        // A precision whose files would have too large a header is left out.
        let files = Folder::open(&args.source, &view).ok()?.files();
        let weights = files.iter().filter(|f| f.path.extension().is_some_and(|e| e == "safetensors"));
        Some(Size { precision, bytes: weights.map(|f| f.len).sum() })
    };
    [("bf16", Dtype::Bf16), ("fp16", Dtype::F16), ("fp32", Dtype::F32)].into_iter().filter_map(size).collect()
}

impl<'a> Report<'a> {
    fn new(gguf: &'a Gguf, shown: Option<Shown<'a>>, refused: Option<&'a str>) -> Self {
        let types = gguf.types().into_iter();
        let stored = gguf.tensors.iter().map(|t| Tensor {
            name: &t.name,
            r#type: t.format.name,
            shape: t.dims.iter().rev().copied().collect(),
            bytes: t.len,
        });
        Self {
            files: gguf.sources.len(),
            bytes: gguf.len(),
            refused,
            shown,
            metadata: gguf.metadata.to_json(),
            types: types.map(|(name, (tensors, bytes))| Type { name, tensors, bytes }).collect(),
            stored: stored.collect(),
        }
    }

    fn print(&self) {
        let files = if self.files == 1 { "one file".to_owned() } else { format!("{} files", self.files) };
        line(format_args!("stored      {} in {files}", human(self.bytes)));
        match &self.shown {
            Some(shown) => shown.print(),
            None => line(format_args!("not shown   {}", self.refused.unwrap_or_default())),
        }
        let headings = [Column::Left("STORED TYPE"), Column::Right("TENSORS"), Column::Right("SIZE")];
        let rows = self.types.iter().map(|t| [t.name.to_owned(), t.tensors.to_string(), human(t.bytes)]);
        line(format_args!("\n{}", columns(headings, rows)));
        let rows = self.metadata.iter().map(|(key, value)| [key.clone(), short(value)]);
        line(format_args!("\n{}", columns([Column::Left("METADATA"), Column::Left("VALUE")], rows)));
        print_tensors("STORED TENSOR", &self.stored);
        if let Some(shown) = &self.shown {
            print_tensors("SHOWN TENSOR", &shown.tensors);
        }
    }
}

fn print_tensors(heading: &'static str, tensors: &[Tensor]) {
    let headings =
        [Column::Left(heading), Column::Left("TYPE"), Column::Left("SHAPE"), Column::Right("SIZE")];
    let row = |t: &Tensor| [t.name.to_owned(), t.r#type.to_owned(), format!("{:?}", t.shape), human(t.bytes)];
    line(format_args!("\n{}", columns(headings, tensors.iter().map(row))));
}

/// A value on one line: arrays by their length and first elements.
fn short(value: &Json) -> String {
    const FIRST: usize = 4;
    let text = match value {
        Json::Array(all) if all.len() > FIRST => {
            let first: Vec<_> = all.iter().take(FIRST).map(Json::to_string).collect();
            format!("{} of: {}, ...", all.len(), first.join(", "))
        }
        value => value.to_string(),
    };
    match text.char_indices().nth(VALUE_LEN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
