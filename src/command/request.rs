//! What every door is asked for.

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
    /// Number of worker threads, if not the default.
    pub threads: Option<usize>,
}
