//! The small files beside tokenizer.json.

use serde_json::{Map, Value, json};

use super::json::AddedToken;
use super::{
    Context, Error, Kind, Quirk, Source, SpecialTokens, TRANSFORMERS_VERSION, Vocabulary, own, wordpiece,
};
use crate::gguf::Metadata;

/// Files in the making: path and content.
type Files = Vec<(String, Vec<u8>)>;

/// Whether the model reads text in both directions: it generates nothing.
///
/// # Errors
/// If a key has another type.
pub fn is_encoder(context: &Context) -> Result<bool, Error> {
    let causal = context.metadata.bool(&format!("{}.attention.causal", context.architecture))?;
    Ok(causal == Some(false) || context.has(Quirk::Encoder))
}

/// tokenizer_config.json, special_tokens_map.json and the chat templates.
///
/// # Errors
/// If a key has another type, or a template's name is no file name.
pub fn tokenizer(source: &Source, vocabulary: &Vocabulary, files: &mut Files) -> Result<(), Error> {
    let metadata = source.context.metadata;
    // Whether the converter read a tokenizer.model: without one it makes all scores equal.
    let had_model = source.model == "llama" && vocabulary.scores_differ();
    let mut config = Map::new();
    if source.model != "gemma4" {
        // transformers and llama.cpp's converter go by the post-processor; mistral.rs and ollama read these.
        config.extend(source.add_bos.map(|add| ("add_bos_token".to_owned(), add.into())));
        config.extend(source.add_eos.map(|add| ("add_eos_token".to_owned(), add.into())));
    }
    if let Some(prefix) = metadata.bool("tokenizer.ggml.add_space_prefix")? {
        config.insert("add_prefix_space".to_owned(), prefix.into());
    }
    if had_model {
        config.extend(added_tokens_decoder(source, vocabulary));
    }
    config.insert("clean_up_tokenization_spaces".to_owned(), false.into());
    if source.model == "bert" {
        config.insert("do_lower_case".to_owned(), wordpiece::lowercase(source, vocabulary)?.into());
    }
    // transformers 4 also asks for token_type_ids by default, which a decoder's generate() then refuses.
    let inputs: &[&str] =
        match source.is_encoder && metadata.entry("tokenizer.ggml.token_type_count").is_some() {
            true => &["input_ids", "token_type_ids", "attention_mask"],
            false => &["input_ids", "attention_mask"],
        };
    config.insert("model_input_names".to_owned(), json!(inputs));
    config.extend(source.context.max_length.map(|len| ("model_max_length".to_owned(), len.into())));
    if own::find(source.model).is_none() || files.iter().any(|(name, _)| name == "tokenizer.json") {
        config.insert("tokenizer_class".to_owned(), "PreTrainedTokenizerFast".into());
    }
    let mut special = special_strings(source, vocabulary);
    config.extend(special.clone());
    if !had_model && matches!(source.model, "llama" | "gemma4") {
        config.extend(additional_special_tokens(vocabulary, &special));
    }
    chat_templates(metadata, &mut config, files)?;
    files.push(("tokenizer_config.json".to_owned(), pretty(&config.into())));
    // The one file names the class of a token with flags, the other must not.
    special.values_mut().filter_map(Value::as_object_mut).for_each(|token| drop(token.remove("__type")));
    files.push(("special_tokens_map.json".to_owned(), pretty(&special.into())));
    Ok(())
}

/// The tokens that the original's tokenizer_config.json lists: the converter then ignores what tokenizer.model says of them and
/// scores them -1000. One that is listed without need would lose its score.
fn added_tokens_decoder(source: &Source, vocabulary: &Vocabulary) -> Option<(String, Value)> {
    let ids = vocabulary.added().filter(|&id| vocabulary.score(id) == Some(-1000.0));
    let tokens: Map<_, _> =
        ids.map(|id| (id.to_string(), added_token(&source.added_token(vocabulary, id)))).collect();
    (!tokens.is_empty()).then(|| ("added_tokens_decoder".to_owned(), tokens.into()))
}

/// The control tokens that have no role, from which the converter tells them from text where it reads no tokenizer.model. Not
/// in special_tokens_map.json, where ollama asks for objects.
fn additional_special_tokens(
    vocabulary: &Vocabulary,
    special: &Map<String, Value>,
) -> Option<(String, Value)> {
    let is_other = |id: &usize| {
        let text = vocabulary.text(*id);
        vocabulary.kind(*id) == Kind::Control && !special.values().any(|role| role.as_str() == Some(text))
    };
    let tokens: Vec<_> = vocabulary.added().filter(is_other).map(|id| vocabulary.text(id)).collect();
    (!tokens.is_empty()).then(|| ("additional_special_tokens".to_owned(), json!(tokens)))
}

/// The special tokens by role. Only added tokens: transformers makes an added token of every string named here, which
/// would cut it out of ordinary text.
fn special_strings(source: &Source, vocabulary: &Vocabulary) -> Map<String, Value> {
    let special = &source.special;
    // The converter writes Nemotron's unknown token as 1 whatever the vocabulary says.
    let named = vocabulary.token(special.unk).filter(|&id| vocabulary.kind(id) == Kind::Unknown);
    let unk = named.or(vocabulary.first(Kind::Unknown)).map(|id| id as u32).or(special.unk);
    let is_bert = source.model == "bert";
    // A unigram model of the BERT kind has each under both names; the converter keeps one.
    let is_roberta = source.model == "t5" && source.is_encoder && special.bos.is_some();
    let roles = [
        ("bos_token", special.bos.filter(|_| !is_bert)),
        ("cls_token", special.cls.or(special.bos.filter(|_| is_bert || is_roberta))),
        ("eos_token", special.eos.filter(|_| !is_bert)),
        ("mask_token", special.mask),
        ("pad_token", special.pad),
        ("sep_token", special.sep.or(special.eos.filter(|_| is_bert))),
        ("unk_token", unk),
    ];
    let mut strings = Map::new();
    for (role, id) in roles {
        let Some(id) = vocabulary.token(id) else { continue };
        if matches!(vocabulary.kind(id), Kind::Unknown | Kind::Control | Kind::UserDefined) {
            strings.insert(role.to_owned(), special_string(&source.added_token(vocabulary, id)));
        }
    }
    strings
}

/// A token as a role names it: with its flags where it has any, because transformers adds it anew as it stands here.
fn special_string(token: &AddedToken) -> Value {
    if !token.lstrip && !token.rstrip {
        return token.content.into();
    }
    let mut value = added_token(token);
    value["__type"] = "AddedToken".into();
    value["special"] = true.into();
    value
}

/// A token with its flags.
fn added_token(token: &AddedToken) -> Value {
    let AddedToken { content, single_word, lstrip, rstrip, normalized, special, .. } = *token;
    json!({
        "content": content,
        "lstrip": lstrip,
        "normalized": normalized,
        "rstrip": rstrip,
        "single_word": single_word,
        "special": special,
    })
}

/// The templates, as files for transformers and in tokenizer_config.json for ollama, which looks nowhere else.
fn chat_templates(
    metadata: &Metadata,
    config: &mut Map<String, Value>,
    files: &mut Files,
) -> Result<(), Error> {
    let default = metadata.str("tokenizer.chat_template")?;
    let mut named = Vec::new();
    for name in metadata.strings("tokenizer.chat_templates")?.into_iter().flat_map(|names| names.iter()) {
        let name = std::str::from_utf8(name).ok().filter(|name| is_file_stem(name)).ok_or_else(|| {
            Error::value(
                "tokenizer.chat_templates",
                format!("{:?} is no file name", name.escape_ascii().to_string()),
            )
        })?;
        if let Some(template) = metadata.str(&format!("tokenizer.chat_template.{name}"))? {
            named.push((name, template));
        }
    }
    if let Some(default) = default {
        files.push(("chat_template.jinja".to_owned(), default.into()));
    }
    for (name, template) in &named {
        files.push((format!("additional_chat_templates/{name}.jinja"), (*template).into()));
    }
    let value = match (default, named.is_empty()) {
        (None, true) => return Ok(()),
        (Some(default), true) => default.into(),
        _ => {
            let all = default.map(|default| ("default", default)).into_iter().chain(named);
            all.map(|(name, template)| json!({ "name": name, "template": template })).collect()
        }
    };
    config.insert("chat_template".to_owned(), value);
    Ok(())
}

fn is_file_stem(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.bytes().all(is_plain)
}

/// generation_config.json, for a model that generates.
///
/// # Errors
/// If a key has another type.
pub fn generation(context: &Context, special: &SpecialTokens, files: &mut Files) -> Result<(), Error> {
    if is_encoder(context)? {
        return Ok(());
    }
    let metadata = context.metadata;
    let mut config = Map::new();
    config.extend(special.bos.map(|id| ("bos_token_id".to_owned(), id.into())));
    let start = metadata.u64(&format!("{}.decoder_start_token_id", context.architecture))?;
    config.extend(start.map(|id| ("decoder_start_token_id".to_owned(), id.into())));
    match special.end_of_generation[..] {
        [] => {}
        [id] => drop(config.insert("eos_token_id".to_owned(), id.into())),
        _ => drop(config.insert("eos_token_id".to_owned(), json!(special.end_of_generation))),
    }
    config.extend(special.pad.map(|id| ("pad_token_id".to_owned(), id.into())));
    sampling(metadata, &mut config)?;
    if let Some(tokens) = metadata.array("tokenizer.ggml.suppress_tokens")? {
        let ids: Option<Vec<_>> = tokens.iter().map(|id| id.as_u64()).collect();
        let ids =
            ids.ok_or_else(|| Error::value("tokenizer.ggml.suppress_tokens", "not an array of token ids"))?;
        config.insert("suppress_tokens".to_owned(), json!(ids));
    }
    config.insert("transformers_version".to_owned(), TRANSFORMERS_VERSION.into());
    files.push(("generation_config.json".to_owned(), pretty(&config.into())));
    Ok(())
}

/// The converter takes these from generation_config.json, under llama.cpp's names.
fn sampling(metadata: &Metadata, config: &mut Map<String, Value>) -> Result<(), Error> {
    let temperature = metadata.f64("general.sampling.temp")?.filter(|t| *t > 0.0);
    if temperature.is_some() {
        config.insert("do_sample".to_owned(), true.into());
    }
    config.extend(temperature.map(|value| ("temperature".to_owned(), value.into())));
    config.extend(metadata.u64("general.sampling.top_k")?.map(|value| ("top_k".to_owned(), value.into())));
    for (name, key) in [
        ("top_p", "general.sampling.top_p"),
        ("min_p", "general.sampling.min_p"),
        ("repetition_penalty", "general.sampling.penalty_repeat"),
    ] {
        config.extend(metadata.f64(key)?.map(|value| (name.to_owned(), value.into())));
    }
    Ok(())
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value serialises");
    bytes.push(b'\n');
    bytes
}
