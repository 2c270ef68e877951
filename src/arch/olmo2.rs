//! OLMo 2 and 3.

use super::shared::{ATTENTION, DECODER, ENDS, MLP, POST_NORMS, QK_NORMS, ROPE_FACTORS, WINDOW};
use super::spec::{Field, Rule, Spec, Tell, Value, field};

const SOURCE: &str = "conversion/olmo.py, class Olmo2Model, llama.cpp 0c1e5709";

static BIAS: &[Field] = &[field("attention_bias", Value::Present("blk.0.attn_q.bias"))];
static TENSORS: &[&[Rule]] = &[ENDS, POST_NORMS, ATTENTION, QK_NORMS, MLP, ROPE_FACTORS];

pub static OLMO3: Spec = Spec {
    gguf: "olmo2",
    when: &[Tell::Key("attention.sliding_window")],
    class: "Olmo3ForCausalLM",
    model_type: "olmo3",
    strip: "",
    config: &[DECODER, BIAS, WINDOW, &[field("layer_types", Value::LayerTypes(4))]],
    tensors: TENSORS,
    loss: None,
    proof: &["Olmo3ForCausalLM"],
    source: SOURCE,
};

pub static OLMO2: Spec = Spec {
    gguf: "olmo2",
    when: &[],
    class: "Olmo2ForCausalLM",
    model_type: "olmo2",
    strip: "",
    config: &[DECODER, BIAS],
    tensors: TENSORS,
    loss: None,
    proof: &["Olmo2ForCausalLM"],
    source: SOURCE,
};
