//! What architectures do to text and no key tells.

use crate::tokenizer::Quirk;

/// Files that share quirks.
struct Row {
    /// Values of `general.architecture`.
    architectures: &'static [&'static str],
    /// Or what `general.name` contains, in lower case.
    named: &'static [&'static str],
    quirks: &'static [Quirk],
}

const fn of(architectures: &'static [&'static str], quirks: &'static [Quirk]) -> Row {
    Row { architectures, named: &[], quirks }
}

static ROWS: &[Row] = &[
    of(&["ernie4_5", "ernie4_5-moe"], &[Quirk::NullPrefix]),
    of(
        &["gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma-embedding"],
        &[Quirk::MergesById, Quirk::TagsAreText],
    ),
    // Shares GPT-2's pre-tokenizer.
    of(&["gptneox"], &[Quirk::Nfc]),
    // The converter takes the end of a turn from generation_config.json.
    of(&["hunyuan-dense", "hunyuan-moe", "hunyuan_vl"], &[Quirk::TurnEndsFirst]),
    of(&["modern-bert"], &[Quirk::SharedPair]),
    // By these names, as the next by the model's, llama.cpp knows them (`llama_vocab::impl::load`).
    of(&["nomic-bert-moe", "jina-bert-v3"], &[Quirk::MaskStripsLeft]),
    Row { architectures: &[], named: &["phi-3", "phi3"], quirks: &[Quirk::AddedStripRight] },
    of(&["t5"], &[Quirk::Sentinels]),
    of(&["t5encoder"], &[Quirk::Encoder, Quirk::Sentinels]),
];

/// The quirks of a file by `general.architecture` and `general.name`.
pub fn quirks(architecture: &str, name: &str) -> Vec<Quirk> {
    let name = name.to_ascii_lowercase();
    let holds = |row: &&Row| {
        row.architectures.contains(&architecture) || row.named.iter().any(|part| name.contains(part))
    };
    ROWS.iter().filter(holds).flat_map(|row| row.quirks).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ALL;

    #[test]
    fn rows_name_architectures_that_are_shown() {
        for row in ROWS.iter().filter(|row| row.named.is_empty()) {
            let shown = |name: &&str| ALL.iter().any(|spec| spec.gguf == *name);
            assert!(row.architectures.iter().any(shown), "{:?}", row.architectures);
        }
    }

    #[test]
    fn a_file_has_the_quirks_of_its_architecture_and_of_its_name() {
        assert_eq!(quirks("gptneox", "Pythia"), [Quirk::Nfc]);
        assert_eq!(quirks("phi3", "Phi-3-mini"), [Quirk::AddedStripRight]);
        assert_eq!(quirks("llama", ""), []);
    }
}
