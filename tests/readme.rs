//! README's tables are those of the code. `RAWRZ_BLESS=1 cargo test --test readme` writes them anew.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::env;
use std::fmt::Write;
use std::fs;

use rawrz::arch;
use rawrz::engines::{self, Evidence};
use rawrz::quant::FORMATS;
use serde_json::Value as Json;
use support::probe::root;

/// So many specs are not without a case.
const MOST_UNPROVEN: usize = 40;

fn architectures() -> String {
    let mut table = String::from(
        "| GGUF architecture | Hugging Face class | proved by | not in the file |\n|---|---|---|---|\n",
    );
    for spec in arch::ALL {
        let proof = if spec.proof.is_empty() { "no case yet".to_owned() } else { spec.proof.join(", ") };
        writeln!(table, "| {} | {} | {proof} | {} |", spec.gguf, spec.class, spec.loss.unwrap_or_default())
            .unwrap();
    }
    table
}

/// Specs that no case proves.
fn unproven() -> Vec<&'static arch::Spec> {
    arch::ALL.iter().copied().filter(|spec| spec.proof.is_empty()).collect()
}

fn unproven_list() -> String {
    let names: Vec<_> = unproven().iter().map(|spec| format!("{} ({})", spec.gguf, spec.class)).collect();
    let all = arch::ALL.len();
    if names.is_empty() {
        return format!("Each of the {all} classes is proved by a case.\n");
    }
    format!("{} of the {all} classes have no case yet: {}.\n", names.len(), names.join(", "))
}

fn types() -> String {
    let mut table = String::from("| id | type | block | bytes | bits a weight |\n|--:|---|--:|--:|--:|\n");
    for format in FORMATS {
        let bits = format.block_bytes as f64 * 8.0 / format.block_len as f64;
        let (id, name) = (format.id, format.name);
        writeln!(table, "| {id} | {name} | {} | {} | {bits} |", format.block_len, format.block_bytes)
            .unwrap();
    }
    table
}

/// The engines of tests/engines/engines.json, with what the table of classes knows of each.
fn engine_table() -> String {
    let text = fs::read_to_string(root().join("tests/engines/engines.json")).unwrap();
    let entries: Vec<Json> = serde_json::from_str(&text).unwrap();
    let packages = fs::read_to_string(root().join("tests/tools/conformance.txt")).unwrap();
    let mut table = String::from(
        "| engine | how | classes run | also listed | what it cannot do |\n|---|---|--:|--:|---|\n",
    );
    for entry in &entries {
        let [name, opens, cannot] = ["name", "opens", "cannot"].map(|key| entry[key].as_str().unwrap());
        let at = engines::engines().position(|(engine, _)| engine == name);
        // What opens every class has no column, but is pinned under its own name.
        let pinned = || packages.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=="));
        let told = at.and_then(|at| engines::engines().nth(at)).map(|(_, version)| version);
        let version = told.or_else(pinned).expect("an engine has a version");
        let count = |evidence: Evidence| match at {
            None => "any".to_owned(),
            Some(at) => {
                let cells = engines::rows().filter_map(|(_, mut cells)| cells.nth(at));
                cells.filter(|cell| *cell == evidence.name()).count().to_string()
            }
        };
        let (run, lists) = (count(Evidence::Run), count(Evidence::Lists));
        writeln!(table, "| {name} {version} | {opens} | {run} | {lists} | {cannot} |").unwrap();
    }
    table
}

#[test]
fn tables_are_those_of_the_code() {
    let path = root().join("README.md");
    let mut text = fs::read_to_string(&path).unwrap();
    let before = text.clone();
    let tables = [
        ("architectures", architectures()),
        ("engines", engine_table()),
        ("types", types()),
        ("unproven", unproven_list()),
    ];
    for (marker, table) in tables {
        let start = format!("<!-- {marker} -->\n");
        let from = text.find(&start).expect("the marker is there") + start.len();
        let to = from + text[from..].find("<!-- end -->").expect("the end is there");
        text.replace_range(from..to, &table);
    }
    if env::var_os("RAWRZ_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    } else {
        assert!(text == before, "README.md is stale: run RAWRZ_BLESS=1 cargo test --test readme");
    }
}

/// Most specs have a case; the list of the others is in README.
#[test]
fn few_specs_are_unproven() {
    let unproven = unproven();
    assert!(unproven.len() < MOST_UNPROVEN, "{} specs have no case: {}", unproven.len(), unproven_list());
}
