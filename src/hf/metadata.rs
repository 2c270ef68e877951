use serde_json::{Map, Value as Json};

use crate::gguf::{Array, Gguf, Value, shortest};

/// gguf/metadata.json: every key of the file. Strings that are not UTF-8 are shown with replacement characters.
pub fn json(gguf: &Gguf) -> Vec<u8> {
    let map: Map<_, _> = gguf.metadata.iter().map(|e| (e.key.clone(), value(&e.value))).collect();
    let mut text = serde_json::to_vec(&map).expect("maps with text keys are JSON");
    text.push(b'\n');
    text
}

fn value(value: &Value) -> Json {
    match value {
        Value::U8(v) => (*v).into(),
        Value::I8(v) => (*v).into(),
        Value::U16(v) => (*v).into(),
        Value::I16(v) => (*v).into(),
        Value::U32(v) => (*v).into(),
        Value::I32(v) => (*v).into(),
        Value::F32(v) => float(shortest(*v)),
        Value::Bool(v) => (*v).into(),
        Value::String(v) => String::from_utf8_lossy(v).into(),
        Value::Array(v) => array(v),
        Value::U64(v) => (*v).into(),
        Value::I64(v) => (*v).into(),
        Value::F64(v) => float(*v),
    }
}

fn array(array: &Array) -> Json {
    array.iter().map(|element| value(&element)).collect()
}

/// JSON has no infinities; they are shown as text.
fn float(v: f64) -> Json {
    if v.is_finite() { v.into() } else { v.to_string().into() }
}
