//! The read path: from a node and a range to bytes, whoever asks the kernel for them.

use std::cell::RefCell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::{Errno, ReplyData};
use rawrz_vfs::{Error, NodeId, Tree};

use crate::errno::errno;
use crate::stats::Stats;

thread_local! {
    /// Where a worker assembles the bytes that are not stored in one piece. Grows to the largest request seen (1 MiB
    /// unless the system's fs.fuse.max_pages_limit was raised).
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The first `len` bytes of a buffer, which grows to that.
pub(crate) fn room(buffer: &mut Vec<u8>, len: usize) -> &mut [u8] {
    buffer.resize(buffer.len().max(len), 0);
    &mut buffer[..len]
}

/// A tree's files, with what was counted and reported of them.
pub(crate) struct Files {
    pub(crate) tree: Arc<Tree>,
    stats: Arc<Stats>,
    reported: Mutex<HashSet<NodeId>>, // files whose failure was logged; touched on failure only
}

impl Files {
    pub(crate) fn new(tree: Arc<Tree>, stats: Arc<Stats>) -> Self {
        Self { tree, stats, reported: Mutex::default() }
    }

    /// Runs one request. A panic in it costs the caller an EIO; unguarded it would cost the mount a worker for good.
    pub(crate) fn answer<T>(&self, id: NodeId, ask: impl FnOnce() -> Result<T, Error>) -> Result<T, Errno> {
        self.stats.count_request();
        let answer = catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|_| {
            tracing::error!(node = id.0, "a handler panicked; the request is answered with EIO");
            Err(Error::Io)
        });
        answer.map_err(|error| {
            if error == Error::Io {
                self.stats.count_io_error();
                self.report(id);
            }
            errno(error)
        })
    }

    /// Replies with the bytes that `find` finds, or puts into the buffer that it is given.
    pub(crate) fn send<F>(&self, id: NodeId, reply: ReplyData, find: F)
    where
        F: for<'a> FnOnce(&'a Self, &'a mut Vec<u8>) -> Result<&'a [u8], Error>,
    {
        SCRATCH.with_borrow_mut(|scratch| match self.answer(id, || find(self, scratch)) {
            Ok(bytes) => reply.data(bytes),
            Err(errno) => reply.error(errno),
        });
    }

    /// The bytes of a file: stored ranges as they lie in the mapping, never touched by us, everything else assembled
    /// in `scratch`.
    pub(crate) fn bytes<'a>(
        &'a self,
        id: NodeId,
        offset: u64,
        len: usize,
        scratch: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], Error> {
        if let Some(verbatim) = self.tree.verbatim_at(id, offset, len)?
            && let Some(mapping) = verbatim.source.mapping()
        {
            let end = verbatim.offset.checked_add(verbatim.len as u64).ok_or(Error::Io)?;
            // The end of a shortened file's last page would read as zeros; pages beyond it fail in the kernel's copy.
            if !verbatim.source.holds(end) {
                return Err(Error::Io);
            }
            let range = usize::try_from(verbatim.offset).ok().zip(usize::try_from(end).ok());
            let bytes = range.and_then(|(start, end)| mapping.get(start..end)).ok_or(Error::Io)?;
            self.stats.count_bytes(bytes.len());
            return Ok(bytes);
        }
        let room = room(scratch, len);
        let filled = self.read_at(id, offset, room)?;
        Ok(&room[..filled])
    }

    /// Reads of a file as [`Tree::read_at`] does.
    pub(crate) fn read_at(&self, id: NodeId, offset: u64, buf: &mut [u8]) -> Result<usize, Error> {
        let filled = self.tree.read_at(id, offset, buf)?;
        self.stats.count_bytes(filled);
        Ok(filled)
    }

    /// Logs the first failure of each file: a loader that retries must not fill the log.
    fn report(&self, id: NodeId) {
        if self.reported.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
            let path = self.tree.path(id).unwrap_or_default();
            tracing::error!(
                file = %path.display(),
                "the source could not be read (was it shortened or removed?); further failures of this file are not logged"
            );
        }
    }
}
