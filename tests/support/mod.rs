//! What the integration tests share.

#![allow(dead_code)] // each test binary uses its own part

pub mod blocks;
pub mod memory;
#[cfg(unix)]
pub mod mounted;
#[cfg(target_os = "linux")]
pub mod ollama;
#[cfg(target_os = "linux")]
pub mod place;
pub mod probe;
pub mod rewrite;
pub mod twins;
