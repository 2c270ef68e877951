//! Placeholder until the branch lands.
#![allow(missing_docs)]
use crate::gguf::Metadata;

pub struct Context<'a> {
    pub metadata: &'a Metadata,
    pub architecture: &'a str,
    pub model_name: &'a str,
    pub max_length: Option<u64>,
}
#[derive(Default, Clone, Debug)]
pub struct SpecialTokens {
    pub bos: Option<u64>,
    pub eos: Vec<u64>,
    pub pad: Option<u64>,
}
pub struct Tokenizer {
    pub files: Vec<(String, Vec<u8>)>,
    pub special: SpecialTokens,
    pub note: Option<String>,
}
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Error;
pub fn special_tokens(metadata: &Metadata) -> SpecialTokens {
    let id = |k: &str| metadata.u64(&format!("tokenizer.ggml.{k}_token_id")).ok().flatten();
    SpecialTokens { bos: id("bos"), eos: id("eos").into_iter().collect(), pad: id("padding") }
}
pub fn build(c: &Context) -> Result<Tokenizer, Error> {
    Ok(Tokenizer { files: vec![], special: special_tokens(c.metadata), note: None })
}
