use std::fmt;

/// Why a call on the tree failed.
///
/// Closed on purpose: each adapter maps it with an exhaustive `match`, so a new case breaks every adapter at compile
/// time instead of becoming some catch-all number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Error {
    /// The source could not be read, or is shorter than it was when it was opened.
    Io,
    /// A file was expected.
    IsDirectory,
    /// A directory was expected.
    NotADirectory,
    /// No node of that name or id.
    NotFound,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "the source could not be read",
            Self::IsDirectory => "is a directory",
            Self::NotADirectory => "is not a directory",
            Self::NotFound => "no such file or directory",
        })
    }
}

impl std::error::Error for Error {}
