//! Handing whole files to the kernel, which then reads them itself: no request, no second page cache, and every way of
//! reading that the file's own file system has.
//!
//! The kernel's rules (fs/fuse/passthrough.c and iomode.c, 6.18): CAP_SYS_ADMIN in the first user namespace; a regular
//! file on a file system that is not stacked itself; all opens of an inode pass through to the same backing file or none
//! does; the backing file stays registered while any of them is open; no FOPEN_KEEP_CACHE beside it. So it is decided once
//! for each inode, at its first open, and what is registered stays so for the life of the mount.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fuser::{BackingId, Errno, FileHandle, FopenFlags, InitFlags, KernelConfig, OpenFlags, ReplyOpen};
use rawrz_vfs::{NodeId, Tree};
use rustix::fs::OFlags;

use crate::native::Native;

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
#[derive(Debug)]
pub(crate) struct Passthrough {
    /// Files that are a source's whole, as that source's file.
    whole: bool,
    /// All others, as EROFS has them.
    native: Option<Native>,
    offered: bool,
    backings: Mutex<HashMap<NodeId, Option<Backing>>>, // touched by opens and closes only; `None`: it is served
}

/// What an inode passes through to.
#[derive(Debug)]
struct Backing {
    id: BackingId,
    /// It is as EROFS has it, and there O_DIRECT is not to be had (6.18, where it lies in a file).
    native: bool,
    /// Opens that pass through.
    opens: usize,
}

/// Handle of an open that passes through.
const PASSING: FileHandle = FileHandle(1);

impl Passthrough {
    /// Hands over what is asked for, where the kernel can.
    pub(crate) fn new(whole: bool, native: Option<Native>) -> Self {
        Self { whole, native, offered: false, backings: Mutex::default() }
    }

    /// Asks the kernel for it, where it is wanted and offered.
    pub(crate) fn negotiate(&mut self, config: &mut KernelConfig) {
        let wanted = self.whole || self.native.is_some();
        if wanted && config.capabilities().contains(InitFlags::FUSE_PASSTHROUGH) {
            // With depth 1 the files may lie on any file system that is not stacked, and one may be stacked on ours.
            self.offered = config.set_max_stack_depth(1).is_ok()
                && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
        }
    }

    /// Answers an open of a file. Returns the reply if the file is to be served.
    ///
    /// O_DIRECT on a file of EROFS is served, for which the inode must not be passing through at that time: if it is,
    /// the answer is EINVAL, that of a file system without O_DIRECT.
    pub(crate) fn open(
        &self,
        tree: &Tree,
        id: NodeId,
        flags: OpenFlags,
        reply: ReplyOpen,
    ) -> Result<(), ReplyOpen> {
        if !self.offered {
            return Err(reply);
        }
        let mut backings = self.backings();
        let backing = backings.entry(id).or_insert_with(|| {
            let opened = self.backing(tree, id, &reply)?;
            opened
                .inspect_err(|error| {
                    tracing::warn!(%error, node = id.0, "the kernel does not take the file; it is served");
                })
                .ok()
        });
        let Some(backing) = backing else { return Err(reply) };
        let direct = flags.0 & OFlags::DIRECT.bits() as i32 != 0;
        match (direct && backing.native, backing.opens) {
            (true, 0) => {
                reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH);
            }
            (true, _) => reply.error(Errno::EINVAL),
            (false, _) => {
                backing.opens += 1;
                reply.opened_passthrough(PASSING, FopenFlags::FOPEN_NOFLUSH, &backing.id);
            }
        }
        Ok(())
    }

    /// Notes that an open of a file has ended.
    pub(crate) fn close(&self, id: NodeId, handle: FileHandle) {
        if handle == PASSING
            && let Some(Some(backing)) = self.backings().get_mut(&id)
        {
            backing.opens -= 1;
        }
    }

    fn backings(&self) -> MutexGuard<'_, HashMap<NodeId, Option<Backing>>> {
        self.backings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers what a file passes through to, if it does.
    fn backing(&self, tree: &Tree, id: NodeId, reply: &ReplyOpen) -> Option<io::Result<Backing>> {
        let registered = |native| move |id| Backing { id, native, opens: 0 };
        if let Some(file) = tree.backing(id).ok()?.and_then(|whole| whole.source.file()) {
            return self.whole.then(|| reply.open_backing(file).map(registered(false)));
        }
        let native = self.native.as_ref()?;
        Some(native.open(id).and_then(|file| reply.open_backing(file)).map(registered(true)))
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
