//! What each architecture's converter did, and its inverse: one declarative file an architecture.
//!
//! Knows names, keys and formulas; moves no bytes. Which class a file came from is decided by `general.architecture`
//! and the tells of its specs, in the order of [`ALL`]. An architecture that is not here is refused: nothing in a GGUF
//! says which tensors were transformed, and a wrongly un-permuted model loads and talks nonsense.
//!
//! To add one: its file, its line in the list.

mod adapter;
mod alibi;
mod as_stored;
mod bind;
mod config;
mod dim;
mod error;
mod expr;
mod fused;
mod kda;
mod refused;
mod renderer;
mod rope_scaling;
mod routing;
mod scope;
mod shared;
mod spec;
mod ssm;
mod text;

mod afmoe;
mod apertus;
mod arcee;
mod arctic;
mod baichuan;
mod bailingmoe;
mod bailingmoe2;
mod bailingmoe3;
mod bert;
mod bloom;
mod chatglm;
mod codeshell;
mod cohere;
mod cohere2;
mod cohere2moe;
mod dbrx;
mod deci;
mod deepseek;
mod deepseek2;
mod deepseek2ocr;
mod deepseek4;
mod dots1;
mod dots3note;
mod ernie4_5;
mod ernie4_5_moe;
mod eurobert;
mod exaone;
mod exaone4;
mod exaone_moe;
mod falcon;
mod falcon_h1;
mod gemma;
mod gemma2;
mod gemma3;
mod gemma3n;
mod gemma4;
mod glm4;
mod glm4moe;
mod glm5_next;
mod glm_dsa;
mod gpt2;
mod gpt_oss;
mod gptneox;
mod granite;
mod granite_swa;
mod granitehybrid;
mod granitemoe;
mod graniteswitch;
mod grok;
mod grovemoe;
mod hrm_text;
mod hunyuan;
mod hunyuan_moe;
mod hunyuan_vl;
mod hy_v3;
mod hy_v4;
mod internlm2;
mod jais;
mod jais2;
mod jamba;
mod jina_bert;
mod kimi_k3;
mod kimi_linear;
mod laguna;
mod lfm2;
mod llada;
mod llama;
mod llama4;
mod maincoder;
mod mamba;
mod mamba2;
mod maple;
mod mellum;
mod mimo2;
mod minicpm;
mod minimax_01;
mod minimax_m2;
mod minimax_m3;
mod mistral3;
mod mistral4;
mod modern_bert;
mod mpt;
mod muse_glimmer;
mod nanbeige;
mod nemotron;
mod nemotron_h;
mod neo_bert;
mod nomic_bert;
mod olmo;
mod olmo2;
mod olmoe;
mod openelm;
mod orion;
mod paddleocr;
mod pangu;
mod phi2;
mod phi3;
mod phimoe;
mod plamo;
mod plamo2;
mod plamo3;
mod plm;
mod qwen;
mod qwen2;
mod qwen2moe;
mod qwen2vl;
mod qwen3;
mod qwen3moe;
mod qwen3next;
mod qwen3vl;
mod qwen4exp;
mod refact;
mod rnd1;
mod rwkv6;
mod rwkv7;
mod seed_oss;
mod smallthinker;
mod smollm3;
mod spark2_5;
mod stablelm;
mod starcoder2;
mod step35;
mod t5;
mod talkie;

pub use adapter::{Module, bind_adapter};
pub use as_stored::{AS_STORED, config_as_stored};
pub use bind::{bind, bind_as_stored};
pub use config::config;
pub use error::Error;
pub use refused::REFUSED;
pub use renderer::{Renderer, renderer};
pub use scope::Scope;
pub use spec::{Spec, Tell};
pub use text::quirks;

use crate::gguf::Gguf;

/// Every class that can be shown. Of one architecture, the first whose tells hold is taken.
pub static ALL: &[&Spec] = &[
    &afmoe::SPEC,
    &apertus::SPEC,
    &arcee::SPEC,
    &arctic::SPEC,
    &baichuan::BAICHUAN,
    &baichuan::XVERSE,
    &bailingmoe::SPEC,
    &bailingmoe2::SPEC,
    &bailingmoe3::SPEC,
    &bert::DISTILBERT_CLASSIFIER,
    &bert::DISTILBERT,
    &bert::XLM_ROBERTA_CLASSIFIER,
    &bert::XLM_ROBERTA,
    &bert::ROBERTA_CLASSIFIER,
    &bert::ROBERTA,
    &bert::CAMEMBERT,
    &bert::CLASSIFIER,
    &bert::SPEC,
    &bloom::SPEC,
    &chatglm::GLM,
    &chatglm::CHATGLM,
    &codeshell::SPEC,
    &cohere::SPEC,
    &cohere2::SPEC,
    &cohere2moe::SPEC,
    &dbrx::SPEC,
    &deci::SPEC,
    &deci::SEVEN,
    &deepseek::SPEC,
    &deepseek2::GLM_LITE,
    &deepseek2::V2,
    &deepseek2::V3,
    &deepseek2::YOUTU,
    &deepseek2ocr::SPEC,
    &deepseek4::SPEC,
    &dots1::SPEC,
    &dots3note::SPEC,
    &ernie4_5::SPEC,
    &ernie4_5_moe::SPEC,
    &eurobert::SPEC,
    &exaone::SPEC,
    &exaone4::SPEC,
    &exaone_moe::SPEC,
    &falcon::SPEC,
    &falcon_h1::SPEC,
    &gemma::SPEC,
    &gemma2::SPEC,
    &gemma3::SPEC,
    &gemma3::EMBEDDING,
    &gemma3n::SPEC,
    &gemma4::SPEC,
    &glm4::VISION,
    &glm4::SPEC,
    &glm4moe::SPEC,
    &glm5_next::SPEC,
    &glm_dsa::SPEC,
    &glm_dsa::DEEPSEEK,
    &gpt2::SPEC,
    &gpt2::STARCODER,
    &gpt_oss::SPEC,
    &gptneox::SPEC,
    &granite::SPEC,
    &granite_swa::MOE,
    &granite_swa::SPEC,
    &granitehybrid::BAMBA,
    &granitehybrid::SPEC,
    &granitemoe::SHARING,
    &granitemoe::SPEC,
    &graniteswitch::SPEC,
    &grok::SECOND,
    &grok::FIRST,
    &grovemoe::SPEC,
    &hrm_text::SPEC,
    &hunyuan::SPEC,
    &hunyuan_moe::SPEC,
    &hunyuan_vl::SPEC,
    &hy_v3::SPEC,
    &hy_v4::SPEC,
    &internlm2::SPEC,
    &jais::SPEC,
    &jais2::SPEC,
    &jamba::SPEC,
    &jina_bert::CODE,
    &jina_bert::V2,
    &jina_bert::V3,
    &kimi_k3::SPEC,
    &kimi_linear::SPEC,
    &laguna::SPEC,
    &lfm2::MOE,
    &lfm2::SPEC,
    &llada::SPEC,
    &llada::MOE,
    &llama::BIDIRECTIONAL,
    &llama::EMBEDDING,
    &llama::MIXTRAL,
    &llama::MISTRAL,
    &llama::LLAMA,
    &llama4::SPEC,
    &maincoder::SPEC,
    &mamba::FALCON,
    &mamba::SPEC,
    &mamba2::SPEC,
    &maple::SPEC,
    &mellum::SPEC,
    &mimo2::FUSED_QKV,
    &mimo2::SPEC,
    &minicpm::MINICPM3,
    &minicpm::MINICPM,
    &minimax_01::M1,
    &minimax_01::TEXT,
    &minimax_m2::SPEC,
    &minimax_m3::SPEC,
    &mistral3::SPEC,
    &mistral4::SPEC,
    &modern_bert::CLASSIFIER,
    &modern_bert::SPEC,
    &mpt::SPEC,
    &muse_glimmer::SPEC,
    &nanbeige::SPEC,
    &nemotron::SPEC,
    &nemotron_h::DENSE_SPEC,
    &nemotron_h::MOE,
    &neo_bert::SPEC,
    &nomic_bert::SPEC,
    &nomic_bert::MOE,
    &olmo::SPEC,
    &olmo2::OLMO3,
    &olmo2::OLMO2,
    &olmoe::SPEC,
    &openelm::SPEC,
    &orion::SPEC,
    &paddleocr::SPEC,
    &pangu::SPEC,
    &phi2::SPEC,
    &phi3::SPEC,
    &phimoe::SPEC,
    &plamo::SPEC,
    &plamo2::SPEC,
    &plamo3::SPEC,
    &plm::SPEC,
    &qwen::SPEC,
    &qwen2::EMBEDDING,
    &qwen2::SPEC,
    &qwen2moe::SPEC,
    &qwen2vl::SPEC,
    &qwen3::RERANKER,
    &qwen3::EMBEDDING,
    &qwen3::SPEC,
    &qwen3moe::SPEC,
    &qwen3next::QWEN35,
    &qwen3next::QWEN35_MOE,
    &qwen3next::SPEC,
    &qwen3vl::SPEC,
    &qwen3vl::MOE,
    &qwen4exp::SPEC,
    &refact::SPEC,
    &rnd1::RND1,
    &rnd1::DREAM,
    &rwkv6::SPEC,
    &rwkv6::QWEN,
    &rwkv7::SPEC,
    &rwkv7::HYBRID,
    &seed_oss::SPEC,
    &smallthinker::SPEC,
    &smollm3::SPEC,
    &spark2_5::SPEC,
    &stablelm::SPEC,
    &starcoder2::SPEC,
    &step35::STEP37,
    &step35::SPEC,
    &t5::UMT5,
    &t5::MT5,
    &t5::T5,
    &t5::UMT5_ENCODER,
    &t5::T5_ENCODER,
    &talkie::SPEC,
];

/// The spec of a file: the class asked for, or the first of its architecture whose tells hold.
///
/// # Errors
/// If the architecture or the class is not known.
pub fn pick(gguf: &Gguf, class: Option<&str>) -> Result<&'static Spec, Error> {
    let name = gguf.metadata.str("general.architecture")?;
    let name = name.ok_or_else(|| Error::MissingKey { key: "general.architecture".into() })?;
    let specs: Vec<_> = ALL.iter().copied().filter(|s| s.gguf == name).collect();
    if let Some(reason) = refused::reason(name) {
        return Err(Error::RefusedArchitecture { name: name.into(), reason });
    }
    if specs.is_empty() {
        let mut known: Vec<_> = ALL.iter().map(|s| s.gguf).collect();
        known.dedup();
        return Err(Error::UnknownArchitecture { name: name.into(), known: known.join(", ") });
    }
    let classes = || specs.iter().map(|s| s.class).collect::<Vec<_>>().join(", ");
    if let Some(class) = class {
        // Of several specs of a class the one whose tells hold, but a class that was asked for needs none.
        let of_class: Vec<_> = specs.iter().copied().filter(|s| s.class == class).collect();
        let first = *of_class.first().ok_or_else(|| Error::UnknownClass {
            class: class.into(),
            architecture: name.into(),
            known: classes(),
        })?;
        return Ok(first_that_fits(gguf, &of_class)?.unwrap_or(first));
    }
    if let Some(spec) = first_that_fits(gguf, &specs)? {
        return Ok(spec);
    }
    Err(Error::Unsupported {
        what: format!("architecture {name:?}, but none of its classes fits: {}", classes()),
    })
}

/// The spec of an adapter's base: the class asked for, or what the base's file tells, or the first of the architecture
/// that needs no telling.
///
/// # Errors
/// If the architecture or the class is not known.
pub fn pick_base(adapter: &Gguf, base: Option<&Gguf>, class: Option<&str>) -> Result<&'static Spec, Error> {
    if base.is_some() || class.is_some() {
        return pick(base.unwrap_or(adapter), class);
    }
    let name = adapter.metadata.str("general.architecture")?;
    let plain = ALL.iter().copied().find(|s| Some(s.gguf) == name && s.when.is_empty());
    plain.map_or_else(|| pick(adapter, None), Ok)
}

fn first_that_fits(gguf: &Gguf, specs: &[&'static Spec]) -> Result<Option<&'static Spec>, Error> {
    for spec in specs {
        let scope = Scope::new(gguf, spec.gguf);
        if Tell::all(spec.when, &scope)? {
            return Ok(Some(spec));
        }
    }
    Ok(None)
}

impl Tell {
    /// Whether every one of the tells holds.
    fn all(tells: &[Self], scope: &Scope) -> Result<bool, Error> {
        Ok(tells.iter().map(|t| t.holds(scope)).collect::<Result<Vec<_>, _>>()?.iter().all(|h| *h))
    }

    /// Whether the tell holds of a file, at a layer where it names one.
    fn holds(&self, scope: &Scope) -> Result<bool, Error> {
        Ok(match *self {
            Self::Key(key) => scope.metadata().value(&scope.key(key)).is_some(),
            Self::Positive(key) => scope.u64(key)?.is_some_and(|n| n > 0),
            Self::True(key) => scope.metadata().bool(&scope.key(key))? == Some(true),
            Self::Equals(key, number) => scope.u64(key)? == Some(number),
            Self::Id(key, number) => scope.metadata().u64(key)? == Some(number),
            Self::Text(key, text) => scope.metadata().value(key).and_then(|v| v.as_str()) == Some(text),
            Self::Tensor(name) => scope.has(&scope.name(name)),
            Self::AnyLayer(tell) => scope.each_layer(|layer| tell.holds(layer))?.contains(&true),
            Self::Named(words) => {
                const KEYS: [&str; 3] = ["general.name", "general.basename", "general.base_model.0.repo_url"];
                let names = KEYS.iter().filter_map(|key| scope.metadata().value(key)?.as_str());
                let names: Vec<_> = names.map(str::to_lowercase).collect();
                words.iter().any(|word| names.iter().any(|name| name.contains(word)))
            }
            Self::Not(tell) => !tell.holds(scope)?,
            Self::Any(tells) => {
                tells.iter().map(|t| t.holds(scope)).collect::<Result<Vec<_>, _>>()?.contains(&true)
            }
        })
    }
}
