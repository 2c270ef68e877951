//! A whole model: one file, or the files of a split one, found, checked and joined.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rawrz_vfs::Source;

use super::{Directory, Error, Metadata, limits};
use crate::quant::Format;
use crate::source::MappedFile;

/// A model's metadata and tensors, from one file or several.
pub struct Gguf {
    /// Metadata of the first file, less the keys of the split.
    pub metadata: Metadata,
    /// All tensors, in file order.
    pub tensors: Vec<Tensor>,
    /// The files, in order.
    pub sources: Vec<Arc<dyn Source>>,
    index: HashMap<String, usize>,
}

/// One stored tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// GGUF name.
    pub name: String,
    /// Sizes of the axes in ggml's order: the first is the row length, torch's last axis.
    pub dims: Vec<u64>,
    /// How its values are stored.
    pub format: &'static Format,
    /// Index in [`Gguf::sources`].
    pub source: usize,
    /// Byte offset of its data in that source.
    pub file_offset: u64,
    /// Bytes of its data.
    pub len: u64,
}

/// Why a model could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file could not be opened.
    #[error("{}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not a GGUF that can be read.
    #[error("{}", path.display())]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: Error,
    },
    /// The files of a split model do not fit together.
    #[error("{}: {what}", path.display())]
    Split {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

impl Gguf {
    /// Opens a model by any of its files.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let first = open_file(path)?;
        let directory = read_directory(path, &first)?;
        match split_count(&directory.metadata).map_err(|source| gguf_error(path, source))? {
            0 | 1 => Self::join(vec![(path.to_owned(), first, directory)]),
            count => {
                let paths = shard_paths(path, count)?;
                let open = |path: PathBuf| {
                    let source = open_file(&path)?;
                    let directory = read_directory(&path, &source)?;
                    Ok((path, source, directory))
                };
                Self::join(paths.into_iter().map(open).collect::<Result<_, OpenError>>()?)
            }
        }
    }

    /// The tensor of a GGUF name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|&i| &self.tensors[i])
    }

    /// Bytes of all files.
    pub fn len(&self) -> u64 {
        self.sources.iter().map(|s| s.len()).sum()
    }

    /// Whether the files hold no byte, which no valid model does.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number and bytes of tensors by stored type.
    pub fn types(&self) -> BTreeMap<&'static str, (usize, u64)> {
        let mut types = BTreeMap::new();
        for tensor in &self.tensors {
            let (count, bytes) = types.entry(tensor.format.name).or_insert((0, 0));
            *count += 1;
            *bytes += tensor.len;
        }
        types
    }

    fn join(files: Vec<(PathBuf, Arc<dyn Source>, Directory)>) -> Result<Self, OpenError> {
        let count = files.len();
        let mut all = Self {
            metadata: Metadata::default(),
            tensors: Vec::new(),
            sources: Vec::new(),
            index: HashMap::new(),
        };
        let mut announced = None;
        for (number, (path, source, directory)) in files.into_iter().enumerate() {
            let wrong = |what: String| OpenError::Split { path: path.clone(), what };
            if count > 1 {
                let place = |key| directory.metadata.u64(key).map_err(|source| gguf_error(&path, source));
                if place("split.count")? != Some(count as u64) || place("split.no")? != Some(number as u64) {
                    return Err(wrong(format!("does not say that it is file {} of {count}", number + 1)));
                }
                announced = place("split.tensors.count")?;
            }
            for info in directory.tensors {
                if all.index.insert(info.name.clone(), all.tensors.len()).is_some() {
                    return Err(wrong(format!("tensor {:?} is in an earlier file too", info.name)));
                }
                let super::TensorInfo { name, dims, format, file_offset, len, at: _ } = info;
                all.tensors.push(Tensor { name, dims, format, source: number, file_offset, len });
            }
            if number == 0 {
                all.metadata = directory.metadata;
            }
            all.sources.push(source);
            if number + 1 == count && announced.is_some_and(|n| n != all.tensors.len() as u64) {
                return Err(wrong(format!("{} tensors in all files, not {announced:?}", all.tensors.len())));
            }
        }
        Ok(all)
    }
}

fn open_file(path: &Path) -> Result<Arc<dyn Source>, OpenError> {
    match MappedFile::open(path) {
        Ok(file) => Ok(Arc::new(file)),
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

fn read_directory(path: &Path, source: &Arc<dyn Source>) -> Result<Directory, OpenError> {
    Directory::read(&**source).map_err(|source| gguf_error(path, source))
}

fn gguf_error(path: &Path, source: Error) -> OpenError {
    OpenError::Gguf { path: path.to_owned(), source }
}

fn split_count(metadata: &Metadata) -> Result<u64, Error> {
    let count = metadata.u64("split.count")?.unwrap_or(0);
    if count > limits::SHARDS {
        return Err(Error::limit(0, format!("split.count is {count}")));
    }
    Ok(count)
}

/// The paths of all `count` files, from the path of any: `PREFIX-00002-of-00003.gguf` (llama.cpp's `gguf-split`).
fn shard_paths(path: &Path, count: u64) -> Result<Vec<PathBuf>, OpenError> {
    let wrong = |what| OpenError::Split { path: path.to_owned(), what };
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let suffix = format!("-of-{count:05}.gguf");
    let prefix = name
        .strip_suffix(&suffix)
        .and_then(|rest| rest.rsplit_once('-'))
        .filter(|(_, number)| number.len() == 5 && number.bytes().all(|b| b.is_ascii_digit()))
        .map(|(prefix, _)| prefix)
        .ok_or_else(|| {
            wrong(format!("is one of {count} files of a split model; its name must be PREFIX-00001{suffix} for the others to be found"))
        })?;
    Ok((1..=count).map(|number| path.with_file_name(format!("{prefix}-{number:05}{suffix}"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_found_from_any_of_them() {
        let all = ["/m/a-b-00001-of-00003.gguf", "/m/a-b-00002-of-00003.gguf", "/m/a-b-00003-of-00003.gguf"];
        for path in all {
            assert_eq!(shard_paths(Path::new(path), 3).unwrap(), all.map(PathBuf::from));
        }
        for path in ["/m/a.gguf", "/m/a-1-of-00003.gguf", "/m/a-00001-of-00002.gguf", "/m/-of-00003.gguf"] {
            assert!(shard_paths(Path::new(path), 3).is_err(), "{path}");
        }
    }
}
