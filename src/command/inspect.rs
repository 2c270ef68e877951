//! What is in a file, and what its folder will hold.

use rawrz::exactness::Exactness;
use rawrz::gguf::Gguf;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::Failure;
use super::folder::Folder;
use super::ollama::Readers;
use super::print::{Column, columns, line};
use super::size::human;
use crate::cli::Inspect;

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
            print(Report::new(&folder.model.gguf, Some(Shown::new(&folder)), None));
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
    exactness: Option<String>,
    note: Option<&'a str>,
    folder: Vec<File>,
    tensors: Vec<Tensor<'a>>,
}

#[derive(Serialize)]
struct File {
    path: String,
    bytes: u64,
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
    fn new(folder: &'a Folder) -> Self {
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
            exactness: Exactness::of(model).map(|exactness| exactness.to_string()),
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
        for (label, note) in [("exactness  ", self.exactness.as_deref()), ("note       ", self.note)] {
            if let Some(note) = note {
                line(format_args!("{label} {note}"));
            }
        }
        let rows = self.folder.iter().map(|f| [f.path.clone(), human(f.bytes)]);
        line(format_args!("\n{}", columns([Column::Left("FILE"), Column::Right("SIZE")], rows)));
    }
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
