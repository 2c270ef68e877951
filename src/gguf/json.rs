//! Metadata as JSON. Strings that are not UTF-8 are shown with replacement characters.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::{Array, Metadata, Strings, Value, shortest};

impl Metadata {
    /// Every key of the file and its value, as the text of a JSON object.
    pub fn to_json_text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(&Shown(self)).expect("maps with text keys are JSON");
        text.push(b'\n');
        text
    }

    /// Every key of the file and its value.
    pub fn to_json(&self) -> Map<String, Json> {
        match serde_json::to_value(Shown(self)) {
            Ok(Json::Object(map)) => map,
            other => unreachable!("metadata is a map with text keys: {other:?}"),
        }
    }
}

/// Serialises what it borrows: a vocabulary is too large to be copied for this.
struct Shown<T>(T);

impl Serialize for Shown<&Metadata> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.iter().len()))?;
        for entry in self.0.iter() {
            map.serialize_entry(&entry.key, &Shown(&entry.value))?;
        }
        map.end()
    }
}

impl Serialize for Shown<&Value> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::U8(v) => v.serialize(serializer),
            Value::I8(v) => v.serialize(serializer),
            Value::U16(v) => v.serialize(serializer),
            Value::I16(v) => v.serialize(serializer),
            Value::U32(v) => v.serialize(serializer),
            Value::I32(v) => v.serialize(serializer),
            Value::F32(v) => Shown(*v).serialize(serializer),
            Value::Bool(v) => v.serialize(serializer),
            Value::String(v) => Shown(v.as_slice()).serialize(serializer),
            Value::Array(v) => Shown(v).serialize(serializer),
            Value::U64(v) => v.serialize(serializer),
            Value::I64(v) => v.serialize(serializer),
            Value::F64(v) => Shown(*v).serialize(serializer),
        }
    }
}

impl Serialize for Shown<&Array> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Array::U8(v) => v.serialize(serializer),
            Array::I8(v) => v.serialize(serializer),
            Array::U16(v) => v.serialize(serializer),
            Array::I16(v) => v.serialize(serializer),
            Array::U32(v) => v.serialize(serializer),
            Array::I32(v) => v.serialize(serializer),
            Array::F32(v) => serializer.collect_seq(v.iter().map(|v| Shown(*v))),
            Array::Bool(v) => v.serialize(serializer),
            Array::String(v) => Shown(v).serialize(serializer),
            Array::U64(v) => v.serialize(serializer),
            Array::I64(v) => v.serialize(serializer),
            Array::F64(v) => serializer.collect_seq(v.iter().map(|v| Shown(*v))),
        }
    }
}

impl Serialize for Shown<&Strings> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Shown))
    }
}

impl Serialize for Shown<&[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.serialize_str(&String::from_utf8_lossy(self.0)),
        }
    }
}

impl Serialize for Shown<f32> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Shown(shortest(self.0)).serialize(serializer)
    }
}

impl Serialize for Shown<f64> {
    /// JSON has no infinities; they are shown as text.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.collect_str(&self.0) }
    }
}
