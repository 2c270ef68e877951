//! The architecture as a test: who may use whom, where unsafe code may stand, how long a file may be.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rawrz::{arch, tokenizer};
use support::probe::root;

/// Longest file, in lines. Longer than that it has more than one job.
const LINES: usize = 600;
/// Tables of constants, which have no length that is right.
const TABLES: &[&str] = &["src/quant/iq_grid.rs"];
/// The mapping and the processor-specific kernels; the C interface will be the third.
const UNSAFE: &[&str] = &["src/source.rs", "src/quant/simd.rs", "src/quant/simd/"];
/// The only files that name an adapter.
const DOORS: &[&str] = &["src/command/door_unix.rs", "src/command/door_windows.rs"];

/// Modules of the library and the modules that each may use.
const USES: &[(&str, &[&str])] = &[
    ("quant", &[]),
    ("source", &[]),
    ("gguf", &["quant", "source"]),
    ("tensor", &["quant"]),
    ("tokenizer", &["gguf"]),
    ("arch", &["gguf", "quant", "tensor", "tokenizer"]),
    ("adapter", &["arch", "gguf"]),
    ("model", &["adapter", "arch", "gguf", "quant", "tensor", "tokenizer"]),
    ("exactness", &["arch", "model"]),
    ("engines", &[]),
    ("ollama", &["arch", "gguf", "model", "quant", "tokenizer"]),
    ("export", &[]),
    ("hf", &["adapter", "arch", "exactness", "gguf", "model", "quant", "tensor", "tokenizer"]),
];

/// Rust files below a folder of the repository, with their paths from its top.
fn sources(folders: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = folders.iter().map(|f| root().join(f)).collect();
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(!found.is_empty());
    found
}

/// The code of a file: without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("mod tests {").next().unwrap();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

const PRODUCT: &[&str] = &["src", "fs-unix/src", "fs-windows/src"];

#[test]
fn files_have_one_job() {
    for (name, text) in sources(&["src", "fs-unix", "fs-windows", "tests", "examples", "benches"]) {
        let table = TABLES.contains(&name.as_str());
        assert!(table || text.lines().count() <= LINES, "{name} has more than {LINES} lines");
    }
}

#[test]
fn unsafe_code_stands_where_it_may() {
    for (name, text) in sources(PRODUCT) {
        let allowed = UNSAFE.iter().any(|place| name.starts_with(place));
        let used = code(&text).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        assert!(allowed || !used, "{name} has unsafe code");
    }
}

#[test]
fn nothing_is_left_to_do_or_to_panic_about() {
    for (name, text) in sources(PRODUCT) {
        for word in ["todo!", "unimplemented!", "dbg!", ".unwrap()"] {
            assert!(!code(&text).contains(word), "{name} has {word}");
        }
    }
}

#[test]
fn only_the_doors_name_an_adapter() {
    for (name, text) in sources(&["src"]) {
        let named = ["rawrz_fs_unix", "rawrz_fs_windows"].iter().any(|adapter| code(&text).contains(adapter));
        assert!(!named || DOORS.contains(&name.as_str()), "{name} names an adapter");
    }
}

#[test]
fn the_hallway_speaks_no_dialect() {
    for (name, text) in sources(&["src/vfs"]) {
        for word in ["errno", "libc", "rustix", "fuser", "winfsp", "NTSTATUS", "tensor", "gguf"] {
            assert!(!code(&text).to_lowercase().contains(&word.to_lowercase()), "{name} says {word}");
        }
    }
}

#[test]
fn arrows_point_down() {
    for (module, uses) in USES {
        let path = format!("src/{module}");
        let own: Vec<_> =
            [format!("{path}.rs"), path].into_iter().filter(|p| root().join(p).exists()).collect();
        let own: Vec<_> = own.iter().map(String::as_str).collect();
        for (name, text) in sources(&own) {
            for (other, _) in USES.iter().filter(|(other, _)| other != module && !uses.contains(other)) {
                let used = code(&text).contains(&format!("crate::{other}"));
                assert!(!used, "{name} uses {other}, which {module} may not");
            }
        }
    }
}

/// Files whose literals may be names of architectures too, and why.
const NAMES_MAY_STAND: &[(&str, &str)] = &[
    ("src/arch/", "architectures are declared there"),
    ("src/command/sample/", "it writes a model, whose architecture has a name"),
    ("src/tokenizer/pre.rs", "names of pre-tokenizers, another key's values"),
];

/// The string literals of a file's code, with their lines. None of ours spans lines with a name in it.
fn literals(code: &str) -> Vec<(&str, String)> {
    let of_line = |line: &'_ str| {
        let unescaped = line.replace(r#"\""#, "").replace(r#"'"'"#, "");
        unescaped.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    code.lines().flat_map(|line| of_line(line).into_iter().map(move |literal| (line, literal))).collect()
}

/// Whether a name stands in a text as a word of its own, and not as that of a program (`llama.cpp`).
fn says(text: &str, name: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + name.len()..]);
        !before.ends_with(goes_on) && !after.starts_with(goes_on) && !after.starts_with(".cpp")
    })
}

/// Knowledge of an architecture is data in its file: elsewhere nothing is decided by its name, its class or its model type.
#[test]
fn architectures_are_named_where_they_are_declared() {
    let shown = arch::ALL.iter().flat_map(|spec| [spec.gguf, spec.class, spec.model_type]);
    let names: BTreeSet<_> = shown.chain(arch::REFUSED.iter().map(|(name, _)| *name)).collect();
    for (file, text) in sources(PRODUCT) {
        if NAMES_MAY_STAND.iter().any(|(place, _)| file.starts_with(place)) {
            continue;
        }
        for (line, literal) in literals(&code(&text)) {
            // A family's name, too, where architectures are told apart.
            let decides = line.contains("architecture") && literal.len() > 1;
            let named =
                names.iter().find(|name| says(&literal, name) || decides && name.starts_with(&literal));
            // The tokenizer's kinds have names of their own, some of which are those of their first models.
            let is_kind = file.starts_with("src/tokenizer/") && tokenizer::MODELS.contains(&literal.as_str());
            assert!(named.is_none() || is_kind && !decides, "{file} names {named:?}: {}", line.trim());
        }
    }
}

#[test]
fn specs_say_where_they_are_from() {
    for spec in arch::ALL {
        assert!(!spec.source.is_empty(), "{} cites no converter", spec.class);
        let earlier = arch::ALL.iter().take_while(|s| !std::ptr::eq(**s, *spec));
        let hidden = earlier.filter(|s| s.gguf == spec.gguf).any(|s| s.when.is_empty());
        assert!(!hidden, "{} is behind a class of {} that takes every file", spec.class, spec.gguf);
    }
}

/// A verb is not trusted for its name: it has a twin, or a case of one, in src/arch/expr/twins.rs.
#[test]
fn every_verb_has_a_twin() {
    let text = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (verbs, twins) = (text("src/arch/expr.rs"), text("src/arch/expr/twins.rs"));
    let body = verbs.split("pub enum Expr {").nth(1).unwrap().split("\n}").next().unwrap();
    let names = body.lines().filter_map(|line| line.trim().split_once('(')).map(|(name, _)| name);
    let names: Vec<_> = names.filter(|name| name.chars().all(char::is_alphanumeric)).collect();
    assert!(names.contains(&"Tensor") && names.len() > 10);
    for name in names {
        assert!(twins.contains(&format!("Expr::{name}(")), "the verb {name} has no twin");
    }
}

/// Adding an architecture is one file and its lines in the list.
#[test]
fn every_architecture_file_is_in_the_list() {
    let list = fs::read_to_string(root().join("src/arch/mod.rs")).unwrap();
    // as_stored.rs stands for no architecture.
    for (name, text) in sources(&["src/arch"]).into_iter().filter(|(name, _)| !name.ends_with("as_stored.rs"))
    {
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        for line in code(&text).lines().filter(|l| l.starts_with("pub static ") && l.contains(": Spec =")) {
            let constant = line.split_whitespace().find(|w| w.ends_with(':')).unwrap().trim_end_matches(':');
            assert!(list.contains(&format!("&{stem}::{constant}")), "{constant} of {name} is not in ALL");
        }
    }
}
