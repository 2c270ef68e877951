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
    let tokens = |config: &mut Map<String, Json>| {
        // Of several that end a text the first: generation_config.json has all of them.
        let ids =
            [("bos_token_id", special.bos), ("eos_token_id", special.eos), ("pad_token_id", special.pad)];
        for (name, id) in ids {
            config.entry(name).or_insert(id.into());
        }
    };
    if let Some(Json::Object(text)) = config.get_mut("text_config") {
        tokens(text);
    }
    let mut set = |name: &str, value: Json| {
        config.entry(name).or_insert(value);
    };
    set("dtype", dtype.into());
    set("torch_dtype", dtype.into()); // transformers 4, candle, mistral.rs
    tokens(&mut config);
    config.insert("transformers_version".into(), TRANSFORMERS_VERSION.into());
    config
}
