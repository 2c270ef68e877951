//! Writes GGUF files: the sample model, and the inputs of tests.

use super::{Array, Value};
use crate::quant::Format;

/// A GGUF file in the making. Writes what it is given, right or wrong.
#[derive(Clone)]
pub struct Writer {
    /// The version field; 1 makes counts and lengths 32 bits wide.
    pub version: u32,
    /// Bytes that tensor data is aligned to. Written as `general.alignment` by whoever sets another than 32.
    pub alignment: usize,
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
        Self { version: 3, alignment: 32, metadata: Vec::new(), tensors: Vec::new() }
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
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        self.length(&mut out, self.tensors.len());
        self.length(&mut out, self.metadata.len());
        for (key, value) in &self.metadata {
            self.string(&mut out, key.as_bytes());
            out.extend(type_id(value).to_le_bytes());
            self.value(&mut out, value);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            self.string(&mut out, tensor.name.as_bytes());
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|&n| self.length(&mut out, n as usize));
            out.extend(tensor.type_id.to_le_bytes());
            out.extend((offset as u64).to_le_bytes());
            offset = (offset + tensor.data.len()).next_multiple_of(self.alignment);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(&tensor.data);
        }
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out
    }

    fn length(&self, out: &mut Vec<u8>, len: usize) {
        if self.version == 1 {
            out.extend((len as u32).to_le_bytes());
        } else {
            out.extend((len as u64).to_le_bytes());
        }
    }

    fn string(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        self.length(out, bytes.len());
        out.extend(bytes);
    }

    fn value(&self, out: &mut Vec<u8>, value: &Value) {
        match value {
            Value::U8(v) => out.extend(v.to_le_bytes()),
            Value::I8(v) => out.extend(v.to_le_bytes()),
            Value::U16(v) => out.extend(v.to_le_bytes()),
            Value::I16(v) => out.extend(v.to_le_bytes()),
            Value::U32(v) => out.extend(v.to_le_bytes()),
            Value::I32(v) => out.extend(v.to_le_bytes()),
            Value::F32(v) => out.extend(v.to_le_bytes()),
            Value::Bool(v) => out.push((*v).into()),
            Value::String(v) => self.string(out, v),
            Value::Array(v) => {
                out.extend(element_type_id(v).to_le_bytes());
                self.length(out, v.len());
                v.iter().for_each(|element| self.value(out, &element));
            }
            Value::U64(v) => out.extend(v.to_le_bytes()),
            Value::I64(v) => out.extend(v.to_le_bytes()),
            Value::F64(v) => out.extend(v.to_le_bytes()),
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
