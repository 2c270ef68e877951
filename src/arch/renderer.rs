//! Architectures whose prompts Ollama renders with code of its own, whatever templates there are (its `createModel`, v0.32.15).

/// One renderer, which is the parser too.
#[derive(Debug)]
pub struct Renderer {
    /// Values of `general.architecture`.
    architectures: &'static [&'static str],
    /// Ollama's name of it.
    pub name: &'static str,
    /// What ends a turn, where `create` says so.
    pub stop: &'static [&'static str],
}

static RENDERERS: &[Renderer] = &[
    Renderer { architectures: &["gemma4"], name: "gemma4", stop: &["<turn|>"] },
    Renderer { architectures: &["laguna"], name: "laguna", stop: &[] },
    Renderer {
        architectures: &["nemotron_h", "nemotron_h_moe", "nemotron_h_omni"],
        name: "nemotron-3-nano",
        stop: &[],
    },
];

/// The renderer of an architecture.
pub fn renderer(architecture: &str) -> Option<&'static Renderer> {
    RENDERERS.iter().find(|r| r.architectures.contains(&architecture))
}
