//! Where there is no `/proc` there is no watchdog: it could not tell its own mount from another.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::Error;

/// How to start the watchdog. Linux only.
#[derive(Clone, Debug)]
pub struct Watchdog {
    /// The program.
    pub program: PathBuf,
    /// What makes it a watchdog.
    pub args: Vec<OsString>,
}

/// The body of a watchdog process. Linux only.
///
/// # Errors
/// Always [`Error::NotOnThisSystem`].
pub fn watch(_: &[OsString]) -> Result<(), Error> {
    Err(Error::NotOnThisSystem("the watchdog"))
}

/// A running watchdog; there is none.
#[derive(Debug)]
pub(crate) enum Guard {}
