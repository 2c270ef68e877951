//! The command line as clap reads it, and nothing else.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use rawrz::hf::Shards;
use rawrz::model::Precision;
use rawrz::ollama::Name;
use serde::{Deserialize, Serialize};

use crate::command::shards;

/// Shows a GGUF model file as the Hugging Face folder it came from. Nothing is converted, nothing is written to disk.
#[derive(Debug, Parser)]
#[command(
    name = "rawrz-mount",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "A source that is named like a command is given as ./NAME.\n\
                  Exit codes: 0 done, 1 wrong use, 2 the model cannot be shown, 3 the mount or the export failed,\n\
                  4 Ollama could not be started (the folder stays mounted)."
)]
pub struct Cli {
    /// What to do, if not to mount.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to mount where; there unless there is a command.
    #[command(flatten)]
    pub places: Option<Places>,
    /// How to mount.
    #[command(flatten)]
    pub mount: Mount,
}

/// The commands beside mounting.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what can be shown: GGUF architectures, the Hugging Face classes made of them, how exactly, what proves each; and
    /// which are refused, and why
    Architectures(Architectures),
    /// Write the folder to disk, where no mount is possible; what was cut short goes on
    Export(Export),
    /// Show what is in a file, and what its folder will hold
    Inspect(Inspect),
    /// List the live mounts of this user
    List(List),
    /// Write a small working model, to try things with
    Sample(Sample),
    /// Unmount a folder; files that are open stay readable until they are closed
    Unmount(Unmount),
    /// The process that unmounts when the server was killed
    #[command(name = "internal-watchdog", hide = true)]
    Watchdog {
        /// What the server passes on
        arguments: Vec<OsString>,
    },
}

/// What to mount where.
#[derive(Args, Debug)]
pub struct Places {
    /// The GGUF file; of a split model, any of its files
    pub source: PathBuf,
    /// An empty directory
    pub mountpoint: PathBuf,
}

/// How to mount.
#[derive(Args, Debug)]
pub struct Mount {
    /// Stay attached to the terminal, and log to it
    #[arg(short, long)]
    pub foreground: bool,
    /// Log more (-v, -vv, -vvv); RAWRZ_LOG takes a filter such as rawrz=debug
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,
    /// Name of the mount, for `list` and `unmount` and in the mount table [default: the file's name]
    #[arg(long)]
    pub name: Option<String>,
    /// How the model is shown
    #[command(flatten)]
    pub view: View,
    /// The store for Ollama
    #[command(flatten)]
    pub store: Store,
    /// Let other users read the folder
    #[arg(long)]
    pub allow_other: bool,
    /// Have a second process unmount the folder if the server is killed
    #[arg(long)]
    pub auto_unmount: bool,
    /// Start `ollama serve` on the mount, and stop it with the mount; OLLAMA_HOST says where it listens
    #[arg(long, conflicts_with = "no_ollama")]
    pub launch_ollama: bool,
    /// How the kernel keeps what it has read [default: as EROFS, where that can be had]
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// Worker threads [default: one a core, at most 16]
    #[arg(long)]
    pub threads: Option<std::num::NonZero<usize>>,
    /// Serve in the background for a parent that waits for word; how the command starts itself again
    #[arg(long, hide = true)]
    pub serve: bool,
}

/// How the kernel keeps what it has read.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ValueEnum)]
pub enum Backend {
    /// In pages of up to 2 MiB (root on Linux 6.12 and later)
    Erofs,
    /// In pages of 4 KiB
    Fuse,
}

/// How a model is shown.
#[derive(Args, Clone, Debug)]
pub struct View {
    /// Float type that the folder shows: auto (the file's own; bf16 for quantised files), bf16, fp16, fp32
    #[arg(long, value_name = "DTYPE", hide_default_value = true, default_value = "auto")]
    pub precision: Precision,
    /// Largest weights file, as 512MB or 4GB; 0: one file [default: one file up to 4 GiB, else 4 GiB each]
    #[arg(long, value_name = "SIZE", value_parser = shards)]
    pub shard_size: Option<Shards>,
    /// Hugging Face class, where several share a GGUF architecture [default: by the file's tells]
    #[arg(long)]
    pub class: Option<String>,
    /// GGUF of the model that an adapter (LoRA) is for; needed where the converter reordered rows
    #[arg(long, value_name = "GGUF")]
    pub base: Option<PathBuf>,
    /// Names of a model whose architecture is not known: refuse it, or show its tensors as they are stored
    #[arg(long, value_enum, hide_default_value = true, default_value_t = Names::Hf)]
    pub names: Names,
    /// Whether the folder has tokenizer files [default: auto]
    #[arg(long, value_enum, hide_default_value = true, default_value_t = Tokenizer::Auto)]
    pub tokenizer: Tokenizer,
}

/// What the store for Ollama is like.
#[derive(Args, Debug)]
pub struct Store {
    /// Leave out the store for Ollama (manifests/ and blobs/)
    #[arg(long)]
    pub no_ollama: bool,
    /// Name in Ollama: [HOST/][NAMESPACE/]MODEL[:TAG] [default: the file's, without its quantisation]
    #[arg(long, value_name = "NAME", conflicts_with = "no_ollama")]
    pub ollama_name: Option<Name>,
    /// Digest that names the model in the store, unless the file's place proves it [default: quick]
    #[arg(long, value_enum, hide_default_value = true, default_value_t = DigestKind::Quick)]
    pub ollama_digest: DigestKind,
    /// Template for Ollama: auto (derived from the model's own), none, or a file with a Go template
    #[arg(long, value_name = "auto|none|FILE", hide_default_value = true, default_value = "auto")]
    pub ollama_template: Template,
    /// How Ollama reads the model file [default: the best that can be had]
    #[arg(long, value_enum)]
    pub blob: Option<Blob>,
}

/// The digest that names a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum DigestKind {
    /// Of the header and samples, in milliseconds
    Quick,
    /// Of the content, as registries want it: reads the file once, and remembers the digest
    Full,
}

/// Where the template for Ollama comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Template {
    /// The model's own.
    Auto,
    /// There is none.
    None,
    /// A file.
    File(PathBuf),
}

impl From<OsString> for Template {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some("auto") => Self::Auto,
            Some("none") => Self::None,
            _ => Self::File(text.into()),
        }
    }
}

/// How Ollama reads the model file.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Blob {
    /// The kernel reads the file itself (root on Linux 6.9 and later)
    Passthrough,
    /// The store has a link to the file
    Link,
    /// This program answers each read
    Serve,
}

/// What becomes of a model whose architecture is not known.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Names {
    /// It is refused
    Hf,
    /// It is shown under its GGUF names, marked so in config.json
    Gguf,
}

/// Whether the folder has tokenizer files.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Tokenizer {
    /// Made from the file; a tokenizer that is not known is refused
    Auto,
    /// Left out
    None,
}

/// Which mount to end.
#[derive(Args, Debug)]
pub struct Unmount {
    /// Its mountpoint or its name
    #[arg(value_name = "MOUNTPOINT|NAME")]
    pub target: PathBuf,
}

/// How to list mounts.
#[derive(Args, Debug)]
pub struct List {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How to list architectures.
#[derive(Args, Debug)]
pub struct Architectures {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to write where.
#[derive(Args, Debug)]
pub struct Export {
    /// The GGUF file; of a split model, any of its files
    pub source: PathBuf,
    /// A directory; it is made if it is not there
    pub directory: PathBuf,
    /// How the model is shown
    #[command(flatten)]
    pub view: View,
    /// Do not read the written files again
    #[arg(long)]
    pub no_verify: bool,
}

/// What to look into.
#[derive(Args, Debug)]
pub struct Inspect {
    /// The GGUF file; of a split model, any of its files
    pub source: PathBuf,
    /// How the model would be shown
    #[command(flatten)]
    pub view: View,
    /// The store for Ollama
    #[command(flatten)]
    pub store: Store,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Where to write the sample model.
#[derive(Args, Debug)]
pub struct Sample {
    /// A directory; it is made if it is not there
    pub directory: PathBuf,
}
