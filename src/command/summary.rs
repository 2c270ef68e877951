//! What was mounted, as the user is told.

use std::fmt;
use std::path::{Path, PathBuf};

use rawrz::exactness::Exactness;
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::size::human;
use super::{Failure, ollama};
use crate::cli::Backend;

/// What was mounted. It goes from the process that serves to the one that the user waits for.
#[derive(Debug, Deserialize, Serialize)]
pub struct Summary {
    name: String,
    what: String,
    mountpoint: String,
    bytes: u64,
    files: usize,
    backend: Backend,
    /// Texts with the word that stands before each.
    notes: Vec<(String, String)>,
    /// A file of the folder to try to read.
    pub probe: PathBuf,
    /// The model's name in Ollama.
    in_ollama: Option<String>,
    /// Where an Ollama that was started answers, or why none was.
    pub launched: Option<Result<String, Failure>>,
}

impl Summary {
    /// Describes the mount of a folder; `notes` says what else was done, `warnings` what will not work.
    pub fn new(
        name: &str,
        folder: &Folder,
        mountpoint: &Path,
        backend: Backend,
        notes: Vec<String>,
        warnings: Vec<String>,
    ) -> Self {
        let mut files = folder.files();
        files.retain(|f| !f.is_in_store());
        let is_weights = |path: &Path| path.extension().is_some_and(|e| e == "safetensors");
        let probe = files.iter().find(|f| is_weights(&f.path)).or(files.first());
        let exactness = Exactness::of(&folder.model).map(|exactness| {
            let sure = exactness.loss.is_none() && exactness.proof.is_some();
            (if sure { "note" } else { "warning" }, exactness.to_string())
        });
        let store_notes = folder.store.iter().flat_map(ollama::notes);
        let notes = notes.into_iter().chain(folder.model.tokenizer.note.clone()).chain(store_notes);
        let others =
            notes.map(|note| ("note", note)).chain(warnings.into_iter().map(|warning| ("warning", warning)));
        Self {
            name: name.to_owned(),
            what: folder.what(),
            mountpoint: mountpoint.display().to_string(),
            bytes: folder.len(),
            files: files.len(),
            backend,
            notes: others.chain(exactness).map(|(word, text)| (word.to_owned(), text)).collect(),
            probe: probe.map(|f| f.path.clone()).unwrap_or_default(),
            in_ollama: folder.store.as_ref().map(|store| store.name.to_string()),
            launched: None,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({}) is mounted on {}", self.name, self.what, self.mountpoint)?;
        writeln!(f, "  looks like  {} in {} files", human(self.bytes), self.files)?;
        writeln!(f, "  takes       0 bytes of disk")?;
        match self.backend {
            Backend::Erofs => writeln!(f, "  cached by   EROFS, in pages of up to 2 MiB")?,
            Backend::Fuse => writeln!(f, "  cached by   FUSE, in pages of 4 KiB")?,
        }
        if let Some(name) = &self.in_ollama {
            match &self.launched {
                Some(Ok(url)) => writeln!(f, "  in Ollama   {name} at {url}: ollama run {name}")?,
                _ => writeln!(f, "  in Ollama   {name}, with OLLAMA_MODELS={}", self.mountpoint)?,
            }
        }
        for (word, text) in &self.notes {
            writeln!(f, "  {word:10}  {text}")?;
        }
        write!(f, "  to unmount  rawrz-mount unmount {}", self.mountpoint)
    }
}
