use super::cursor::Cursor;
use super::{Error, limits};

/// A metadata value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the variants are the format's own types
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    /// Bytes, by rule UTF-8 but not always.
    String(Vec<u8>),
    Array(Array),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array of metadata values of one type. Arrays of arrays do not occur: the C++ reader refuses them, and so do we.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Array {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(Strings),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// Many strings in two allocations: a vocabulary has hundreds of thousands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Strings {
    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of string `index`.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some(&self.bytes[start..end])
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i).expect("index below len"))
    }

    /// Adds a string.
    pub fn push(&mut self, string: &[u8]) {
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len());
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for Strings {
    fn from_iter<I: IntoIterator<Item = S>>(strings: I) -> Self {
        let mut all = Self::default();
        strings.into_iter().for_each(|s| all.push(s.as_ref()));
        all
    }
}

impl Value {
    /// The value as an unsigned number, if it is a whole one that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::U64(v) => Some(v),
            Self::I8(v) => v.try_into().ok(),
            Self::I16(v) => v.try_into().ok(),
            Self::I32(v) => v.try_into().ok(),
            Self::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }

    /// The value as a signed number, if it is a whole one.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I8(v) => Some(v.into()),
            Self::I16(v) => Some(v.into()),
            Self::I32(v) => Some(v.into()),
            Self::I64(v) => Some(v),
            _ => self.as_u64()?.try_into().ok(),
        }
    }

    /// The value as a floating-point number, if it is one. An `f32` widens to the shortest decimal that reads back to it,
    /// so that 1e-6 is shown as `1e-06` and not as `9.999999974752427e-07`.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(v) => Some(shortest(v)),
            Self::F64(v) => Some(v),
            _ => None,
        }
    }

    /// The value as a truth value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(v) = *self { Some(v) } else { None }
    }

    /// The value as text, if it is a string of valid UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(v) = self { std::str::from_utf8(v).ok() } else { None }
    }

    /// The value as an array.
    pub fn as_array(&self) -> Option<&Array> {
        if let Self::Array(v) = self { Some(v) } else { None }
    }
}

/// The `f64` whose decimal is the shortest that reads back to `v` as `f32`.
pub fn shortest(v: f32) -> f64 {
    if v.is_finite() { v.to_string().parse().expect("a float's decimal parses") } else { v.into() }
}

impl Array {
    /// Number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Element `index` as a value of its own.
    pub fn get(&self, index: usize) -> Option<Value> {
        Some(match self {
            Self::U8(v) => Value::U8(*v.get(index)?),
            Self::I8(v) => Value::I8(*v.get(index)?),
            Self::U16(v) => Value::U16(*v.get(index)?),
            Self::I16(v) => Value::I16(*v.get(index)?),
            Self::U32(v) => Value::U32(*v.get(index)?),
            Self::I32(v) => Value::I32(*v.get(index)?),
            Self::F32(v) => Value::F32(*v.get(index)?),
            Self::Bool(v) => Value::Bool(*v.get(index)?),
            Self::String(v) => Value::String(v.get(index)?.to_vec()),
            Self::U64(v) => Value::U64(*v.get(index)?),
            Self::I64(v) => Value::I64(*v.get(index)?),
            Self::F64(v) => Value::F64(*v.get(index)?),
        })
    }

    /// All elements as values of their own.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value> {
        (0..self.len()).map(|i| self.get(i).expect("index below len"))
    }
}

/// Reads a value of the numeric type `id`, which belongs to `what`.
pub fn read(cursor: &mut Cursor, id: u32, what: &str) -> Result<Value, Error> {
    let at = cursor.position();
    Ok(match id {
        0 => Value::U8(u8::from_le_bytes(cursor.array(what)?)),
        1 => Value::I8(i8::from_le_bytes(cursor.array(what)?)),
        2 => Value::U16(u16::from_le_bytes(cursor.array(what)?)),
        3 => Value::I16(i16::from_le_bytes(cursor.array(what)?)),
        4 => Value::U32(u32::from_le_bytes(cursor.array(what)?)),
        5 => Value::I32(i32::from_le_bytes(cursor.array(what)?)),
        6 => Value::F32(f32::from_le_bytes(cursor.array(what)?)),
        7 => Value::Bool(cursor.array::<1>(what)? != [0]),
        8 => Value::String(cursor.string(limits::STRING_LEN, what)?.to_vec()),
        9 => Value::Array(read_array(cursor, what)?),
        10 => Value::U64(u64::from_le_bytes(cursor.array(what)?)),
        11 => Value::I64(i64::from_le_bytes(cursor.array(what)?)),
        12 => Value::F64(f64::from_le_bytes(cursor.array(what)?)),
        _ => return Err(Error::malformed(at, format!("{what}: {id} is no type of value"))),
    })
}

fn read_array(cursor: &mut Cursor, what: &str) -> Result<Array, Error> {
    let at = cursor.position();
    let id = cursor.u32(what)?;
    let len = cursor.length(what)?;
    if len > limits::ARRAY_LEN {
        return Err(Error::limit(at, format!("{what}: an array of {len} elements")));
    }
    Ok(match id {
        0 => Array::U8(numbers(cursor, len, what, u8::from_le_bytes)?),
        1 => Array::I8(numbers(cursor, len, what, i8::from_le_bytes)?),
        2 => Array::U16(numbers(cursor, len, what, u16::from_le_bytes)?),
        3 => Array::I16(numbers(cursor, len, what, i16::from_le_bytes)?),
        4 => Array::U32(numbers(cursor, len, what, u32::from_le_bytes)?),
        5 => Array::I32(numbers(cursor, len, what, i32::from_le_bytes)?),
        6 => Array::F32(numbers(cursor, len, what, f32::from_le_bytes)?),
        7 => Array::Bool(numbers(cursor, len, what, |b: [u8; 1]| b != [0])?),
        8 => Array::String(strings(cursor, len, what)?),
        9 => return Err(Error::unsupported(at, format!("{what}: an array of arrays"))),
        10 => Array::U64(numbers(cursor, len, what, u64::from_le_bytes)?),
        11 => Array::I64(numbers(cursor, len, what, i64::from_le_bytes)?),
        12 => Array::F64(numbers(cursor, len, what, f64::from_le_bytes)?),
        _ => return Err(Error::malformed(at, format!("{what}: {id} is no type of value"))),
    })
}

fn numbers<const N: usize, T>(
    cursor: &mut Cursor,
    len: u64,
    what: &str,
    convert: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Error> {
    // len is at most 2^30, so the product is exact; bytes() compares it with what remains before anything is reserved.
    let bytes = cursor.bytes(len * N as u64, what)?;
    Ok(bytes.chunks_exact(N).map(|b| convert(b.try_into().expect("chunks have N bytes"))).collect())
}

fn strings(cursor: &mut Cursor, len: u64, what: &str) -> Result<Strings, Error> {
    let mut all = Strings::default();
    // Each string takes its length field at least; a count beyond that ends in an error below, without a reservation.
    all.ends.reserve(len.min(cursor.remaining() / 4) as usize);
    for _ in 0..len {
        all.push(cursor.string(limits::STRING_LEN, what)?);
    }
    Ok(all)
}
