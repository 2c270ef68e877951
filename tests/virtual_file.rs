//! The virtual model.safetensors through every way that a program may read it, and what becomes of it when the GGUF is
//! truncated under the mount.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // maps files as loaders do
#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use memmap2::{Mmap, MmapOptions};
use rawrz::hf::Shards;
use rawrz::model::{Options, Precision};
use rawrz::quant::Dtype;
use rawrz_fs_unix::Backend;
use safetensors::SafeTensors;
use support::mounted::{Mounted, digests, sha256, tree};
use support::probe::{fixtures, fuse_available, python, require};

/// Bytes that `O_DIRECT` reads are aligned to.
const PAGE: usize = 4096;

fn model(name: &str) -> PathBuf {
    fixtures().join("quant").join(name)
}

/// The best that can be had here, and what can be had everywhere.
const BACKENDS: [Option<Backend>; 2] = [None, Some(Backend::Fuse)];

fn mounted(test: &str, backend: Option<Backend>, file: &Path, dtype: Dtype) -> Option<Mounted> {
    require(test, "FUSE", fuse_available().then_some(()))?;
    let options = Options { precision: Precision::As(dtype), ..Options::default() };
    Some(Mounted::through(backend, file, &options, Shards::Auto))
}

#[test]
fn every_way_of_reading_gives_the_same_bytes() {
    let test = "every_way_of_reading_gives_the_same_bytes";
    // Decoded rows, un-permuted rows, and (bf16 of the split file) ranges replied from the mapping.
    let cases = [
        ("llama-q4_k_m.gguf", Dtype::Bf16),
        ("llama-q8_0.gguf", Dtype::F32),
        ("split/llama-bf16-00001-of-00003.gguf", Dtype::Bf16),
    ];
    for (name, dtype) in cases {
        let Some(mounted) = mounted(test, None, &model(name), dtype) else { return };
        let path = mounted.path().join("model.safetensors");
        let whole = fs::read(&path).unwrap();
        SafeTensors::deserialize(&whole).unwrap();
        let expected = sha256(&whole);
        for ((way, read), backend) in WAYS.into_iter().flat_map(|way| BACKENDS.map(|backend| (way, backend)))
        {
            // A new mount each time: nothing is in the page cache.
            let mounted = self::mounted(test, backend, &model(name), dtype).unwrap();
            let bytes = read(&mounted.path().join("model.safetensors"));
            assert_eq!(sha256(&bytes), expected, "{name} by {way}, {backend:?}");
        }
    }
}

type Way = (&'static str, fn(&Path) -> Vec<u8>);

const WAYS: [Way; 6] = [
    ("read", |path| fs::read(path).unwrap()),
    ("pread at random cuts, backwards", by_random_cuts),
    ("private mmap", by_private_map),
    ("shared mmap", by_shared_map),
    ("O_DIRECT", by_direct_reads),
    ("8 readers at once", by_eight_readers),
];

fn by_random_cuts(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap();
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    let mut end = bytes.len();
    let mut state = 1_u64;
    while end > 0 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); // Knuth's MMIX generator
        let len = (1 + (state >> 40) as usize % 300_000).min(end);
        file.read_exact_at(&mut bytes[end - len..end], (end - len) as u64).unwrap();
        end -= len;
    }
    bytes
}

fn by_private_map(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap();
    // SAFETY: nothing changes the mounted file while the test runs.
    let map = unsafe { MmapOptions::new().map_copy_read_only(&file) };
    map.unwrap().to_vec()
}

fn by_shared_map(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap();
    // SAFETY: nothing changes the mounted file while the test runs.
    let map = unsafe { Mmap::map(&file) };
    map.unwrap().to_vec()
}

fn by_direct_reads(path: &Path) -> Vec<u8> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(0x4000 /* O_DIRECT, fcntl.h of x86-64 and aarch64 */)
        .open(path)
        .unwrap();
    let len = file.metadata().unwrap().len() as usize;
    let mut bytes = Vec::new();
    let mut buffer = vec![0; PAGE * 17 + PAGE];
    let start = buffer.as_ptr().align_offset(PAGE);
    let aligned = &mut buffer[start..start + PAGE * 17];
    while bytes.len() < len {
        let read = file.read_at(aligned, bytes.len() as u64).unwrap();
        assert!(read > 0, "the file ends where it says");
        bytes.extend_from_slice(&aligned[..read]);
    }
    bytes
}

fn by_eight_readers(path: &Path) -> Vec<u8> {
    let whole: Vec<_> = thread::scope(|scope| {
        let readers: Vec<_> = (0..8).map(|_| scope.spawn(|| fs::read(path).unwrap())).collect();
        readers.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert!(whole.iter().all(|bytes| *bytes == whole[0]), "a reader saw other bytes");
    whole.into_iter().next().unwrap()
}

/// Python's reader, through numpy and through torch, sees the tensors that the crate sees.
#[test]
fn safe_open_reads_every_tensor() {
    let test = "safe_open_reads_every_tensor";
    let Some(python) = require(test, "the conformance tools (tests/tools/install conformance)", python())
    else {
        return;
    };
    let Some(mounted) = mounted(test, None, &model("llama-q4_k_m.gguf"), Dtype::F32) else { return };
    let script = "import hashlib, sys\nfrom safetensors import safe_open\n\
                  for framework in ('np', 'pt'):\n\
                  \x20 with safe_open(sys.argv[1], framework=framework) as f:\n\
                  \x20   for name in f.keys():\n\
                  \x20     t = f.get_tensor(name); t = t if framework == 'np' else t.numpy()\n\
                  \x20     print(framework, name, hashlib.sha256(t.tobytes()).hexdigest())\n";
    let path = mounted.path().join("model.safetensors");
    let output = std::process::Command::new(python).args(["-c", script]).arg(&path).output().unwrap();
    let mut said: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    said.sort();
    let digests = digests(mounted.path());
    let expected =
        |framework: &'static str| digests.iter().map(move |(n, (_, _, d))| format!("{framework} {n} {d}"));
    let expected: Vec<_> = expected("np").chain(expected("pt")).collect();
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn data_starts_on_a_page_and_tensors_are_aligned() {
    let tree = tree(&model("llama-q8_0.gguf"), &Options::default(), Shards::Auto);
    let id = tree.resolve([std::ffi::OsStr::new("model.safetensors")]).unwrap();
    let mut bytes = vec![0; tree.attr(id).unwrap().len as usize];
    tree.read_at(id, 0, &mut bytes).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    assert_eq!((8 + header) % PAGE, 0);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(metadata.metadata().as_ref().unwrap()["format"], "pt");
    for (name, info) in metadata.tensors() {
        assert_eq!(info.data_offsets.0 * 8 % info.dtype.bitsize(), 0, "{name}");
    }
}

/// Truncates a copy of a model under its mount. What the page cache holds stays readable; the rest is an error.
#[test]
fn a_truncated_source_is_an_error_never_zeros() {
    let test = "a_truncated_source_is_an_error_never_zeros";
    let cases = [("llama-q4_k_m.gguf", Dtype::Bf16), ("llama-q8_0.gguf", Dtype::F32)];
    for ((name, dtype), backend) in cases.into_iter().flat_map(|case| BACKENDS.map(|backend| (case, backend)))
    {
        let copy = tempfile::NamedTempFile::new().unwrap();
        fs::copy(model(name), copy.path()).unwrap();
        let Some(original) = mounted(test, None, &model(name), dtype) else { return };
        let original = fs::read(original.path().join("model.safetensors")).unwrap();
        let mounted = mounted(test, backend, copy.path(), dtype).unwrap();
        let file = File::open(mounted.path().join("model.safetensors")).unwrap();
        let half = copy.as_file().metadata().unwrap().len() / 2;
        copy.as_file().set_len(half).unwrap();
        let (mut failed, mut right) = (0, 0);
        for start in (0..original.len()).step_by(PAGE * 16) {
            let mut part = vec![0; PAGE.min(original.len() - start)];
            match file.read_exact_at(&mut part, start as u64) {
                Ok(()) if part == original[start..start + part.len()] => right += 1,
                Ok(()) => panic!("wrong bytes at {start} of {name}"),
                Err(error) => {
                    assert_eq!(error.raw_os_error(), Some(5), "EIO, not {error}");
                    failed += 1;
                }
            }
        }
        assert!(failed > 0 && right > 0, "{failed} failed, {right} right");
        // The daemon goes on.
        let mut config = String::new();
        File::open(mounted.path().join("config.json")).unwrap().read_to_string(&mut config).unwrap();
        assert!(config.contains("LlamaForCausalLM"));
    }
}

#[test]
fn a_truncated_verbatim_source_is_an_error_too() {
    let test = "a_truncated_verbatim_source_is_an_error_too";
    for backend in BACKENDS {
        let folder = tempfile::tempdir().unwrap();
        for number in 1..=3 {
            let name = format!("llama-bf16-{number:05}-of-00003.gguf");
            fs::copy(model("split").join(&name), folder.path().join(&name)).unwrap();
        }
        let first = folder.path().join("llama-bf16-00001-of-00003.gguf");
        let Some(mounted) = mounted(test, backend, &first, Dtype::Bf16) else { return };
        let path = mounted.path().join("model.safetensors");
        // Not a page of the file has been read yet; all of the second file is cut off but 100 bytes.
        OpenOptions::new()
            .write(true)
            .open(folder.path().join("llama-bf16-00002-of-00003.gguf"))
            .unwrap()
            .set_len(100)
            .unwrap();
        let error = fs::read(&path).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5), "EIO, not {error}");
        assert!(fs::read(mounted.path().join("config.json")).is_ok());
    }
}
