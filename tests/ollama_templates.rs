//! Which chat templates a Go template is derived from, and which not. What is derived was proved on the probes; the
//! tests in `ollama.rs` hold it to what servers render.

#![allow(clippy::unwrap_used)] // helpers of tests are not tests to clippy

mod support;

use std::fs;

use rawrz::ollama::template::{SpecialText, Template, Underivable, derive};
use support::probe::{fixtures, llama_cpp, require};

const SPECIAL: SpecialText =
    SpecialText { bos: Some("<s>"), eos: Some("</s>"), unk: Some("<unk>"), pad: None, adds_bos: true };

fn derived(name: &str) -> Result<Template, Underivable> {
    let path = fixtures().join("chat_templates").join(name).with_extension("jinja");
    derive(&fs::read_to_string(path).unwrap(), &SPECIAL)
}

#[test]
fn the_common_families_have_a_template() {
    let cases: &[(&str, &[&str])] = &[
        ("chatml", &["<|im_start|>", "<|im_end|>"]),
        ("chatml-default", &["<|im_start|>", "<|im_end|>"]),
        ("llama3", &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]),
        ("zephyr", &["<|system|>", "<|user|>", "</s>", "<|assistant|>"]),
        ("phi3", &["<|system|>", "<|user|>", "<|end|>", "<|assistant|>"]),
        ("gemma", &["<start_of_turn>", "<end_of_turn>"]),
        ("gemma-system", &["<start_of_turn>", "<end_of_turn>"]),
        ("mistral", &["[INST]", "[/INST]", "</s>"]),
        ("mistral-last", &["[INST]", "[/INST]", "</s>"]),
        ("llama2", &["[INST]", "<SYS>", "<s>", "[/INST]", "</s>"]),
    ];
    for (name, stop) in cases {
        let template = derived(name).unwrap_or_else(|why| panic!("{name}: {why:?}"));
        println!("{name}: {:?}", template.text);
        assert_eq!(template.stop, *stop, "{name}");
    }
    assert_eq!(
        derived("chatml").unwrap().text,
        "{{ range $i, $_ := .Messages }}\
         {{ if eq .Role \"system\" }}<|im_start|>system\n{{ .Content }}<|im_end|>\n\
         {{ else if eq .Role \"user\" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n\
         {{ else if eq .Role \"assistant\" }}<|im_start|>assistant\n{{ .Content }}\
         {{ if ne (len (slice $.Messages $i)) 1 }}<|im_end|>\n{{ end }}{{ end }}\
         {{ if and (eq (len (slice $.Messages $i)) 1) (ne .Role \"assistant\") }}<|im_start|>assistant\n{{ end }}{{ end }}"
    );
}

#[test]
fn other_templates_have_none() {
    assert!(matches!(derived("dated"), Err(Underivable::Dated)));
    assert!(matches!(derived("counting"), Err(Underivable::Irregular)));
    let derive = |source| derive(source, &SPECIAL);
    assert!(
        matches!(derive("{{ raise_exception('never') }}"), Err(Underivable::Refuses(why)) if why == "never")
    );
    assert!(matches!(derive("{% generation %}"), Err(Underivable::Failed(_))));
    assert!(matches!(derive("{{ messages | tojson }}"), Err(Underivable::Failed(_))));
    // What a turn says must not matter.
    let upper = "{% for m in messages %}{{ m.role + ':' + m.content | upper }}{% endfor %}";
    assert!(matches!(derive(upper), Err(Underivable::Irregular)));
    let by_content = "{% for m in messages %}<{{ m.role }}>{{ m.content.split('#')[0] }}{% endfor %}";
    assert!(matches!(derive(by_content), Err(Underivable::Irregular)));
}

#[test]
fn a_bos_that_the_server_does_not_add_stays() {
    let source = "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<assistant>";
    let text = |adds_bos| derive(source, &SpecialText { adds_bos, ..SPECIAL }).unwrap().text;
    assert!(!text(true).contains("<s>"));
    assert!(text(false).contains("<s>"));
}

#[test]
fn braces_in_a_template_are_text() {
    let source =
        "{% for m in messages %}{{ '{{' + m.role + '{' + m.content + '}}' }}{% endfor %}{{ '{{a{' }}";
    let template = derive(source, &SPECIAL).unwrap();
    assert!(template.text.contains(r#"{{ "{{user{" }}"#), "{}", template.text);
}

/// Templates of real models, in llama.cpp's source archive: which families have a layer, so that a change is seen.
#[test]
fn real_templates() {
    let Some(folder) = require("real_templates", "llama.cpp's templates", llama_cpp()) else { return };
    let mut derivable = Vec::new();
    for entry in fs::read_dir(folder.join("models/templates")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "jinja") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            match derive(&fs::read_to_string(&path).unwrap(), &SPECIAL) {
                Ok(_) => derivable.push(name),
                Err(why) => println!(
                    "{name}: {why} {}",
                    std::error::Error::source(&why).map(ToString::to_string).unwrap_or_default()
                ),
            }
        }
    }
    derivable.sort();
    println!("{derivable:#?}");
    for name in ["Qwen-Qwen2.5-7B-Instruct", "microsoft-Phi-3.5-mini-instruct", "google-gemma-2-2b-it"] {
        assert!(derivable.iter().any(|d| d == name), "{name}");
    }
}
