//! The command's store for Ollama: what it says, what it starts, and a server that outlives a mount.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::mounted::sha256;
use support::ollama::{Server, old_copy};
use support::place::{Place, wait_for};
use support::probe::{self, fixtures, fuse_available, require};

const USAGE: i32 = 1;
const OLLAMA: i32 = 4;

fn place(test: &str) -> Option<Place> {
    require(test, "FUSE", fuse_available().then_some(()))?;
    Some(Place::new(env!("CARGO_BIN_EXE_rawrz-mount")))
}

fn server(test: &str) -> Option<PathBuf> {
    require(test, "Ollama v0.24.0 (tests/tools/install ollama)", probe::ollama("v0.24.0"))
}

fn llama() -> PathBuf {
    fixtures().join("quant/llama-q8_0.gguf")
}

/// Names of the blobs of a store.
fn blobs(mountpoint: &Path) -> Vec<String> {
    let names = fs::read_dir(mountpoint.join("blobs"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    names.collect()
}

#[test]
fn options_change_the_store() {
    let test = "options_change_the_store";
    let Some(place) = place(test) else { return };
    let mountpoint = place.mountpoint();
    let mounted = |options: &[&str]| {
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![];
        let (model, at) = (llama(), place.mountpoint());
        options.iter().for_each(|option| arguments.push(option));
        arguments.extend([&model as &dyn AsRef<std::ffi::OsStr>, &at]);
        place.succeed(&arguments)
    };
    let said = mounted(&[]);
    assert!(said.contains("in Ollama") && said.contains("llama:latest"), "{said}");
    assert_eq!(blobs(&mountpoint).len(), 4);
    place.succeed(&[&"unmount", &mountpoint]);

    let said = mounted(&["--no-ollama"]);
    assert!(!said.contains("in Ollama") && !mountpoint.join("blobs").exists(), "{said}");
    place.succeed(&[&"unmount", &mountpoint]);

    let template = place.path("template");
    fs::write(&template, "{{ .Prompt }}").unwrap();
    let template = template.to_str().unwrap();
    let options = [
        "--ollama-name",
        "hf.co/me/Model:Q8_0",
        "--ollama-digest",
        "full",
        "--ollama-template",
        template,
        "--blob",
        "serve",
    ];
    mounted(&options);
    assert!(mountpoint.join("manifests/hf.co/me/Model/Q8_0").is_file());
    let digest = sha256(&fs::read(llama()).unwrap());
    let blob = mountpoint.join(format!("blobs/sha256-{digest}"));
    assert!(fs::symlink_metadata(&blob).unwrap().is_file());
    assert!(mountpoint.join(format!("blobs/sha256-{}", sha256(b"{{ .Prompt }}"))).exists());
    let remembered = fs::read_to_string(place.path("cache/rawrz/digests")).unwrap();
    assert!(remembered.lines().count() == 1 && remembered.contains(&digest), "{remembered}");
    place.succeed(&[&"unmount", &mountpoint]);
    mounted(&options);
    assert_eq!(fs::read_to_string(place.path("cache/rawrz/digests")).unwrap(), remembered);
    place.succeed(&[&"unmount", &mountpoint]);

    mounted(&["--ollama-template", "none", "--blob", "link"]);
    assert_eq!(blobs(&mountpoint).len(), 2);
    let links =
        blobs(&mountpoint).into_iter().filter_map(|b| fs::read_link(mountpoint.join("blobs").join(b)).ok());
    assert_eq!(links.collect::<Vec<_>>(), [llama().canonicalize().unwrap()]);
    place.succeed(&[&"unmount", &mountpoint]);

    let split = fixtures().join("quant/split/llama-bf16-00001-of-00003.gguf");
    place.fail(USAGE, &[&"--blob", &"link", &split, &mountpoint], &["split model", "--blob serve"]);
    place.fail(USAGE, &[&"--ollama-name", &"a b", &llama(), &mountpoint], &["holds ' '"]);
    place.fail(USAGE, &[&"--ollama-template", &"/nonexistent", &llama(), &mountpoint], &["/nonexistent"]);
}

#[test]
fn a_mountpoint_that_ollama_misreads_is_told() {
    let Some(place) = place("a_mountpoint_that_ollama_misreads_is_told") else { return };
    let mountpoint = place.path("mnt/a[b]");
    fs::create_dir(&mountpoint).unwrap();
    let said = place.succeed(&[&llama(), &mountpoint]);
    place.succeed(&[&"unmount", &mountpoint]);
    assert!(said.contains("warning") && said.contains("Ollama will not find the model"), "{said}");
}

/// A directory with this program in it, named `ollama`.
fn path_with(place: &Place, program: Option<&Path>) -> PathBuf {
    let folder = place.path("bin");
    fs::create_dir(&folder).unwrap();
    if let Some(program) = program {
        symlink(program, folder.join("ollama")).unwrap();
    }
    folder
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// The command with `--launch-ollama`, where `ollama` is found in this directory.
fn launch(place: &Place, path: &Path, port: u16) -> Command {
    let mut command = place.command();
    command
        .args(["--launch-ollama".as_ref(), llama().as_os_str(), place.mountpoint().as_os_str()])
        .env("PATH", path)
        .env("HOME", place.path("state"))
        .env("OLLAMA_NO_CLOUD", "1")
        .env("OLLAMA_HOST", format!("127.0.0.1:{port}"));
    command
}

#[test]
fn a_launched_server_lives_as_long_as_the_mount() {
    let test = "a_launched_server_lives_as_long_as_the_mount";
    let Some(ollama) = server(test) else { return };
    let Some(place) = place(test) else { return };
    let (path, port) = (path_with(&place, Some(&ollama)), free_port());
    let output = launch(&place, &path, port).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        said.contains(&format!("llama:latest at http://127.0.0.1:{port}: ollama run llama:latest")),
        "{said}"
    );
    let server = Server::at(port);
    assert_eq!(server.get("GET", "/api/tags", &Value::Null)["models"][0]["name"], "llama:latest");
    // The model's file stays open, which would keep the process of the mount.
    assert!(!server.generate("llama", "Hi", &json!({ "use_mmap": true })).is_empty());
    // A second one at the same place is refused, and its folder stays.
    let second = place.path("second");
    fs::create_dir(&second).unwrap();
    let mut command = place.command();
    command.arg("--launch-ollama").arg(llama()).arg(&second);
    let output = command.env("OLLAMA_HOST", format!("127.0.0.1:{port}")).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(OLLAMA), "{errors}");
    assert!(errors.contains("answers at") && errors.contains("OLLAMA_HOST"), "{errors}");
    assert!(second.join("config.json").exists());
    place.succeed(&[&"unmount", &second]);

    place.succeed(&[&"unmount", &place.mountpoint()]);
    wait_for("the end of the server", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    wait_for("the end of the mount", || place.entries().is_empty());
}

#[test]
fn a_missing_or_broken_ollama_leaves_the_mount() {
    let test = "a_missing_or_broken_ollama_leaves_the_mount";
    let old = "#!/bin/sh\nexec python3 -c '
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b\"{\\\"version\\\": \\\"0.1.29\\\"}\")
import os
port = int(os.environ[\"OLLAMA_HOST\"].split(\":\")[1])
http.server.HTTPServer((\"127.0.0.1\", port), Handler).serve_forever()'\n";
    let broken = "#!/bin/sh\nexit 3\n";
    for (script, says) in [
        (None, "there is no program `ollama`"),
        (Some(broken), "it ended at once (exit status: 3)"),
        (Some(old), "version 0.1.29 does not know this kind of store"),
    ] {
        let Some(place) = place(test) else { return };
        let program = script.map(|script| {
            let program = place.path("program");
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            program
        });
        let path = path_with(&place, program.as_deref());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", path.display());
        let port = free_port();
        let output = launch(&place, Path::new(&path), port).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(OLLAMA), "{errors}");
        assert!(errors.contains(says) && errors.contains("the folder stays mounted"), "{errors}");
        assert!(place.mountpoint().join("config.json").exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "a server is left behind");
        place.succeed(&[&"unmount", &place.mountpoint()]);
    }
}

/// T8: a server survives the end of a mount, what it then makes in the bare mountpoint is no obstacle, and a new mount is seen
/// without a restart.
#[test]
fn a_server_outlives_a_mount() {
    let test = "a_server_outlives_a_mount";
    let Some(ollama) = server(test) else { return };
    let Some(place) = place(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let model = old_copy(&llama(), folder.path());
    place.succeed(&[&model, &place.mountpoint()]);
    let server = Server::start(&ollama, &place.mountpoint());
    let id = || -> Option<String> {
        let (status, listed) = server.ask("GET", "/api/tags", &Value::Null);
        let id = listed["models"][0]["digest"].as_str().map(str::to_owned);
        assert!(status == 200 || id.is_none());
        id
    };
    let first = id().unwrap();
    let text = server.generate("llama", "Hi", &json!({}));
    server.unload("llama");
    place.succeed(&[&"unmount", &place.mountpoint()]);
    wait_for("the end of the mount", || place.entries().is_empty());
    assert_eq!(id(), None);
    assert_eq!(server.ask("POST", "/api/show", &json!({ "model": "llama" })).0, 404);
    assert!(place.path("mnt/manifests").is_dir(), "made by the server");

    let said = place.succeed(&[&model, &place.mountpoint()]);
    assert!(said.contains("hides empty manifests/ or blobs/"), "{said}");
    assert_eq!(id().as_ref(), Some(&first));
    assert_eq!(server.generate("llama", "Hi", &json!({})), text);
    server.unload("llama");
    place.succeed(&[&"unmount", &place.mountpoint()]);
    // Another file of the name.
    fs::copy(fixtures().join("quant/llama-q4_k_m.gguf"), &model).unwrap();
    wait_for("the end of the mount", || place.entries().is_empty());
    place.succeed(&[&model, &place.mountpoint(), &"--ollama-name", &"llama"]);
    let second = id().unwrap();
    assert_ne!(second, first);
    let listed = server.get("GET", "/api/tags", &Value::Null);
    assert_eq!(listed["models"][0]["details"]["quantization_level"], "Q4_K_M", "{listed}");
}
