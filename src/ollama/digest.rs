//! The digest that names a model's blob.
//!
//! Ollama verifies digests only of what it pulls (`server/images.go`), so a local blob may be named by anything of the
//! right form, and a hundred gigabytes need not be read at mount.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rawrz_vfs::{FileContent, Identity};
use sha2::{Digest as _, Sha256};

/// Begins what a quick digest is taken over, so that it is never the digest of some file's content. The number
/// changes with what is sampled.
const QUICK_DOMAIN: &[u8] = b"rawrz-mount: quick digest 1\0";
/// Places where a quick digest looks into the tensor data, evenly spread. Few enough for a disk that seeks (0.2 s).
const SAMPLES: u64 = 16;
/// Bytes read at each.
const SAMPLE_LEN: u64 = 4096;
/// Bytes hashed at a time.
const WINDOW: usize = 1 << 20;

/// A digest, and what it is the digest of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Digest {
    /// The 64 hexadecimal digits.
    hex: String,
    /// How it was come by.
    pub origin: Origin,
}

/// How a digest was come by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// All bytes were hashed: it is the content's SHA-256.
    Content,
    /// The file lies where a program put it that names files by their SHA-256.
    Place,
    /// A hash of the length, the header and samples of the data: it tells models apart, and is no file's SHA-256.
    Quick,
}

impl Digest {
    /// The digest of bytes in memory.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes), Origin::Content)
    }

    /// The digest that the file's place proves: a blob of an Ollama store (`blobs/sha256-HEX`) or of the Hugging Face
    /// cache (`blobs/HEX`), through symbolic links.
    pub fn of_place(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let name = path.file_name()?.to_str()?;
        let is_blob = path.parent()?.file_name()? == "blobs";
        let hex = name.strip_prefix("sha256-").unwrap_or(name);
        let is_hex = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        (is_blob && is_hex).then(|| Self { hex: hex.to_ascii_lowercase(), origin: Origin::Place })
    }

    /// A hash of the length, the first `header_len` bytes and a few samples of the rest: the same for the same file
    /// wherever it lies, and had in milliseconds.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn quick(content: &dyn FileContent, header_len: u64) -> Result<Self, rawrz_vfs::Error> {
        let len = content.len();
        let header_len = header_len.min(len);
        let mut hasher = Sha256::new_with_prefix(QUICK_DOMAIN);
        hasher.update(len.to_le_bytes());
        hasher.update(header_len.to_le_bytes());
        hash(content, 0, header_len, &mut hasher, |_| {})?;
        let data_len = len - header_len;
        if data_len <= SAMPLES * SAMPLE_LEN {
            hash(content, header_len, len, &mut hasher, |_| {})?;
        } else {
            for sample in 0..SAMPLES {
                // The last sample ends where the file ends.
                let step = (data_len - SAMPLE_LEN) / (SAMPLES - 1);
                let start = if sample + 1 == SAMPLES { len - SAMPLE_LEN } else { header_len + sample * step };
                hash(content, start, start + SAMPLE_LEN, &mut hasher, |_| {})?;
            }
        }
        Ok(Self::finish(hasher, Origin::Quick))
    }

    /// The SHA-256 of a file's content. Tells `progress` how many bytes are done.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_content(
        content: &dyn FileContent,
        progress: impl FnMut(u64),
    ) -> Result<Self, rawrz_vfs::Error> {
        let mut hasher = Sha256::new();
        hash(content, 0, content.len(), &mut hasher, progress)?;
        Ok(Self::finish(hasher, Origin::Content))
    }

    /// A digest that a test asserts.
    #[cfg(test)]
    pub fn expected(hex: &str) -> Self {
        Self { hex: hex.to_owned(), origin: Origin::Content }
    }

    /// The 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The name of the blob in `blobs/`.
    pub fn file_name(&self) -> String {
        format!("sha256-{}", self.hex)
    }

    fn finish(hasher: Sha256, origin: Origin) -> Self {
        Self { hex: hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect(), origin }
    }
}

/// As manifests name it.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex)
    }
}

fn hash(
    content: &dyn FileContent,
    start: u64,
    end: u64,
    hasher: &mut Sha256,
    mut progress: impl FnMut(u64),
) -> Result<(), rawrz_vfs::Error> {
    let mut window = vec![0; WINDOW.min((end - start) as usize)];
    let mut at = start;
    while at < end {
        let len = (end - at).min(WINDOW as u64) as usize;
        content.read_exact_at(at, &mut window[..len])?;
        hasher.update(&window[..len]);
        at += len as u64;
        progress(at - start);
    }
    Ok(())
}

/// The digests of contents, remembered in a file: a line each, the identity of the model's files and the digest.
///
/// Lines are only added, each with one write, so that several processes can share the file; what is no such line is
/// passed over.
pub struct Cache {
    path: PathBuf,
}

impl Cache {
    /// The cache in the file at `path`, which need not be there yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The digest of the content that these files had when they were as they are now.
    pub fn find(&self, files: &[&Identity]) -> Option<Digest> {
        let key = key(files)?;
        let text = fs::read_to_string(&self.path).ok()?;
        let of_key = |line: &str| {
            let hex = line.strip_prefix(key.as_str())?.strip_prefix(' ')?;
            let is_hex = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            is_hex.then(|| Digest { hex: hex.to_owned(), origin: Origin::Content })
        };
        text.lines().rev().find_map(of_key)
    }

    /// Remembers a digest. Does nothing where files have no number to know them by.
    ///
    /// # Errors
    /// What the system says.
    pub fn remember(&self, files: &[&Identity], digest: &Digest) -> io::Result<()> {
        let Some(key) = key(files) else { return Ok(()) };
        if let Some(directory) = self.path.parent() {
            fs::create_dir_all(directory)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        file.write_all(format!("{key} {}\n", digest.hex).as_bytes())
    }
}

/// What the files were, in one word: device, inode, length and modification time of each. `None` where a file has no
/// number, since length and time alone are not its own.
fn key(files: &[&Identity]) -> Option<String> {
    let each = files.iter().map(|file| {
        let since = file.modified.duration_since(UNIX_EPOCH).ok().filter(|_| file.inode != 0)?;
        Some(format!("{}:{}:{}:{}", file.device, file.inode, file.len, since.as_nanos()))
    });
    each.collect::<Option<Vec<_>>>().map(|all| all.join(","))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use rawrz_vfs::Bytes;

    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 % 251) as u8).collect()
    }

    #[test]
    fn a_content_is_hashed_whole() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, "abc"
        assert_eq!(Digest::of(b"abc").hex(), expected);
        let mut done = Vec::new();
        let content = bytes(WINDOW + 5);
        let digest = Digest::of_content(&Bytes::from(content.clone()), |n| done.push(n)).unwrap();
        assert_eq!(digest, Digest::of(&content));
        assert_eq!(done, [WINDOW as u64, WINDOW as u64 + 5]);
    }

    #[test]
    fn a_quick_digest_tells_headers_lengths_and_samples_apart() {
        let original = bytes(1 << 20);
        let quick = |b: &[u8], header| Digest::quick(&Bytes::from(b.to_vec()), header).unwrap();
        let of = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut copy = original.clone();
            change(&mut copy);
            quick(&copy, 5000)
        };
        let digest = quick(&original, 5000);
        assert_eq!(digest, of(&|_| {}));
        assert_ne!(digest.hex(), Digest::of(&original).hex());
        assert_ne!(digest, quick(&original, 5001));
        assert_ne!(digest, of(&|b| b[4999] ^= 1), "in the header");
        assert_ne!(digest, of(&|b| b[5000] ^= 1), "the first sample");
        assert_ne!(digest, of(&|b| *b.last_mut().unwrap() ^= 1), "the last sample");
        assert_ne!(digest, of(&|b| b.truncate(b.len() - 1)), "the length");
        // Small data is hashed whole.
        let small = bytes(20_000);
        for at in [0, 9_999, 19_999] {
            let mut copy = small.clone();
            copy[at] ^= 1;
            assert_ne!(quick(&small, 100), quick(&copy, 100), "byte {at}");
        }
    }

    #[test]
    fn a_place_proves_a_digest() {
        let hex = "0123456789abcdef".repeat(4);
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            (format!("models/blobs/sha256-{hex}"), true),
            (format!("models--org--repo/blobs/{hex}"), true),
            (format!("blobs/sha256-{}", &hex[1..]), false),
            (format!("blobs/{}", "0".repeat(40)), false), // a git hash
            (format!("elsewhere/{hex}"), false),
            ("blobs/model.gguf".to_owned(), false),
        ];
        for (name, is_proof) in cases {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, b"x").unwrap();
            let found = Digest::of_place(&path);
            assert_eq!(
                found.as_ref().map(Digest::hex),
                is_proof.then_some(hex.as_str()),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn the_cache_forgets_a_file_that_changed() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path().join("new/digests"));
        let modified = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_123_456_789);
        let file = Identity { device: 1, inode: 2, len: 3, modified };
        let digest = Digest::of(b"abc");
        assert_eq!(cache.find(&[&file]), None);
        cache.remember(&[&file], &Digest::of(b"old")).unwrap();
        cache.remember(&[&file, &file], &Digest::of(b"two")).unwrap();
        cache.remember(&[&file], &digest).unwrap();
        assert_eq!(cache.find(&[&file]), Some(digest));
        assert_eq!(cache.find(&[&file, &file]), Some(Digest::of(b"two")));
        for changed in [
            Identity { device: 0, ..file.clone() },
            Identity { inode: 3, ..file.clone() },
            Identity { len: 4, ..file.clone() },
            Identity { modified: modified + Duration::from_nanos(1), ..file.clone() },
        ] {
            assert_eq!(cache.find(&[&changed]), None);
        }
        let unnumbered = Identity { inode: 0, ..file };
        cache.remember(&[&unnumbered], &Digest::of(b"abc")).unwrap();
        assert_eq!(cache.find(&[&unnumbered]), None);
    }
}
