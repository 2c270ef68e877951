//! The part of Go's text/template that derived templates use, read from their text and rendered as Ollama renders it.
//!
//! A derived template is accepted only if this, which knows nothing of how it was made, renders each probe as the
//! model's own template does; the tests hold it to what an Ollama server renders.

use super::Message;

/// Why a text is no template of the part, or was not rendered.
#[derive(Debug, Eq, PartialEq)]
pub enum Error {
    /// The text is not understood here, from this byte.
    Syntax(usize),
    /// The template refuses the conversation.
    Refused,
}

/// Renders a conversation that ends with a turn of the user.
///
/// # Errors
/// See [`Error`].
pub fn render(template: &str, messages: &[Message]) -> Result<String, Error> {
    let mut parser = Parser { text: template, at: 0 };
    let nodes = parser.nodes(&[])?;
    let mut scope = Scope { messages, at: 0, previous: String::new(), output: String::new() };
    scope.run(&nodes.0)?;
    Ok(scope.output)
}

enum Node {
    Text(String),
    Output(Expression),
    Range(Vec<Node>),
    /// Conditions with their branches, and the branch for none of them.
    If(Vec<(Expression, Vec<Node>)>, Vec<Node>),
    /// `$previous = ...`
    Assign(Expression),
}

enum Expression {
    Call(String, Vec<Expression>),
    Variable(String),
    Text(String),
    Number(usize),
}

enum Value {
    Text(String),
    Number(usize),
    Truth(bool),
    /// The messages from one on.
    Messages(usize),
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// Nodes up to an action that begins with one of `ends`, or to the end; also that action.
    fn nodes(&mut self, ends: &[&str]) -> Result<(Vec<Node>, &'a str), Error> {
        let mut nodes = Vec::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(text_len) = rest.find("{{") else {
                nodes.push(Node::Text(rest.to_owned()));
                self.at = self.text.len();
                return if ends.is_empty() { Ok((nodes, "")) } else { Err(Error::Syntax(self.at)) };
            };
            nodes.push(Node::Text(rest[..text_len].to_owned()));
            let start = self.at + text_len;
            let action = self.action(start)?;
            let keyword = action.split(' ').next().unwrap_or_default();
            if ends.contains(&keyword) {
                return Ok((nodes, action));
            }
            nodes.push(self.node(action, start)?);
        }
    }

    /// The inside of the action at `start`; leaves the parser behind it.
    fn action(&mut self, start: usize) -> Result<&'a str, Error> {
        let inside = &self.text[start + 2..];
        // Braces within a string do not end an action.
        let mut is_string = false;
        let mut is_escaped = false;
        for (at, c) in inside.char_indices() {
            match c {
                _ if is_escaped => is_escaped = false,
                '\\' if is_string => is_escaped = true,
                '"' => is_string = !is_string,
                '}' if !is_string && inside[at..].starts_with("}}") => {
                    self.at = start + 2 + at + 2;
                    let action = &inside[..at];
                    // Trimmed actions (`{{-`) are not part of the part.
                    let spaced = action.strip_prefix(' ').and_then(|a| a.strip_suffix(' '));
                    return spaced.filter(|a| !a.starts_with('-')).ok_or(Error::Syntax(start));
                }
                _ => {}
            }
        }
        Err(Error::Syntax(start))
    }

    fn node(&mut self, action: &'a str, start: usize) -> Result<Node, Error> {
        let expression = |text| expression(text).ok_or(Error::Syntax(start));
        if action == "range $i, $_ := .Messages" {
            return Ok(Node::Range(self.nodes(&["end"])?.0));
        }
        if let Some(value) = action.strip_prefix("$previous := ").or(action.strip_prefix("$previous = ")) {
            return Ok(Node::Assign(expression(value)?));
        }
        let Some(mut condition) = action.strip_prefix("if ") else {
            return Ok(Node::Output(expression(action)?));
        };
        let mut branches = Vec::new();
        loop {
            let (nodes, next) = self.nodes(&["else", "end"])?;
            branches.push((expression(condition)?, nodes));
            match (next, next.strip_prefix("else if ")) {
                (_, Some(next)) => condition = next,
                ("else", None) => return Ok(Node::If(branches, self.nodes(&["end"])?.0)),
                ("end", None) => return Ok(Node::If(branches, Vec::new())),
                _ => return Err(Error::Syntax(start)),
            }
        }
    }
}

/// An expression: a word, or a function and its arguments.
fn expression(text: &str) -> Option<Expression> {
    let mut rest = text;
    let mut words = Vec::new();
    while !rest.is_empty() {
        let (word, next) = word(rest)?;
        words.push(word);
        rest = if next.is_empty() { next } else { next.strip_prefix(' ')? };
    }
    let mut words = words.into_iter();
    match words.next()? {
        Expression::Call(function, arguments) if arguments.is_empty() => {
            Some(Expression::Call(function, words.collect()))
        }
        first => words.next().is_none().then_some(first),
    }
}

fn word(text: &str) -> Option<(Expression, &str)> {
    if let Some(inside) = text.strip_prefix('(') {
        let mut depth = 1;
        let end = inside.find(|c| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        })?;
        return Some((expression(&inside[..end])?, &inside[end + 1..]));
    }
    if text.starts_with('"') {
        // Go's strings are JSON's but for escapes that are not written here.
        let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let string = strings.next()?.ok()?;
        return Some((Expression::Text(string), &text[strings.byte_offset()..]));
    }
    let (word, rest) = text.split_at(text.find([' ', ')']).unwrap_or(text.len()));
    let expression = match word.parse() {
        Ok(number) => Expression::Number(number),
        Err(_) if word.starts_with(['.', '$']) => Expression::Variable(word.to_owned()),
        Err(_) => Expression::Call(word.to_owned(), Vec::new()),
    };
    Some((expression, rest))
}

struct Scope<'a> {
    messages: &'a [Message<'a>],
    at: usize,
    previous: String,
    output: String,
}

impl Scope<'_> {
    fn run(&mut self, nodes: &[Node]) -> Result<(), Error> {
        for node in nodes {
            match node {
                Node::Text(text) => self.output.push_str(text),
                Node::Output(expression) => match self.value(expression)? {
                    Value::Text(text) => self.output.push_str(&text),
                    _ => return Err(Error::Syntax(0)),
                },
                Node::Assign(expression) => match self.value(expression)? {
                    Value::Text(text) => self.previous = text,
                    _ => return Err(Error::Syntax(0)),
                },
                Node::Range(body) => {
                    for at in 0..self.messages.len() {
                        self.at = at;
                        self.run(body)?;
                    }
                }
                Node::If(branches, otherwise) => self.branch(branches, otherwise)?,
            }
        }
        Ok(())
    }

    fn branch(&mut self, branches: &[(Expression, Vec<Node>)], otherwise: &[Node]) -> Result<(), Error> {
        for (condition, body) in branches {
            if self.value(condition)?.truth() {
                return self.run(body);
            }
        }
        self.run(otherwise)
    }

    fn value(&self, expression: &Expression) -> Result<Value, Error> {
        Ok(match expression {
            Expression::Text(text) => Value::Text(text.clone()),
            Expression::Number(number) => Value::Number(*number),
            Expression::Variable(name) => self.variable(name)?,
            Expression::Call(function, arguments) => {
                let arguments = arguments.iter().map(|a| self.value(a)).collect::<Result<Vec<_>, _>>()?;
                match (function.as_str(), &arguments[..]) {
                    ("eq", [a, b]) => Value::Truth(a.equals(b)?),
                    ("ne", [a, b]) => Value::Truth(!a.equals(b)?),
                    ("and", [.., last]) => Value::Truth(arguments.iter().all(Value::truth) && last.truth()),
                    ("len", [Value::Messages(from)]) => Value::Number(self.messages.len() - from),
                    ("slice", [Value::Messages(0), Value::Number(from)]) => Value::Messages(*from),
                    // An index that is no number is an error to Go, which tells what it was.
                    ("index", [Value::Messages(0), Value::Text(_)]) => return Err(Error::Refused),
                    _ => return Err(Error::Syntax(0)),
                }
            }
        })
    }

    fn variable(&self, name: &str) -> Result<Value, Error> {
        let message = self.messages.get(self.at).ok_or(Error::Syntax(0))?;
        Ok(match name {
            "$i" => Value::Number(self.at),
            "$previous" => Value::Text(self.previous.clone()),
            ".Role" => Value::Text(message.role.to_owned()),
            ".Content" => Value::Text(message.content.to_owned()),
            "$.Messages" => Value::Messages(0),
            "$.System" => {
                let system = self.messages.iter().filter(|m| m.role == "system").map(|m| m.content);
                Value::Text(system.collect::<Vec<_>>().join("\n\n"))
            }
            _ => return Err(Error::Syntax(0)),
        })
    }
}

impl Value {
    fn truth(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0,
            Self::Truth(truth) => *truth,
            Self::Messages(_) => true,
        }
    }

    fn equals(&self, other: &Self) -> Result<bool, Error> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Ok(a == b),
            (Self::Number(a), Self::Number(b)) => Ok(a == b),
            _ => Err(Error::Syntax(0)), // Go: incompatible types for comparison
        }
    }
}

/// A text as it stands in a template: itself, or a string where braces would be read as an action.
pub fn literal(text: &str) -> String {
    if text.contains("{{") || text.ends_with('{') {
        format!("{{{{ {} }}}}", serde_json::Value::from(text))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages() -> [Message<'static>; 3] {
        [Message::new("system", "S"), Message::new("user", "U"), Message::new("user", "V")]
    }

    #[test]
    fn renders_as_go_does() {
        let cases = [
            (
                "{{ range $i, $_ := .Messages }}<{{ .Role }}>{{ .Content }}\n{{ end }}.",
                "<system>S\n<user>U\n<user>V\n.",
            ),
            (
                "{{ range $i, $_ := .Messages }}{{ if eq $i 0 }}a{{ else if eq .Content \"V\" }}b{{ else }}c{{ end }}{{ end }}",
                "acb",
            ),
            (
                "{{ range $i, $_ := .Messages }}{{ if and (ne .Role \"user\") $.System }}{{ $.System }}{{ end }}{{ end }}",
                "S",
            ),
            (
                "{{ range $i, $_ := .Messages }}{{ if eq (len (slice $.Messages $i)) 1 }}{{ .Content }}{{ end }}{{ end }}",
                "V",
            ),
            (
                "{{ $previous := \"\" }}{{ range $i, $_ := .Messages }}[{{ $previous }}]{{ $previous = .Role }}{{ end }}",
                "[][system][user]",
            ),
            ("{{ \"a\\n{{\\\"\" }}", "a\n{{\""),
        ];
        for (template, expected) in cases {
            assert_eq!(render(template, &messages()).unwrap(), expected, "{template}");
        }
    }

    #[test]
    fn literals_are_read_back() {
        for text in ["plain\n", "{{ x }}", "a{", "}}", "\"{{\\", "{%", "{{{", "\u{ff5c}{{"] {
            assert_eq!(
                render(&format!("{}{{{{ \"!\" }}}}", literal(text)), &messages()).unwrap(),
                format!("{text}!")
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for template in [
            "{{",
            "{{ if eq 1 1 }}",
            "{{ .Content",
            "{{- .Content }}",
            "{{ printf .Content }}",
            "{{ range $i, $_ := .Messages }}{{ .Tools }}{{ end }}",
            "{{ range $i, $_ := .Messages }}{{ if eq .Role 1 }}{{ end }}{{ end }}",
        ] {
            assert!(matches!(render(template, &messages()), Err(Error::Syntax(_))), "{template}");
        }
        let refusing = "{{ range $i, $_ := .Messages }}{{ index $.Messages \"no\" }}{{ end }}";
        assert_eq!(render(refusing, &messages()), Err(Error::Refused));
    }
}
