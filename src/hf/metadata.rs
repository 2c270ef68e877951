use serde_json::{Map, Value as Json};

use crate::gguf::{Array, Gguf, Value, shortest};

/// gguf/metadata.json: every key of the file.
pub fn json(gguf: &Gguf) -> Vec<u8> {
    let mut text = serde_json::to_vec(&metadata(gguf)).expect("maps with text keys are JSON");
    text.push(b'\n');
    text
}

/// Every key of the file and its value. Strings that are not UTF-8 have replacement characters.
pub fn metadata(gguf: &Gguf) -> Map<String, Json> {
    gguf.metadata.iter().map(|e| (e.key.clone(), value(&e.value))).collect()
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
