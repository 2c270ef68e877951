use std::fmt;

/// Who is to blame for an [`Error`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The bytes break a rule of the format.
    Malformed,
    /// The format allows it, this reader does not read it.
    Unsupported,
    /// Larger than any real file needs; refused so that a hostile file cannot take memory or time without bound.
    LimitExceeded,
    /// The source failed.
    Io,
}

/// Why a file could not be read as GGUF.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Error {
    /// Byte offset in the file of what is wrong.
    pub at: u64,
    /// Who is to blame.
    pub kind: Kind,
    /// What is wrong, by name.
    pub what: String,
}

impl Error {
    pub(crate) fn malformed(at: u64, what: impl Into<String>) -> Self {
        Self { at, kind: Kind::Malformed, what: what.into() }
    }

    pub(crate) fn unsupported(at: u64, what: impl Into<String>) -> Self {
        Self { at, kind: Kind::Unsupported, what: what.into() }
    }

    pub(crate) fn limit(at: u64, what: impl Into<String>) -> Self {
        Self { at, kind: Kind::LimitExceeded, what: what.into() }
    }

    pub(crate) fn io(at: u64, what: impl Into<String>) -> Self {
        Self { at, kind: Kind::Io, what: what.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.what, self.at)
    }
}

impl std::error::Error for Error {}
