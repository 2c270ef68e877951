//! Architectures that are known and cannot be shown.

/// Name in `general.architecture`, and why not; sorted by name.
pub static REFUSED: &[(&str, &str)] = &[
    ("clip", "it is a vision or audio tower, which belongs beside its language model"),
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
