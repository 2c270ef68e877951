//! What a test finds on this machine, and the one way to do without it.
//!
//! A test asks a probe and hands the answer to [`require`], which skips visibly or, where `RAWRZ_TEST_REQUIRE=all`, fails:
//!
//! ```ignore
//! let Some(shared) = require("corpus_loads", "the shared test data", shared()) else { return };
//! ```
//!
//! Only the standard library is used here: fs-unix's tests include this file too.

#![allow(dead_code)] // each test binary uses its own part

use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Hands on what a test needs of the machine; without it, tells of the skip, once for every call.
///
/// `test` is the test's name, and `test/case` where only one of its cases is left out. The line goes to standard error itself, since
/// the harness keeps what a passing test prints to itself; `tests/run` counts these lines.
///
/// # Panics
/// If the need is not met and `RAWRZ_TEST_REQUIRE` is `all`.
pub fn require<T>(test: &str, what: &str, found: Option<T>) -> Option<T> {
    if found.is_none() {
        let all = env::var_os("RAWRZ_TEST_REQUIRE").is_some_and(|value| value == "all");
        assert!(!all, "{test} needs {what}, and RAWRZ_TEST_REQUIRE=all");
        let line = format!("SKIPPED {test}: needs {what}\n");
        io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    }
    found
}

/// The top of the repository, whichever member's test asks.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").exists())
        .expect("a member lies below the workspace")
        .to_owned()
}

/// The test data that is part of the repository.
pub fn fixtures() -> PathBuf {
    root().join("tests/fixtures")
}

/// The full test data, `shared/` beside the repository or where `RAWRZ_SHARED` says.
pub fn shared() -> Option<PathBuf> {
    let folder = env::var_os("RAWRZ_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    folder.join("corpus").is_dir().then_some(folder)
}

/// Where `tests/tools/install` puts what it builds.
fn cache() -> Option<PathBuf> {
    let named = env::var_os("RAWRZ_CACHE").map(PathBuf::from);
    named.or_else(|| env::home_dir().map(|home| home.join(".cache/rawrz")))
}

/// The Python of the conformance tools, with torch and transformers that can be imported.
pub fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let python = cache()?.join("conformance/bin/python");
        let imports = ["-c", "import numpy, safetensors, sentencepiece, tokenizers, torch, transformers"];
        succeeds(Command::new(&python).args(imports)).then_some(python)
    };
    FOUND.get_or_init(find).clone()
}

/// llama.cpp's converter: the folder for the environment variable `LLAMA_CPP` that `check_folder.py` reads.
pub fn llama_cpp() -> Option<PathBuf> {
    let named = env::var_os("LLAMA_CPP").map(PathBuf::from);
    let folder = named.or_else(|| cache().map(|cache| cache.join("llama.cpp")))?;
    folder.join("convert_hf_to_gguf.py").exists().then_some(folder)
}

/// An Ollama server of this version, such as `v0.24.0`.
pub fn ollama(version: &str) -> Option<PathBuf> {
    let server = cache()?.join("ollama").join(version).join("ollama");
    server.exists().then_some(server)
}

/// Whether this process can mount through FUSE: itself, as root outside a closed container, or through fusermount3.
pub fn fuse_available() -> bool {
    Path::new("/dev/fuse").exists()
        && (may_mount() || (!is_root() && has_program("fusermount3", "--version")))
}

/// Whether the process is root's.
pub fn is_root() -> bool {
    status("Uid").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"))
}

/// Whether a program can be run; `harmless` is an argument that makes it end at once.
pub fn has_program(program: &str, harmless: &str) -> bool {
    succeeds(Command::new(program).arg(harmless))
}

/// Whether the process has CAP_SYS_ADMIN, capability 21 of linux/capability.h, which root in a container lacks.
fn may_mount() -> bool {
    let effective = status("CapEff").and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    effective.is_some_and(|bits| bits >> 21 & 1 == 1)
}

/// A field of this process's `/proc/self/status`.
fn status(field: &str) -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
