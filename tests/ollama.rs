//! Ollama's own servers on a mount: v0.24.0, the last that runs models itself, and v0.32.15, without a runner, for all but
//! that. `tests/tools/install ollama` builds them.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rawrz::gguf::Value as GgufValue;
use rawrz::ollama::{BlobMode, Digest, Origin, TemplateLayer};
use serde_json::{Value, json};
use support::mounted::sha256;
use support::ollama::{Server, StoreMount, old_copy, options};
use support::probe::{self, fixtures, fuse_available, has_program, is_root, python, require, root, shared};
use support::rewrite::writer;

/// Runs models itself, on the processor.
const RUNS: &str = "v0.24.0";
/// Needs a llama-server to run a model; lists and shows without.
const LISTS: &str = "v0.32.15";

const PROMPT: &str = "The user asked for the data of the world";

fn server(test: &str, version: &str) -> Option<PathBuf> {
    require(test, "FUSE", fuse_available().then_some(()))?;
    require(test, &format!("Ollama {version} (tests/tools/install ollama)"), probe::ollama(version))
}

fn q8() -> PathBuf {
    fixtures().join("quant/llama-q8_0.gguf")
}

/// T1: with and without the tidying-up at start, nothing is found to tidy up, everything is listed and shown, and what
/// would write fails cleanly.
#[test]
fn servers_list_and_show_the_mount() {
    let test = "servers_list_and_show_the_mount";
    for version in [RUNS, LISTS] {
        let Some(ollama) = server(test, version) else { return };
        let folder = tempfile::tempdir().unwrap();
        let gguf = old_copy(&q8(), folder.path());
        for (blob, noprune) in [(BlobMode::Serve, false), (BlobMode::Serve, true), (BlobMode::Link, false)] {
            let mount = StoreMount::new(&gguf, blob);
            let mut command = Command::new(&ollama);
            if noprune {
                command.env("OLLAMA_NOPRUNE", "1");
            }
            let server = Server::start_as(&mut command, mount.path());
            lists(&server, &mount, &gguf, version);
            refuses_to_write(&server, &mount);
            let log = server.log();
            for bad in ["corrupt manifests", "couldn't remove", "bad manifest"] {
                assert!(!log.contains(bad), "{log}");
            }
            assert_eq!(log.contains("total unused blobs removed: 0"), !noprune, "{log}");
            assert!(noprune || log.contains("total blobs: 4"), "{log}");
            if version == LISTS {
                server.wait_for("model list cache hydration complete");
                assert!(!server.log().contains("failures=1"), "{}", server.log());
            }
        }
    }
}

fn lists(server: &Server, mount: &StoreMount, gguf: &Path, version: &str) {
    let store = &mount.stores[0];
    assert_eq!(mount.name(), "llama:latest");
    let listed = server.get("GET", "/api/tags", &Value::Null);
    let [model] = &listed["models"].as_array().unwrap()[..] else { panic!("{listed}") };
    assert_eq!((&model["name"], &model["digest"]), (&json!("llama:latest"), &json!(store.id.hex())));
    let blobs: u64 = fs::read_dir(mount.path().join("blobs"))
        .unwrap()
        .map(|e| fs::metadata(e.unwrap().path()).unwrap().len())
        .sum();
    assert_eq!(model["size"], blobs);
    for (key, value) in
        [("format", "gguf"), ("family", "llama"), ("parameter_size", "886K"), ("quantization_level", "Q8_0")]
    {
        assert_eq!(model["details"][key], value, "{model}");
    }
    let modified = fs::metadata(gguf).unwrap().modified().unwrap();
    let shown = fs::metadata(mount.path().join("manifests/registry.ollama.ai/library/llama/latest")).unwrap();
    assert_eq!(shown.modified().unwrap(), modified);
    let show = server.get("POST", "/api/show", &json!({ "model": "LLAMA", "verbose": true }));
    assert!(show["template"].as_str().unwrap().contains("range $i, $_ := .Messages"), "{show}");
    assert_eq!(show["model_info"]["llama.context_length"], 256);
    let tensors = show["tensors"].as_array().unwrap();
    assert_eq!(tensors.len(), 12, "{version}");
    let (status, _) = server.ask("HEAD", &format!("/api/blobs/{}", store.digest), &Value::Null);
    assert_eq!(status, 200);
}

fn refuses_to_write(server: &Server, mount: &StoreMount) {
    let before = listing(mount.path());
    for (method, path, body) in [
        ("POST", "/api/copy", json!({ "source": "llama", "destination": "other", "stream": false })),
        ("DELETE", "/api/delete", json!({ "model": "llama" })),
        (
            "POST",
            "/api/create",
            json!({ "model": "child", "from": "llama", "system": "Hi.", "stream": false }),
        ),
    ] {
        let (status, answer) = server.ask(method, path, &body);
        let text = answer.to_string();
        assert!(status >= 400 && text.contains("read-only file system"), "{path}: {status} {text}");
    }
    assert_eq!(listing(mount.path()), before);
    assert_eq!(server.get("GET", "/api/tags", &Value::Null)["models"].as_array().unwrap().len(), 1);
}

/// All paths below a folder, with their lengths.
fn listing(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(path) = pending.pop() {
        let metadata = fs::metadata(&path).unwrap();
        found.insert(path.clone(), metadata.len());
        if metadata.is_dir() {
            pending.extend(fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
        }
    }
    found
}

/// A store made by the server's own `create`, from a copy of the file.
fn created(ollama: &Path, gguf: &Path) -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    let server = Server::start(ollama, store.path());
    let bytes = fs::read(gguf).unwrap();
    let digest = format!("sha256-{}", sha256(&bytes));
    fs::create_dir_all(store.path().join("blobs")).unwrap();
    fs::write(store.path().join("blobs").join(&digest), bytes).unwrap(); // as an upload would leave it
    let files = json!({ gguf.file_name().unwrap().to_str().unwrap(): digest.replace('-', ":") });
    let answer =
        server.get("POST", "/api/create", &json!({ "model": "llama", "files": files, "stream": false }));
    assert_eq!(answer["status"], "success", "{answer}");
    store
}

/// T5: the same text as from a store that Ollama made itself, whichever way the weights are loaded; the same answers of
/// `show` but for the template; and, with the true digest, the same layers.
#[test]
fn a_mounted_model_runs_as_a_created_one() {
    let test = "a_mounted_model_runs_as_a_created_one";
    let Some(ollama) = server(test, RUNS) else { return };
    let Some(newer) = server(test, LISTS) else { return };
    for name in ["f16", "q8_0", "q4_k_m", "q6_k"] {
        let file = format!("quant/llama-{name}.gguf");
        let gguf = Some(fixtures().join(&file)).filter(|f| f.exists()).or(shared().map(|s| s.join(&file)));
        let Some(gguf) = require(&format!("{test}/{name}"), "the shared test data", gguf) else { continue };
        let made = created(&ollama, &gguf);
        let bytes = fs::read(&gguf).unwrap();
        let digest = Digest::of(&bytes);
        let (shown, text) = {
            let server = Server::start(&ollama, made.path());
            (show(&server), server.generate("llama", PROMPT, &json!({})))
        };
        assert!(text.len() > 10, "{text:?}");
        let shown_newer = show(&Server::start(&newer, made.path()));
        for blob in [BlobMode::Serve, BlobMode::Link] {
            let options = rawrz::ollama::Options {
                name: Some("llama".parse().unwrap()),
                digest: Some(digest.clone()),
                ..options(blob)
            };
            let mount = StoreMount::with(&gguf, &options, &rawrz_fs_unix::Options::default());
            let server = Server::start(&ollama, mount.path());
            for mmap in [json!({}), json!({ "use_mmap": true }), json!({ "use_mmap": false })] {
                assert_eq!(server.generate("llama", PROMPT, &mmap), text, "{name} {blob:?} {mmap}");
                server.unload("llama");
            }
            shows_the_same(&show(&server), &shown);
            shows_the_same(&show(&Server::start(&newer, mount.path())), &shown_newer);
            has_the_same_layers(mount.path(), made.path());
        }
    }
}

fn show(server: &Server) -> Value {
    server.get("POST", "/api/show", &json!({ "model": "llama", "verbose": true }))
}

/// Compares what `show` says of both, but for the template, the parameters and times (the derived template is not
/// the one that Ollama guessed).
fn shows_the_same(ours: &Value, theirs: &Value) {
    let mut theirs = theirs.clone();
    theirs["details"]["parent_model"] = json!(""); // where `create` found the blob: a path of that store
    for (key, value) in theirs.as_object().unwrap() {
        if !["template", "parameters", "modelfile", "modified_at"].contains(&key.as_str()) {
            assert_eq!(ours[key], *value, "{key}");
        }
    }
}

/// The layers but for template and params, and the configuration but for a key that nothing reads.
fn has_the_same_layers(ours: &Path, theirs: &Path) {
    let manifest = |store: &Path| -> Value {
        let path = store.join("manifests/registry.ollama.ai/library/llama/latest");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let model = |manifest: &Value| {
        let mut layer = manifest["layers"][0].clone();
        layer.as_object_mut().unwrap().remove("from");
        layer.to_string()
    };
    let config = |store: &Path| {
        let digest = manifest(store)["config"]["digest"].as_str().unwrap().replace(':', "-");
        let mut config: Value =
            serde_json::from_slice(&fs::read(store.join("blobs").join(digest)).unwrap()).unwrap();
        config.as_object_mut().unwrap().shift_remove("rootfs");
        config.to_string() // in the order of the file
    };
    assert_eq!(model(&manifest(ours)), model(&manifest(theirs)));
    assert_eq!(config(ours), config(theirs));
}

/// T6: a split model is one blob, and says what the whole one says.
#[test]
fn a_split_model_runs_as_a_whole_one() {
    let test = "a_split_model_runs_as_a_whole_one";
    let Some(ollama) = server(test, RUNS) else { return };
    let whole = shared().map(|s| s.join("quant/llama-bf16.gguf"));
    let Some(whole) = require(test, "the shared test data", whole) else { return };
    let says = |path: &Path| {
        let options = rawrz::ollama::Options { name: Some("m".parse().unwrap()), ..options(BlobMode::Serve) };
        let mount = StoreMount::with(path, &options, &rawrz_fs_unix::Options::default());
        assert_eq!(mount.stores[0].digest.origin, Origin::Quick);
        let server = Server::start(&ollama, mount.path());
        let show = server.get("POST", "/api/show", &json!({ "model": "m", "verbose": true }));
        let texts = [json!({}), json!({ "use_mmap": true })].map(|mmap| {
            let text = server.generate("m", PROMPT, &mmap);
            server.unload("m");
            text
        });
        (show["tensors"].clone(), texts)
    };
    assert_eq!(says(&fixtures().join("quant/split/llama-bf16-00001-of-00003.gguf")), says(&whole));
}

/// Families of chat templates, and whether each must have a layer.
const FAMILIES: [(&str, bool); 12] = [
    ("chatml", true),
    ("chatml-default", true),
    ("llama3", true),
    ("zephyr", true),
    ("phi3", true),
    ("gemma", false),
    ("gemma-system", false),
    ("mistral", false),
    ("mistral-last", false),
    ("llama2", false),
    ("dated", false),
    ("counting", false),
];

/// What the server renders is what transformers renders from the mounted folder, less the BOS that the server adds, or
/// there is no layer.
#[test]
fn templates_render_as_transformers_does() {
    let test = "templates_render_as_transformers_does";
    let Some(ollama) = server(test, RUNS) else { return };
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for (name, _) in FAMILIES {
        let source = fixtures().join("chat_templates").join(name).with_extension("jinja");
        let template = fs::read_to_string(source).unwrap();
        let mut model = writer(&q8());
        let text = model.metadata.iter_mut().find(|(key, _)| key == "tokenizer.chat_template").unwrap();
        text.1 = GgufValue::from(template.as_str());
        let path = folder.path().join(name).with_extension("gguf");
        fs::write(&path, model.to_bytes()).unwrap();
        paths.push(path);
    }
    let models: Vec<_> =
        FAMILIES.iter().map(|(name, _)| *name).zip(paths.iter().map(PathBuf::as_path)).collect();
    let mount = StoreMount::of_many(&models);
    let conversations = conversations();
    let folders: Vec<_> = FAMILIES.iter().map(|(name, _)| mount.path().join(name)).collect();
    let expected = applied(&python, &json!({ "folders": folders, "conversations": conversations }));
    let server = Server::start(&ollama, mount.path());
    for (((name, required), store), expected) in
        FAMILIES.iter().zip(&mount.stores).zip(expected.as_array().unwrap())
    {
        if !matches!(store.template, TemplateLayer::Derived) {
            assert!(!required, "{name}: {:?}", store.template);
            continue;
        }
        let bos = expected[0].as_str().unwrap();
        for (conversation, expected) in conversations.iter().zip(expected[1].as_array().unwrap()) {
            let request = json!({
                "model": name, "messages": conversation, "stream": false, "_debug_render_only": true,
            });
            let (status, answer) = server.ask("POST", "/api/chat", &request);
            match expected.as_str() {
                Some(text) => {
                    let text = text.strip_prefix(bos).unwrap_or(text);
                    assert_eq!(
                        answer["_debug_info"]["rendered_template"], text,
                        "{name}: {conversation}\n{answer}"
                    );
                }
                None => {
                    assert!(
                        status >= 400 && answer.to_string().contains("refuses a system message"),
                        "{answer}"
                    );
                }
            }
        }
        server.unload(name);
    }
    let without =
        FAMILIES.iter().zip(&mount.stores).filter(|(_, s)| !matches!(s.template, TemplateLayer::Derived));
    assert_eq!(without.map(|((name, _), _)| *name).collect::<Vec<_>>(), ["dated", "counting"]);
}

fn conversations() -> Vec<Value> {
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    let turns = [
        turn("user", "What is \"x\" & y?\n\nTell {{ me }}."),
        turn("assistant", "It's <b>z</b>."),
        turn("user", "\u{e9}t\u{e9}"),
        turn("assistant", "Sure, here"),
    ];
    let system = turn("system", "Be brief.\nAnd kind.");
    let mut all = Vec::new();
    for len in 1..=turns.len() {
        all.push(json!(turns[..len]));
        all.push(json!([std::slice::from_ref(&system), &turns[..len]].concat()));
    }
    all
}

fn applied(python: &Path, asked: &Value) -> Value {
    let mut child = Command::new(python)
        .arg(root().join("tests/tools/apply_chat_template.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// T4: what a runner is handed is the GGUF, read, mapped or read past the page cache.
#[test]
fn a_runner_is_handed_the_file_itself() {
    let test = "a_runner_is_handed_the_file_itself";
    let Some(ollama) = server(test, LISTS) else { return };
    let Some(()) = require(test, "python3", has_program("python3", "--version").then_some(())) else {
        return;
    };
    let expected = sha256(&fs::read(q8()).unwrap());
    let passthrough = rawrz_fs_unix::may_pass_through().then_some(BlobMode::Passthrough);
    let passthrough = require(&format!("{test}/passthrough"), "CAP_SYS_ADMIN and Linux 6.9", passthrough);
    for blob in [BlobMode::Serve, BlobMode::Link].into_iter().chain(passthrough) {
        let mount = StoreMount::new(&q8(), blob);
        let server = Server::start_with_runner(&ollama, mount.path());
        let text = server.generate("llama", PROMPT, &json!({}));
        assert_eq!(text, [expected.as_str(); 3].join(" "), "{blob:?}");
        let messages = json!([{ "role": "user", "content": "Hi" }]);
        let chat = json!({ "model": "llama", "messages": messages, "stream": false });
        let answer = server.get("POST", "/api/chat", &chat);
        assert!(answer["message"]["content"].as_str().unwrap().starts_with(&expected), "{answer}");
    }
}

/// Calls that change a file or a directory.
const WRITES: [&str; 18] = [
    "unlink",
    "rename",
    "mkdir",
    "rmdir",
    "mknod",
    "symlink",
    "link",
    "truncate",
    "ftruncate",
    "chmod",
    "fchmod",
    "chown",
    "fchown",
    "utime",
    "futime",
    "setxattr",
    "removexattr",
    "creat",
];

/// T2: no call that could change anything below the mount, whether it would succeed or not.
#[test]
fn a_server_does_not_try_to_write() {
    let test = "a_server_does_not_try_to_write";
    let Some(ollama) = server(test, RUNS) else { return };
    let Some(()) = require(test, "strace", has_program("strace", "--version").then_some(())) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mount = StoreMount::new(&old_copy(&q8(), folder.path()), BlobMode::Serve);
    let trace = folder.path().join("trace");
    // -D: the process is the server's own; -y: names the files behind descriptors.
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-y", "-qq", "-e", "trace=%file,ftruncate,fchmod,fchown", "-o"])
        .arg(&trace)
        .arg(&ollama);
    let server = Server::start_as(&mut command, mount.path());
    server.get("GET", "/api/tags", &Value::Null);
    server.get("POST", "/api/show", &json!({ "model": "llama", "verbose": true }));
    server.generate("llama", PROMPT, &json!({}));
    server.get("POST", "/api/embed", &json!({ "model": "llama", "input": "Hi" }));
    server.unload("llama");
    let place = mount.path().to_str().unwrap();
    let writes = || -> Vec<String> {
        let text = fs::read_to_string(&trace).unwrap();
        assert!(text.contains(&format!("{place}/manifests")), "nothing was traced:\n{text}");
        let below = text.lines().filter(|line| line.contains(place));
        below.filter(|line| is_write(line)).map(str::to_owned).collect()
    };
    assert_eq!(writes(), Vec::<String>::new());
    // What does write is seen.
    server.ask("DELETE", "/api/delete", &json!({ "model": "llama" }));
    assert!(writes().iter().any(|line| line.contains("unlink")));
}

/// Whether a line of strace, `PID call(arguments) = result`, is of a call that writes.
fn is_write(line: &str) -> bool {
    let call = line.split_whitespace().nth(1).unwrap_or_default();
    let name = call.split('(').next().unwrap_or_default();
    let opens = ["O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC"].iter().any(|flag| line.contains(flag));
    opens || WRITES.iter().any(|write| name.starts_with(write))
}

/// T11: a server of another user works if the mount lets other users in, and says why it does not start if not.
#[test]
fn another_user_needs_to_be_let_in() {
    let test = "another_user_needs_to_be_let_in";
    let Some(ollama) = server(test, RUNS) else { return };
    let able = is_root() && has_program("setpriv", "--version");
    let Some(()) = require(test, "root and setpriv", able.then_some(())) else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = folder.path().join("ollama");
    fs::copy(&ollama, &program).unwrap(); // the cache may lie where others cannot enter
    let command = || {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
        command
    };
    let mounted = |allow_other| {
        let door = rawrz_fs_unix::Options { allow_other, ..Default::default() };
        StoreMount::with(&q8(), &options(BlobMode::Serve), &door)
    };
    let closed = mounted(false);
    let log = Server::fail_as(&mut command(), closed.path());
    assert!(log.contains("ensure path elements are traversable"), "{log}");
    let open = mounted(true);
    let server = Server::start_as(&mut command(), open.path());
    assert_eq!(server.get("GET", "/api/tags", &Value::Null)["models"][0]["name"], "llama:latest");
    assert!(!server.generate("llama", PROMPT, &json!({})).is_empty());
}

/// With passthrough a model is loaded without a byte through us, and nothing is stored for it.
#[test]
fn passthrough_loads_without_us() {
    let test = "passthrough_loads_without_us";
    let Some(ollama) = server(test, RUNS) else { return };
    let able = rawrz_fs_unix::may_pass_through().then_some(());
    let Some(()) = require(test, "CAP_SYS_ADMIN and Linux 6.9", able) else { return };
    let expected = {
        let mount = StoreMount::new(&q8(), BlobMode::Serve);
        let server = Server::start(&ollama, mount.path());
        let text = server.generate("llama", PROMPT, &json!({}));
        server.unload("llama");
        assert!(mount.stats().bytes() > fs::metadata(q8()).unwrap().len(), "served: all of it is counted");
        text
    };
    let mount = StoreMount::new(&q8(), BlobMode::Passthrough);
    let server = Server::start(&ollama, mount.path());
    for mmap in [json!({}), json!({ "use_mmap": true }), json!({ "use_mmap": false })] {
        assert_eq!(server.generate("llama", PROMPT, &mmap), expected, "{mmap}");
        server.unload("llama");
    }
    // Manifest and small layers only, each as often as Ollama asks.
    assert!(mount.stats().bytes() < 64 << 10, "{} bytes", mount.stats().bytes());
    // All that the server has stored is its keys, settings and log.
    let stored: u64 = listing(server.home.path()).values().sum();
    assert!(stored < 512 << 10, "{stored} bytes in {:?}", listing(server.home.path()));
}
