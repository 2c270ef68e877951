use std::sync::atomic::{AtomicU64, Ordering};

/// What a mount has done so far. Counters only; readers see each at its own moment.
#[derive(Debug, Default)]
pub struct Stats {
    requests: AtomicU64,
    bytes: AtomicU64,
    io_errors: AtomicU64,
}

impl Stats {
    /// Requests that reached the tree: what the kernel answers from its caches is not among them.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Bytes of file content handed to the kernel.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Requests answered EIO: the source failed, was cut short, or a handler panicked.
    pub fn io_errors(&self) -> u64 {
        self.io_errors.load(Ordering::Relaxed)
    }

    pub(crate) fn count_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn count_io_error(&self) {
        self.io_errors.fetch_add(1, Ordering::Relaxed);
    }
}
