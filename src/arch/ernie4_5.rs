//! ERNIE 4.5, dense.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS, OWN_HEAD_DIM};
use super::spec::{Field, Spec, Value, field};

/// One field for the biases of all projections.
pub static BIASES: &[Field] = &[field("use_bias", Value::Present("blk.0.attn_q.bias"))];

pub static SPEC: Spec = Spec {
    gguf: "ernie4_5",
    when: &[],
    class: "Ernie4_5ForCausalLM",
    model_type: "ernie4_5",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, BIASES],
    tensors: &[ENDS, NORMS, ATTENTION, MLP],
    loss: None,
    proof: &["Ernie4_5ForCausalLM"],
    source: "conversion/ernie.py, class Ernie4_5Model, llama.cpp 0c1e5709",
};
