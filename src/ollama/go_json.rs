//! JSON as Go's `json.Encoder` writes it, byte for byte: the digests of a store are taken over these bytes.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// The encoding of a value, with the newline that `json.Encoder` ends it with. Fields of structs keep their order; maps
/// must be sorted ones, as Go sorts their keys. Text is valid UTF-8 by its type, so Go's `\ufffd` never occurs.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value
        .serialize(&mut Serializer::with_formatter(&mut bytes, GoFormatter))
        .expect("maps with text keys, written to memory, are JSON");
    bytes.push(b'\n');
    bytes
}

struct GoFormatter;

impl Formatter for GoFormatter {
    /// A part without quotes, backslashes and control characters. Go escapes what HTML and JavaScript would read.
    fn write_string_fragment<W: Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let is_escaped = |c: char| matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|&(_, c)| is_escaped(c)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            write!(writer, "\\u{:04x}", u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    /// Go writes whole numbers without a point, and exponents as JavaScript does: below 1e-6 and from 1e21.
    fn write_f64<W: Write + ?Sized>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        let magnitude = value.abs();
        if value == 0.0 || (1e-6..1e21).contains(&magnitude) {
            return write!(writer, "{value}");
        }
        let text = format!("{value:e}");
        let text = if text.contains("e-") { text } else { text.replace('e', "e+") };
        writer.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// As Go 1.26's encoding/json answers.
    #[test]
    fn escapes_as_go_does() {
        let cases = [
            ("a<b>&\"c\"\\", r#""a\u003cb\u003e\u0026\"c\"\\""#),
            ("\n\r\t\u{8}\u{c}\0\u{1f}\u{7f}", "\"\\n\\r\\t\\b\\f\\u0000\\u001f\u{7f}\""),
            ("\u{2028}\u{2029}\u{e9}\u{1f600}/", "\"\\u2028\\u2029\u{e9}\u{1f600}/\""),
            ("", r#""""#),
        ];
        for (text, expected) in cases {
            assert_eq!(encode(&text), format!("{expected}\n").into_bytes());
        }
    }

    #[test]
    fn writes_numbers_as_go_does() {
        let cases = [
            (1.0, "1"),
            (0.7, "0.7"),
            (-0.0, "-0"),
            (1e-6, "0.000001"),
            (1.5e-7, "1.5e-7"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
        ];
        for (value, expected) in cases {
            assert_eq!(String::from_utf8(encode(&value)).unwrap(), format!("{expected}\n"));
        }
    }

    #[test]
    fn maps_and_arrays_are_compact() {
        let map = BTreeMap::from([("top_k", vec![1]), ("stop", vec![])]);
        assert_eq!(encode(&map), b"{\"stop\":[],\"top_k\":[1]}\n");
    }
}
