//! Virtual safetensors files: a header in memory, and tensors resolved on read.
//!
//! Format: the safetensors crate 0.8, `tensor.rs`. Tensors follow each other without a gap, so they stand by the width of their
//! dtype, widest first, which keeps each aligned; within that in the order of the GGUF, so that whoever reads the file from
//! start to end walks the GGUF from start to end.

use std::ops::Range;
use std::sync::Arc;

use rawrz_vfs::{Error as ReadError, FileContent, Verbatim};
use serde_json::{Map, Value as Json, json};

use super::{Error, Shards};
use crate::model::Model;
use crate::tensor::VirtualTensor;

/// Where tensor data starts in a file: on a page, so that pages of the file are pages of tensors.
const DATA_ALIGNMENT: usize = 4096;
/// Bytes that a header may have (safetensors `MAX_HEADER_SIZE`; mlx wants less than that).
const HEADER_LEN: usize = 99_999_999;
/// Bytes of a file where the user gave no size.
const DEFAULT_SHARD_LEN: u64 = 4 << 30;

/// One virtual file.
pub struct SafetensorsFile {
    /// Its name in the folder.
    pub name: String,
    header: Vec<u8>,
    model: Arc<Model>,
    tensors: Range<usize>,
    /// Where each tensor starts in the file; one more than there are tensors: the last is the file's length.
    starts: Vec<u64>,
}

/// The files of a model's weights.
///
/// # Errors
/// If a header would be larger than readers accept.
pub fn files(
    model: &Arc<Model>,
    tensors: &[VirtualTensor],
    shards: Shards,
) -> Result<Vec<SafetensorsFile>, Error> {
    let parts = cut(&tensors[..own(tensors)], shards);
    let name = |i: usize| match parts.len() {
        1 => "model.safetensors".to_owned(),
        n => format!("model-{:05}-of-{n:05}.safetensors", i + 1),
    };
    let file =
        |(i, part): (usize, &Range<usize>)| SafetensorsFile::new(name(i), model, tensors, part.clone());
    parts.iter().enumerate().map(file).collect()
}

/// The file of an adapter.
///
/// # Errors
/// If its header would be larger than readers accept.
pub fn adapter(model: &Arc<Model>, tensors: &[VirtualTensor]) -> Result<SafetensorsFile, Error> {
    SafetensorsFile::new("adapter_model.safetensors".into(), model, tensors, 0..tensors.len())
}

/// The files of modules that follow the model proper: a tensor named `2_Dense/linear.weight` is `linear.weight` in the
/// module's own file.
///
/// # Errors
/// If a header would be larger than readers accept.
pub fn modules(model: &Arc<Model>, tensors: &[VirtualTensor]) -> Result<Vec<SafetensorsFile>, Error> {
    let mut files = Vec::new();
    let mut start = own(tensors);
    while let Some((folder, _)) = tensors.get(start).and_then(|t| t.name.split_once('/')) {
        let len =
            tensors[start..].iter().take_while(|t| t.name.split_once('/').map(|(f, _)| f) == Some(folder));
        let end = start + len.count();
        files.push(SafetensorsFile::new(format!("{folder}/model.safetensors"), model, tensors, start..end)?);
        start = end;
    }
    Ok(files)
}

/// How many of the tensors are the model's own: those of modules come after them.
fn own(tensors: &[VirtualTensor]) -> usize {
    tensors.partition_point(|t| !t.name.contains('/'))
}

/// model.safetensors.index.json.
pub fn index(files: &[SafetensorsFile]) -> Json {
    let all = || files.iter().flat_map(|f| f.tensors().iter().map(move |t| (t, &f.name)));
    let bytes: u64 = all().map(|(t, _)| t.len()).sum();
    let parameters: u64 = all().map(|(t, _)| t.shape.iter().product::<u64>()).sum();
    let weight_map: Map<_, _> = all().map(|(t, file)| (t.name.clone(), file.as_str().into())).collect();
    json!({"metadata": {"total_size": bytes, "total_parameters": parameters}, "weight_map": weight_map})
}

/// Which tensors go into which file.
fn cut(tensors: &[VirtualTensor], shards: Shards) -> Vec<Range<usize>> {
    let total: u64 = tensors.iter().map(VirtualTensor::len).sum();
    let limit = match shards {
        Shards::Auto => DEFAULT_SHARD_LEN,
        Shards::One => u64::MAX,
        Shards::UpTo(len) => len,
    };
    let mut parts = Vec::new();
    let (mut start, mut len) = (0, 0);
    for (i, tensor) in tensors.iter().enumerate() {
        if total > limit && i > start && len + tensor.len() > limit {
            parts.push(start..i);
            (start, len) = (i, 0);
        }
        len += tensor.len();
    }
    parts.push(start..tensors.len());
    parts
}

impl SafetensorsFile {
    fn new(
        name: String,
        model: &Arc<Model>,
        all: &[VirtualTensor],
        tensors: Range<usize>,
    ) -> Result<Self, Error> {
        let mut map = Map::new();
        map.insert("__metadata__".into(), json!({"format": "pt"}));
        let mut starts = vec![0];
        for tensor in &all[tensors.clone()] {
            let (begin, end) = (starts[starts.len() - 1], starts[starts.len() - 1] + tensor.len());
            let entry =
                json!({"dtype": tensor.dtype.name(), "shape": tensor.shape, "data_offsets": [begin, end]});
            let name = tensor.name.rsplit('/').next().unwrap_or(&tensor.name);
            map.insert(name.to_owned(), entry);
            starts.push(end);
        }
        let mut header = vec![0; 8];
        serde_json::to_writer(&mut header, &map).expect("maps with text keys are JSON");
        header.resize(header.len().next_multiple_of(DATA_ALIGNMENT), b' ');
        let len = header.len() - 8;
        if len > HEADER_LEN {
            return Err(Error::Header { file: name, len });
        }
        header[..8].copy_from_slice(&(len as u64).to_le_bytes());
        starts.iter_mut().for_each(|start| *start += header.len() as u64);
        Ok(Self { name, header, model: model.clone(), tensors, starts })
    }

    fn tensors(&self) -> &[VirtualTensor] {
        let weights = self.model.weights.as_ref().expect("a model with weights files has weights");
        &weights.tensors[self.tensors.clone()]
    }

    /// The tensor that holds byte `offset` of the file, which is past the header.
    fn tensor_at(&self, offset: u64) -> usize {
        self.starts.partition_point(|&start| start <= offset) - 1
    }
}

impl FileContent for SafetensorsFile {
    fn len(&self) -> u64 {
        self.starts[self.starts.len() - 1]
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut at = offset;
        let mut rest = buf;
        if let Some(header) = usize::try_from(at).ok().and_then(|at| self.header.get(at..)) {
            let (now, later) = rest.split_at_mut(header.len().min(rest.len()));
            now.copy_from_slice(&header[..now.len()]);
            at += now.len() as u64;
            rest = later;
        }
        while !rest.is_empty() {
            let i = self.tensor_at(at);
            let (Some(tensor), Some(&end)) = (self.tensors().get(i), self.starts.get(i + 1)) else {
                return Err(ReadError::Io);
            };
            let (now, later) = rest.split_at_mut((end - at).min(rest.len() as u64) as usize);
            tensor.read_exact_at(at - self.starts[i], now)?;
            at += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Neighbours in the file are often neighbours in the GGUF: a range may span several tensors.
    fn verbatim_at(&self, offset: u64, len: usize) -> Option<Verbatim<'_>> {
        if offset < self.header.len() as u64 {
            return None;
        }
        let end = offset.checked_add(len as u64)?;
        let mut range: Option<Verbatim> = None;
        let mut i = self.tensor_at(offset);
        let mut at = offset;
        while at < end {
            let stop = end.min(*self.starts.get(i + 1)?);
            let next = self.tensors()[i].verbatim_at(at - self.starts[i], (stop - at) as usize)?;
            range = Some(match range {
                None => next,
                Some(so_far) => so_far.joined(&next)?,
            });
            at = stop;
            i += 1;
        }
        range
    }
}
