//! Loads a folder with candle and prints, as JSON, what the model makes of fixed tokens: `rawrz-candle [--load] FOLDER`.
//!
//! candle has a configuration struct a class, which asks for every field of config.json in its classic spelling.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use candle_core::{D, DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, gemma3, llama, mixtral, qwen3};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

/// The same as in tests/engines/engine.py.
const TOKENS: [u32; 8] = [5, 42, 300, 7, 99, 21, 180, 64];
const NEW_TOKENS: usize = 16;

fn main() -> Result<()> {
    let (options, folders): (Vec<_>, Vec<_>) = std::env::args_os().skip(1).partition(|a| a == "--load");
    let folder: &Path = folders.first().context("usage: rawrz-candle [--load] FOLDER")?.as_ref();
    let start = Instant::now();
    let mut model = Model::open(folder)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let (tokens, values) = if options.is_empty() { model.run()? } else { Default::default() };
    let report = json!({
        "engine": "candle",
        "version": env!("CANDLE_VERSION"),
        "output": {"tokens": tokens, "values": values},
        "load_seconds": load_seconds,
        "peak_rss": peak_rss()?,
    });
    println!("{report}");
    Ok(())
}

/// A class that candle has.
enum Model {
    Bert(bert::BertModel),
    Gemma3(gemma3::Model),
    Llama(llama::Llama, llama::Cache),
    Mixtral(mixtral::Model),
    Qwen3(qwen3::ModelForCausalLM),
}

impl Model {
    fn open(folder: &Path) -> Result<Self> {
        let mut config: Json = serde_json::from_slice(&fs::read(folder.join("config.json"))?)?;
        let model_type = config["model_type"].as_str().context("config.json has no model_type")?.to_owned();
        if model_type == "mixtral" {
            // Not a field of the original, but of candle's struct; and a window is asked for where there is none.
            config["use_flash_attn"] = false.into();
            if config["sliding_window"].is_null() {
                config["sliding_window"] = config["max_position_embeddings"].clone();
            }
        }
        let weights = weights(folder)?;
        // SAFETY: candle maps the files; nothing changes them while this program runs.
        let vars = unsafe { VarBuilder::from_mmaped_safetensors(&weights, DType::F32, &Device::Cpu)? };
        Ok(match model_type.as_str() {
            "bert" => Self::Bert(bert::BertModel::load(vars, &from(config)?)?),
            "gemma3_text" => Self::Gemma3(gemma3::Model::new(false, &from(config)?, vars)?),
            "llama" => {
                let config = from::<llama::LlamaConfig>(config)?.into_config(false);
                let cache = llama::Cache::new(true, DType::F32, &config, &Device::Cpu)?;
                Self::Llama(llama::Llama::load(vars, &config)?, cache)
            }
            "mixtral" => Self::Mixtral(mixtral::Model::new(&from(config)?, vars)?),
            "qwen3" => Self::Qwen3(qwen3::ModelForCausalLM::new(&from(config)?, vars)?),
            other => bail!("no example for {other}"),
        })
    }

    /// The most likely tokens that follow, and the scores of the first; for an encoder, its first states.
    fn run(&mut self) -> Result<(Vec<u32>, Vec<f32>)> {
        let mut tokens = Vec::new();
        let mut values = Vec::new();
        let mut at = 0;
        let mut input = TOKENS.to_vec();
        while tokens.len() < NEW_TOKENS {
            let scores = self.forward(&Tensor::new(input.as_slice(), &Device::Cpu)?.unsqueeze(0)?, at)?;
            let scores = scores.flatten_all()?;
            if values.is_empty() {
                values = scores.to_vec1::<f32>()?;
            }
            if let Self::Bert(_) = self {
                break;
            }
            at += input.len();
            let next = scores.argmax(D::Minus1)?.to_scalar::<u32>()?;
            tokens.push(next);
            input = vec![next];
        }
        Ok((tokens, values))
    }

    fn forward(&mut self, input: &Tensor, at: usize) -> Result<Tensor> {
        Ok(match self {
            Self::Bert(model) => model.forward(input, &input.zeros_like()?, None)?,
            Self::Gemma3(model) => model.forward(input, at)?,
            Self::Llama(model, cache) => model.forward(input, at, cache)?,
            Self::Mixtral(model) => model.forward(input, at)?,
            Self::Qwen3(model) => model.forward(input, at)?,
        })
    }
}

fn from<T: DeserializeOwned>(config: Json) -> Result<T> {
    serde_json::from_value(config).context("config.json")
}

/// The folder's weights files.
fn weights(folder: &Path) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::HashMap<String, String>,
    }
    let index = folder.join("model.safetensors.index.json");
    if !index.exists() {
        return Ok(vec![folder.join("model.safetensors")]);
    }
    let index: Index = serde_json::from_slice(&fs::read(index)?)?;
    let mut files: Vec<_> = index.weight_map.values().map(|name| folder.join(name)).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Bytes of memory that the process has had at once.
fn peak_rss() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
