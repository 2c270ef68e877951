//! The hallway between models and kernels: a read-only tree of files with lengths and positioned reads.
//!
//! The model side builds a [`Tree`] once; a kernel adapter (`fs-unix`, `fs-windows`) translates its own dialect into
//! calls on it. Neither errno nor NTSTATUS, neither FUSE nor WinFsp types exist here, and nothing here knows what a
//! tensor is.
//!
//! Everything is decided when the tree is built: lengths never change, node ids are never reused, and no call takes a
//! lock or can fail for any reason but "no such thing" and "the disk failed".

mod content;
mod error;
mod source;
mod tree;

pub use content::{Bytes, FileContent, Verbatim};
pub use error::Error;
pub use source::{Identity, Source};
pub use tree::{Attr, DirEntry, Kind, NodeId, Tree, TreeBuilder};
