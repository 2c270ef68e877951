//! What can be shown, and what cannot.

use rawrz::arch::{self, Spec};
use rawrz::exactness::Recovery;
use serde_json::{Value as Json, json};

use super::print::{Column, columns, line};
use crate::cli::Architectures;

/// Prints the Hugging Face classes that can be shown, how exactly and what proves it, and the architectures that are refused.
pub fn run(args: &Architectures) {
    if args.json {
        let refused = arch::REFUSED.iter().map(|(name, why)| refusal(name, why));
        let all: Vec<_> = arch::ALL.iter().map(|spec| class(spec)).chain(refused).collect();
        line(serde_json::to_string_pretty(&all).expect("maps with text keys are JSON"));
        return;
    }
    let headings = ["ARCHITECTURE", "CLASS", "RECOVERED", "PROVED BY"].map(Column::Left);
    line(columns(headings, arch::ALL.iter().map(|spec| row(spec))));
    let refused = arch::REFUSED.iter().map(|(name, why)| [(*name).to_owned(), (*why).to_owned()]);
    line(format_args!("\n{}", columns(["REFUSED", "WHY"].map(Column::Left), refused)));
}

fn row(spec: &Spec) -> [String; 4] {
    let proof = if spec.proof.is_empty() { "nothing yet".to_owned() } else { spec.proof.join(", ") };
    [spec.gguf.to_owned(), spec.class.to_owned(), Recovery::of(spec).name().to_owned(), proof]
}

fn class(spec: &Spec) -> Json {
    json!({
        "architecture": spec.gguf,
        "class": spec.class,
        "model_type": spec.model_type,
        "recovered": Recovery::of(spec).name(),
        "loss": spec.loss,
        "proof": spec.proof,
        "refused": null,
    })
}

fn refusal(name: &str, why: &str) -> Json {
    json!({
        "architecture": name,
        "class": null,
        "model_type": null,
        "recovered": null,
        "loss": null,
        "proof": [],
        "refused": why,
    })
}
