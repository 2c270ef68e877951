use crate::gguf::{Gguf, Metadata, Tensor};

use super::shared::TRUNK;
use super::{Error, fused};

/// What a rule or field may ask of a file, at a layer and expert.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The file.
    pub gguf: &'a Gguf,
    /// `general.architecture`, the prefix of the architecture's keys.
    pub architecture: &'a str,
    /// The layer that `{i}` stands for.
    pub layer: u64,
    /// The layer as its rule counts, which `{j}` stands for.
    pub nth: u64,
    /// The expert that `{e}` stands for.
    pub expert: u64,
}

impl<'a> Scope<'a> {
    /// The scope of a whole file.
    pub fn new(gguf: &'a Gguf, architecture: &'a str) -> Self {
        Self { gguf, architecture, layer: 0, nth: 0, expert: 0 }
    }

    /// All metadata.
    pub fn metadata(&self) -> &'a Metadata {
        &self.gguf.metadata
    }

    /// The full name of a key of the architecture.
    pub fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    /// The whole number of `{arch}.KEY`; of an array, the element of this layer.
    ///
    /// # Errors
    /// If the value is of another type, or an array too short.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, Error> {
        let key = self.key(key);
        match self.metadata().value(&key).and_then(|v| v.as_array()) {
            None => Ok(self.metadata().u64(&key)?),
            Some(array) => {
                let element = usize::try_from(self.layer).ok().and_then(|i| array.get(i)?.as_u64());
                element.map(Some).ok_or(Error::Layers { key, layer: self.layer })
            }
        }
    }

    /// The floating-point number of `{arch}.KEY`.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn f64(&self, key: &str) -> Result<Option<f64>, Error> {
        Ok(self.metadata().f64(&self.key(key))?)
    }

    /// The text of `{arch}.KEY`.
    ///
    /// # Errors
    /// If the value is of another type.
    pub fn str(&self, key: &str) -> Result<Option<&'a str>, Error> {
        Ok(self.metadata().str(&self.key(key))?)
    }

    /// This scope at a layer.
    pub fn at(&self, layer: u64) -> Self {
        Self { layer, ..*self }
    }

    /// A name with its layer and expert put in.
    pub fn name(&self, pattern: &str) -> String {
        [("{i}", self.layer), ("{j}", self.nth), ("{e}", self.expert)]
            .iter()
            .fold(pattern.to_owned(), |name, (mark, number)| name.replace(mark, &number.to_string()))
    }

    /// The stored tensor of a full name.
    pub fn tensor(&self, name: &str) -> Option<&'a Tensor> {
        self.gguf.tensor(name)
    }

    /// Whether the file has the tensor of a full name, by itself or as rows of another.
    pub fn has(&self, name: &str) -> bool {
        self.tensor(name).is_some() || fused::part(self, name).is_some()
    }

    /// Layers of the model proper: blocks but for those that predict further tokens.
    ///
    /// # Errors
    /// If there is no count.
    pub fn layers(&self) -> Result<u64, Error> {
        TRUNK.of(self)
    }

    /// One value a layer.
    ///
    /// # Errors
    /// If there is no count of layers, or `value` fails.
    pub fn each_layer<T>(&self, mut value: impl FnMut(&Self) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        // Each layer has tensors, so their number bounds what an untrue count may cost.
        let layers = self.layers()?.min(self.gguf.tensors.len() as u64);
        (0..layers).map(|layer| value(&self.at(layer))).collect()
    }

    /// The first layer that has the stored tensor (full name; `{i}` is the layer).
    ///
    /// # Errors
    /// If there is no count of layers.
    pub fn first_layer_with(&self, pattern: &str) -> Result<Option<u64>, Error> {
        let has = self.each_layer(|at| Ok(at.has(&at.name(pattern))))?;
        Ok(has.iter().position(|&has| has).map(|layer| layer as u64))
    }

    /// All values of a small stored tensor, as `f32`.
    ///
    /// # Errors
    /// If it is larger than a megabyte or cannot be read.
    pub fn values(&self, tensor: &Tensor) -> Result<Vec<f32>, Error> {
        const LIMIT: u64 = 1 << 20;
        if tensor.len > LIMIT {
            return Err(Error::Unreadable { tensor: tensor.name.clone() });
        }
        self.first_values(tensor, LIMIT)
    }

    /// The values of a stored tensor's first blocks, at most so many bytes of them, as `f32`.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn first_values(&self, tensor: &Tensor, bytes: u64) -> Result<Vec<f32>, Error> {
        let block_bytes = tensor.format.block_bytes;
        let blocks = tensor.len.min(bytes) as usize / block_bytes;
        let mut bytes = vec![0; blocks * block_bytes];
        let source = &self.gguf.sources[tensor.source];
        source
            .read_exact_at(tensor.file_offset, &mut bytes)
            .map_err(|_| Error::Unreadable { tensor: tensor.name.clone() })?;
        let mut values = vec![0.0; blocks * tensor.format.block_len];
        tensor.format.decode(&bytes, &mut values);
        Ok(values)
    }
}
