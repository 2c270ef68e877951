/// What the class behind an architecture does to text and no key of its GGUF tells.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quirk {
    /// It reads text in both directions, though `attention.causal` is not written.
    Encoder,
    /// It normalises text to NFC, though it shares the name of a pre-tokenizer that does not.
    Nfc,
    /// Two texts are one input, with one separator between them.
    SharedPair,
    /// `<mask>` takes the white space before it.
    MaskStripsLeft,
    /// Added tokens but those of a plain vocabulary take the white space after them.
    AddedStripRight,
    /// The first of several ids that end generation ends a turn, and is the only one beside the end of the text.
    TurnEndsFirst,
    /// `</s>` is a tag of HTML and ends nothing.
    TagsAreText,
    /// Merges are in the order of the ids that they make, not of scores.
    MergesById,
    /// The converter writes the null that `add_prefix_space` is by default, and that means yes, as false.
    NullPrefix,
    /// The pieces are those of a tokenizer.model, which the converter reads, and a hundred sentinels follow them.
    Sentinels,
}
