//! A small model that works, made here: to try every command without a download.
//!
//! It is a llama of two layers with a byte-level tokenizer and a chat template, and it says one sentence whatever it
//! is asked. So whoever loads its folder sees at once that tokenizer, template, tensors and configuration all arrived.

mod vocabulary;
mod weights;

use std::fs;
use std::io;
use std::path::Path;

use rawrz::gguf::writer::Writer;
use rawrz::gguf::{Array, Value};

use self::vocabulary::Vocabulary;
use super::Failure;
use super::print::line;
use super::size::human;
use crate::cli::Sample;

const FILE: &str = "rawrz-sample.gguf";

/// Writes the sample model.
///
/// # Errors
/// If another file is in its place, or it cannot be written.
pub fn run(args: &Sample) -> Result<(), Failure> {
    let path = args.directory.join(FILE);
    let bytes = model();
    let failed = |error: io::Error| Failure::usage(format!("cannot write {}: {error}", path.display()));
    match fs::read(&path) {
        Ok(there) if there == bytes => {}
        Ok(_) => {
            let text = format!("{} is there, and is not the sample model of this version", path.display());
            return Err(Failure::usage(text).or("remove it, or give another directory"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(&args.directory).map_err(failed)?;
            fs::write(&path, &bytes).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    line(format_args!("{} holds a small llama ({})", path.display(), human(bytes.len() as u64)));
    line(format_args!("  to mount  {}", mount_command(&path)));
    Ok(())
}

fn mount_command(path: &Path) -> String {
    format!("mkdir -p /tmp/sample && rawrz-mount {} /tmp/sample", path.display())
}

/// The file: the same bytes each time.
fn model() -> Vec<u8> {
    let vocabulary = Vocabulary::new();
    let mut file = Writer::default();
    file.set("general.architecture", "llama".into());
    file.set("general.type", "model".into());
    file.set("general.name", "Rawrz Sample".into());
    file.set("general.description", "Says one sentence, whatever it is asked".into());
    file.set("general.quantization_version", 2.into());
    file.set("general.file_type", 7.into()); // LLAMA_FTYPE_MOSTLY_Q8_0
    weights::write(&vocabulary, &mut file);
    write_tokenizer(&vocabulary, &mut file);
    file.to_bytes()
}

fn write_tokenizer(vocabulary: &Vocabulary, file: &mut Writer) {
    let strings = |all: &[String]| Value::Array(Array::String(all.iter().collect()));
    file.set("tokenizer.ggml.model", "gpt2".into());
    file.set("tokenizer.ggml.pre", "llama-bpe".into());
    file.set("tokenizer.ggml.tokens", strings(&vocabulary.tokens));
    file.set("tokenizer.ggml.token_type", Value::Array(Array::I32(vocabulary.token_types())));
    file.set("tokenizer.ggml.merges", strings(&vocabulary.merges));
    file.set("tokenizer.ggml.bos_token_id", vocabulary.bos().into());
    file.set("tokenizer.ggml.eos_token_id", vocabulary.end_of_turn().into());
    file.set("tokenizer.ggml.add_bos_token", true.into());
    file.set("tokenizer.chat_template", vocabulary::CHAT_TEMPLATE.into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_small_and_the_same_each_time() {
        let bytes = model();
        assert_eq!(bytes, model());
        assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
    }
}
