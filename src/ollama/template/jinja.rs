//! A model's own chat template, rendered as transformers' `apply_chat_template` does
//! (`transformers/utils/chat_template_utils.py`, 5.23): the same options, functions and variables.

use std::error::Error as _;
use std::fmt;
use std::io;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};
use minijinja_contrib::pycompat;

use super::{Message, SpecialText};

/// Bytes of template text. The longest of the templates that llama.cpp tests with has 20 kB.
const SOURCE_LEN: usize = 1 << 18;
/// Instructions that a rendering may take, so that a hostile template ends; the largest real ones take some thousands.
const FUEL: u64 = 1 << 20;
/// Bytes that a rendering may have.
const OUTPUT_LEN: usize = 1 << 20;
/// Stands for the day of the rendering, which a template that is written once cannot hold.
pub const TODAY: &str = "zq-today-zq";

/// A compiled template.
pub struct Jinja<'a> {
    environment: Environment<'static>,
    special: &'a SpecialText<'a>,
}

/// Why a conversation was not rendered.
#[derive(Debug)]
pub enum Failure {
    /// The template refuses it, by `raise_exception`.
    Refused(String),
    /// The template does something that is not done here, or wrong.
    Other(Error),
}

/// What `raise_exception` was given.
#[derive(Debug)]
struct Raised(String);

impl<'a> Jinja<'a> {
    /// Compiles a template.
    ///
    /// # Errors
    /// If it is too long or is not what minijinja reads: transformers also knows `{% generation %}`.
    pub fn compile(source: &str, special: &'a SpecialText) -> Result<Self, Error> {
        if source.len() > SOURCE_LEN {
            let what = format!("{} bytes, more than {SOURCE_LEN}", source.len());
            return Err(Error::new(ErrorKind::InvalidOperation, what));
        }
        let mut environment = Environment::new();
        let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        environment.set_syntax(blocks);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |what: String| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, "raised").with_source(Raised(what)))
        });
        environment.add_function("strftime_now", |_: Value| TODAY);
        // transformers' `tojson` differs from minijinja's in spaces and escapes; plain conversations do not need it.
        environment.add_filter("tojson", |_: Value| -> Result<Value, Error> {
            Err(Error::new(ErrorKind::UnknownFilter, "tojson"))
        });
        environment.add_template_owned("chat", source.to_owned())?;
        Ok(Self { environment, special })
    }

    /// Renders a conversation; `generation` asks for what begins the answer.
    ///
    /// # Errors
    /// See [`Failure`].
    pub fn render(&self, messages: &[Message], generation: bool) -> Result<String, Failure> {
        let message = |m: &Message| context! { role => m.role, content => m.content };
        let messages: Vec<_> = messages.iter().map(message).collect();
        let none = Value::from(());
        let SpecialText { bos, eos, unk, pad, adds_bos: _ } = self.special;
        let mut variables = vec![
            ("messages", Value::from(messages)),
            ("add_generation_prompt", generation.into()),
            ("tools", none.clone()),
            ("documents", none),
        ];
        let special = [("bos_token", bos), ("eos_token", eos), ("unk_token", unk), ("pad_token", pad)];
        variables.extend(special.iter().filter_map(|(name, text)| Some((*name, Value::from((**text)?)))));
        let mut output = Limited(Vec::new());
        let template = self.environment.get_template("chat").expect("added when compiled");
        template.render_captured_to(Value::from_pairs(variables), &mut output).map_err(failure)?;
        Ok(String::from_utf8(output.0).expect("minijinja writes whole strings"))
    }
}

fn failure(error: Error) -> Failure {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(Raised(what)) = cause.downcast_ref() {
            return Failure::Refused(what.clone());
        }
        source = cause.source();
    }
    Failure::Other(error)
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Raised {}

/// Takes so many bytes and no more.
struct Limited(Vec<u8>);

impl io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: SpecialText =
        SpecialText { bos: Some("<s>"), eos: Some("</s>"), unk: None, pad: None, adds_bos: true };

    fn render(source: &str) -> Result<String, Failure> {
        let messages = [Message::new("user", " Hi\n"), Message::new("assistant", "Yo")];
        Jinja::compile(source, &SPECIAL).map_err(Failure::Other)?.render(&messages, true)
    }

    /// As transformers 5.23 renders them.
    #[test]
    fn renders_as_transformers_does() {
        let cases = [
            ("{{ bos_token }}{{ messages[0]['content'] | trim }}{{ eos_token }}", "<s>Hi</s>"),
            ("{% if true %}\n  {% if tools is none %}\nx\n{% endif %}\n{% endif %}\ny\n", "x\ny"),
            ("{% for m in messages[1:] %}{{ m.content.upper() }}{% break %}{% endfor %}", "YO"),
            (
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "2",
            ),
            ("{{ pad_token is defined }}{{ missing }}{{ add_generation_prompt }}", "FalseTrue"),
            ("{{ messages[0].content.strip().startswith('H') }}", "True"),
        ];
        for (source, expected) in cases {
            assert_eq!(render(source).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn what_a_template_refuses_is_told_from_what_fails() {
        assert!(matches!(render("{{ raise_exception('no') }}"), Err(Failure::Refused(what)) if what == "no"));
        for source in ["{% generation %}", "{{ messages | tojson }}", "{{ missing.key }}", "{{ 1 / 0 }}"] {
            assert!(matches!(render(source), Err(Failure::Other(_))), "{source}");
        }
    }

    #[test]
    fn hostile_templates_end() {
        for source in [
            "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
            "{{ 'x' * 100000000 }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            &"{{ x }}".repeat(SOURCE_LEN),
            &"(".repeat(SOURCE_LEN / 2),
            &format!("{{{{ {} }}}}", "(".repeat(10_000)),
        ] {
            let rendered = render(source);
            assert!(rendered.is_err() || rendered.is_ok_and(|r| r.len() < OUTPUT_LEN), "{:.40}", source);
        }
    }
}
