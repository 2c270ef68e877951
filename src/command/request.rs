//! What every door is asked for.

use crate::cli::Backend;

/// How to mount.
#[cfg_attr(windows, allow(dead_code))] // read once the adapter there mounts
pub struct Request<'a> {
    /// What the mount table shows.
    pub name: &'a str,
    /// Lets other users in.
    pub allow_other: bool,
    /// Unmounts when this process is killed.
    pub auto_unmount: bool,
    /// Hands the model's blob to the kernel.
    pub passthrough: bool,
    /// How the kernel keeps what it has read, if not the best way.
    pub backend: Option<Backend>,
    /// Number of worker threads, if not the default.
    pub threads: Option<usize>,
}
