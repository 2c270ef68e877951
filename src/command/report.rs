//! How a failure is told: one line with the whole chain of causes, what to do about it, and an exit code.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::door;

/// Why a command failed. It can be handed from the background process to the one that the user waits for.
#[derive(Debug, Deserialize, Serialize)]
pub struct Failure {
    exit_code: u8,
    text: String,
    remedy: Option<String>,
}

impl Failure {
    /// Exit code for wrong use.
    pub const USAGE: u8 = 1;
    const MODEL: u8 = 2;
    const SYSTEM: u8 = 3;
    const OLLAMA: u8 = 4;

    /// The command line asks for what cannot be.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { exit_code: Self::USAGE, text: text.into(), remedy: None }
    }

    /// The model cannot be shown.
    pub fn model(error: &dyn Error) -> Self {
        Self { exit_code: Self::MODEL, text: chain(error), remedy: None }
    }

    /// The mount failed.
    pub fn mount(text: impl Into<String>) -> Self {
        Self { exit_code: Self::SYSTEM, text: text.into(), remedy: None }
    }

    /// The folder cannot be written.
    pub fn output(error: &dyn Error) -> Self {
        Self { exit_code: Self::SYSTEM, text: chain(error), remedy: None }
    }

    /// Ollama could not be started; the folder is mounted all the same.
    pub fn ollama(text: impl Into<String>) -> Self {
        Self { exit_code: Self::OLLAMA, text: text.into(), remedy: None }
    }

    /// The same with what to do about it.
    pub fn or(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// What went wrong.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rawrz-mount: {}", self.text)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  {remedy}"),
            None => Ok(()),
        }
    }
}

impl From<rawrz::model::Error> for Failure {
    fn from(error: rawrz::model::Error) -> Self {
        use rawrz::arch::Error as Arch;
        use rawrz::model::Error as Model;
        let failure = Self::model(&error);
        match &error {
            Model::Arch { source: Arch::UnknownArchitecture { .. }, .. } => {
                failure.or("`rawrz-mount architectures` lists what can be shown")
            }
            Model::Tokenizer { .. } => {
                failure.or("--tokenizer none shows the folder without tokenizer files")
            }
            Model::Arch { .. } | Model::Gguf(_) => failure,
        }
    }
}

impl From<rawrz::hf::Error> for Failure {
    fn from(error: rawrz::hf::Error) -> Self {
        Self::model(&error)
    }
}

impl From<rawrz::ollama::Error> for Failure {
    fn from(error: rawrz::ollama::Error) -> Self {
        Self::model(&error).or("--no-ollama shows the folder without a store for Ollama")
    }
}

impl From<door::Error> for Failure {
    fn from(error: door::Error) -> Self {
        let remedy = door::remedy(&error);
        Self { remedy, ..Self::mount(chain(&error)) }
    }
}

/// An error and its causes, on one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
