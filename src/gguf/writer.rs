//! Writes GGUF files: the header of a merged split model, the sample model, and the inputs of tests.

use super::{Array, Value};
use crate::quant::Format;

/// Bytes that tensor data is aligned to unless `general.alignment` says otherwise.
pub const ALIGNMENT: u64 = super::limits::DEFAULT_ALIGNMENT;

/// What the header says of a tensor.
pub struct Info<'a> {
    /// GGUF name.
    pub name: &'a str,
    /// Sizes of the axes in ggml's order.
    pub dims: &'a [u64],
    /// ggml's type id.
    pub type_id: u32,
    /// Bytes of its data.
    pub len: u64,
}

/// All of a file before the padding that its tensor data begins with. Data follows in the order of `tensors`, each
/// aligned.
pub fn header(alignment: u64, metadata: &[(&str, &Value)], tensors: &[Info]) -> Vec<u8> {
    let mut out = Out { bytes: Vec::new(), narrow: false };
    out.header(3, alignment, metadata, tensors);
    out.bytes
}

/// A GGUF file in the making. Writes what it is given, right or wrong.
#[derive(Clone)]
pub struct Writer {
    /// The version field; 1 makes counts and lengths 32 bits wide.
    pub version: u32,
    /// Bytes that tensor data is aligned to. Written as `general.alignment` by whoever sets another than 32.
    pub alignment: u64,
    /// Metadata, in order.
    pub metadata: Vec<(String, Value)>,
    /// Tensors, in order.
    pub tensors: Vec<Tensor>,
}

/// A tensor to write.
#[derive(Clone)]
pub struct Tensor {
    /// GGUF name.
    pub name: String,
    /// Sizes of the axes in ggml's order.
    pub dims: Vec<u64>,
    /// ggml's type id.
    pub type_id: u32,
    /// The stored bytes.
    pub data: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { version: 3, alignment: ALIGNMENT, metadata: Vec::new(), tensors: Vec::new() }
    }
}

impl Writer {
    /// Adds a metadata entry.
    pub fn set(&mut self, key: impl Into<String>, value: Value) -> &mut Self {
        self.metadata.push((key.into(), value));
        self
    }

    /// Adds a tensor; `dims` in ggml's order.
    pub fn tensor(
        &mut self,
        name: impl Into<String>,
        dims: &[u64],
        format: &Format,
        data: Vec<u8>,
    ) -> &mut Self {
        self.tensors.push(Tensor { name: name.into(), dims: dims.to_vec(), type_id: format.id, data });
        self
    }

    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Out { bytes: Vec::new(), narrow: self.version == 1 };
        let metadata: Vec<_> = self.metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
        let infos = self.tensors.iter().map(|t| Info {
            name: &t.name,
            dims: &t.dims,
            type_id: t.type_id,
            len: t.data.len() as u64,
        });
        let tensors: Vec<_> = infos.collect();
        out.header(self.version, self.alignment, &metadata, &tensors);
        for tensor in &self.tensors {
            out.pad(self.alignment);
            out.bytes.extend(&tensor.data);
        }
        out.pad(self.alignment);
        out.bytes
    }
}

/// Bytes written so far.
struct Out {
    bytes: Vec<u8>,
    /// Lengths and counts are u32 in version 1, u64 since.
    narrow: bool,
}

impl Out {
    fn header(&mut self, version: u32, alignment: u64, metadata: &[(&str, &Value)], tensors: &[Info]) {
        self.bytes.extend(b"GGUF");
        self.bytes.extend(version.to_le_bytes());
        self.length(tensors.len() as u64);
        self.length(metadata.len() as u64);
        for (key, value) in metadata {
            self.string(key.as_bytes());
            self.bytes.extend(type_id(value).to_le_bytes());
            self.value(value);
        }
        let mut offset = 0_u64;
        for tensor in tensors {
            self.string(tensor.name.as_bytes());
            self.bytes.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|&n| self.length(n));
            self.bytes.extend(tensor.type_id.to_le_bytes());
            self.bytes.extend(offset.to_le_bytes());
            offset = (offset + tensor.len).next_multiple_of(alignment);
        }
    }

    fn pad(&mut self, alignment: u64) {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment as usize), 0);
    }

    fn length(&mut self, len: u64) {
        if self.narrow {
            self.bytes.extend((len as u32).to_le_bytes());
        } else {
            self.bytes.extend(len.to_le_bytes());
        }
    }

    fn string(&mut self, bytes: &[u8]) {
        self.length(bytes.len() as u64);
        self.bytes.extend(bytes);
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::U8(v) => self.bytes.extend(v.to_le_bytes()),
            Value::I8(v) => self.bytes.extend(v.to_le_bytes()),
            Value::U16(v) => self.bytes.extend(v.to_le_bytes()),
            Value::I16(v) => self.bytes.extend(v.to_le_bytes()),
            Value::U32(v) => self.bytes.extend(v.to_le_bytes()),
            Value::I32(v) => self.bytes.extend(v.to_le_bytes()),
            Value::F32(v) => self.bytes.extend(v.to_le_bytes()),
            Value::Bool(v) => self.bytes.push((*v).into()),
            Value::String(v) => self.string(v),
            Value::Array(v) => {
                self.bytes.extend(element_type_id(v).to_le_bytes());
                self.length(v.len() as u64);
                v.iter().for_each(|element| self.value(&element));
            }
            Value::U64(v) => self.bytes.extend(v.to_le_bytes()),
            Value::I64(v) => self.bytes.extend(v.to_le_bytes()),
            Value::F64(v) => self.bytes.extend(v.to_le_bytes()),
        }
    }
}

fn type_id(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => 8,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

fn element_type_id(array: &Array) -> u32 {
    match array {
        Array::U8(_) => 0,
        Array::I8(_) => 1,
        Array::U16(_) => 2,
        Array::I16(_) => 3,
        Array::U32(_) => 4,
        Array::I32(_) => 5,
        Array::F32(_) => 6,
        Array::Bool(_) => 7,
        Array::String(_) => 8,
        Array::U64(_) => 10,
        Array::I64(_) => 11,
        Array::F64(_) => 12,
    }
}

impl From<&str> for Value {
    fn from(v: &str) -> Self {
        Self::String(v.as_bytes().to_vec())
    }
}

impl From<u32> for Value {
    fn from(v: u32) -> Self {
        Self::U32(v)
    }
}

impl From<f32> for Value {
    fn from(v: f32) -> Self {
        Self::F32(v)
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Self {
        Self::Bool(v)
    }
}
