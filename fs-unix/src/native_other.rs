//! Where the kernel has no EROFS, or passes no files through.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rawrz_vfs::NodeId;

use crate::files::Files;

/// Never made.
#[derive(Debug)]
pub(crate) enum Native {}

impl Native {
    pub(crate) fn mount(_: Arc<Files>, _: usize) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn open(&self, _: NodeId) -> io::Result<OwnedFd> {
        match *self {}
    }
}
