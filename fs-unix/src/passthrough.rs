//! Handing whole files to the kernel, which then reads them itself: no request, no second page cache, and every way of
//! reading that the file's own file system has.
//!
//! The kernel's rules (fs/fuse/passthrough.c and iomode.c, 6.18): CAP_SYS_ADMIN in the first user namespace; a regular
//! file on a file system that is not stacked itself; all opens of an inode pass through to the same backing file or none
//! does; the backing file stays registered while any of them is open; no FOPEN_KEEP_CACHE beside it. So it is decided once
//! for each inode, at its first open, and what is registered stays so for the life of the mount.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, PoisonError};

use fuser::{BackingId, FileHandle, FopenFlags, InitFlags, KernelConfig, ReplyOpen};
use rawrz_vfs::{NodeId, Verbatim};

/// Whether this process may hand files to the kernel, as far as can be told without trying: the first kernel that has it
/// is 6.9, and the capability counts in the first user namespace only.
pub fn may_pass_through() -> bool {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    is_new_enough(&read("/proc/sys/kernel/osrelease"))
        && is_first_namespace(&read("/proc/self/uid_map"))
        && has_sys_admin(&read("/proc/self/status"))
}

fn is_new_enough(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (6, 9)
}

/// In the first namespace every id is itself.
fn is_first_namespace(uid_map: &str) -> bool {
    uid_map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Capability 21 of linux/capability.h.
fn has_sys_admin(status: &str) -> bool {
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).is_some_and(|bits| bits >> 21 & 1 == 1)
}

/// What is handed to the kernel.
#[derive(Debug, Default)]
pub(crate) struct Passthrough {
    wanted: bool,
    offered: bool,
    /// What each inode passes through to; `None` for one that the kernel refused.
    backings: Mutex<HashMap<NodeId, Option<BackingId>>>, // touched by opens of such files only
}

impl Passthrough {
    /// Hands files over where that is wanted and the kernel can.
    pub(crate) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Asks the kernel for it, where it is wanted and offered.
    pub(crate) fn negotiate(&mut self, config: &mut KernelConfig) {
        if self.wanted && config.capabilities().contains(InitFlags::FUSE_PASSTHROUGH) {
            // With depth 1 the files may lie on any file system that is not stacked, and one may be stacked on ours.
            self.offered = config.set_max_stack_depth(1).is_ok()
                && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
        }
    }

    /// Whether opens of whole files go through [`Passthrough::open`].
    pub(crate) fn is_offered(&self) -> bool {
        self.offered
    }

    /// Answers an open of a file that is a source, all of it. Returns the reply if it is to be answered otherwise.
    pub(crate) fn open(&self, id: NodeId, whole: &Verbatim, reply: ReplyOpen) -> Result<(), ReplyOpen> {
        let Some(file) = whole.source.file() else { return Err(reply) };
        let mut backings = self.backings.lock().unwrap_or_else(PoisonError::into_inner);
        let backing = backings.entry(id).or_insert_with(|| {
            let opened = reply.open_backing(file);
            opened
                .inspect_err(|error| {
                    tracing::warn!(%error, node = id.0, "the kernel does not take the file; it is served");
                })
                .ok()
        });
        match backing {
            Some(backing) => {
                reply.opened_passthrough(FileHandle(0), FopenFlags::FOPEN_NOFLUSH, backing);
                Ok(())
            }
            None => Err(reply),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_asks_for_is_read() {
        for (release, expected) in [
            ("6.18.44-x", true),
            ("6.9.0", true),
            ("6.8.12\n", false),
            ("5.15", false),
            ("7.0", true),
            ("", false),
        ] {
            assert_eq!(is_new_enough(release), expected, "{release}");
        }
        assert!(is_first_namespace("         0          0 4294967295\n"));
        assert!(!is_first_namespace("         0       1000          1\n"));
        assert!(has_sys_admin("Uid:\t0\nCapEff:\t000001ffffffffff\n"));
        assert!(!has_sys_admin("CapEff:\t00000000a80425fb\n")); // Docker's default
        assert!(!has_sys_admin(""));
    }
}
