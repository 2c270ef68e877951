//! tokenizer.model: the vocabulary as a SentencePiece model, with the scores that tokenizer.json has no place for. Read by
//! llama.cpp's converter, which fails without one for some classes, and by ollama; transformers takes tokenizer.json.
//!
//! The messages are those of `sentencepiece_model.proto` that a reader asks for, with their field numbers.

use prost::Message;

use super::{Kind, SpecialTokens, Vocabulary};

/// The model.
#[derive(Clone, PartialEq, Message)]
struct ModelProto {
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    trainer_spec: Option<TrainerSpec>,
    #[prost(message, optional, tag = "3")]
    normalizer_spec: Option<NormalizerSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct Piece {
    #[prost(string, optional, tag = "1")]
    piece: Option<String>,
    #[prost(float, optional, tag = "2")]
    score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    kind: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
struct TrainerSpec {
    #[prost(int32, optional, tag = "3")]
    model_type: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    vocab_size: Option<i32>,
    #[prost(bool, optional, tag = "35")]
    byte_fallback: Option<bool>,
    #[prost(int32, optional, tag = "40")]
    unk_id: Option<i32>,
    #[prost(int32, optional, tag = "41")]
    bos_id: Option<i32>,
    #[prost(int32, optional, tag = "42")]
    eos_id: Option<i32>,
    #[prost(int32, optional, tag = "43")]
    pad_id: Option<i32>,
    #[prost(string, optional, tag = "45")]
    unk_piece: Option<String>,
    #[prost(string, optional, tag = "46")]
    bos_piece: Option<String>,
    #[prost(string, optional, tag = "47")]
    eos_piece: Option<String>,
    #[prost(string, optional, tag = "48")]
    pad_piece: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct NormalizerSpec {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "2")]
    precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    remove_extra_whitespaces: Option<bool>,
    #[prost(bool, optional, tag = "5")]
    escape_whitespaces: Option<bool>,
}

/// How words are made of pieces (`TrainerSpec.ModelType`).
#[derive(Clone, Copy)]
pub enum Algorithm {
    Unigram = 1,
    Bpe = 2,
}

/// What is done to text first.
pub struct Normalization {
    /// A compiled character map; empty for none.
    pub charsmap: Vec<u8>,
    /// Whether text begins with a space that it does not have.
    pub prefix: bool,
    /// Whether runs of spaces become one.
    pub squeeze: bool,
}

/// The file of tokens with these scores, from id 0; `None` if SentencePiece would refuse it: there must be one unknown token,
/// and the bytes all or none.
pub fn build(
    vocabulary: &Vocabulary,
    special: &SpecialTokens,
    scores: &[f32],
    algorithm: Algorithm,
    normalization: Normalization,
) -> Option<Vec<u8>> {
    let len = scores.len();
    let unk = vocabulary.first(Kind::Unknown).filter(|&id| id < len)?;
    let bytes = (0..len).filter(|&id| vocabulary.kind(id) == Kind::Byte).count();
    if !matches!(bytes, 0 | 256) {
        return None;
    }
    let control = |id: Option<u32>| {
        id.map(|id| id as usize).filter(|&id| id < len && vocabulary.kind(id) == Kind::Control)
    };
    let [bos, eos, pad] = [special.bos, special.eos, special.pad].map(control);
    // Ids are below the vocabulary's limit of 2^24; -1 is none.
    let number = |id: Option<usize>| Some(id.map_or(-1, |id| id as i32));
    let text = |id: Option<usize>| id.map(|id| vocabulary.text(id).to_owned());
    let piece = |id| Piece {
        piece: text(Some(id)),
        score: Some(scores[id]),
        kind: Some(match vocabulary.kind(id) {
            Kind::Normal => 1,
            Kind::Unknown if id == unk => 2,
            Kind::Unknown | Kind::Control => 3,
            Kind::UserDefined => 4,
            Kind::Unused => 5,
            Kind::Byte => 6,
        }),
    };
    let name = if normalization.charsmap.is_empty() { "identity" } else { "user_defined" };
    let model = ModelProto {
        pieces: (0..len).map(piece).collect(),
        trainer_spec: Some(TrainerSpec {
            model_type: Some(algorithm as i32),
            vocab_size: number(Some(len)),
            byte_fallback: Some(bytes > 0),
            unk_id: number(Some(unk)),
            bos_id: number(bos),
            eos_id: number(eos),
            pad_id: number(pad),
            unk_piece: text(Some(unk)),
            bos_piece: text(bos),
            eos_piece: text(eos),
            pad_piece: text(pad),
        }),
        normalizer_spec: Some(NormalizerSpec {
            name: Some(name.to_owned()),
            precompiled_charsmap: Some(normalization.charsmap),
            add_dummy_prefix: Some(normalization.prefix),
            remove_extra_whitespaces: Some(normalization.squeeze),
            escape_whitespaces: Some(true),
        }),
    };
    Some(model.encode_to_vec())
}
