//! What can be shown.

use rawrz::arch::{self, Spec};
use serde_json::json;

use super::print::{Column, columns, line};
use crate::cli::Architectures;

/// Prints the Hugging Face classes that can be shown, with what proves each.
pub fn run(args: &Architectures) {
    if args.json {
        let all: Vec<_> = arch::ALL.iter().map(|spec| json(spec)).collect();
        line(serde_json::to_string_pretty(&all).expect("maps with text keys are JSON"));
        return;
    }
    let headings = [Column::Left("ARCHITECTURE"), Column::Left("CLASS"), Column::Left("PROVED BY")];
    line(columns(headings, arch::ALL.iter().map(|spec| row(spec))));
}

fn row(spec: &Spec) -> [String; 3] {
    let proof = if spec.proof.is_empty() { "nothing yet".to_owned() } else { spec.proof.join(", ") };
    [spec.gguf.to_owned(), spec.class.to_owned(), proof]
}

fn json(spec: &Spec) -> serde_json::Value {
    json!({
        "architecture": spec.gguf,
        "class": spec.class,
        "model_type": spec.model_type,
        "proof": spec.proof,
        "loss": spec.loss,
    })
}
