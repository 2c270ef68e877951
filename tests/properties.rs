//! The tensor engine against naive twins that work on whole arrays: any transform, any type, any dtype, any cut.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::sync::Arc;

use proptest::prelude::*;
use rawrz::quant::{self, Dtype, FORMATS, Format};
use rawrz::tensor::{ElementOp, Matrix, Stored, Strides, TileCache, VirtualTensor};
use support::memory::Memory;

/// A transform, with what the engine's constructors are given and what the twin does.
#[derive(Clone, Debug)]
enum Step {
    /// Rows of heads of pairs, halves first: the inverse of `reshape(heads, 2, d/2).swapaxes(1, 2)`.
    Rope {
        heads: u64,
    },
    /// Every third of the rows but the first, roughly.
    Slice {
        start: u64,
        len: u64,
    },
    /// Of each of so many runs of equally many rows, some.
    WithinRuns {
        runs: u64,
        start: u64,
        len: u64,
    },
    /// The second half of each of so many runs, negated: runs of halves put together again.
    NegateHalves {
        runs: u64,
    },
    /// (a, b) blocks of rows become (b, a).
    Swap {
        a: u64,
        b: u64,
    },
    /// Columns in blocks (a, b) become (b, a).
    SwapColumns {
        a: u64,
        b: u64,
    },
    /// The same rows twice.
    Twice,
    /// Each row twice.
    Interleave,
    Transpose,
    Add(f32),
    Divide(f32),
}

/// A whole array, for the twin.
#[derive(Clone, Debug)]
struct Whole {
    rows: u64,
    row_len: u64,
    values: Vec<f32>,
}

impl Whole {
    fn row(&self, row: u64) -> &[f32] {
        &self.values[(row * self.row_len) as usize..][..self.row_len as usize]
    }

    fn of_rows(&self, rows: Vec<u64>) -> Self {
        let values = rows.iter().flat_map(|&r| self.row(r).to_vec()).collect();
        Self { rows: rows.len() as u64, row_len: self.row_len, values }
    }

    fn apply(&self, step: &Step) -> Self {
        match *step {
            Step::Rope { heads } => {
                let d = self.rows / heads;
                let mut rows = Vec::new();
                for head in 0..heads {
                    for half in 0..2 {
                        (0..d / 2).for_each(|pair| rows.push(head * d + pair * 2 + half));
                    }
                }
                self.of_rows(rows)
            }
            Step::Slice { start, len } => self.of_rows((start..start + len).collect()),
            Step::WithinRuns { runs, start, len } => {
                let run = self.rows / runs;
                self.of_rows((0..runs).flat_map(|r| r * run + start..r * run + start + len).collect())
            }
            Step::NegateHalves { runs } => {
                let run = self.rows / runs;
                let sign = |row: u64| if row % run < run / 2 { 1.0 } else { -1.0 };
                let values = (0..self.rows).flat_map(|r| self.row(r).iter().map(move |v| v * sign(r)));
                Self { values: values.collect(), ..self.clone() }
            }
            Step::Swap { a, b } => {
                let unit = self.rows / (a * b);
                let mut rows = Vec::new();
                for j in 0..b {
                    for i in 0..a {
                        (0..unit).for_each(|u| rows.push((i * b + j) * unit + u));
                    }
                }
                self.of_rows(rows)
            }
            Step::SwapColumns { a, b } => {
                self.apply(&Step::Transpose).apply(&Step::Swap { a, b }).apply(&Step::Transpose)
            }
            Step::Twice => self.of_rows((0..self.rows).chain(0..self.rows).collect()),
            Step::Interleave => self.of_rows((0..self.rows).flat_map(|r| [r, r]).collect()),
            Step::Transpose => {
                let values =
                    (0..self.row_len).flat_map(|c| (0..self.rows).map(move |r| self.row(r)[c as usize]));
                Self { rows: self.row_len, row_len: self.rows, values: values.collect() }
            }
            Step::Add(c) => Self { values: self.values.iter().map(|v| v + c).collect(), ..self.clone() },
            Step::Divide(c) => Self { values: self.values.iter().map(|v| v / c).collect(), ..self.clone() },
        }
    }
}

/// The engine's form of a step; `None` where the engine refuses the combination.
fn lazy(matrix: &Matrix, again: impl Fn() -> Matrix, step: &Step, cache: &Arc<TileCache>) -> Option<Matrix> {
    let (rows, row_len) = (matrix.rows(), matrix.row_len());
    match *step {
        Step::Rope { heads } => {
            let d = rows / heads;
            matrix.select_rows(&Strides::new(0, &[(heads, d), (2, 1), (d / 2, 2)]))
        }
        Step::Slice { start, len } => matrix.select_rows(&Strides::range(start, len)),
        Step::WithinRuns { runs, start, len } => {
            matrix.select_rows(&Strides::new(start, &[(runs, rows / runs), (len, 1)]))
        }
        Step::NegateHalves { runs } => {
            let half = rows / runs / 2;
            let halves = |start| matrix.select_rows(&Strides::new(start, &[(runs, 2 * half), (half, 1)]));
            let negated = halves(half)?.with_op(ElementOp::Multiply(-1.0))?;
            Matrix::interleave_runs(vec![halves(0)?, negated], runs)
        }
        Step::Swap { a, b } => {
            let unit = rows / (a * b);
            matrix.select_rows(&Strides::new(0, &[(b, unit), (a, b * unit), (unit, 1)]))
        }
        Step::SwapColumns { a, b } => {
            let unit = row_len / (a * b);
            matrix.select_columns(Strides::new(0, &[(b, unit), (a, b * unit), (unit, 1)]))
        }
        Step::Twice => Matrix::stack(vec![again(), again()]),
        Step::Interleave => Matrix::interleave(vec![again(), again()]),
        Step::Transpose => Some(again().transpose(cache)),
        Step::Add(c) => matrix.with_op(ElementOp::Add(c)),
        Step::Divide(c) => matrix.with_op(ElementOp::Divide(c)),
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u64..4).prop_map(|heads| Step::Rope { heads }),
        (0_u64..9, 1_u64..9).prop_map(|(start, len)| Step::Slice { start, len }),
        (1_u64..4, 0_u64..5, 1_u64..5).prop_map(|(runs, start, len)| Step::WithinRuns { runs, start, len }),
        (1_u64..4).prop_map(|runs| Step::NegateHalves { runs }),
        (1_u64..4, 1_u64..4).prop_map(|(a, b)| Step::Swap { a, b }),
        (1_u64..4, 1_u64..4).prop_map(|(a, b)| Step::SwapColumns { a, b }),
        Just(Step::Twice),
        Just(Step::Interleave),
        Just(Step::Transpose),
        (-2.0_f32..2.0).prop_map(Step::Add),
        (0.5_f32..9.0).prop_map(Step::Divide),
    ]
}

/// Fits a step's numbers to a shape; `None` where it does not apply.
fn fitted(step: &Step, rows: u64, row_len: u64) -> Option<Step> {
    Some(match *step {
        Step::Rope { heads } if rows.is_multiple_of(heads * 2) => Step::Rope { heads },
        Step::Slice { start, len } => {
            let start = start.min(rows - 1);
            Step::Slice { start, len: len.min(rows - start) }
        }
        Step::WithinRuns { runs, start, len } if rows.is_multiple_of(runs) => {
            let start = start.min(rows / runs - 1);
            Step::WithinRuns { runs, start, len: len.min(rows / runs - start) }
        }
        Step::NegateHalves { runs } if rows.is_multiple_of(runs * 2) => Step::NegateHalves { runs },
        Step::Swap { a, b } if rows.is_multiple_of(a * b) => Step::Swap { a, b },
        Step::SwapColumns { a, b } if row_len.is_multiple_of(a * b) => Step::SwapColumns { a, b },
        Step::Rope { .. }
        | Step::WithinRuns { .. }
        | Step::NegateHalves { .. }
        | Step::Swap { .. }
        | Step::SwapColumns { .. } => return None,
        ref other => other.clone(),
    })
}

/// A stored tensor of random values. Floats are numbers: a NaN's payload survives a copy but not a decode.
fn stored(
    format: &'static Format,
    rows: u64,
    blocks: u64,
    mut bytes: Vec<u8>,
    offset: usize,
) -> (Stored, Whole) {
    let row_len = blocks * format.block_len as u64;
    let len = (rows * blocks) as usize * format.block_bytes;
    bytes = bytes.into_iter().cycle().take(len).collect();
    if let Some(dtype) = format.dtype {
        let values: Vec<f32> =
            bytes.chunks_exact(dtype.width()).map(|b| f32::from(b[0]) * 0.37 - 40.0).collect();
        quant::encode(dtype, &values, &mut bytes);
    }
    let mut values = vec![0.0; (rows * row_len) as usize];
    format.decode(&bytes, &mut values);
    let mut file = vec![0xAA; offset];
    file.extend(bytes);
    file.extend([0xAA; 3]);
    let source = Arc::new(Memory::from(file));
    (Stored { source, offset: offset as u64, format, rows, row_len }, Whole { rows, row_len, values })
}

fn float_formats() -> Vec<&'static Format> {
    FORMATS
        .iter()
        .filter(|f| f.dtype.is_none_or(|d| matches!(d, Dtype::F32 | Dtype::F16 | Dtype::Bf16)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn lazy_equals_naive_for_any_cut(
        format in prop::sample::select(float_formats()),
        dtype in prop::sample::select(vec![Dtype::Bf16, Dtype::F16, Dtype::F32]),
        rows in 1_u64..25,
        blocks in 1_u64..4,
        bytes in prop::collection::vec(any::<u8>(), 64..700),
        offset in 0_usize..70,
        steps in prop::collection::vec(step(), 0..4),
        cuts in prop::collection::vec(any::<u32>(), 1..8),
    ) {
        let (stored, mut whole) = stored(format, rows, blocks, bytes, offset);
        let cache = Arc::new(TileCache::default());
        // Parts of stacks and transposed matrices are moved in, so each is made anew by the steps before it.
        let mut done: Vec<Step> = Vec::new();
        fn build(stored: &Stored, done: &[Step], cache: &Arc<TileCache>) -> Option<Matrix> {
            match done.split_last() {
                None => Some(Matrix::stored(stored.clone())),
                Some((last, before)) => {
                    let matrix = build(stored, before, cache)?;
                    lazy(&matrix, || build(stored, before, cache).expect("built above"), last, cache)
                }
            }
        }
        for step in &steps {
            let Some(step) = fitted(step, whole.rows, whole.row_len) else { continue };
            done.push(step.clone());
            if build(&stored, &done, &cache).is_none() {
                done.pop(); // refused: the engine does not read such a combination, and says so when a file is opened
                continue;
            }
            whole = whole.apply(&step);
        }
        let matrix = build(&stored, &done, &cache).expect("built above");
        prop_assert_eq!((matrix.rows(), matrix.row_len()), (whole.rows, whole.row_len));
        let tensor = VirtualTensor::new("t".into(), vec![whole.rows, whole.row_len], dtype, matrix).unwrap();

        let mut expected = vec![0; whole.values.len() * dtype.width()];
        quant::encode(dtype, &whole.values, &mut expected);
        prop_assert_eq!(tensor.len(), expected.len() as u64);
        let mut all = vec![0; expected.len()];
        tensor.read_exact_at(0, &mut all).unwrap();
        prop_assert!(all == expected, "the whole differs after {:?}", done);
        for cut in cuts {
            let start = cut as usize % expected.len();
            let len = 1 + (cut as usize >> 7) % (expected.len() - start);
            let mut part = vec![0; len];
            tensor.read_exact_at(start as u64, &mut part).unwrap();
            prop_assert!(part == expected[start..start + len], "{start}+{len} differs after {:?}", done);
            if let Some(range) = tensor.verbatim_at(start as u64, len) {
                range.source.read_exact_at(range.offset, &mut part).unwrap();
                prop_assert!(range.len == len && part == expected[start..start + len], "verbatim {start}+{len}");
            }
        }
        prop_assert!(tensor.read_exact_at(expected.len() as u64, &mut [0]).is_err());
    }
}

proptest! {
    #[test]
    fn whole_numbers_are_read_as_they_are(
        numbers in prop::collection::vec(any::<i64>(), 1..40),
        cuts in prop::collection::vec(any::<u32>(), 1..8),
    ) {
        let expected: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let matrix = Matrix::integers(&numbers).unwrap();
        let tensor = VirtualTensor::new("t".into(), vec![numbers.len() as u64], Dtype::I64, matrix).unwrap();
        for cut in cuts {
            let start = cut as usize % expected.len();
            let len = 1 + (cut as usize >> 7) % (expected.len() - start);
            let mut part = vec![0; len];
            tensor.read_exact_at(start as u64, &mut part).unwrap();
            prop_assert!(part == expected[start..start + len], "{start}+{len} differs");
        }
        prop_assert!(tensor.read_exact_at(expected.len() as u64, &mut [0]).is_err());
    }

    #[test]
    fn constants_take_operations_as_stored_rows_do(
        value in -9.0_f32..9.0,
        op in prop_oneof![
            (-2.0_f32..2.0).prop_map(ElementOp::Add),
            (-2.0_f32..2.0).prop_map(ElementOp::Multiply),
            (0.5_f32..9.0).prop_map(ElementOp::Divide),
        ],
        dtype in prop::sample::select(vec![Dtype::Bf16, Dtype::F16, Dtype::F32]),
        rows in 1_u64..5,
        row_len in 1_u64..5,
    ) {
        let matrix = Matrix::constant(rows, row_len, value).unwrap().with_op(op).unwrap();
        let tensor = VirtualTensor::new("t".into(), vec![rows, row_len], dtype, matrix).unwrap();
        let mut values = vec![value; (rows * row_len) as usize];
        op.apply(dtype, &mut values);
        let mut expected = vec![0; values.len() * dtype.width()];
        quant::encode(dtype, &values, &mut expected);
        let mut all = vec![0; expected.len()];
        tensor.read_exact_at(0, &mut all).unwrap();
        prop_assert_eq!(all, expected);
    }
}

/// A bf16 that was multiplied in f32 is the quotient, encoded: the products of no two of them are so near that division
/// confuses them.
#[test]
fn division_gives_back_what_was_multiplied() {
    for factor in [2.0_f32.sqrt(), 5.0_f32.sqrt(), 3.2_f32.sqrt(), 10.0_f32.sqrt(), 1.0] {
        for bits in 0..=u16::MAX {
            let original = f32::from_bits(u32::from(bits) << 16);
            let mut values = [original * factor];
            if !values[0].is_finite() {
                continue;
            }
            ElementOp::Divide(factor).apply(Dtype::Bf16, &mut values);
            let mut encoded = [0; 2];
            quant::encode(Dtype::Bf16, &values, &mut encoded);
            assert_eq!(u16::from_le_bytes(encoded), bits, "{original} times {factor}");
        }
    }
}

/// Steps that specs use must not be among those that the engine refuses.
#[test]
fn combinations_in_use_are_read() {
    let format = quant::format(12).unwrap();
    let (stored, _) = stored(format, 24, 2, vec![1, 2, 3], 0);
    let rope = Strides::new(0, &[(3, 4), (2, 1), (2, 2)]);
    let matrix = Matrix::stored(stored.clone());
    let fused = matrix.select_rows(&Strides::range(6, 12)).unwrap(); // rows of a fused tensor, then heads
    assert_eq!(fused.select_rows(&rope).unwrap().rows(), 12);
    let roped = fused.select_rows(&rope).unwrap();
    assert!(roped.select_rows(&Strides::range(4, 4)).is_some(), "a head of roped rows");
    assert!(roped.with_op(ElementOp::Add(1.0)).is_some());
    let stack = Matrix::stack(vec![Matrix::stored(stored.clone()), Matrix::stored(stored)]).unwrap();
    assert!(stack.select_rows(&Strides::range(20, 8)).is_some(), "a slice across parts");
    assert!(
        stack.select_rows(&Strides::new(24, &[(3, 4), (2, 1), (2, 2)])).is_some(),
        "a view within a part"
    );
}

/// Sizes beyond what is read, decoded or turned at once, at cuts around those sizes.
#[test]
fn pieces_of_large_tensors_join() {
    let shapes: [(u32, u64, u64, &[Step]); 5] = [
        (30, 2500, 300, &[Step::Transpose]), // tiles in both directions, of bf16
        (12, 40, 5, &[Step::Transpose, Step::Add(0.0)]), // refused, so transposed alone
        (8, 6, 70_000, &[Step::Rope { heads: 1 }]), // rows longer than a read
        (12, 4096, 2, &[Step::Rope { heads: 2 }]), // more rows than a read brings
        (1, 8192, 1, &[Step::Rope { heads: 4 }]), // a bias
    ];
    for (id, rows, blocks, steps) in shapes {
        let format = quant::format(id).unwrap();
        let bytes: Vec<u8> = (0..4093_u32).map(|i| ((i * i) >> 3) as u8).collect();
        let (stored, mut whole) = stored(format, rows, blocks, bytes, 5);
        let cache = Arc::new(TileCache::default());
        let mut matrix = Matrix::stored(stored.clone());
        for step in steps {
            if let Some(next) = lazy(&matrix, || Matrix::stored(stored.clone()), step, &cache) {
                (matrix, whole) = (next, whole.apply(step));
            }
        }
        let shape = vec![whole.rows, whole.row_len];
        let tensor = VirtualTensor::new("t".into(), shape, Dtype::Bf16, matrix).unwrap();
        let mut expected = vec![0; whole.values.len() * 2];
        quant::encode(Dtype::Bf16, &whole.values, &mut expected);
        for len in [expected.len(), (128 << 10) + 1, 4096, 4095] {
            let mut start = 0;
            while start < expected.len() {
                let end = (start + len).min(expected.len());
                let mut part = vec![0; end - start];
                tensor.read_exact_at(start as u64, &mut part).unwrap();
                assert!(part == expected[start..end], "{} at {start}+{len}", format.name);
                start += len * 7 / 2;
            }
        }
    }
}
