//! Serves a [`rawrz_vfs::Tree`] through FUSE.
//!
//! A door and nothing more: it translates inodes to nodes and [`rawrz_vfs::Error`] to errno, and knows no models.
//!
//! - `adapter`: the file system calls, one short translation each.
//! - `files`: the read path.
//! - `passthrough`: files handed to the kernel: those that are a source's whole, and through `native` all others, which
//!   it then keeps in large pages; `erofs` lays them out, `image_file` serves that.
//! - [`mount`], [`Mount`], [`Unmounter`] (`session`): the life of a mount.
//! - `attach`: how a mount comes to be (mount(2), or the setuid helper fusermount3) and goes away.
//! - [`inspect`], [`unmount`] (`target`): what is at a mountpoint now, whoever mounted it.
//! - [`watch`] (`watchdog`): the small process that unmounts when the server was killed.
//!
//! Linux is what this is built for and tested on. On other systems fuser does the mounting, and what needs
//! `/proc` (stale mounts, the watchdog) is not there.

#![forbid(unsafe_code)]

mod adapter;
#[cfg_attr(not(target_os = "linux"), path = "attach_other.rs")]
mod attach;
#[cfg(target_os = "linux")]
mod erofs;
mod errno;
mod error;
mod files;
#[cfg(target_os = "linux")]
mod fusermount;
#[cfg(target_os = "linux")]
mod image_file;
#[cfg(target_os = "linux")]
mod mountinfo;
#[cfg_attr(not(target_os = "linux"), path = "native_other.rs")]
mod native;
mod passthrough;
mod session;
mod stats;
mod target;
#[cfg_attr(not(target_os = "linux"), path = "watchdog_other.rs")]
mod watchdog;

pub use error::Error;
pub use passthrough::may_pass_through;
pub use session::{Backend, Mount, Options, Unmounter, mount};
pub use stats::Stats;
pub use target::{Target, inspect, unmount};
pub use watchdog::{Watchdog, watch};
