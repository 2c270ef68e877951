use super::Dtype;

/// Decodes whole blocks: `blocks.len() / block_bytes` blocks into as many times `block_len` values.
pub type Kernel = fn(blocks: &[u8], values: &mut [f32]);

/// One ggml type as it lies in a file.
pub struct Format {
    /// ggml's numeric type id.
    pub id: u32,
    /// ggml's name of the type.
    pub name: &'static str,
    /// Weights in one block.
    pub block_len: usize,
    /// Bytes of one block.
    pub block_bytes: usize,
    /// The dtype whose elements are stored as they are, where there is one.
    pub dtype: Option<Dtype>,
    /// Decodes blocks to `f32`.
    pub decode: Kernel,
}

/// Every type that can stand in a GGUF, by id.
pub static FORMATS: &[Format] = &[];

impl std::fmt::Debug for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The format of a ggml type id, if it can stand in a GGUF.
pub fn format(id: u32) -> Option<&'static Format> {
    FORMATS.binary_search_by_key(&id, |f| f.id).ok().map(|i| &FORMATS[i])
}

/// Why a known id is refused.
pub fn refused(_id: u32) -> Option<&'static str> {
    None
}
