use crate::gguf;

/// Why an architecture's folder cannot be shown.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // the messages say what the fields are
pub enum Error {
    #[error(transparent)]
    Gguf(#[from] gguf::Error),
    #[error("architecture {name:?} is not known; known are: {known}")]
    UnknownArchitecture { name: String, known: String },
    #[error("architecture {name:?} cannot be shown: {reason}")]
    RefusedArchitecture { name: String, reason: &'static str },
    #[error("class {class:?} is none of architecture {architecture:?}, which has: {known}")]
    UnknownClass { class: String, architecture: String, known: String },
    #[error("an adapter does not say {what}; give the GGUF of its base model as well")]
    NeedsBase { what: String },
    #[error("the key {key:?} is missing")]
    MissingKey { key: String },
    #[error("the array {key:?} has no number for layer {layer}")]
    Layers { key: String, layer: u64 },
    #[error("there is no tensor {name:?}")]
    NoSuchTensor { name: String },
    #[error("the tensor {hf:?} cannot be made: the file lacks {stored:?}")]
    MissingTensor { hf: String, stored: String },
    #[error("{count} tensors are not known to the architecture, so the folder would lack them: {}", names.join(", "))]
    UnmappedTensors { count: usize, names: Vec<String> },
    #[error("the tensor {tensor:?} could not be read")]
    Unreadable { tensor: String },
    #[error("shapes do not fit: {what}")]
    Shape { what: String },
    #[error("sizes do not fit: {what}")]
    Arithmetic { what: String },
    #[error("{what}")]
    Unsupported { what: String },
}
