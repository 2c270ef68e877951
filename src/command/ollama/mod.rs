//! The store for Ollama: what the command line asks for, and what the user must know.

mod advice;
mod launch;

use std::fs;
use std::sync::Arc;

use etcetera::BaseStrategy;
use indicatif::{ProgressBar, ProgressStyle};
use rawrz::model::Model;
use rawrz::ollama::blob::Circumstances;
use rawrz::ollama::digest::Cache;
use rawrz::ollama::{self, Options, Origin, TemplateChoice, TemplateLayer};
use rawrz_vfs::{NodeId, TreeBuilder};

pub use advice::{leftovers, warnings};
pub use launch::{Launched, launch, nothing_to_run};
pub use rawrz::ollama::{BlobMode, Store};

use super::{Failure, door};
use crate::cli;

/// Who reads the mount.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Readers {
    /// This user's programs.
    Own,
    /// Other users' too, who may not reach what a link points to.
    Others,
}

/// Adds the store, unless the user wants none, or the file is an adapter.
///
/// # Errors
/// If it cannot be made.
pub fn add(
    model: &Arc<Model>,
    args: &cli::Store,
    readers: Readers,
    tree: &mut TreeBuilder,
) -> Result<Option<Store>, Failure> {
    if args.no_ollama || ollama::is_adapter(model) {
        return Ok(None);
    }
    let options = Options {
        name: args.ollama_name.clone(),
        digest: match args.ollama_digest {
            cli::DigestKind::Quick => None,
            cli::DigestKind::Full => Some(ollama::full_digest(model, cache().as_ref(), |_| {})?),
        },
        template: template(&args.ollama_template)?,
        blob: blob_mode(model, args.blob, readers)?,
    };
    Ok(Some(ollama::add(model, &options, tree, NodeId::ROOT)?))
}

fn template(wanted: &cli::Template) -> Result<TemplateChoice, Failure> {
    Ok(match wanted {
        cli::Template::Auto => TemplateChoice::Auto,
        cli::Template::None => TemplateChoice::None,
        cli::Template::File(path) => TemplateChoice::Text(
            fs::read_to_string(path)
                .map_err(|error| Failure::usage(format!("--ollama-template {}: {error}", path.display())))?,
        ),
    })
}

fn blob_mode(model: &Model, wanted: Option<cli::Blob>, readers: Readers) -> Result<BlobMode, Failure> {
    let wanted = wanted.map(|blob| match blob {
        cli::Blob::Passthrough => BlobMode::Passthrough,
        cli::Blob::Link => BlobMode::Link,
        cli::Blob::Serve => BlobMode::Serve,
    });
    let circumstances = Circumstances {
        passthrough: door::can_pass_through(),
        links: door::LINKS,
        allow_other: readers == Readers::Others,
        split: model.gguf.sources.len() > 1,
    };
    BlobMode::choose(wanted, &circumstances)
        .map_err(|why| Failure::usage(format!("--blob: {why}")).or("--blob serve works everywhere"))
}

/// Hashes the model before the process that stays starts, which must be ready soon: it finds the digest in the cache.
///
/// # Errors
/// If the file cannot be read, or the digest not be remembered.
pub fn hash_ahead(model: &Model) -> Result<(), Failure> {
    if ollama::is_adapter(model) {
        return Ok(());
    }
    let style = "{bytes} of {total_bytes} hashed, {binary_bytes_per_sec}, {eta} left";
    let bar = ProgressBar::new(model.gguf.len())
        .with_style(ProgressStyle::with_template(style).expect("a template of known keys"));
    let cache = cache();
    let digest = ollama::full_digest(model, cache.as_ref(), |done| bar.set_position(done))?;
    bar.finish_and_clear();
    let files: Vec<_> = model.gguf.sources.iter().map(|s| s.identity()).collect();
    if digest.origin == Origin::Content && cache.and_then(|cache| cache.find(&files)).is_none() {
        let text = "the digest cannot be handed to the background process: it cannot be remembered on disk";
        return Err(Failure::mount(text).or("--foreground or --ollama-digest quick needs no file"));
    }
    Ok(())
}

/// Where digests are remembered: the one file that is written without being named (README).
fn cache() -> Option<Cache> {
    let dirs = etcetera::choose_base_strategy().ok()?;
    Some(Cache::new(dirs.cache_dir().join("rawrz/digests")))
}

/// What the user should know of a store.
pub fn notes(store: &Store) -> Vec<String> {
    let mut notes = Vec::new();
    if let TemplateLayer::Underivable(why) = &store.template {
        let why = super::report::chain(why);
        notes.push(format!("no template for Ollama up to v0.24, which has no other: {why}"));
    }
    notes
}
