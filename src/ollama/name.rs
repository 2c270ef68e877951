//! Names of models, by the rules of Ollama's `types/model/name.go` (v0.32.15).

use std::fmt;
use std::str::FromStr;

use crate::model::Model;

const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";
const TAG: &str = "latest";

/// Bytes that a part may have, and which punctuation beside `-` and `_`.
struct Rule {
    part: &'static str,
    len: usize,
    punctuation: &'static [u8],
}

const HOST_RULE: Rule = Rule { part: "host", len: 350, punctuation: b".:" };
const NAMESPACE_RULE: Rule = Rule { part: "namespace", len: 80, punctuation: b"" };
const MODEL_RULE: Rule = Rule { part: "model", len: 80, punctuation: b"." };
const TAG_RULE: Rule = Rule { part: "tag", len: 80, punctuation: b"." };

/// The name of a model: `[host/][namespace/]model[:tag]`, complete and valid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name {
    host: String,
    namespace: String,
    model: String,
    tag: String,
}

impl Name {
    /// The name that a model gets unless the user gives one: the file's, or the metadata's where the file is named by
    /// a digest.
    pub fn of(model: &Model) -> Self {
        let stem = model.stem();
        let named = if is_digest(&stem) { titled(model) } else { stem };
        let name = model_part(&named);
        let model = if name.is_empty() { "model".to_owned() } else { name };
        Self { host: HOST.into(), namespace: NAMESPACE.into(), model, tag: TAG.into() }
    }

    /// Where the manifest lies below `manifests/`.
    pub fn path(&self) -> String {
        format!("{}/{}/{}/{}", self.host, self.namespace, self.model, self.tag)
    }
}

/// As `ollama list` shows it: what is the default is left out, but for the tag.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.host.eq_ignore_ascii_case(HOST) {
            write!(f, "{}/{}/", self.host, self.namespace)?;
        } else if !self.namespace.eq_ignore_ascii_case(NAMESPACE) {
            write!(f, "{}/", self.namespace)?;
        }
        write!(f, "{}:{}", self.model, self.tag)
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (text, TAG),
        };
        let (rest, model) = path.rsplit_once('/').unwrap_or((NAMESPACE, path));
        let (host, namespace) = rest.rsplit_once('/').unwrap_or((HOST, rest));
        for (rule, part) in
            [(HOST_RULE, host), (NAMESPACE_RULE, namespace), (MODEL_RULE, model), (TAG_RULE, tag)]
        {
            rule.check(part)?;
        }
        let owned = |part: &str| part.to_owned();
        Ok(Self { host: owned(host), namespace: owned(namespace), model: owned(model), tag: unreserved(tag) })
    }
}

impl Rule {
    fn check(&self, part: &str) -> Result<(), String> {
        let Self { part: what, len, punctuation } = self;
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let is_allowed = |b: u8| is_word(b) || b == b'-' || punctuation.contains(&b);
        if part.is_empty() || part.len() > *len {
            return Err(format!("the {what} {part:?} has {} bytes, not 1 to {len}", part.len()));
        }
        if !is_word(part.as_bytes()[0]) {
            return Err(format!("the {what} {part:?} does not begin with a letter, a digit or _"));
        }
        match part.bytes().find(|&b| !is_allowed(b)) {
            Some(b) => Err(format!("the {what} {part:?} holds {:?}", char::from(b))),
            None => Ok(()),
        }
    }
}

/// Ollama takes these tags for places to run a model at, not for tags (`internal/modelref`).
fn unreserved(tag: &str) -> String {
    let lower = tag.to_ascii_lowercase();
    let is_reserved = lower == "cloud" || lower == "local" || lower.ends_with("-cloud");
    if is_reserved { format!("{tag}-gguf") } else { tag.to_owned() }
}

/// Whether a file is named by a digest, as in a store or a cache, and so tells nothing of the model.
fn is_digest(stem: &str) -> bool {
    let hex = stem.strip_prefix("sha256-").unwrap_or(stem);
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

fn titled(model: &Model) -> String {
    let text = |key: &str| model.gguf.metadata.value(key).and_then(|v| v.as_str()).filter(|t| !t.is_empty());
    match (text("general.basename").or(text("general.name")), text("general.size_label")) {
        (Some(base), Some(size)) if !base.to_lowercase().contains(&size.to_lowercase()) => {
            format!("{base}-{size}")
        }
        (Some(base), _) => base.to_owned(),
        (None, _) => String::new(),
    }
}

/// A text as a valid model part, or nothing if no letter is left.
fn model_part(text: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '-' };
    let mut name: String = text.to_lowercase().chars().map(allowed).collect();
    if let Some(at) = quantisation(&name) {
        name.truncate(at);
    }
    let is_rest = |c: char| !c.is_ascii_alphanumeric();
    let mut name = name.trim_start_matches(is_rest).to_owned();
    name.truncate(MODEL_RULE.len);
    name.trim_end_matches(is_rest).to_owned()
}

/// Where the name of a quantisation begins that ends a lower-case name, its separator included.
fn quantisation(name: &str) -> Option<usize> {
    let separators = name.char_indices().filter(|&(_, c)| "-._".contains(c)).map(|(at, _)| at);
    separators.filter(|&at| at > 0).find(|&at| is_quantisation(&name[at + 1..]))
}

/// Whether a lower-case text is all the name of a quantisation: `q4_k_m`, `ud-iq2_xxs`, `i1-q6_k`, `f16`.
fn is_quantisation(text: &str) -> bool {
    const FLOATS: [&str; 6] = ["f32", "fp32", "f16", "fp16", "bf16", "nvfp4"];
    let text = text.strip_prefix("ud-").or(text.strip_prefix("i1-")).unwrap_or(text);
    if FLOATS.contains(&text) || text == "mxfp4" || text == "mxfp4_moe" {
        return true;
    }
    let digits = ["iq", "tq", "q"].iter().find_map(|kind| text.strip_prefix(kind)).unwrap_or_default();
    let mut parts = digits.split('_');
    let is_bits = |bits: &str| bits.len() == 1 && bits.bytes().all(|b| b.is_ascii_digit());
    let is_variant = |v: &str| ["0", "1", "k", "s", "m", "l", "xs", "xxs", "xl", "nl", "4", "8"].contains(&v);
    parts.next().is_some_and(is_bits) && parts.all(is_variant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_shows_as_ollama_does() {
        let cases = [
            ("m", "registry.ollama.ai/library/m/latest", "m:latest"),
            ("m:q4_k_m", "registry.ollama.ai/library/m/q4_k_m", "m:q4_k_m"),
            ("user/m", "registry.ollama.ai/user/m/latest", "user/m:latest"),
            ("hf.co/user/m-GGUF:Q4_K_M", "hf.co/user/m-GGUF/Q4_K_M", "hf.co/user/m-GGUF:Q4_K_M"),
            ("h:8080/n/m:t", "h:8080/n/m/t", "h:8080/n/m:t"),
            ("h:8080/n/m", "h:8080/n/m/latest", "h:8080/n/m:latest"),
            ("_m.1-x", "registry.ollama.ai/library/_m.1-x/latest", "_m.1-x:latest"),
        ];
        for (text, path, shown) in cases {
            let name: Name = text.parse().unwrap();
            assert_eq!((name.path().as_str(), name.to_string().as_str()), (path, shown), "{text}");
        }
    }

    #[test]
    fn refuses_what_ollama_refuses() {
        let long = "a".repeat(81);
        let bad = ["", ":", "m:", ":t", "-m", ".m", "m:-t", "a b", "n.x/m", "/m", "n/", "a/b/c/d", "m:a:b"];
        for text in bad.into_iter().chain(["../m", "h/n:x/m", "http://h/n/m", &long, "m\\n", "m\u{e9}"]) {
            assert!(text.parse::<Name>().is_err(), "{text:?}");
        }
        assert!("a".repeat(80).parse::<Name>().is_ok());
        assert!(format!("{}/n/m", "h".repeat(350)).parse::<Name>().is_ok());
        assert!(format!("{}/n/m", "h".repeat(351)).parse::<Name>().is_err());
    }

    #[test]
    fn reserved_tags_get_a_suffix() {
        for (tag, expected) in [
            ("cloud", "cloud-gguf"),
            ("Local", "Local-gguf"),
            ("x-cloud", "x-cloud-gguf"),
            ("clouds", "clouds"),
        ] {
            assert_eq!(format!("m:{tag}").parse::<Name>().unwrap().tag, expected);
        }
    }

    #[test]
    fn files_give_names() {
        let cases = [
            ("Llama-3.2-1B-Instruct-Q4_K_M", "llama-3.2-1b-instruct"),
            ("Qwen2.5 7B (chat)", "qwen2.5-7b--chat"),
            ("gemma-3-4b-it-UD-Q4_K_XL", "gemma-3-4b-it"),
            ("mistral.i1-IQ2_XXS", "mistral"),
            ("phi_f16", "phi"),
            ("gpt-oss-20b-mxfp4", "gpt-oss-20b"),
            ("model.Q8_0", "model"),
            ("q8_0", "q8_0"),
            ("...x", "x"),
            ("\u{e9}\u{e9}", ""),
            ("llama-q4-chat", "llama-q4-chat"),
        ];
        for (text, expected) in cases {
            let name = model_part(text);
            assert_eq!(name, expected);
            assert!(name.is_empty() || MODEL_RULE.check(&name).is_ok());
        }
        assert_eq!(model_part(&"a".repeat(100)).len(), 80);
        assert!(is_digest(&format!("sha256-{}", "0".repeat(64))));
    }
}
