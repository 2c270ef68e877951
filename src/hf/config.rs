use serde_json::{Map, Value as Json};

use crate::model::Weights;
use crate::quant::Dtype;
use crate::tokenizer::{SpecialTokens, TRANSFORMERS_VERSION};

/// config.json: what the architecture gives, the dtype in both spellings, and the special tokens.
pub fn json(weights: &Weights, special: &SpecialTokens) -> Map<String, Json> {
    let mut config = weights.config.clone();
    let dtype = match weights.dtype {
        Dtype::F16 => "float16",
        Dtype::F32 => "float32",
        _ => "bfloat16",
    };
    let mut set = |name: &str, value: Json| {
        config.entry(name).or_insert(value);
    };
    set("dtype", dtype.into());
    set("torch_dtype", dtype.into()); // transformers 4, candle, mistral.rs
    set("bos_token_id", special.bos.into());
    set("eos_token_id", special.eos.into()); // all of them: generation_config.json
    set("pad_token_id", special.pad.into());
    set("transformers_version", TRANSFORMERS_VERSION.into());
    config
}
