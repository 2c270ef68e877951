//! The text part of Hunyuan-VL and HunyuanOCR: positions in several dimensions are one for text.

use serde_json::{Value as Json, json};

use super::hunyuan::{FIELDS, QK_NORMS};
use super::shared::{ATTENTION, DECODER, ENDS, MLP, NORMS, OWN_HEAD_DIM};
use super::spec::{Spec, derived};
use super::{Error, Scope};

pub static SPEC: Spec = Spec {
    gguf: "hunyuan_vl",
    when: &[],
    class: "HunYuanDenseV1ForCausalLM",
    model_type: "hunyuan_v1_dense",
    strip: "",
    config: &[DECODER, OWN_HEAD_DIM, FIELDS, &[derived("rope_scaling", stretched)]],
    tensors: &[ENDS, NORMS, ATTENTION, QK_NORMS, MLP],
    loss: Some("the vision tower, which is in a file of its own"),
    proof: &["hunyuan-vl"],
    source: "conversion/hunyuan.py, class HunyuanVLTextModel, llama.cpp 0c1e5709",
};

/// Unlike the text models' files, these have rope's base and how it is stretched apart.
fn stretched(scope: &Scope) -> Result<Option<Json>, Error> {
    let alpha = scope.f64("rope.scaling.alpha")?;
    Ok(Some(alpha.map_or(
        Json::Null,
        |alpha| json!({"rope_type": "dynamic", "type": "dynamic", "alpha": alpha, "factor": 1.0}),
    )))
}
