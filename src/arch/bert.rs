//! BERT, DistilBERT, RoBERTa, CamemBERT and XLM-RoBERTa, as encoders and as classifiers.

use serde_json::{Map, Value as Json};

use super::dim::Dim;
use super::expr::Expr;
use super::shared::{HEADS, SIZES};
use super::spec::{Field, Rule, Spec, Tell, Value, derived, exact, field, int, number, rename};
use super::{Error, Scope};

const SOURCE: &str = "conversion/bert.py, llama.cpp 0c1e5709";
/// What embeddings lose.
pub const POOLER: Option<&str> =
    Some("the pooling layer is in no GGUF: loaders make a new one, which embeddings do not use");
const POOLER_AND_ROWS: Option<&str> = Some(
    "the pooling layer is in no GGUF, nor are the first two rows of the position table, which only padding would use",
);

/// The layers, below the prefix that a class with a head gives its encoder.
macro_rules! encoder {
    ($prefix:literal) => {
        &[
            rename("token_embd", concat!($prefix, "embeddings.word_embeddings")),
            rename("token_types", concat!($prefix, "embeddings.token_type_embeddings")),
            rename("token_embd_norm", concat!($prefix, "embeddings.LayerNorm")),
            rename("blk.{i}.attn_q", concat!($prefix, "encoder.layer.{i}.attention.self.query")),
            rename("blk.{i}.attn_k", concat!($prefix, "encoder.layer.{i}.attention.self.key")),
            rename("blk.{i}.attn_v", concat!($prefix, "encoder.layer.{i}.attention.self.value")),
            rename("blk.{i}.attn_output", concat!($prefix, "encoder.layer.{i}.attention.output.dense")),
            rename(
                "blk.{i}.attn_output_norm",
                concat!($prefix, "encoder.layer.{i}.attention.output.LayerNorm"),
            ),
            rename("blk.{i}.ffn_up", concat!($prefix, "encoder.layer.{i}.intermediate.dense")),
            rename("blk.{i}.ffn_down", concat!($prefix, "encoder.layer.{i}.output.dense")),
            rename("blk.{i}.layer_output_norm", concat!($prefix, "encoder.layer.{i}.output.LayerNorm")),
        ]
    };
}

/// Positions counted from the pad token on: the converter cuts the rows up to it, of which there are two in every
/// RoBERTa. The row of the pad token is zero in every original; the one before it is never read.
const LATE_POSITIONS: Expr = Expr::Concat(&[
    Expr::Zeros(Dim::Is(2), Dim::Key("embedding_length")),
    Expr::Tensor("position_embd.weight"),
]);

static BARE: &[Rule] = encoder!("");
static BARE_POSITIONS: &[Rule] = &[rename("position_embd", "embeddings.position_embeddings")];
static BARE_LATE_POSITIONS: &[Rule] = &[exact("embeddings.position_embeddings.weight", LATE_POSITIONS)];

static BERT_NAMED: &[Rule] = encoder!("bert.");
static BERT_HEAD: &[Rule] = &[
    rename("position_embd", "bert.embeddings.position_embeddings"),
    rename("cls.output", "classifier"),
    rename("cls", "classifier").optional(), // where the labels have no names
];

static ROBERTA_NAMED: &[Rule] = encoder!("roberta.");
static ROBERTA_HEAD: &[Rule] = &[
    exact("roberta.embeddings.position_embeddings.weight", LATE_POSITIONS),
    rename("cls", "classifier.dense"),
    rename("cls.output", "classifier.out_proj"),
];

macro_rules! distil {
    ($prefix:literal) => {
        &[
            rename("token_embd", concat!($prefix, "embeddings.word_embeddings")),
            rename("position_embd", concat!($prefix, "embeddings.position_embeddings")),
            rename("token_embd_norm", concat!($prefix, "embeddings.LayerNorm")),
            rename("blk.{i}.attn_q", concat!($prefix, "transformer.layer.{i}.attention.q_lin")),
            rename("blk.{i}.attn_k", concat!($prefix, "transformer.layer.{i}.attention.k_lin")),
            rename("blk.{i}.attn_v", concat!($prefix, "transformer.layer.{i}.attention.v_lin")),
            rename("blk.{i}.attn_output", concat!($prefix, "transformer.layer.{i}.attention.out_lin")),
            rename("blk.{i}.attn_output_norm", concat!($prefix, "transformer.layer.{i}.sa_layer_norm")),
            rename("blk.{i}.ffn_up", concat!($prefix, "transformer.layer.{i}.ffn.lin1")),
            rename("blk.{i}.ffn_down", concat!($prefix, "transformer.layer.{i}.ffn.lin2")),
            rename("blk.{i}.layer_output_norm", concat!($prefix, "transformer.layer.{i}.output_layer_norm")),
        ]
    };
}

static DISTIL_BARE: &[Rule] = distil!("");
static DISTIL_NAMED: &[Rule] = distil!("distilbert.");
static DISTIL_HEAD: &[Rule] = &[rename("cls", "pre_classifier"), rename("cls.output", "classifier")];

static FIELDS: &[Field] = &[
    derived("type_vocab_size", token_types),
    number("layer_norm_eps", "attention.layer_norm_epsilon"),
    field("hidden_act", Value::Str("gelu")),
    field("position_embedding_type", Value::Str("absolute")),
    field("attention_probs_dropout_prob", Value::Float(0.1)),
    field("hidden_dropout_prob", Value::Float(0.1)),
    field("initializer_range", Value::Float(0.02)),
    field("use_cache", Value::Bool(true)),
];

/// Pad tokens have no position, so the class needs their id, whatever the tokenizer says.
pub static LATE_FIELDS: &[Field] = &[
    field("max_position_embeddings", Value::Dim(Dim::Plus(&Dim::Key("context_length"), &Dim::Is(2)))),
    field("pad_token_id", Value::Int(1)),
];

static DISTIL_FIELDS: &[Field] = &[
    int("dim", "embedding_length"),
    int("n_layers", "block_count"),
    field("n_heads", Value::Dim(HEADS)),
    int("hidden_dim", "feed_forward_length"),
    int("max_position_embeddings", "context_length"),
    field("vocab_size", Value::Dim(Dim::Rows("token_embd.weight"))),
    field("activation", Value::Str("gelu")),
    field("sinusoidal_pos_embds", Value::Bool(false)),
    field("initializer_range", Value::Float(0.02)),
];

/// The labels of a classifier.
pub static LABELS: &[Field] = &[derived("id2label", id2label), derived("label2id", label2id)];

const DISTIL: Tell = Tell::Not(&Tell::Tensor("token_types.weight"));
const HEAD: Tell = Tell::Any(&[Tell::Tensor("cls.weight"), Tell::Tensor("cls.output.weight")]);
const BPE: Tell = Tell::Text("tokenizer.ggml.model", "gpt2");
const UNIGRAM: Tell = Tell::Text("tokenizer.ggml.model", "t5");

const BERT: Spec = Spec {
    gguf: "bert",
    when: &[],
    class: "BertModel",
    model_type: "bert",
    strip: "",
    config: &[SIZES, FIELDS],
    tensors: &[BARE, BARE_POSITIONS],
    loss: POOLER,
    proof: &["BertModel"],
    source: SOURCE,
};

pub static SPEC: Spec = BERT;

pub static CLASSIFIER: Spec = Spec {
    when: &[HEAD],
    class: "BertForSequenceClassification",
    config: &[SIZES, FIELDS, LABELS],
    tensors: &[BERT_NAMED, BERT_HEAD],
    loss: Some(
        "the pooling layer, which the classifier reads, is in no GGUF: without the original's it classifies at random",
    ),
    proof: &["BertForSequenceClassification"],
    ..BERT
};

/// CamemBERT comes with BERT's tokenizer, so the converter leaves its positions whole, but they count from the pad token
/// on, which is 0 in a BERT.
pub static CAMEMBERT: Spec = Spec {
    when: &[Tell::Id("tokenizer.ggml.padding_token_id", 1), Tell::Not(&HEAD)],
    class: "CamembertModel",
    model_type: "camembert",
    config: &[SIZES, FIELDS, &[field("pad_token_id", Value::Int(1))]],
    proof: &["CamembertModel"],
    ..BERT
};

pub static ROBERTA: Spec = Spec {
    when: &[BPE],
    class: "RobertaModel",
    model_type: "roberta",
    config: &[SIZES, FIELDS, LATE_FIELDS],
    tensors: &[BARE, BARE_LATE_POSITIONS],
    loss: POOLER_AND_ROWS,
    proof: &["RobertaModel"],
    ..BERT
};

pub static ROBERTA_CLASSIFIER: Spec = Spec {
    when: &[BPE, HEAD],
    class: "RobertaForSequenceClassification",
    model_type: "roberta",
    config: &[SIZES, FIELDS, LATE_FIELDS, LABELS],
    tensors: &[ROBERTA_NAMED, ROBERTA_HEAD],
    loss: POOLER_AND_ROWS,
    proof: &["RobertaForSequenceClassification"],
    ..BERT
};

pub static XLM_ROBERTA: Spec = Spec {
    when: &[UNIGRAM],
    class: "XLMRobertaModel",
    model_type: "xlm-roberta",
    config: &[SIZES, FIELDS, LATE_FIELDS],
    tensors: &[BARE, BARE_LATE_POSITIONS],
    loss: POOLER_AND_ROWS,
    proof: &["XLMRobertaModel"],
    ..BERT
};

/// The rerankers of bge and kin.
pub static XLM_ROBERTA_CLASSIFIER: Spec = Spec {
    when: &[UNIGRAM, HEAD],
    class: "XLMRobertaForSequenceClassification",
    model_type: "xlm-roberta",
    config: &[SIZES, FIELDS, LATE_FIELDS, LABELS],
    tensors: &[ROBERTA_NAMED, ROBERTA_HEAD],
    loss: POOLER_AND_ROWS,
    proof: &["XLMRobertaForSequenceClassification"],
    ..BERT
};

pub static DISTILBERT: Spec = Spec {
    when: &[DISTIL],
    class: "DistilBertModel",
    model_type: "distilbert",
    config: &[DISTIL_FIELDS],
    tensors: &[DISTIL_BARE],
    loss: None,
    proof: &["DistilBertModel", "distilbert-fused"],
    ..BERT
};

pub static DISTILBERT_CLASSIFIER: Spec = Spec {
    when: &[DISTIL, HEAD],
    class: "DistilBertForSequenceClassification",
    model_type: "distilbert",
    config: &[DISTIL_FIELDS, LABELS],
    tensors: &[DISTIL_NAMED, DISTIL_HEAD],
    loss: None,
    proof: &["DistilBertForSequenceClassification"],
    ..BERT
};

/// Rows of the table, which may have lost its axis of one row.
fn token_types(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(Some(Dim::Rows("token_types.weight").of(scope)?.into()))
}

/// The names of the labels; made up, as the class would, where the file has none and their number is not the class's
/// default of two.
fn labels(scope: &Scope) -> Result<Vec<String>, Error> {
    let stored = scope.metadata().value(&scope.key("classifier.output_labels"));
    if let Some(names) = stored.and_then(|v| v.as_array()) {
        return Ok(names.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect());
    }
    let head = ["cls.output.weight", "cls.weight"].into_iter().find(|name| scope.tensor(name).is_some());
    let count = head.map_or(Ok(2), |name| Dim::Rows(name).of(scope))?;
    Ok(if count == 2 { Vec::new() } else { (0..count.min(1 << 20)).map(|n| format!("LABEL_{n}")).collect() })
}

fn id2label(scope: &Scope) -> Result<Option<Json>, Error> {
    let labels = labels(scope)?;
    let map: Map<_, _> =
        labels.into_iter().enumerate().map(|(n, name)| (n.to_string(), name.into())).collect();
    Ok((!map.is_empty()).then_some(map.into()))
}

fn label2id(scope: &Scope) -> Result<Option<Json>, Error> {
    let labels = labels(scope)?;
    let map: Map<_, _> = labels.into_iter().enumerate().map(|(n, name)| (name, n.into())).collect();
    Ok((!map.is_empty()).then_some(map.into()))
}
