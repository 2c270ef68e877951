//! Architectures that are known and cannot be shown.

/// Name in `general.architecture`, and why not; sorted by name.
pub static REFUSED: &[(&str, &str)] = &[
    (
        "bitnet",
        "its weights were rounded to three values when it was converted, which the class would round again, to others",
    ),
    ("chameleon", "the converter kept the norms of one head of each layer and dropped the others"),
    ("clip", "it is a vision or audio tower, which belongs beside its language model"),
    ("cogvlm", "its class cannot be built without the vision tower, which is in a file of its own"),
    ("dflash", "it is a draft that reads another model's states: no class loads it alone"),
    ("eagle3", "it is a draft that reads another model's states: no class loads it alone"),
    (
        "gemma4-assistant",
        "it is a draft that reads another model's states, and the converter dropped its embedding of masks",
    ),
    ("gptj", "no converter writes it, so nothing says what was done to its tensors"),
    ("pockettts", "the converter joined its embedding tables and projections of several kinds into one"),
    ("qwen3tts", "the converter ran its text embedding through a network and stored the result alone"),
    (
        "wavtokenizer-dec",
        "it decodes audio: no class of transformers loads it, and half of its codec is not in the file",
    ),
];

/// Why an architecture is refused; `None` if it is not, or not known.
pub fn reason(architecture: &str) -> Option<&'static str> {
    let at = REFUSED.binary_search_by_key(&architecture, |(name, _)| name).ok()?;
    Some(REFUSED[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_found() {
        assert!(REFUSED.is_sorted());
        assert!(REFUSED.iter().all(|(name, why)| reason(name) == Some(*why)));
        assert_eq!(reason("llama"), None);
    }
}
