//! Writes the tokenizer files of a GGUF: `tokenizer_files MODEL.gguf FOLDER`.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use rawrz::arch;
use rawrz::gguf::Gguf;
use rawrz::tokenizer::{self, Context};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [model, folder] = &arguments[..] else {
        return Err("usage: tokenizer_files MODEL.gguf FOLDER".into());
    };
    let gguf = Gguf::open(model.as_ref())?;
    let metadata = &gguf.metadata;
    let architecture = metadata.str("general.architecture")?.unwrap_or_default();
    let start = std::time::Instant::now();
    let tokenizer = tokenizer::build(&Context {
        metadata,
        architecture,
        quirks: arch::quirks(architecture, metadata.str("general.name")?.unwrap_or_default()),
        max_length: metadata.u64(&format!("{architecture}.context_length"))?,
    })?;
    println!("built in {:.1?}", start.elapsed());
    for (path, bytes) in &tokenizer.files {
        let path = Path::new(folder).join(path);
        fs::create_dir_all(path.parent().expect("a file lies in a folder"))?;
        fs::write(&path, bytes.as_slice())?;
        println!("{:>9}  {}", bytes.len(), path.display());
    }
    if let Some(note) = &tokenizer.note {
        println!("{note}");
    }
    Ok(())
}
