//! Each verb against the converter's step that it undoes, taken on whole arrays with numpy's few operations, for sizes that no
//! model of the corpus has.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::arch::bind;
use crate::gguf::writer::Writer;
use crate::gguf::{Array, Gguf, Value};
use crate::quant::{self, Dtype, FORMATS, Format};
use crate::tensor::VirtualTensor;

/// An array of numbers that tell where each row, or each element, comes from.
#[derive(Clone, Debug)]
struct Ids {
    shape: Vec<usize>,
    ids: Vec<usize>,
}

impl Ids {
    /// 0, 1, 2 and so on in that shape.
    fn of(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), ids: (0..shape.iter().product()).collect() }
    }

    fn flat(&self) -> Self {
        self.reshape(&[self.ids.len()])
    }

    fn reshape(&self, shape: &[usize]) -> Self {
        assert_eq!(self.ids.len(), shape.iter().product::<usize>());
        Self { shape: shape.to_vec(), ids: self.ids.clone() }
    }

    /// The array whose element at an index is this one's at another.
    fn gather(&self, shape: Vec<usize>, from: impl Fn(&mut Vec<usize>)) -> Self {
        let ids = (0..shape.iter().product()).map(|mut flat: usize| {
            let mut index = vec![0; shape.len()];
            for (digit, extent) in index.iter_mut().zip(&shape).rev() {
                (*digit, flat) = (flat % extent, flat / extent);
            }
            from(&mut index);
            self.ids[index.iter().zip(&self.shape).fold(0, |at, (digit, extent)| at * extent + digit)]
        });
        Self { ids: ids.collect(), shape }
    }

    /// Two axes exchanged.
    fn swap(&self, a: usize, b: usize) -> Self {
        let mut shape = self.shape.clone();
        shape.swap(a, b);
        self.gather(shape, |index| index.swap(a, b))
    }

    /// Every `step`th of an axis from `start` on, before `end`.
    fn slice(&self, axis: usize, start: usize, end: usize, step: usize) -> Self {
        let mut shape = self.shape.clone();
        shape[axis] = (end - start).div_ceil(step);
        self.gather(shape, |index| index[axis] = start + index[axis] * step)
    }

    fn concat(parts: &[Self], axis: usize) -> Self {
        let rows = parts[0].swap(0, axis).shape[1..].to_vec();
        let ids = parts.iter().flat_map(|p| p.swap(0, axis).ids).collect::<Vec<_>>();
        let extent = parts.iter().map(|p| p.shape[axis]).sum();
        Self { shape: [vec![extent], rows].concat(), ids }.swap(0, axis)
    }
}

/// A formula, what the original was, and what a converter stores of it.
struct Case {
    expr: &'static Expr,
    original: Ids,
    stored: Vec<(&'static str, Ids)>,
    keys: Vec<(&'static str, usize)>,
    expert: usize,
}

fn case(
    expr: &'static Expr,
    original: Ids,
    stored: &[(&'static str, Ids)],
    keys: &[(&'static str, usize)],
) -> Case {
    Case { expr, original, stored: stored.to_vec(), keys: keys.to_vec(), expert: 0 }
}

/// What stands for each id: a row of blocks, or, where `row` is empty, one number.
struct Material {
    format: &'static Format,
    row: Option<usize>,
    bytes: Vec<u8>,
}

impl Material {
    /// The bytes of an id's row or number: those that were drawn, from another place on.
    fn stored(&self, id: usize) -> Vec<u8> {
        if self.format.dtype.is_some() {
            return (0..self.row.unwrap_or(1)).flat_map(|i| ((id * 31 + i) as f32).to_le_bytes()).collect();
        }
        let len = self.row.unwrap_or(1) * self.format.block_bytes;
        self.bytes.iter().cycle().skip(id * 7 % self.bytes.len()).take(len).copied().collect()
    }

    fn stored_all(&self, ids: &[usize]) -> Vec<u8> {
        ids.iter().flat_map(|&id| self.stored(id)).collect()
    }

    fn shape(&self, array: &Ids) -> Vec<u64> {
        let row_len = self.row.map(|blocks| blocks * self.format.block_len);
        array.shape.iter().copied().chain(row_len).map(|n| n as u64).collect()
    }
}

fn written(writer: &Writer) -> Gguf {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), writer.to_bytes()).expect("space");
    Gguf::open(file.path()).expect("a valid file")
}

/// The tensor that a formula makes of a file, in fp32.
fn shown(gguf: &Gguf, expr: &Expr, layer: u64, expert: u64) -> Result<VirtualTensor, Error> {
    let scope = Scope { layer, expert, ..Scope::new(gguf, "a") };
    let at = Evaluation { scope, suffix: "", scales: &HashSet::new(), cache: &Arc::default() };
    bind::shown("t".into(), expr.evaluate(&at)?, Dtype::F32)
}

fn read(tensor: &VirtualTensor, start: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    tensor.read_exact_at(start as u64, &mut bytes).expect("within the tensor");
    bytes
}

/// Writes what is stored, evaluates the formula, and looks for the original, whole and in cuts.
fn gives_the_original(case: &Case, material: &Material, cuts: &[u32]) -> Result<(), TestCaseError> {
    let mut writer = Writer::default();
    for (key, value) in &case.keys {
        writer.set(format!("a.{key}"), Value::U32(*value as u32));
    }
    for (name, array) in &case.stored {
        let dims: Vec<_> = material.shape(array).into_iter().rev().collect();
        writer.tensor(*name, &dims, material.format, material.stored_all(&array.ids));
    }
    let gguf = written(&writer);
    let shown = shown(&gguf, case.expr, 0, case.expert as u64);
    let tensor = shown.unwrap_or_else(|error| panic!("{:?}: {error}", case.expr));
    prop_assert_eq!(&tensor.shape, &material.shape(&case.original));
    let stored = material.stored_all(&case.original.ids);
    let mut expected = vec![0; stored.len() / material.format.block_bytes * material.format.block_len * 4];
    material.format.convert(Dtype::F32, &stored, &mut expected);
    prop_assert!(read(&tensor, 0, expected.len()) == expected, "{:?}", case.expr);
    for cut in cuts {
        let start = *cut as usize % expected.len();
        let len = 1 + (*cut as usize >> 7) % (expected.len() - start);
        prop_assert!(read(&tensor, start, len) == expected[start..start + len], "{start}+{len}");
    }
    Ok(())
}

/// Odd numbers of heads, groups of three, experts that are no power of two.
#[derive(Clone, Debug)]
struct Sizes {
    heads: usize,
    group: usize,
    /// Half the rows of a head, or of another unit.
    half: usize,
    rest: usize,
    experts: usize,
}

const T: Expr = Expr::Tensor("t");
const U: Expr = Expr::Tensor("u");
const V: Expr = Expr::Tensor("v");
const HEADS: Dim = Dim::Key("heads");
const GROUP: Dim = Dim::Key("group");
const HEAD: Dim = Dim::Key("head");
const HALF: Dim = Dim::Key("half");
const Q_ROWS: Dim = Dim::Times(&HEADS, &Dim::Times(&GROUP, &HEAD));
const KV_ROWS: Dim = Dim::Times(&HEADS, &HEAD);

/// Steps that reorder the rows of heads, of a matrix in blocks or of a bias.
fn of_heads(sizes: &Sizes) -> [Case; 4] {
    let Sizes { heads, group, half, rest, .. } = *sizes;
    let head = 2 * half;
    let keys = [("heads", heads), ("group", group), ("head", head), ("half", half)];

    // conversion/llama.py, permute.
    let by_halves = Ids::of(&[heads, 2, half]);
    static ROPE: Expr = Expr::Rope(&T, HEADS);
    let rope = case(&ROPE, by_halves.flat(), &[("t", by_halves.swap(1, 2).flat())], &keys);

    // conversion/glm.py, normal_to_neox.
    let partial = Ids::of(&[heads, head + rest]);
    let turned = |from| partial.slice(1, from, head, 2);
    let stored = Ids::concat(&[turned(0), turned(1), partial.slice(1, head, head + rest, 1)], 1);
    static EVEN_ODD: Expr = Expr::EvenOdd(&T, HEADS, HEAD);
    let even_odd = case(&EVEN_ODD, partial.flat(), &[("t", stored.flat())], &keys);

    // conversion/qwen.py, _reorder_v_heads.
    let by_key_head = Ids::of(&[heads, group, head]);
    static PERMUTE: Expr =
        Expr::Permute(&T, &[(HEADS, HEAD), (GROUP, Dim::Times(&HEADS, &HEAD)), (HEAD, Dim::Is(1))]);
    let permute = case(&PERMUTE, by_key_head.flat(), &[("t", by_key_head.swap(0, 1).flat())], &keys);

    // conversion/talkie.py takes each head's halves apart; here a head has more rows than that.
    static WITHIN: Expr = Expr::WithinRuns(&T, HEADS, HALF, HALF);
    let second = partial.slice(1, half, head, 1);
    let within = case(&WITHIN, second.flat(), &[("t", partial.flat())], &keys);
    [rope, even_odd, permute, within]
}

/// Steps that split or fuse the rows of queries, keys and values.
fn of_fused(sizes: &Sizes) -> [Case; 4] {
    let Sizes { heads, group, half, .. } = *sizes;
    let head = 2 * half;
    let keys = [("heads", heads), ("group", group), ("head", head)];

    // conversion/falcon.py: of each key head its queries, key and value.
    let qkv = Ids::of(&[heads, group + 2, head]);
    let parts = [(0, group), (group, group + 1), (group + 1, group + 2)];
    let [q, k, v] = parts.map(|(start, end)| qkv.slice(1, start, end, 1).flat());
    let fused = Ids::concat(&[q.clone(), k.clone(), v.clone()], 0);
    static RUNS: Expr = Expr::InterleaveRuns(HEADS, &[T, U, V]);
    static RUNS_OF_ONE: Expr = Expr::InterleaveRuns(
        HEADS,
        &[
            Expr::Rows(&T, Dim::Is(0), Q_ROWS),
            Expr::Rows(&T, Q_ROWS, KV_ROWS),
            Expr::Rows(&T, Dim::Plus(&Q_ROWS, &KV_ROWS), KV_ROWS),
        ],
    );
    let runs = case(&RUNS, qkv.flat(), &[("t", q), ("u", k), ("v", v)], &keys);
    let runs_of_one = case(&RUNS_OF_ONE, qkv.flat(), &[("t", fused)], &keys);

    // conversion/phi.py and others: one below the other, split; or still so (`--fuse-qkv`).
    let whole = Ids::of(&[heads * (group + 2) * head]);
    let (q_rows, kv_rows) = (heads * group * head, heads * head);
    let slice = |start, len| whole.slice(0, start, start + len, 1);
    let split =
        [("t", slice(0, q_rows)), ("u", slice(q_rows, kv_rows)), ("v", slice(q_rows + kv_rows, kv_rows))];
    static CONCAT: Expr = Expr::Concat(&[T, U, V]);
    static ROWS: Expr = Expr::Rows(&T, Q_ROWS, KV_ROWS);
    let concat = case(&CONCAT, whole.clone(), &split, &keys);
    let rows = case(&ROWS, slice(q_rows, kv_rows), &[("t", whole.clone())], &keys);
    [runs, runs_of_one, concat, rows]
}

/// Steps on the rows of experts and gates.
fn of_experts(sizes: &Sizes) -> Vec<Case> {
    let Sizes { heads, rest, experts, .. } = *sizes;
    // conversion/gpt_oss.py: gate and up rows by turns.
    let by_turns = Ids::of(&[heads, 2]);
    let of_turn = |which| by_turns.slice(1, which, which + 1, 1).flat();
    static INTERLEAVE: Expr = Expr::Interleave(&[T, U]);
    let interleave = case(&INTERLEAVE, by_turns.flat(), &[("t", of_turn(0)), ("u", of_turn(1))], &[]);

    // Stacked by every converter of experts.
    let stacked = Ids::of(&[experts, heads + rest]);
    static EXPERT: Expr = Expr::Expert(&T);
    let expert = |expert| {
        let original = stacked.slice(0, expert, expert + 1, 1).flat();
        Case { expert, ..case(&EXPERT, original, &[("t", stacked.clone())], &[]) }
    };
    (0..experts).map(expert).chain([interleave]).collect()
}

/// Steps that need rows to be rows: on a stack of matrices they would mean something else of a bias.
fn of_stacks(sizes: &Sizes) -> [Case; 2] {
    let Sizes { heads, group, half, experts, .. } = *sizes;
    // conversion/granite.py: the gate and up rows of each expert; the parts need not be equally many.
    let fused = Ids::of(&[experts, half + group]);
    static JOIN: Expr = Expr::Join(&[T, U]);
    let parts = [("t", fused.slice(1, 0, half, 1)), ("u", fused.slice(1, half, half + group, 1))];
    let join = case(&JOIN, fused, &parts, &[]);

    // conversion/gpt_oss.py, of each expert.
    let by_turns = Ids::of(&[experts, heads, 2]);
    let of_turn = |which| by_turns.slice(2, which, which + 1, 1).reshape(&[experts, heads]);
    static INTERLEAVE: Expr = Expr::Interleave(&[T, U]);
    let original = by_turns.reshape(&[experts, heads * 2]);
    let interleave = case(&INTERLEAVE, original, &[("t", of_turn(0)), ("u", of_turn(1))], &[]);
    [join, interleave]
}

/// Steps that move elements across or within rows.
fn of_elements(sizes: &Sizes) -> [Case; 5] {
    let Sizes { heads, group, half, rest, experts } = *sizes;
    let head = 2 * half;
    let keys =
        [("heads", heads), ("group", group), ("head", head), ("experts", experts), ("rank", half + rest)];

    static TRANSPOSE: Expr = Expr::Transpose(&T);
    let matrix = Ids::of(&[heads * head, half + rest]);
    let transpose = case(&TRANSPOSE, matrix.clone(), &[("t", matrix.swap(0, 1))], &keys);
    let stack = Ids::of(&[experts, head, half + rest]);
    let transpose_stack = case(&TRANSPOSE, stack.clone(), &[("t", stack.swap(1, 2))], &keys);

    // conversion/qwen.py, the columns of out_proj.
    let by_key_head = Ids::of(&[half + rest, heads, group, head]);
    let columns = |array: &Ids| array.reshape(&[half + rest, heads * group * head]);
    static COLUMNS: Expr =
        Expr::PermuteColumns(&T, &[(HEADS, HEAD), (GROUP, Dim::Times(&HEADS, &HEAD)), (HEAD, Dim::Is(1))]);
    let permute_columns =
        case(&COLUMNS, columns(&by_key_head), &[("t", columns(&by_key_head.swap(1, 2)))], &keys);

    // conversion/deepseek.py: of each head of kv_b the key's rows turned, and the value's.
    const RANK: Dim = Dim::Key("rank");
    let kv_b = Ids::of(&[heads, head + group, half + rest]);
    let k_b = kv_b.slice(1, 0, head, 1).swap(1, 2);
    let v_b = kv_b.slice(1, head, head + group, 1);
    static MLA: Expr = Expr::Reshape(
        &Expr::Join(&[Expr::Transpose(&T), U]),
        &[Dim::Times(&HEADS, &Dim::Plus(&HEAD, &GROUP)), RANK],
    );
    let original = kv_b.reshape(&[heads * (head + group), half + rest]);
    let mla = case(&MLA, original, &[("t", k_b), ("u", v_b)], &keys);

    // conversion/gpt_oss.py: gate and up columns by turns, turned.
    let by_turns = Ids::of(&[experts, head, heads, 2]);
    let of_turn = |which| by_turns.slice(3, which, which + 1, 1).reshape(&[experts, head, heads]).swap(1, 2);
    static TURNED: Expr = Expr::Transpose(&Expr::Interleave(&[T, U]));
    let original = by_turns.reshape(&[experts, head, heads * 2]);
    let turned = case(&TURNED, original, &[("t", of_turn(0)), ("u", of_turn(1))], &keys);
    [transpose, transpose_stack, permute_columns, mla, turned]
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (1_usize..8, 1_usize..5, 1_usize..5, 0_usize..4, 1_usize..8)
        .prop_map(|(heads, group, half, rest, experts)| Sizes { heads, group, half, rest, experts })
}

/// Types of block, and F32.
fn formats() -> Vec<&'static Format> {
    FORMATS.iter().filter(|f| f.dtype.is_none_or(|dtype| dtype == Dtype::F32)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn verbs_undo_what_converters_do(
        sizes in sizes(),
        format in prop::sample::select(formats()),
        blocks in 1_usize..3,
        bytes in prop::collection::vec(any::<u8>(), 200..500),
        cuts in prop::collection::vec(any::<u32>(), 3),
    ) {
        let single = Material { format: quant::format(0).expect("F32"), row: None, bytes: bytes.clone() };
        let rows = Material { format, row: Some(blocks), bytes };
        let of_rows = of_experts(&sizes).into_iter().chain(of_heads(&sizes)).chain(of_fused(&sizes));
        for case in of_rows {
            gives_the_original(&case, &rows, &cuts)?;
            gives_the_original(&case, &single, &cuts)?;
        }
        for case in of_stacks(&sizes) {
            gives_the_original(&case, &rows, &cuts)?;
        }
        for case in of_elements(&sizes) {
            gives_the_original(&case, &single, &cuts)?;
        }
    }
}

/// The numbers that a formula makes of a file.
fn numbers(gguf: &Gguf, expr: &Expr, layer: u64) -> (Vec<u64>, Vec<f32>) {
    let tensor = shown(gguf, expr, layer, 0).unwrap_or_else(|error| panic!("{expr:?}: {error}"));
    let bytes = read(&tensor, 0, tensor.len() as usize);
    (tensor.shape, bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

#[test]
fn numbers_of_the_metadata_become_tensors() {
    let mut writer = Writer::default();
    writer.set("each", Value::Array(Array::F32(vec![0.5, -3.25, 7.0])));
    writer.set("whole", Value::Array(Array::I64(vec![7, -1, 1 << 40])));
    writer.set("one", Value::F32(3.0));
    let gguf = written(&writer);
    for (layer, number) in [0.5, -3.25, 7.0].into_iter().enumerate() {
        assert_eq!(numbers(&gguf, &Expr::Number("each"), layer as u64), (vec![1], vec![number]));
    }
    assert_eq!(numbers(&gguf, &Expr::Number("one"), 2), (vec![1], vec![3.0]));
    static SCALAR: Expr = Expr::Reshape(&Expr::Number("one"), &[]);
    assert_eq!(numbers(&gguf, &SCALAR, 0), (vec![], vec![3.0]));
    for (key, layer) in [("each", 3), ("none", 0)] {
        assert!(shown(&gguf, &Expr::Number(key), layer, 0).is_err(), "{key} at layer {layer}");
    }
    let whole = shown(&gguf, &Expr::Integers("whole"), 0, 0).expect("an array of whole numbers");
    assert_eq!((whole.shape.as_slice(), whole.dtype), (&[3][..], Dtype::I64));
    assert_eq!(read(&whole, 0, 24), [7_i64, -1, 1 << 40].map(i64::to_le_bytes).concat());
    assert!(shown(&gguf, &Expr::Integers("each"), 0, 0).is_err(), "numbers that are not whole");
}

/// conversion/bert.py cuts the rows of the padding off RoBERTa's positions.
#[test]
fn rows_of_zeros_stand_where_the_converter_cut() {
    let mut writer = Writer::default();
    writer.set("a.width", Value::U32(3));
    writer.tensor(
        "t",
        &[3, 1],
        quant::format(0).expect("F32"),
        [1_f32, 2.0, 3.0].map(f32::to_le_bytes).concat(),
    );
    static LATE: Expr = Expr::Concat(&[Expr::Zeros(Dim::Is(2), Dim::Key("width")), T]);
    let expected = (vec![3, 3], vec![0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0]);
    assert_eq!(numbers(&written(&writer), &LATE, 0), expected);
}

/// What converters compute in f32, and its inverse.
#[test]
fn operations_undo_those_of_converters() {
    type Step = fn(f32) -> f32;
    let steps: [(ElementOp, Step); 5] = [
        (ElementOp::Add(-1.0), |x| x + 1.0),
        (ElementOp::Multiply(0.25), |x| x * 4.0),
        (ElementOp::Divide(0.25), |x| x * 0.25),
        (ElementOp::LogNegate, |x| -x.exp()),
        (ElementOp::Log, f32::exp),
    ];
    // Multiples of 2^-7, as a bf16 checkpoint has them, so that one is added without rounding.
    let original: Vec<f32> = (-200..200_i16).map(|i| f32::from(i) / 128.0).collect();
    for (op, step) in steps {
        let mut writer = Writer::default();
        let stored = original.iter().flat_map(|&x| step(x).to_le_bytes()).collect();
        writer.tensor("t", &[20, 20], quant::format(0).expect("F32"), stored);
        let (shape, values) = numbers(&written(&writer), &Expr::Map(&T, op), 0);
        assert_eq!(shape, [20, 20]);
        for (value, original) in values.iter().zip(&original) {
            // The exponential was rounded to 24 bits: an absolute error of 2^-24 in its logarithm.
            let exact = matches!(op, ElementOp::Add(_) | ElementOp::Multiply(_) | ElementOp::Divide(_));
            let near = (value - original).abs() <= f32::EPSILON;
            assert!(if exact { value == original } else { near }, "{op:?}: {value} of {original}");
        }
    }
}

/// Operations whose number follows from sizes.
#[test]
fn factors_follow_from_sizes() {
    const LARGE: Dim = Dim::Key("large");
    const SMALL: Dim = Dim::Key("small");
    // conversion/dots3.py: the factor is a root that f32 rounds, and the product is rounded again.
    static OVER_ROOT: Expr = Expr::OverRoot(&T, LARGE, SMALL);
    let root = (28_f64 / 3.0).sqrt() as f32;
    // conversion/rwkv.py: halved once for so many layers.
    static DOUBLED: Expr = Expr::Doubled(&T, SMALL);
    let original: Vec<f32> = (1..=30_i16).map(|i| f32::from(i) / 16.0).collect();
    for (expr, factor) in [(&OVER_ROOT, root), (&DOUBLED, 0.125)] {
        let mut writer = Writer::default();
        writer.set("a.large", Value::U32(28));
        writer.set("a.small", Value::U32(3));
        let stored = original.iter().flat_map(|x| (x * factor).to_le_bytes()).collect();
        writer.tensor("t", &[30], quant::format(0).expect("F32"), stored);
        let (_, values) = numbers(&written(&writer), expr, 0);
        let near = |(value, original): (&f32, &f32)| (value - original).abs() <= original * f32::EPSILON;
        assert!(values.iter().zip(&original).all(near), "{expr:?}: {values:?}");
    }
    // conversion/jais.py leaves the slopes out; three heads are two of a power of two and one between.
    let mut writer = Writer::default();
    writer.set("a.small", Value::U32(3));
    let slopes = numbers(&written(&writer), &Expr::Slopes(SMALL), 0);
    assert_eq!(slopes, (vec![3, 1], vec![0.0625, 0.00390625, 0.25]));
}
