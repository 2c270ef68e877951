//! Quantised twins of a model: its metadata, names and shapes with random blocks for weights, beside the values of those blocks.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use proptest::prelude::RngExt;
use proptest::test_runner::{RngAlgorithm, TestRng};
use rawrz::gguf::writer::{Tensor, Writer};
use rawrz::model::{self, Model, Options, Precision, Weights};
use rawrz::quant::{self, Dtype, Format};
use rawrz::tensor::VirtualTensor;
use sha2::{Digest, Sha256};

use super::{blocks, rewrite};

/// Values in the longest block of any type.
const SUPER_BLOCK: u64 = 256;
/// How many cuts of each tensor are read beside the whole.
const CUTS: usize = 4;

/// A model in blocks, and the same model in the values of those blocks.
pub struct Twins {
    pub quantised: Writer,
    /// Every float tensor in F32, decoded by the kernels that tests/golden.rs holds to ggml's bits.
    pub plain: Writer,
    rng: TestRng,
}

impl Twins {
    /// All matrices and stacks of matrices in blocks of mixed types, as their rows allow. More than quantisers touch: they
    /// leave routers and convolutions alone.
    pub fn new(model: &Path) -> Self {
        Self::with_rows(model, |tensor| tensor.dims[0])
    }

    /// The same with longer rows: those of what quantisers touch become whole super-blocks, of which small models have few.
    /// That is no model any more, but its rows move as a model's do. Where the length of a row decides a shape the file is
    /// refused, and what the refusal names keeps its rows.
    pub fn wide(model: &Path) -> Self {
        let mut kept = BTreeSet::new();
        loop {
            let twins = Self::with_rows(model, |tensor| {
                let row_len = tensor.dims[0];
                // The converter gives 16 bits to what may be quantised, and F32 to the rest (atlas 1.4).
                let widens = quant::format(tensor.type_id).unwrap().block_bytes == 2
                    && row_len.is_multiple_of(16)
                    && !kept.contains(&pattern(&tensor.name));
                if widens { row_len.max(SUPER_BLOCK).next_multiple_of(SUPER_BLOCK) } else { row_len }
            });
            let Err(refusal) = open(&twins.quantised) else { return twins };
            let refusal = format!("{refusal:?}");
            let tied = twins.quantised.tensors.iter().map(|t| pattern(&t.name)).filter(|name| {
                // As a formula's text in a text has it, with the suffix or without.
                [format!("\\\"{name}.weight\\\""), format!("\\\"{name}\\\"")]
                    .iter()
                    .any(|quoted| refusal.contains(quoted))
            });
            let before = kept.len();
            kept.extend(tied);
            assert!(kept.len() > before, "{}: {refusal}", model.display());
        }
    }

    fn with_rows(model: &Path, row_len: impl Fn(&Tensor) -> u64) -> Self {
        let case = model.parent().and_then(Path::file_name).unwrap();
        let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &Sha256::digest(case.as_encoded_bytes()));
        let mut turn: usize = rng.random_range(0..100);
        let mut quantised = rewrite::writer(model);
        let is_weight = |tensor: &&mut Tensor| tensor.dims.len() > 1 && blocks::is_float(tensor.type_id);
        for tensor in quantised.tensors.iter_mut().filter(is_weight) {
            let mut dims = tensor.dims.clone();
            dims[0] = row_len(tensor);
            let types = types(dims[0]);
            if !types.is_empty() {
                *tensor = blocks::random(&tensor.name, &dims, types[turn % types.len()], &mut rng);
                turn += 1;
            }
        }
        let tensors = quantised.tensors.iter().map(blocks::in_f32).collect();
        let plain = Writer { tensors, ..quantised.clone() };
        Self { quantised, plain, rng }
    }

    /// The types of block in use.
    pub fn types(&self) -> BTreeSet<&'static str> {
        let formats = self.quantised.tensors.iter().filter_map(|t| quant::format(t.type_id));
        formats.filter(|f| f.dtype.is_none()).map(|f| f.name).collect()
    }

    /// Reads both in fp32, whole and in random cuts.
    ///
    /// # Panics
    /// If a name, a shape, a field of config.json or a bit differs.
    pub fn check(mut self, name: &str) {
        let open = |file| open(file).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let (quantised, plain) = (open(&self.quantised), open(&self.plain));
        assert_eq!(quantised.config, plain.config, "{name}");
        let shown = |weights: &Weights| -> Vec<_> {
            weights.tensors.iter().map(|t| (t.name.clone(), t.shape.clone(), t.dtype)).collect()
        };
        assert_eq!(shown(&quantised), shown(&plain), "{name}");
        for (of_blocks, of_values) in quantised.tensors.iter().zip(&plain.tensors) {
            let expected = read(of_values, 0, of_values.len());
            let read = |start, len| read(of_blocks, start, len);
            assert!(read(0, of_values.len()) == expected, "{name}: {}", of_values.name);
            for _ in 0..CUTS {
                let start = self.rng.random_range(0..expected.len());
                let len = self.rng.random_range(1..=(expected.len() - start).min(5000));
                let part = read(start as u64, len as u64);
                assert!(part == expected[start..start + len], "{name}: {} at {start}+{len}", of_values.name);
            }
        }
    }
}

/// The types of block for rows of that length: the longest that fit.
fn types(row_len: u64) -> Vec<&'static Format> {
    let fits = |format: &&Format| row_len.is_multiple_of(format.block_len as u64);
    let shortest = if row_len.is_multiple_of(SUPER_BLOCK) { 256 } else { 0 };
    blocks::formats().filter(fits).filter(|f| f.block_len >= shortest).collect()
}

/// A tensor's name as a formula has it: `{i}` for the layer, no suffix.
fn pattern(name: &str) -> String {
    let parts = name.split('.').map(|part| if part.parse::<u32>().is_ok() { "{i}" } else { part });
    let pattern = parts.collect::<Vec<_>>().join(".");
    pattern.strip_suffix(".weight").unwrap_or(&pattern).to_owned()
}

fn open(file: &Writer) -> Result<Weights, model::Error> {
    let place = tempfile::NamedTempFile::new().unwrap();
    fs::write(place.path(), file.to_bytes()).unwrap();
    let options = Options { precision: Precision::As(Dtype::F32), tokenizer: false, ..Options::default() };
    Model::open(place.path(), &options).map(|model| model.weights.unwrap())
}

fn read(tensor: &VirtualTensor, start: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; len as usize];
    tensor.read_exact_at(start, &mut bytes).unwrap();
    bytes
}
