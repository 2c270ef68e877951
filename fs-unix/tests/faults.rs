//! What goes wrong behind a file costs its reader an EIO and nobody else anything.

#![allow(clippy::unwrap_used)] // in helpers of tests too

mod support;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rawrz_fs_unix::{Backend, Options};
use rawrz_vfs::{Bytes, FileContent, NodeId, Source, Tree};
use support::sources::{FileSource, Panicking, Stored, random_file};
use support::{Mounted, backends, moment, need_fuse};

const EIO: i32 = 5;
const LEN: usize = 4 << 20;
const HEADER: usize = 100;

fn tree(content: Arc<dyn FileContent>) -> Arc<Tree> {
    let mut tree = Tree::builder(moment());
    tree.file(NodeId::ROOT, "file", moment(), content);
    tree.file(NodeId::ROOT, "other", moment(), Arc::new(Bytes::from("fine")));
    tree.build()
}

/// A source that is no longer mapped, or never was: everything goes through positioned reads.
struct Unmapped(FileSource);

impl Source for Unmapped {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn identity(&self) -> &rawrz_vfs::Identity {
        self.0.identity()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), rawrz_vfs::Error> {
        self.0.read_exact_at(offset, buf)
    }

    fn holds(&self, end: u64) -> bool {
        self.0.holds(end)
    }
}

fn read_page(file: &File, page: usize) -> io::Result<Vec<u8>> {
    let mut buf = vec![0xAA; 4096];
    let got = file.read_at(&mut buf, page as u64 * 4096)?;
    buf.truncate(got);
    Ok(buf)
}

/// `cut` bytes of the source are left. Pages of the file that lie before the cut read as they were, cached ones behind
/// it too, all others fail; none is zeros.
fn check_truncation(backend: Backend, wrap: fn(FileSource) -> Arc<dyn Source>, cut: usize) {
    let (backing, bytes) = random_file(LEN);
    let mut expected = vec![b'h'; HEADER];
    expected.extend_from_slice(&bytes);
    let source = wrap(FileSource::new(backing.try_clone().unwrap()));
    let stored = Stored { header: vec![b'h'; HEADER], source, start: 0, len: LEN as u64 };
    let mounted = Mounted::through(backend, tree(Arc::new(stored)));
    let file = File::open(mounted.path("file")).unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).unwrap(); // no readahead: one page, one request
    let last = (expected.len() - 1) / 4096;
    assert!(read_page(&file, last).unwrap() == expected[last * 4096..]);

    backing.set_len(cut as u64).unwrap();
    let first_lost = (HEADER + cut) / 4096; // holds bytes that are gone, if only its last ones
    for page in [0, 1, first_lost - 1] {
        assert!(read_page(&file, page).unwrap() == expected[page * 4096..][..4096], "page {page}");
    }
    for page in [first_lost, first_lost + 1, last - 1] {
        let error = read_page(&file, page).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(EIO), "page {page}");
    }
    assert!(read_page(&file, last).unwrap() == expected[last * 4096..], "cached pages stay");
    // Readahead runs into the lost range; what lies before it is read all the same.
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Normal).unwrap();
    let mut before = vec![0; first_lost * 4096];
    file.read_exact_at(&mut before, 0).unwrap();
    assert!(before == expected[..before.len()]);

    assert_eq!(fs::read(mounted.path("other")).unwrap(), b"fine");
    assert!(mounted.mount().stats().io_errors() >= 3);
}

#[test]
fn a_truncated_source_gives_eio_and_never_zeros() {
    if !need_fuse("a_truncated_source_gives_eio_and_never_zeros") {
        return;
    }
    for backend in backends("a_truncated_source_gives_eio_and_never_zeros") {
        for cut in [1_000_000, 245 * 4096, 300 * 4096 - HEADER] {
            check_truncation(backend, |source| Arc::new(source), cut);
            check_truncation(backend, |source| Arc::new(Unmapped(source)), cut);
        }
    }
}

/// The length is checked before a reply is made from the mapping; a file that is cut between the two must still not
/// harm the server. Pages that are gone fail in the kernel's copy, so the check is left out here to get there.
#[test]
fn a_source_cut_after_the_check_gives_eio() {
    if !need_fuse("a_source_cut_after_the_check_gives_eio") {
        return;
    }
    struct Unchecked(FileSource);
    impl Source for Unchecked {
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn identity(&self) -> &rawrz_vfs::Identity {
            self.0.identity()
        }
        fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), rawrz_vfs::Error> {
            self.0.read_exact_at(offset, buf)
        }
        fn holds(&self, _: u64) -> bool {
            true
        }
        fn mapping(&self) -> Option<&[u8]> {
            self.0.mapping()
        }
    }
    for backend in backends("a_source_cut_after_the_check_gives_eio") {
        let (backing, bytes) = random_file(LEN);
        let source = Arc::new(Unchecked(FileSource::new(backing.try_clone().unwrap())));
        let stored = Stored { header: vec![], source, start: 0, len: LEN as u64 };
        let mounted = Mounted::through(backend, tree(Arc::new(stored)));
        let file = File::open(mounted.path("file")).unwrap();
        backing.set_len(1 << 20).unwrap();
        for _ in 0..40 {
            assert_eq!(read_page(&file, 600).unwrap_err().raw_os_error(), Some(EIO));
        }
        assert!(read_page(&file, 7).unwrap() == bytes[7 * 4096..][..4096]);
        assert_eq!(fs::read(mounted.path("other")).unwrap(), b"fine");
    }
}

#[test]
fn a_panic_costs_an_eio() {
    if !need_fuse("a_panic_costs_an_eio") {
        return;
    }
    let shown = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref() != Some(&"a panic made on purpose") {
            shown(info);
        }
    }));
    for backend in backends("a_panic_costs_an_eio") {
        let content = Arc::new(Panicking { len: 64 << 20, panics: AtomicUsize::new(0) });
        let options = Options { threads: Some(2), backend: Some(backend), ..Options::default() };
        let mounted = Mounted::with(tree(content.clone()), &options);
        let file = File::open(mounted.path("file")).unwrap();
        // Many more than there are workers: unguarded, each would end one.
        for page in 1..=50 {
            let error = read_page(&file, page * 100).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(EIO));
        }
        let panics = content.panics.load(Ordering::Relaxed);
        assert!(panics >= 50);
        assert_eq!(mounted.mount().stats().io_errors(), panics as u64);
        assert_eq!(read_page(&file, 0).unwrap(), [b'p'; 4096]);
        assert_eq!(fs::read(mounted.path("other")).unwrap(), b"fine");
    }
}
