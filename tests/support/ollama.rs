//! Ollama servers for tests, on 127.0.0.1 and without a network, and stores to give them.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rawrz::hf::{self, Shards};
use rawrz::model::{self, Model};
use rawrz::ollama::{self, BlobMode, Name, Store};
use rawrz_fs_unix::Mount;
use rawrz_vfs::{NodeId, Tree};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::probe::root;

/// How long a server may take to answer: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// The store's options for tests.
pub fn options(blob: BlobMode) -> ollama::Options {
    ollama::Options { blob, ..ollama::Options::default() }
}

/// A live mount of folder and store.
pub struct StoreMount {
    mount: Option<Mount>,
    pub directory: TempDir,
    pub stores: Vec<Store>,
}

impl StoreMount {
    /// Mounts the folder and the store of a model.
    pub fn new(path: &Path, blob: BlobMode) -> Self {
        let passthrough = blob == BlobMode::Passthrough;
        Self::with(path, &options(blob), &rawrz_fs_unix::Options { passthrough, ..Default::default() })
    }

    /// As [`StoreMount::new`], with options.
    pub fn with(path: &Path, options: &ollama::Options, mount: &rawrz_fs_unix::Options) -> Self {
        let model = open(path);
        let mut tree = Tree::builder(model.modified);
        hf::add(&model, Shards::Auto, &mut tree, NodeId::ROOT).unwrap();
        let store = ollama::add(&model, options, &mut tree, NodeId::ROOT).unwrap();
        Self::of(tree.build(), vec![store], mount)
    }

    /// Mounts a store of many models, each with its name, with no folder but `NAME/` beside it.
    pub fn of_many(models: &[(&str, &Path)]) -> Self {
        let mut tree = Tree::builder(open(models[0].1).modified);
        let mut stores = Vec::new();
        for (name, path) in models {
            let model = open(path);
            let folder = tree.directory(NodeId::ROOT, *name, model.modified);
            hf::add(&model, Shards::Auto, &mut tree, folder).unwrap();
            let name: Name = name.parse().unwrap();
            let options = ollama::Options { name: Some(name), ..options(BlobMode::Serve) };
            stores.push(ollama::add(&model, &options, &mut tree, NodeId::ROOT).unwrap());
        }
        Self::of(tree.build(), stores, &rawrz_fs_unix::Options::default())
    }

    fn of(tree: Arc<Tree>, stores: Vec<Store>, options: &rawrz_fs_unix::Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mount = rawrz_fs_unix::mount(tree, directory.path(), options).unwrap();
        Self { mount: Some(mount), directory, stores }
    }

    /// The mountpoint.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The name of the only model.
    pub fn name(&self) -> String {
        self.stores[0].name.to_string()
    }

    /// What the server has counted.
    pub fn stats(&self) -> &rawrz_fs_unix::Stats {
        self.mount.as_ref().unwrap().stats()
    }

    /// Unmounts, and leaves the directory.
    pub fn unmount(&mut self) {
        if let Some(mount) = self.mount.take() {
            mount.unmount().unwrap();
        }
    }
}

impl Drop for StoreMount {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn open(path: &Path) -> Arc<Model> {
    let model = Model::open(path, &model::Options::default());
    Arc::new(model.unwrap_or_else(|error| panic!("{}: {error:?}", path.display())))
}

/// A copy of a GGUF that was last changed a day ago: Ollama spares what is younger than an hour when it tidies up.
pub fn old_copy(gguf: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join(gguf.file_name().unwrap());
    fs::copy(gguf, &copy).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let file = File::options().append(true).open(&copy).unwrap();
    file.set_modified(std::time::SystemTime::now() - day).unwrap();
    copy
}

/// A server that runs; ended on drop, with the runners that it started.
pub struct Server {
    /// None for one that somebody else has started.
    child: Option<Child>,
    port: u16,
    /// Its home, where it keeps its keys and its log.
    pub home: TempDir,
    runner: Option<TempDir>,
}

impl Server {
    /// Starts `ollama serve` on a store and waits until it answers.
    pub fn start(ollama: &Path, models: &Path) -> Self {
        Self::start_as(&mut Command::new(ollama), models)
    }

    /// As [`Server::start`], by a command to which `serve` is added.
    pub fn start_as(command: &mut Command, models: &Path) -> Self {
        Self::wait(Self::spawn(command, models))
    }

    fn wait(mut server: Self) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", server.port)).is_err() {
            let ended = server.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}\n{}", server.log());
            thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// As [`Server::start`], with a stand-in for the llama-server of v0.30 and later, which is sought below the working
    /// directory.
    pub fn start_with_runner(ollama: &Path, models: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("build/lib/ollama");
        fs::create_dir_all(&place).unwrap();
        fs::copy(root().join("tests/tools/stub_llama_server.py"), place.join("llama-server")).unwrap();
        let mut server = Self::wait(Self::spawn(Command::new(ollama).current_dir(folder.path()), models));
        server.runner = Some(folder);
        server
    }

    /// A server that answers at this port already, and is somebody else's to end.
    pub fn at(port: u16) -> Self {
        let home = tempfile::tempdir().unwrap();
        File::create(home.path().join("log")).unwrap();
        Self { child: None, port, home, runner: None }
    }

    /// Starts a server that is to fail, and returns what it logs until it has ended.
    pub fn fail_as(command: &mut Command, models: &Path) -> String {
        let mut server = Self::spawn(command, models);
        let deadline = Instant::now() + PATIENCE;
        while server.child.as_mut().unwrap().try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it still runs\n{}", server.log());
            thread::sleep(Duration::from_millis(50));
        }
        server.log()
    }

    fn spawn(command: &mut Command, models: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        // Another user may have to write here.
        fs::set_permissions(home.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let log = File::create(home.path().join("log")).unwrap();
        // Free a moment ago; nobody else asks for ports here.
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let child = command
            .arg("serve")
            .env("HOME", home.path())
            .env("OLLAMA_MODELS", models)
            .env("OLLAMA_HOST", format!("127.0.0.1:{port}"))
            .env("OLLAMA_NO_CLOUD", "1")
            .env("OLLAMA_DEBUG", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child: Some(child), port, home, runner: None }
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap()
    }

    /// Waits for a text in the log.
    pub fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(text) {
            assert!(Instant::now() < deadline, "no {text:?} in\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// A request; the status and the JSON of the answer, which is null where there is none.
    ///
    /// On a machine with more to do than cores a server was seen to close a connection without a word (once in some hundreds of
    /// requests); such a request is made again, and the log of the test says so.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        for _ in 0..3 {
            if let Some(answer) = self.ask_once(method, path, body) {
                return answer;
            }
            println!("{method} {path}: closed without an answer\n{}", self.log());
            thread::sleep(Duration::from_secs(1));
        }
        panic!("{method} {path}: no answer\n{}", self.log());
    }

    fn ask_once(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.port,
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        if answer.is_empty() {
            return None;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// A request that must succeed.
    pub fn get(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, 200, "{method} {path} {body}: {answer}\n{}", self.log());
        answer
    }

    /// What a model writes after a prompt, taken as it is, at temperature 0.
    pub fn generate(&self, model: &str, prompt: &str, options: &Value) -> String {
        let mut all = json!({ "temperature": 0, "seed": 1, "num_predict": 32 });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let body = json!({ "model": model, "prompt": prompt, "raw": true, "stream": false, "options": all });
        let answer = self.get("POST", "/api/generate", &body);
        assert_eq!(answer["done"], true, "{answer}");
        answer["response"].as_str().unwrap().to_owned()
    }

    /// Takes a model out of memory and waits until its runner is gone.
    pub fn unload(&self, model: &str) {
        self.get("POST", "/api/generate", &json!({ "model": model, "keep_alive": 0 }));
        let deadline = Instant::now() + PATIENCE;
        // PsHandler reads of a runner that the scheduler has just taken away, and its panic is a 500: the next answer counts.
        let is_gone = |(status, answer): (u16, Value)| status == 200 && answer["models"] == json!([]);
        while !is_gone(self.ask("GET", "/api/ps", &Value::Null)) {
            assert!(Instant::now() < deadline, "{model} stays in memory\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else { return };
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        // SIGTERM, after which it ends its runners; std sends only SIGKILL.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline && child.try_wait().is_ok_and(|ended| ended.is_none()) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}
