//! A catalogue of broken files, each with the error it must give: kind, place and name. The idea, stage by stage, is
//! llama.cpp's `tests/test-gguf.cpp`. A new branch of the parser has a row here.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use rawrz::gguf::writer::{Tensor, Writer};
use rawrz::gguf::{Array, Directory, Kind, Strings, Value};
use support::memory::Memory;

fn read(bytes: Vec<u8>) -> Result<Directory, rawrz::gguf::Error> {
    Directory::read(&Memory::from(bytes))
}

/// A valid file: metadata from byte 24, tensors "a" (4 x 2 F32) and "b" (32 Q8_0).
fn valid() -> Writer {
    let mut writer = Writer::default();
    writer.set("general.architecture", "llama".into()).set("n", 7_u32.into());
    writer.tensors.push(Tensor { name: "a".into(), dims: vec![4, 2], type_id: 0, data: vec![1; 32] });
    writer.tensors.push(Tensor { name: "b".into(), dims: vec![32], type_id: 8, data: vec![2; 34] });
    writer
}

/// The valid file after a change of what is written.
fn with(change: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = valid();
    change(&mut writer);
    writer.to_bytes()
}

/// The valid file with bytes put over its own.
fn patched(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = valid().to_bytes();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// Where a name is written, less its length field.
fn place(name: &str) -> usize {
    let file = valid().to_bytes();
    let mut field = (name.len() as u64).to_le_bytes().to_vec();
    field.extend(name.as_bytes());
    file.windows(field.len()).position(|w| w == field).unwrap()
}

#[test]
fn the_valid_file_is_read() {
    for version in [1, 2, 3] {
        let directory = read(with(|w| w.version = version)).unwrap();
        assert_eq!(directory.version, version);
        assert_eq!(directory.metadata.u64("n").unwrap(), Some(7));
        let [a, b] = directory.tensors.as_slice() else { panic!("two tensors") };
        assert_eq!((a.name.as_str(), a.dims.as_slice(), a.len), ("a", [4, 2].as_slice(), 32));
        assert_eq!((b.name.as_str(), b.file_offset, b.len), ("b", a.file_offset + 32, 34));
        assert_eq!(b.format.name, "Q8_0");
    }
}

#[test]
fn every_value_type_is_read_back() {
    let arrays = vec![
        Array::U8(vec![1, 255]),
        Array::I8(vec![-1]),
        Array::U16(vec![65535]),
        Array::I16(vec![-2]),
        Array::U32(vec![9; 3]),
        Array::I32(vec![-9]),
        Array::F32(vec![0.5, f32::INFINITY]),
        Array::Bool(vec![true, false]),
        Array::String(["", "x", "\u{20ac}"].into_iter().collect::<Strings>()),
        Array::U64(vec![u64::MAX]),
        Array::I64(vec![i64::MIN]),
        Array::F64(vec![-0.0]),
    ];
    let mut values: Vec<Value> = arrays.iter().flat_map(|a| a.iter().collect::<Vec<_>>()).collect();
    values.extend(arrays.into_iter().map(Value::Array));
    values.push(Value::Array(Array::U8(Vec::new())));
    values.push(Value::String(vec![0xff, 0xfe])); // not UTF-8, and not refused
    let mut writer = Writer::default();
    for (i, value) in values.iter().enumerate() {
        writer.set(format!("k{i}"), value.clone());
    }
    for version in [1, 3] {
        writer.version = version;
        let directory = read(writer.to_bytes()).unwrap();
        let back: Vec<_> = directory.metadata.iter().map(|e| e.value.clone()).collect();
        assert_eq!(back, values);
    }
}

#[test]
fn defects_are_refused_by_kind_and_place() {
    use Kind::{LimitExceeded, Malformed, Unsupported};
    let key = 24; // the first entry
    let (a, b) = (place("a"), place("b"));
    let huge = u64::MAX.to_le_bytes();
    let rows: Vec<(&str, Vec<u8>, Kind, usize, &str)> = vec![
        ("empty file", vec![], Malformed, 0, "not a GGUF"),
        ("bad magic", patched(0, b"GGML"), Malformed, 0, "not a GGUF"),
        ("magic reversed", patched(0, b"FUGG"), Malformed, 0, "not a GGUF"),
        ("version 0", patched(4, &[0; 4]), Unsupported, 4, "version 0"),
        ("version 4", patched(4, &[4, 0, 0, 0]), Unsupported, 4, "version 4"),
        ("big-endian", patched(4, &[0, 0, 0, 3]), Unsupported, 4, "big-endian"),
        ("header cut", valid().to_bytes()[..12].to_vec(), Malformed, 8, "tensor count"),
        ("tensor count beyond the file", patched(8, &huge)[..b + 33].to_vec(), Malformed, b + 33, "tensor 2"),
        ("entry count beyond the file", patched(16, &huge)[..a].to_vec(), Malformed, a, "metadata entry 2"),
        ("key longer than the file", patched(key, &huge), Malformed, key + 8, "metadata entry 0"),
        (
            "key longer than keys are",
            with(|w| w.metadata[0].0 = "k".repeat(70_000)),
            LimitExceeded,
            key,
            "70000",
        ),
        ("key not UTF-8", patched(key + 8, &[0xff]), Malformed, key, "UTF-8"),
        ("key empty", with(|w| w.metadata[0].0.clear()), Malformed, key, "empty"),
        ("key twice", with(|w| w.metadata[1].0 = w.metadata[0].0.clone()), Malformed, key + 45, "twice"),
        ("value type 13", patched(key + 28, &[13]), Malformed, key + 32, "13 is no type"),
        ("value type negative", patched(key + 28, &[0xff; 4]), Malformed, key + 32, "no type"),
        (
            "string longer than the file",
            patched(key + 32, &huge),
            Malformed,
            key + 40,
            "general.architecture",
        ),
        ("array of arrays", array(9, 1), Unsupported, key + 13, "array of arrays"),
        ("array element type 13", array(13, 1), Malformed, key + 13, "13 is no type"),
        ("array longer than arrays are", array(0, 1 << 31), LimitExceeded, key + 13, "2147483648"),
        ("array longer than the file", array(12, 1 << 29), Malformed, key + 25, "needed"),
        ("strings more than the file", array(8, 1 << 29), Malformed, key + 25, "\"k\""),
        ("alignment 0", aligned(0_u32.into()), Malformed, key, "alignment"),
        ("alignment 3", aligned(3_u32.into()), Malformed, key, "alignment"),
        ("alignment as u64", aligned(Value::U64(32)), Malformed, key, "alignment"),
        ("tensor name of 64 bytes", with(|w| w.tensors[0].name = "t".repeat(64)), LimitExceeded, a, "64"),
        ("tensor name not UTF-8", patched(a + 8, &[0xff]), Malformed, a, "UTF-8"),
        ("tensor twice", with(|w| w.tensors[1].name = "a".into()), Malformed, b, "twice"),
        ("five axes", with(|w| w.tensors[0].dims = vec![1; 5]), Malformed, a + 9, "5 axes"),
        ("axis of zero", with(|w| w.tensors[0].dims = vec![4, 0]), Malformed, a + 9, "zero"),
        ("axes overflow", with(|w| w.tensors[0].dims = vec![1 << 40; 2]), Malformed, a + 9, "overflows"),
        ("row no whole blocks", with(|w| w.tensors[1].dims = vec![33]), Malformed, b + 9, "whole blocks"),
        ("ggml type removed", with(|w| w.tensors[1].type_id = 5), Unsupported, b + 21, "type 5"),
        ("ggml type of a fork", with(|w| w.tensors[1].type_id = 139), Unsupported, b + 21, "type 139"),
        ("ggml type of kernels", with(|w| w.tensors[1].type_id = 9), Unsupported, b + 21, "type 9"),
        ("offset not aligned", patched(b + 25, &[33]), Malformed, b, "\"b\""),
        ("offset leaves a gap", patched(b + 25, &[64]), Malformed, b, "\"b\""),
        ("offsets overlap", patched(b + 25, &[0]), Malformed, b, "\"b\""),
        ("offset of 2^64", patched(b + 25, &huge), Malformed, b, "\"b\""),
        (
            "data cut",
            {
                let f = valid().to_bytes();
                f[..f.len() - 32].to_vec()
            },
            Malformed,
            b,
            "cut short",
        ),
    ];
    let wrong: Vec<_> = rows
        .into_iter()
        .filter_map(|(name, file, kind, at, what)| match read(file) {
            Ok(_) => Some(format!("{name}: was read")),
            Err(e) if e.kind == kind && e.at == at as u64 && e.what.contains(what) => None,
            Err(e) => Some(format!("{name}: not {kind:?} at {at} of {what:?} but {:?}: {e}", e.kind)),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A file whose one entry is an array "k" that says it has `len` elements of a type, and has none.
fn array(element_type: u32, len: u64) -> Vec<u8> {
    let mut file = Writer::default().set("k", Value::Array(Array::U8(Vec::new()))).to_bytes();
    file.truncate(24 + 8 + 1 + 4);
    file.extend(element_type.to_le_bytes());
    file.extend(len.to_le_bytes());
    file
}

fn aligned(value: Value) -> Vec<u8> {
    with(|w| w.metadata[0] = ("general.alignment".into(), value))
}

#[test]
fn no_cut_and_no_flipped_byte_panics() {
    let file = valid().to_bytes();
    for len in 0..file.len() - 62 {
        read(file[..len].to_vec()).unwrap_err();
    }
    for at in 0..file.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut file = file.clone();
            file[at] = value;
            let _ = read(file);
        }
    }
}
