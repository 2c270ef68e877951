//! The manifest: which blobs are a model.

use serde::Serialize;

use super::Digest;

/// A layer's kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum MediaType {
    /// What the model is.
    #[serde(rename = "application/vnd.docker.container.image.v1+json")]
    Config,
    /// The GGUF.
    #[serde(rename = "application/vnd.ollama.image.model")]
    Model,
    /// Options of a run.
    #[serde(rename = "application/vnd.ollama.image.params")]
    Params,
    /// A Go template.
    #[serde(rename = "application/vnd.ollama.image.template")]
    Template,
}

/// A blob as the manifest names it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    media_type: MediaType,
    digest: String,
    size: u64,
}

/// The JSON of a manifest. Its fields are in Go's order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Layer,
    layers: Vec<Layer>,
}

impl Layer {
    /// Names a blob of `size` bytes.
    pub fn new(media_type: MediaType, digest: &Digest, size: u64) -> Self {
        Self { media_type, digest: digest.to_string(), size }
    }
}

impl Manifest {
    /// The manifest of these layers, in their order.
    pub fn new(config: Layer, layers: Vec<Layer>) -> Self {
        let media_type = "application/vnd.docker.distribution.manifest.v2+json";
        Self { schema_version: 2, media_type, config, layers }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ollama::go_json;

    /// A model whose template Ollama knows (ollama-store.md 8.4; the layers' digests are those of its own tests).
    #[test]
    fn encodes_as_ollama_does() {
        let layer = |media_type, hex, size| Layer::new(media_type, &Digest::expected(hex), size);
        let manifest = Manifest::new(
            layer(MediaType::Config, "99759ad5b91e723db0393d698ffbb448b1b7df5ff6377a108c49254583b1bc8c", 147),
            vec![
                layer(
                    MediaType::Model,
                    "3322a0c650c758b7386ff55629d27d07c07b6c3d3515e259dc3e5598c41e9f4e",
                    329,
                ),
                layer(
                    MediaType::Template,
                    "35360843d0c84fb1506952a131bbef13cd2bb4a541251f22535170c05b56e672",
                    83,
                ),
                layer(
                    MediaType::Params,
                    "0d79f567714c62c048378f2107fb332dabee0135d080c302d884317da9433cc5",
                    101,
                ),
            ],
        );
        let bytes = go_json::encode(&manifest);
        assert_eq!(bytes.len(), 702);
        let expected = "c563d83ea0fa9f00283f75446ee83d64a0a242261e682dd85eac1eccfcd22b7f";
        assert_eq!(Digest::of(&bytes).hex(), expected);
    }
}
