//! The command as a user meets it: what it says, how it ends, what it leaves behind.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)] // helpers of tests

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rawrz::exactness::Recovery;
use rawrz::gguf::writer::Writer;
use rawrz::quant::format;
use serde_json::{Value as Json, json};
use support::place::{Place, exists, signal, wait_for};
use support::probe::{fixtures, fuse_available, has_program, python, require};

const USAGE: i32 = 1;
const MODEL: i32 = 2;
const MOUNT: i32 = 3;

/// A place for this command.
fn place() -> Place {
    Place::new(env!("CARGO_BIN_EXE_rawrz-mount"))
}

/// A llama with quantised weights.
fn llama() -> PathBuf {
    fixtures().join("quant/llama-q8_0.gguf")
}

/// A file of one tensor, of this architecture.
fn file_of(architecture: &str) -> Writer {
    let mut file = Writer::default();
    file.set("general.architecture", architecture.into());
    file.tensor("x.weight", &[4], format(0).unwrap(), vec![0; 16]);
    file
}

/// A server in the foreground, once it says that the folder is mounted.
fn foreground(place: &Place) -> Child {
    let mut server = place
        .command()
        .args(["-f".as_ref(), llama().as_os_str(), place.mountpoint().as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("is mounted on"), "{line}");
    server
}

macro_rules! need_fuse {
    ($test:literal) => {
        let found = fuse_available().then_some(());
        let Some(()) = require($test, "a mount that can be made", found) else { return };
    };
}

#[test]
fn wrong_use_exits_with_1() {
    let place = place();
    place.fail(USAGE, &[], &["<SOURCE>", "<MOUNTPOINT>"]);
    place.fail(USAGE, &[&"a", &"b", &"--no-such-option"], &["--no-such-option"]);
    place.fail(USAGE, &[&"a", &"b", &"--precision", &"int3"], &["auto, bf16, fp16, fp32"]);
    place.fail(USAGE, &[&"a", &"b", &"--shard-size", &"512"], &["512MB"]);
    place.fail(USAGE, &[&"a", &"b", &"--shard-size", &"many"], &["512MB or 4GB"]);
    place.fail(USAGE, &[&"a", &"b", &"--threads", &"0"], &["--threads"]);
    let filter = place.command().args(["a", "b"]).env("RAWRZ_LOG", "a=b=c").output().unwrap();
    assert_eq!(filter.status.code(), Some(USAGE), "{filter:?}");
    place.fail(USAGE, &[&"unmount"], &["<MOUNTPOINT|NAME>"]);
    place.fail(USAGE, &[&"list", &"--precision", &"bf16"], &["--precision"]);
    assert!(place.succeed(&[&"--help"]).contains("rawrz-mount [OPTIONS] <SOURCE> <MOUNTPOINT>"));
    assert!(place.succeed(&[&"--version"]).contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn models_that_cannot_be_shown_exit_with_2() {
    let place = place();
    let fail = |source: PathBuf, more: &str, says: &[&str]| {
        let at = source.display().to_string();
        let arguments: Vec<_> = more.split_whitespace().collect();
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&source];
        let mountpoint = place.mountpoint();
        all.push(&mountpoint);
        all.extend(arguments.iter().map(|a| a as &dyn AsRef<std::ffi::OsStr>));
        for foreground in [false, true] {
            if foreground {
                all.push(&"-f");
            }
            place.fail(MODEL, &all, &[&[at.as_str()], says].concat());
        }
        place.fail(MODEL, &[&"inspect", &source], &[]);
    };
    fail(place.path("missing.gguf"), "", &["No such file"]);
    fail(place.path(""), "", &[]);
    let no_gguf = place.path("text.gguf");
    fs::write(&no_gguf, "text").unwrap();
    fail(no_gguf, "", &["not a GGUF file", "byte 0"]);
    let strange = place.model("strange.gguf", &file_of("nonesuch"));
    fail(strange, "", &["\"nonesuch\"", "qwen2", "rawrz-mount architectures"]);
    let nameless = place.model("nameless.gguf", &Writer { metadata: Vec::new(), ..file_of("llama") });
    fail(nameless, "", &["general.architecture"]);
    let mut extra = file_of("llama");
    extra.set("llama.block_count", 0.into());
    fail(place.model("extra.gguf", &extra), "", &["extra.gguf: "]);
    let mut tongue = Writer::default();
    tongue.set("general.architecture", "llama".into()).set("tokenizer.ggml.model", "hieroglyphs".into());
    fail(place.model("tongue.gguf", &tongue), "", &["hieroglyphs", "--tokenizer none"]);
    assert!(!place.is_mounted());
    place.fail(
        MODEL,
        &[&llama(), &place.mountpoint(), &"--class", &"GPT2LMHeadModel"],
        &["\"GPT2LMHeadModel\"", "LlamaForCausalLM"],
    );
}

#[test]
fn mountpoints_that_cannot_be_used_exit_with_3() {
    let place = place();
    fs::create_dir_all(place.path("full/blobs")).unwrap();
    fs::write(place.path("full/blobs/sha256-0"), "x").unwrap();
    place.fail(MOUNT, &[&llama(), &place.path("none")], &["none does not exist", "mkdir"]);
    place.fail(MOUNT, &[&llama(), &llama()], &["llama-q8_0.gguf is not a directory"]);
    place.fail(MOUNT, &[&llama(), &place.path("full")], &["is not empty", "\"blobs\"", "empty directory"]);
    place.fail(MOUNT, &[&llama(), &"/proc"], &["/proc is already the mountpoint", "another directory"]);
    place.fail(MOUNT, &[&"unmount", &place.mountpoint()], &["nothing is mounted on"]);
    place.fail(MOUNT, &[&"unmount", &"nobody"], &["nobody", "rawrz-mount list"]);
    place.fail(MOUNT, &[&"unmount", &"/proc"], &["not a mount of rawrz-mount"]);
    let below = place.model("mnt/model.gguf", &file_of("llama"));
    place.fail(USAGE, &[&below, &place.mountpoint()], &["the mount would hide"]);
}

#[test]
fn a_mount_is_listed_read_and_unmounted() {
    need_fuse!("a_mount_is_listed_read_and_unmounted");
    let place = place();
    fs::create_dir_all(place.path("mnt/blobs")).unwrap(); // what Ollama makes in an empty store is no obstacle
    fs::create_dir_all(place.path("mnt/manifests")).unwrap();
    let started = Instant::now();
    let said = place.succeed(&[&llama(), &place.mountpoint()]);
    println!("ready after {:?}", started.elapsed());
    let at = place.mountpoint().display().to_string();
    for text in ["llama-q8_0", "LlamaForCausalLM, BF16", "0 bytes of disk", &format!("unmount {at}")] {
        assert!(said.contains(text), "{text:?} is not in {said:?}");
    }
    let config: Json = serde_json::from_slice(&fs::read(place.path("mnt/config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "LlamaForCausalLM");

    let [entry] = &place.entries()[..] else { panic!("one mount") };
    assert_eq!(entry["name"], "llama-q8_0");
    assert_eq!(entry["source"], llama().to_str().unwrap());
    assert_eq!(entry["mountpoint"], at);
    assert!(
        entry["bytes"].as_u64().unwrap() > fs::metadata(place.path("mnt/model.safetensors")).unwrap().len()
    );
    let pid = entry["pid"].as_u64().unwrap();
    let listed = place.succeed(&[&"list"]);
    assert!(listed.contains(&at) && listed.contains(&pid.to_string()), "{listed}");

    place.fail(MOUNT, &[&llama(), &place.mountpoint()], &["already the mountpoint", "rawrz-mount unmount"]);
    assert!(place.succeed(&[&"unmount", &"llama-q8_0"]).contains(&at));
    assert!(!place.is_mounted());
    assert!(!exists(pid), "the server ended");
    assert_eq!(place.entries(), [Json::Null; 0]);
    assert!(place.path("mnt/blobs").is_dir());
    assert!(!place.path("state/rawrz").exists(), "nothing was logged, so there is no log");
}

#[test]
fn options_change_what_the_folder_shows() {
    need_fuse!("options_change_what_the_folder_shows");
    let place = place();
    let options =
        "--precision fp32 --shard-size 1MB --name other --tokenizer none --threads 1 --auto-unmount";
    let arguments: Vec<_> = options.split(' ').collect();
    let (source, mountpoint) = (llama(), place.mountpoint());
    let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&source, &mountpoint];
    all.extend(arguments.iter().map(|a| a as &dyn AsRef<std::ffi::OsStr>));
    let said = place.succeed(&all);
    assert!(said.contains("other (LlamaForCausalLM, F32)"), "{said}");
    assert!(said.contains("no tokenizer files: left out on request"), "{said}");
    assert!(!place.path("mnt/tokenizer.json").exists());
    let names = fs::read_dir(place.mountpoint()).unwrap().map(|entry| entry.unwrap().file_name());
    let shards = names.filter(|name| name.to_string_lossy().ends_with(".safetensors")).count();
    assert!(shards > 1);
    assert!(place.path(&format!("mnt/model-00001-of-{shards:05}.safetensors")).exists());
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(mounts.contains(" fuse.rawrz rawrz:other "), "{mounts}");
    place.succeed(&[&"unmount", &"other"]);
}

/// How the kernel keeps the files is said, and can be chosen.
#[test]
fn the_backend_is_said_and_chosen() {
    need_fuse!("the_backend_is_said_and_chosen");
    let place = place();
    let read = || fs::read(place.path("mnt/model.safetensors")).unwrap();
    let said = place.succeed(&[&llama(), &place.mountpoint(), &"--backend", &"fuse"]);
    assert!(said.contains("cached by   FUSE, in pages of 4 KiB"), "{said}");
    let bytes = read();
    place.succeed(&[&"unmount", &place.mountpoint()]);
    let output = place.run(&[&llama(), &place.mountpoint(), &"--backend", &"erofs"]);
    if output.status.success() {
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("cached by   EROFS, in pages of up to 2 MiB"), "{said}");
        assert!(read() == bytes);
        place.succeed(&[&"unmount", &place.mountpoint()]);
    } else {
        assert_eq!(output.status.code(), Some(MOUNT), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("files cannot be kept as EROFS here"), "{said}");
    }
}

#[test]
fn signals_unmount_and_exit_with_0() {
    need_fuse!("signals_unmount_and_exit_with_0");
    for name in ["-INT", "-TERM", "-HUP"] {
        let place = place();
        let mut server = foreground(&place);
        assert!(place.path("mnt/config.json").exists());
        assert_eq!(place.entries().len(), 1);
        signal(server.id().into(), name);
        assert!(server.wait().unwrap().success(), "{name}");
        assert!(!place.is_mounted(), "{name}");
        assert_eq!(fs::read_dir(place.path("run/rawrz")).unwrap().count(), 0, "{name}");
    }
}

#[test]
fn a_busy_mount_goes_at_the_first_signal_and_its_server_at_the_second() {
    need_fuse!("a_busy_mount_goes_at_the_first_signal_and_its_server_at_the_second");
    let place = place();
    let mut server = foreground(&place);
    let mut open = File::open(place.path("mnt/README.md")).unwrap();
    signal(server.id().into(), "-TERM");
    wait_for("the unmount", || !place.is_mounted());
    assert!(server.try_wait().unwrap().is_none(), "it serves what is open");
    let mut text = String::new();
    open.read_to_string(&mut text).unwrap();
    assert!(text.contains("rawrz-mount"));
    let asked = Instant::now();
    signal(server.id().into(), "-TERM");
    assert_eq!(server.wait().unwrap().code(), Some(128 + 15));
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert!(!place.is_mounted());
}

#[test]
fn unmounting_a_busy_mount_leaves_its_open_files_and_nothing_else() {
    need_fuse!("unmounting_a_busy_mount_leaves_its_open_files_and_nothing_else");
    let place = place();
    place.succeed(&[&llama(), &place.mountpoint()]);
    let pid = place.entries()[0]["pid"].as_u64().unwrap();
    let mut open = File::open(place.path("mnt/model.safetensors")).unwrap();
    let said = place.succeed(&[&"unmount", &place.mountpoint()]);
    assert!(said.contains("still open"), "{said}");
    assert!(!place.is_mounted());
    assert!(place.succeed(&[&"list"]).contains("unmounted, files are open"));
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() > 1_000_000);
    drop(open);
    wait_for("the end of the server", || !exists(pid));
    assert_eq!(place.entries(), [Json::Null; 0]);
}

#[test]
fn a_killed_server_leaves_a_dead_mount_that_the_next_one_takes_over() {
    need_fuse!("a_killed_server_leaves_a_dead_mount_that_the_next_one_takes_over");
    let place = place();
    for takes_over in [false, true] {
        let said = place.succeed(&[&llama(), &place.mountpoint()]);
        assert_eq!(said.contains("took the place of a dead mount"), takes_over, "{said}");
        assert!(place.path("mnt/config.json").exists());
        let [entry] = &place.entries()[..] else { panic!("one mount") };
        let pid = entry["pid"].as_u64().unwrap();
        signal(pid, "-KILL");
        wait_for("its death", || !exists(pid));
        assert!(place.is_mounted());
        wait_for("the end of its lock", || place.entries().is_empty());
        assert_eq!(fs::read_dir(place.path("run/rawrz")).unwrap().count(), 0);
    }
    place.succeed(&[&"unmount", &place.mountpoint()]);
    assert!(!place.is_mounted());
}

#[test]
fn a_killed_server_with_auto_unmount_leaves_nothing() {
    need_fuse!("a_killed_server_with_auto_unmount_leaves_nothing");
    let place = place();
    place.succeed(&[&"--auto-unmount", &llama(), &place.mountpoint()]);
    let pid = place.entries()[0]["pid"].as_u64().unwrap();
    signal(pid, "-KILL");
    wait_for("the unmount", || !place.is_mounted());
}

#[test]
fn a_name_that_two_mounts_have_ends_neither() {
    need_fuse!("a_name_that_two_mounts_have_ends_neither");
    let place = place();
    let second = place.path("second");
    fs::create_dir(&second).unwrap();
    place.succeed(&[&llama(), &place.mountpoint()]);
    place.succeed(&[&llama(), &second]);
    assert_eq!(place.entries().len(), 2);
    place.fail(USAGE, &[&"unmount", &"llama-q8_0"], &["2 mounts", second.to_str().unwrap()]);
    assert_eq!(place.entries().len(), 2);
    place.succeed(&[&"unmount", &second]);
    place.succeed(&[&"unmount", &"llama-q8_0"]);
}

#[test]
fn a_server_that_nobody_waits_for_ends() {
    need_fuse!("a_server_that_nobody_waits_for_ends");
    let place = place();
    let mut server = place
        .command()
        .args(["--serve".as_ref(), llama().as_os_str(), place.mountpoint().as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(server.stdout.take());
    server.wait().unwrap();
    assert!(!place.is_mounted());
    assert_eq!(place.entries(), [Json::Null; 0]);
}

#[test]
fn a_mount_in_the_background_logs_to_a_file() {
    need_fuse!("a_mount_in_the_background_logs_to_a_file");
    let place = place();
    place.succeed(&[&"-v", &llama(), &place.mountpoint(), &"--name", &"a/b"]);
    let entry = &place.entries()[0];
    let (pid, log) = (entry["pid"].as_u64().unwrap(), entry["log"].as_str().unwrap());
    assert_eq!(Path::new(log), place.path("state/rawrz/a_b.log"));
    signal(pid, "-TERM");
    wait_for("the end of the server", || !exists(pid));
    assert!(fs::read_to_string(log).unwrap().contains("unmounting"));
}

#[test]
fn nothing_is_written_but_the_state() {
    need_fuse!("nothing_is_written_but_the_state");
    let found = has_program("strace", "--version").then_some(());
    let Some(()) = require("nothing_is_written_but_the_state", "strace", found) else { return };
    let place = place();
    let trace = place.path("trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=open,openat,openat2,creat,truncate,mknod,mknodat", "-o"]);
    strace.arg(&trace).arg(env!("CARGO_BIN_EXE_rawrz-mount")).arg(llama()).arg(place.mountpoint());
    let mut traced = place.own(&mut strace).stdout(Stdio::null()).spawn().unwrap();
    wait_for("the mount", || place.is_mounted() && place.entries().len() == 1);
    for file in fs::read_dir(place.mountpoint()).unwrap().map(|entry| entry.unwrap().path()) {
        if file.is_file() {
            fs::read(file).unwrap();
        }
    }
    place.succeed(&[&"unmount", &place.mountpoint()]);
    assert!(traced.wait().unwrap().success());

    let trace = fs::read_to_string(trace).unwrap();
    let calls = || trace.lines().filter(|line| !line.contains(" = -1 "));
    assert!(calls().any(|line| line.contains("llama-q8_0.gguf")), "the trace has the server's calls");
    let writes = |line: &&str| {
        ["O_WRONLY", "O_RDWR", "O_CREAT", "creat(", "truncate(", "mknod"].iter().any(|w| line.contains(w))
    };
    // Devices, and settings of the kernel, are no files on a disk.
    let elsewhere =
        |line: &&str| ["\"/dev/fuse\"", "\"/dev/null\"", "\"/sys/"].iter().any(|d| line.contains(d));
    let state = format!("\"{}/", place.path("run/rawrz").display());
    let (state, others): (Vec<_>, Vec<_>) =
        calls().filter(writes).filter(|line| !elsewhere(line)).partition(|line| line.contains(&state));
    assert_eq!(others, [""; 0]);
    assert_eq!(state.len(), 1, "{state:?}");
}

#[test]
fn the_sample_is_shown() {
    let place = place();
    let said = place.succeed(&[&"sample", &place.path("new/dir")]);
    let sample = place.path("new/dir/rawrz-sample.gguf");
    assert!(said.contains(sample.to_str().unwrap()), "{said}");
    assert!(fs::metadata(&sample).unwrap().len() < 1 << 20);
    place.succeed(&[&"sample", &place.path("new/dir")]);

    let inspected: Json = serde_json::from_str(&place.succeed(&[&"inspect", &"--json", &sample])).unwrap();
    assert_eq!(inspected["shown"]["class"], "LlamaForCausalLM");
    assert_eq!(inspected["metadata"]["general.architecture"], "llama");
    let engines = inspected["shown"]["engines"].as_array().unwrap();
    assert!(
        engines.iter().any(|one| one["engine"] == "transformers" && one["evidence"] == "run"),
        "{engines:?}"
    );
    for size in inspected["shown"]["weights"].as_array().unwrap() {
        let precision = size["precision"].as_str().unwrap();
        let folder = place.path(precision);
        place.succeed(&[&"export", &"--no-verify", &"--precision", &precision, &sample, &folder]);
        assert_eq!(
            fs::metadata(folder.join("model.safetensors")).unwrap().len(),
            size["bytes"],
            "{precision}"
        );
    }
    let text = place.succeed(&[&"inspect", &sample]);
    for part in [
        "LlamaForCausalLM",
        "model.layers.1.mlp.down_proj.weight",
        "blk.1.ffn_down.weight",
        "Q8_0",
        "in fp32",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }

    need_fuse!("the_sample_is_shown/mount");
    place.succeed(&[&sample, &place.mountpoint()]);
    for file in inspected["shown"]["folder"].as_array().unwrap() {
        let path = place.mountpoint().join(file["path"].as_str().unwrap());
        assert_eq!(fs::metadata(&path).unwrap().len(), file["bytes"], "{}", path.display());
    }
    let Some(python) = require("the_sample_is_shown/transformers", "transformers", python()) else { return };
    let script = "
import sys, transformers
tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
model = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype='auto')
chat = [{'role': 'user', 'content': 'Where do you come from?'}]
ids = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors='pt', return_dict=True)
answer = model.generate(**ids, max_new_tokens=50, do_sample=False)[0][ids['input_ids'].shape[1]:]
print(tokenizer.decode(answer))";
    let output = Command::new(python).args(["-c", script]).arg(place.mountpoint()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let sentence = "Every byte you just loaded came straight from one GGUF file.<|eot_id|>";
    assert_eq!(said.trim(), sentence, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn architectures_are_those_of_the_library() {
    let place = place();
    let text = place.succeed(&[&"architectures"]);
    let all: Vec<Json> = serde_json::from_str(&place.succeed(&[&"architectures", &"--json"])).unwrap();
    assert_eq!(all.len(), rawrz::arch::ALL.len() + rawrz::arch::REFUSED.len());
    for spec in rawrz::arch::ALL {
        assert!(text.contains(spec.class), "{}", spec.class);
        let recovered = Recovery::of(spec).name();
        assert_eq!(spec.loss.is_some(), recovered == Recovery::Part.name());
        let is_it = |one: &&Json| {
            one["class"] == spec.class
                && one["architecture"] == spec.gguf
                && one["proof"] == json!(spec.proof)
        };
        let one = all.iter().find(is_it).unwrap_or_else(|| panic!("{} is not printed", spec.class));
        assert_eq!(one["recovered"], recovered);
    }
    for (name, why) in rawrz::arch::REFUSED {
        assert!(text.contains(why), "{name}");
        assert!(all.iter().any(|one| one["architecture"] == *name && one["refused"] == *why), "{name}");
    }
}
