//! Nanbeige, a Llama that may run its layers more than once.

use serde_json::Value as Json;

use super::shared::{DECODER, ENDS, MLP, NORMS, ROPE_FACTORS, ROPED_ATTENTION};
use super::spec::{Spec, Value, derived, field};
use super::{Error, Scope};

pub static SPEC: Spec = Spec {
    gguf: "nanbeige",
    when: &[],
    class: "NanbeigeForCausalLM",
    model_type: "nanbeige",
    strip: "",
    config: &[
        DECODER,
        &[
            field("attention_bias", Value::Present("blk.0.attn_q.bias")),
            derived("num_loops", loops),
            field("skip_loop_final_norm", Value::Flag("skip_loop_final_norm", false)),
        ],
    ],
    tensors: &[ENDS, NORMS, ROPED_ATTENTION, MLP, ROPE_FACTORS],
    loss: None,
    proof: &["NanbeigeForCausalLM"],
    source: "conversion/nanbeige.py, llama.cpp 0c1e5709",
};

fn loops(scope: &Scope) -> Result<Option<Json>, Error> {
    Ok(scope.u64("num_loops")?.map(Json::from))
}
