use rawrz_vfs::Source;

use super::cursor::Cursor;
use super::metadata::Entry;
use super::{Error, Metadata, Value, limits, value};
use crate::quant::{self, Format};

/// The checked directory of one GGUF file.
#[derive(Debug)]
pub struct Directory {
    /// Version of the format, 1 to 3.
    pub version: u32,
    /// All metadata.
    pub metadata: Metadata,
    /// All tensors in file order.
    pub tensors: Vec<TensorInfo>,
}

/// One tensor as it lies in a file.
#[derive(Clone, Debug)]
pub struct TensorInfo {
    /// GGUF name.
    pub name: String,
    /// Byte offset of this directory entry.
    pub at: u64,
    /// Sizes of the axes in ggml's order: the first is the row length, torch's last axis.
    pub dims: Vec<u64>,
    /// How its values are stored.
    pub format: &'static Format,
    /// Byte offset of its data in the file.
    pub file_offset: u64,
    /// Bytes of its data.
    pub len: u64,
}

impl Directory {
    /// Reads the directory at the start of `source`.
    ///
    /// # Errors
    /// See [`Error`]; no part of the directory is trusted unless all of it is valid.
    pub fn read(source: &dyn Source) -> Result<Self, Error> {
        let mut cursor = Cursor::new(source);
        if cursor.array::<4>("magic").ok() != Some(*b"GGUF") {
            return Err(Error::malformed(0, "not a GGUF file: it does not begin with \"GGUF\""));
        }
        let version = cursor.u32("version")?;
        if version & 0xFFFF == 0 && version != 0 {
            // The magic is never swapped, everything after it is.
            return Err(Error::unsupported(4, "a big-endian GGUF file; convert it to little-endian first"));
        }
        if !(1..=3).contains(&version) {
            return Err(Error::unsupported(4, format!("GGUF version {version}; versions 1 to 3 are read")));
        }
        cursor.narrow = version == 1;
        let tensor_count = cursor.length("tensor count")?;
        let entry_count = cursor.length("metadata count")?;
        let metadata = read_metadata(&mut cursor, entry_count)?;
        let alignment = alignment(&metadata)?;
        let mut tensors = read_tensors(&mut cursor, tensor_count)?;
        place(&mut tensors, cursor.position(), alignment, source.len())?;
        Ok(Self { version, metadata, tensors })
    }
}

fn read_metadata(cursor: &mut Cursor, count: u64) -> Result<Metadata, Error> {
    let start = cursor.position();
    let mut metadata = Metadata::default();
    for number in 0..count {
        let at = cursor.position();
        let what = format!("metadata entry {number}");
        let key = std::str::from_utf8(cursor.string(limits::KEY_LEN, &what)?)
            .map_err(|_| Error::malformed(at, format!("{what}: the key is not UTF-8")))?
            .to_owned();
        if key.is_empty() {
            return Err(Error::malformed(at, format!("{what}: the key is empty")));
        }
        let what = format!("key {key:?}");
        let id = cursor.u32(&what)?;
        let value = value::read(cursor, id, &what)?;
        metadata.push(Entry { key, at, value })?;
        if cursor.position() - start > limits::METADATA_BYTES {
            return Err(Error::limit(at, format!("more than {} bytes of metadata", limits::METADATA_BYTES)));
        }
    }
    Ok(metadata)
}

fn alignment(metadata: &Metadata) -> Result<u64, Error> {
    match metadata.entry("general.alignment") {
        None => Ok(limits::DEFAULT_ALIGNMENT),
        Some(Entry { value: Value::U32(v), .. }) if v.is_power_of_two() => Ok(u64::from(*v)),
        Some(entry) => {
            let what = format!("general.alignment is {:?}, not a u32 that is a power of two", entry.value);
            Err(Error::malformed(entry.at, what))
        }
    }
}

fn read_tensors(cursor: &mut Cursor, count: u64) -> Result<Vec<TensorInfo>, Error> {
    let mut tensors = Vec::new();
    let mut names = std::collections::HashSet::new();
    for number in 0..count {
        let tensor = read_tensor(cursor, number)?;
        if !names.insert(tensor.name.clone()) {
            return Err(Error::malformed(tensor.at, format!("tensor {:?} occurs twice", tensor.name)));
        }
        tensors.push(tensor);
    }
    Ok(tensors)
}

fn read_tensor(cursor: &mut Cursor, number: u64) -> Result<TensorInfo, Error> {
    let at = cursor.position();
    let what = format!("tensor {number}");
    let name = std::str::from_utf8(cursor.string(limits::TENSOR_NAME_LEN - 1, &what)?)
        .map_err(|_| Error::malformed(at, format!("{what}: the name is not UTF-8")))?
        .to_owned();
    let what = format!("tensor {name:?}");
    let axes_at = cursor.position();
    let axes = cursor.u32(&what)?;
    if axes > limits::AXES {
        return Err(Error::malformed(axes_at, format!("{what}: {axes} axes, more than {}", limits::AXES)));
    }
    let mut dims = Vec::with_capacity(axes as usize);
    for _ in 0..axes {
        dims.push(cursor.length(&what)?);
    }
    if dims.is_empty() {
        dims.push(1); // a scalar
    }
    let type_at = cursor.position();
    let id = cursor.u32(&what)?;
    let format = quant::format(id).ok_or_else(|| {
        let reason = quant::refused(id).unwrap_or("no type of ggml");
        Error::unsupported(type_at, format!("{what} has ggml type {id}: {reason}"))
    })?;
    let len = stored_len(&dims, format).map_err(|why| Error::malformed(axes_at, format!("{what}: {why}")))?;
    let file_offset = cursor.u64(&what)?; // relative to the data section until place() moves it
    Ok(TensorInfo { name, at, dims, format, file_offset, len })
}

/// Bytes that a tensor takes.
fn stored_len(dims: &[u64], format: &Format) -> Result<u64, String> {
    let elements = dims
        .iter()
        .try_fold(1_u64, |product, &n| product.checked_mul(n).filter(|&p| p <= i64::MAX as u64))
        .ok_or_else(|| format!("the product of its sizes {dims:?} overflows"))?;
    if elements == 0 {
        return Err(format!("a size of zero in {dims:?}"));
    }
    let block_len = format.block_len as u64;
    if !dims[0].is_multiple_of(block_len) {
        return Err(format!("rows of {} are no whole blocks of {} ({block_len})", dims[0], format.name));
    }
    (elements / block_len)
        .checked_mul(format.block_bytes as u64)
        .ok_or_else(|| format!("the size in bytes of {dims:?} overflows"))
}

/// Turns offsets in the data section into offsets in the file. As in the C++ reader, tensors stand one after the
/// other in directory order, each padded to the alignment: no gap, no overlap.
fn place(tensors: &mut [TensorInfo], directory_end: u64, alignment: u64, file_len: u64) -> Result<(), Error> {
    let overflow =
        |t: &TensorInfo| Error::malformed(t.at, format!("tensor {:?}: its place overflows", t.name));
    let mut expected = 0_u64;
    let data = directory_end.checked_next_multiple_of(alignment);
    for tensor in tensors {
        if tensor.file_offset != expected {
            let what = format!(
                "tensor {:?} is at {} of the data, not at {expected}",
                tensor.name, tensor.file_offset
            );
            return Err(Error::malformed(tensor.at, what));
        }
        let start = data.and_then(|d| d.checked_add(expected)).ok_or_else(|| overflow(tensor))?;
        let end = start.checked_add(tensor.len).ok_or_else(|| overflow(tensor))?;
        if end > file_len {
            let what =
                format!("tensor {:?} ends at {end}, the file at {file_len}: it was cut short", tensor.name);
            return Err(Error::malformed(tensor.at, what));
        }
        expected =
            (expected + tensor.len).checked_next_multiple_of(alignment).ok_or_else(|| overflow(tensor))?;
        tensor.file_offset = start;
    }
    Ok(())
}
