//! The model's blob: the GGUF itself, or the files of a split one as the one file that they were.

use std::sync::Arc;

use rawrz_vfs::{Bytes, Error, FileContent, Source, Verbatim};

use crate::gguf::Gguf;
use crate::gguf::writer::{self, Info};

/// How the blob's bytes come to a reader.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BlobMode {
    /// The kernel reads the GGUF itself.
    Passthrough,
    /// The blob is a symbolic link to the GGUF.
    Link,
    /// We answer each read.
    #[default]
    Serve,
}

/// What decides on the mode.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Whether the door can hand a file to the kernel.
    pub passthrough: bool,
    /// Whether the door can show a symbolic link.
    pub links: bool,
    /// Whether other users see the mount, who may not reach what a link points to.
    pub allow_other: bool,
    /// Whether the model is in several files.
    pub split: bool,
}

impl BlobMode {
    /// The mode that is wanted, or the best that can be had.
    ///
    /// # Errors
    /// Why what is wanted cannot be had.
    pub fn choose(wanted: Option<Self>, circumstances: &Circumstances) -> Result<Self, &'static str> {
        let Circumstances { passthrough, links, allow_other, split } = *circumstances;
        match wanted {
            Some(Self::Serve) => Ok(Self::Serve),
            Some(_) if split => Err("the blob of a split model is none of its files: it can only be served"),
            Some(Self::Passthrough) if !passthrough => {
                Err("passthrough needs Linux 6.9 and CAP_SYS_ADMIN outside of containers")
            }
            Some(Self::Link) if !links => Err("symbolic links cannot be shown on this system"),
            Some(wanted) => Ok(wanted),
            None if split => Ok(Self::Serve),
            None if passthrough => Ok(Self::Passthrough),
            None if links && !allow_other => Ok(Self::Link),
            None => Ok(Self::Serve),
        }
    }
}

/// The blob's content, and how many bytes of it come before the tensor data. `None` if the files of a split model are
/// too large to be one.
pub fn content(gguf: &Gguf) -> Option<(Arc<dyn FileContent>, u64)> {
    if let [source] = &gguf.sources[..] {
        let header_len = gguf.tensors.iter().map(|t| t.file_offset).min().unwrap_or(source.len());
        return Some((Arc::new(Whole(source.clone())), header_len));
    }
    let merged = Merged::new(gguf)?;
    let header_len = merged.header.len();
    Some((Arc::new(merged), header_len))
}

/// A file that is a source, all of it.
struct Whole(Arc<dyn Source>);

impl FileContent for Whole {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        self.0.read_exact_at(offset, buf)
    }

    fn verbatim_at(&self, offset: u64, len: usize) -> Option<Verbatim<'_>> {
        Some(Verbatim { source: &self.0, offset, len })
    }
}

/// The files of a split GGUF as one: a new header without the keys of the split, then the tensors of all files in order,
/// as `llama-gguf-split --merge` writes them. The space between two tensors is zeros.
struct Merged {
    header: Bytes,
    extents: Vec<Extent>, // ascending starts, none empty
    len: u64,
}

/// A tensor's bytes.
struct Extent {
    start: u64,
    len: u64,
    source: Arc<dyn Source>,
    file_offset: u64,
}

const SPLIT_KEYS: [&str; 3] = ["split.no", "split.count", "split.tensors.count"];

impl Merged {
    /// `None` if its length is more than a file can have: a sparse file may say that it holds 2^63 bytes.
    fn new(gguf: &Gguf) -> Option<Self> {
        let alignment = gguf.metadata.value("general.alignment").and_then(|v| v.as_u64());
        let alignment = alignment.unwrap_or(writer::ALIGNMENT);
        let mut data_len = 0_u64;
        let mut extents = Vec::with_capacity(gguf.tensors.len());
        for t in &gguf.tensors {
            let source = gguf.sources[t.source].clone();
            extents.push(Extent { start: data_len, len: t.len, source, file_offset: t.file_offset });
            data_len = data_len.checked_add(t.len)?.checked_next_multiple_of(alignment)?;
        }
        let header = header(gguf, alignment);
        let data_start = (header.len() as u64).checked_next_multiple_of(alignment)?;
        let len = data_start.checked_add(data_len).filter(|&len| i64::try_from(len).is_ok())?;
        extents.iter_mut().for_each(|e| e.start += data_start);
        Some(Self { header: header.into(), extents, len })
    }

    /// The extent that holds a byte, or the first one after it.
    fn extent_from(&self, offset: u64) -> Option<&Extent> {
        self.extents.get(self.extents.partition_point(|e| e.start + e.len <= offset))
    }
}

fn header(gguf: &Gguf, alignment: u64) -> Vec<u8> {
    let metadata = gguf.metadata.iter().filter(|e| !SPLIT_KEYS.contains(&e.key.as_str()));
    let metadata: Vec<_> = metadata.map(|e| (e.key.as_str(), &e.value)).collect();
    let infos =
        gguf.tensors.iter().map(|t| Info { name: &t.name, dims: &t.dims, type_id: t.format.id, len: t.len });
    writer::header(alignment, &metadata, &infos.collect::<Vec<_>>())
}

impl FileContent for Merged {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let mut at = offset;
        let mut rest = buf;
        while !rest.is_empty() {
            let header_left = self.header.len().saturating_sub(at);
            let extent = self.extent_from(at);
            // Up to the end of the extent that holds the byte, or else of the padding before the next.
            let end = match extent {
                _ if header_left > 0 => self.header.len(),
                Some(e) if e.start <= at => e.start + e.len,
                Some(e) => e.start,
                None => self.len,
            };
            let len = rest.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
            let (part, next) = rest.split_at_mut(len);
            match extent {
                _ if header_left > 0 => self.header.read_exact_at(at, part)?,
                Some(e) if e.start <= at => e.source.read_exact_at(e.file_offset + (at - e.start), part)?,
                _ => part.fill(0),
            }
            at += len as u64;
            rest = next;
        }
        Ok(())
    }

    fn verbatim_at(&self, offset: u64, len: usize) -> Option<Verbatim<'_>> {
        let extent = self.extent_from(offset).filter(|e| e.start <= offset)?;
        let offset_in_tensor = offset - extent.start;
        let fits = len as u64 <= extent.len - offset_in_tensor;
        fits.then(|| Verbatim { source: &extent.source, offset: extent.file_offset + offset_in_tensor, len })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn split() -> Gguf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/quant/split");
        Gguf::open(&folder.join("llama-bf16-00001-of-00003.gguf")).unwrap()
    }

    #[test]
    fn a_split_model_is_one_file() {
        let gguf = split();
        let (content, header_len) = content(&gguf).unwrap();
        let mut bytes = vec![0; content.len() as usize];
        content.read_exact_at(0, &mut bytes).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("merged.gguf");
        std::fs::write(&path, &bytes).unwrap();
        let merged = Gguf::open(&path).unwrap();
        assert!(merged.sources.len() == 1 && merged.metadata.value("split.count").is_none());
        assert_eq!(merged.tensors[0].file_offset, header_len.next_multiple_of(32));
        assert_eq!(merged.metadata.iter().len(), gguf.metadata.iter().len() - SPLIT_KEYS.len());
        for entry in merged.metadata.iter() {
            assert_eq!(Some(&entry.value), gguf.metadata.value(&entry.key), "{}", entry.key);
        }
        assert_eq!(merged.tensors.len(), gguf.tensors.len());
        let data = |gguf: &Gguf, t: &crate::gguf::Tensor| {
            let mut data = vec![0; t.len as usize];
            gguf.sources[t.source].read_exact_at(t.file_offset, &mut data).unwrap();
            data
        };
        for (ours, theirs) in merged.tensors.iter().zip(&gguf.tensors) {
            assert_eq!(
                (&ours.name, &ours.dims, ours.format.id),
                (&theirs.name, &theirs.dims, theirs.format.id)
            );
            assert_eq!(data(&merged, ours), data(&gguf, theirs), "{}", ours.name);
        }
    }

    #[test]
    fn any_cut_of_a_merged_file_equals_the_whole() {
        let (content, header_len) = content(&split()).unwrap();
        let len = content.len();
        let mut whole = vec![0; len as usize];
        content.read_exact_at(0, &mut whole).unwrap();
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); // Knuth's MMIX
            (state >> 33) % below
        };
        for cut in 0..2000 {
            let start = if cut % 2 == 0 { random(len) } else { header_len - 20 + random(40) };
            let cut = random((len - start).min(5000)) as usize;
            let expected = &whole[start as usize..start as usize + cut];
            let mut part = vec![1; cut];
            content.read_exact_at(start, &mut part).unwrap();
            assert_eq!(part, expected, "{cut} bytes at {start}");
            if let Some(v) = content.verbatim_at(start, cut) {
                v.source.read_exact_at(v.offset, &mut part).unwrap();
                assert_eq!(part, expected, "verbatim, {cut} bytes at {start}");
            }
        }
    }

    #[test]
    fn the_mode_is_the_best_that_can_be_had() {
        use BlobMode::{Link, Passthrough, Serve};
        let of = |wanted, [passthrough, links, allow_other, split]: [bool; 4]| {
            BlobMode::choose(wanted, &Circumstances { passthrough, links, allow_other, split }).ok()
        };
        let (y, n) = (true, false);
        for (wanted, circumstances, expected) in [
            (None, [y, y, n, n], Some(Passthrough)),
            (None, [y, y, y, n], Some(Passthrough)),
            (None, [n, y, n, n], Some(Link)),
            (None, [n, y, y, n], Some(Serve)),
            (None, [n, n, n, n], Some(Serve)),
            (None, [y, y, n, y], Some(Serve)),
            (Some(Serve), [y, y, n, n], Some(Serve)),
            (Some(Link), [y, y, y, n], Some(Link)),
            (Some(Link), [y, n, n, n], None),
            (Some(Link), [y, y, n, y], None),
            (Some(Passthrough), [n, y, n, n], None),
            (Some(Passthrough), [y, y, n, y], None),
        ] {
            assert_eq!(of(wanted, circumstances), expected, "{wanted:?} {circumstances:?}");
        }
    }
}
