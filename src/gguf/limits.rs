//! How large things may be. Each number cites where it comes from.

/// Bytes of one string (`GGUF_MAX_STRING_LENGTH`, gguf.cpp).
pub const STRING_LEN: u64 = 1 << 30;
/// Elements of one array (`GGUF_MAX_ARRAY_ELEMENTS`, gguf.cpp).
pub const ARRAY_LEN: u64 = 1 << 30;
/// Bytes of a tensor's name, less than (`GGML_MAX_NAME`, ggml.h).
pub const TENSOR_NAME_LEN: u64 = 64;
/// Axes of a tensor (`GGML_MAX_DIMS`, ggml.h).
pub const AXES: u32 = 4;
/// Bytes of a key. Ours, because: the longest key in use has 60, and gguf-py writes keys of at most 2^16.
pub const KEY_LEN: u64 = 1 << 16;
/// Bytes of all metadata. Ours, because: a million tokens with merges take about 50 MB.
pub const METADATA_BYTES: u64 = 1 << 30;
/// Default of `general.alignment` (`GGUF_DEFAULT_ALIGNMENT`, gguf.h).
pub const DEFAULT_ALIGNMENT: u64 = 32;
/// Files of one split model (five digits in the name, `split.count` is a u16).
pub const SHARDS: u64 = u16::MAX as u64;
