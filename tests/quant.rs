//! Quantised files through a real mount: every tensor in every precision has the digest that llama.cpp's own
//! dequantisation gives (quant/expected.json).

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rawrz::hf::Shards;
use rawrz::model::{Options, Precision};
use rawrz::quant::Dtype;
use support::mounted::{Mounted, digests, weight_files};
use support::probe::{fixtures, fuse_available, require, shared};

type Expected = BTreeMap<String, BTreeMap<String, BTreeMap<String, (Vec<usize>, String)>>>;

const PRECISIONS: [(&str, Dtype); 3] = [("fp32", Dtype::F32), ("bf16", Dtype::Bf16), ("fp16", Dtype::F16)];

fn check(file: &Path, expected: &BTreeMap<String, BTreeMap<String, (Vec<usize>, String)>>, shards: Shards) {
    for (name, dtype) in PRECISIONS {
        let options = Options { precision: Precision::As(dtype), ..Options::default() };
        let mounted = Mounted::new(file, &options, shards);
        let found: BTreeMap<_, _> = digests(mounted.path())
            .into_iter()
            .map(|(tensor, (shown, shape, digest))| {
                assert_eq!(shown, dtype.name(), "{tensor}");
                (tensor, (shape, digest))
            })
            .collect();
        assert_eq!(found, expected[name], "{} in {name}", file.display());
    }
}

fn check_all(test: &str, folder: &Path) {
    if require(test, "FUSE", fuse_available().then_some(())).is_none() {
        return;
    }
    let text = fs::read(folder.join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_slice(&text).unwrap();
    assert!(!expected.is_empty());
    for (file, expected) in expected.iter().filter(|(file, _)| folder.join(file).exists()) {
        check(&folder.join(file), expected, Shards::Auto);
    }
    for number in 1..=3 {
        let file = folder.join(format!("split/llama-bf16-{number:05}-of-00003.gguf"));
        check(&file, &expected["llama-bf16.gguf"], Shards::Auto);
    }
}

#[test]
fn committed_files_have_the_expected_digests() {
    check_all("committed_files_have_the_expected_digests", &fixtures().join("quant"));
}

#[test]
fn all_files_have_the_expected_digests() {
    let test = "all_files_have_the_expected_digests";
    let Some(shared) = require(test, "the shared test data", shared()) else { return };
    check_all(test, &shared.join("quant"));
}

#[test]
fn shards_hold_the_same_tensors() {
    let test = "shards_hold_the_same_tensors";
    let Some(()) = require(test, "FUSE", fuse_available().then_some(())) else { return };
    let file = fixtures().join("quant/llama-q8_0.gguf");
    let options = Options::default();
    let whole = digests(Mounted::new(&file, &options, Shards::One).path());
    let mounted = Mounted::new(&file, &options, Shards::UpTo(200_000));
    assert_eq!(digests(mounted.path()), whole);
    let files = weight_files(mounted.path());
    assert!(files.len() > 3 && files[0].ends_with(format!("model-00001-of-{:05}.safetensors", files.len())));
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(mounted.path().join("model.safetensors.index.json")).unwrap())
            .unwrap();
    for (tensor, shard) in index["weight_map"].as_object().unwrap() {
        let bytes = fs::read(mounted.path().join(shard.as_str().unwrap())).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert!(tensors.tensor(tensor).is_ok(), "{tensor} in {shard}");
    }
    let total: u64 = whole.values().map(|(_, shape, _)| shape.iter().product::<usize>() as u64 * 2).sum();
    assert_eq!(index["metadata"]["total_size"], total);
}

/// What is beyond fp16's range is infinite, as IEEE rounding has it, and the log says so by tensor and count, once.
#[test]
fn values_beyond_the_range_are_reported() {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let source = fixtures().join("quant/llama-q8_0.gguf");
    let mut writer = support::rewrite::writer(&source);
    let norm = writer.tensors.iter_mut().find(|t| t.name == "output_norm.weight").unwrap();
    for (at, value) in [(0, 65519.0_f32), (4, 65520.0), (8, -1e30)] {
        norm.data[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), writer.to_bytes()).unwrap();
    let options = Options { precision: Precision::As(Dtype::F16), ..Options::default() };
    let model = rawrz::model::Model::open(file.path(), &options).unwrap();
    let tensors = &model.weights.as_ref().unwrap().tensors;
    let tensor = tensors.iter().find(|t| t.name == "model.norm.weight").unwrap();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .with_ansi(false)
        .finish();
    let mut bytes = vec![0; tensor.len() as usize];
    tracing::subscriber::with_default(subscriber, || {
        tensor.read_exact_at(0, &mut bytes).unwrap();
        tensor.read_exact_at(0, &mut bytes).unwrap();
    });
    assert_eq!(bytes[..6], [0xff, 0x7b, 0x00, 0x7c, 0x00, 0xfc], "65504, infinity, -infinity");
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("model.norm.weight") && said.contains("infinite=2"), "{said}");
}
