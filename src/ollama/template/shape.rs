//! The fixed texts around the turns of a conversation: read off renderings, written as a Go template.

use super::go::literal;

/// Renderings of the probes to read from, all with the words of the first contents.
pub struct Seen<'a> {
    /// user
    pub one: &'a str,
    /// user, assistant, user
    pub three: &'a str,
    /// system, user; `None` where refused
    pub system: &'a Option<String>,
    /// system, user, assistant, user
    pub system_three: &'a Option<String>,
    /// user, without a generation prompt, where that can be rendered; with the BOS
    pub open: Option<String>,
    /// user, assistant, without a generation prompt
    pub closed: Option<String>,
}

/// The texts around turns. Texts may be empty.
#[derive(Debug, Eq, PartialEq)]
pub struct Shape {
    system: System,
    /// Before the user's first turn where nothing came before it: what stands for a missing system message too.
    first: String,
    /// Around any later turn of the user.
    user: [String; 2],
    /// Around a turn of the assistant.
    assistant: [String; 2],
    /// Begins the answer.
    generation: String,
}

/// What becomes of a system message.
#[derive(Debug, Eq, PartialEq)]
enum System {
    /// It comes first, between these; what begins the user's turn is part of the second.
    First([String; 2]),
    /// It is left out.
    Dropped,
    /// It goes into the user's last turn, behind what begins that and between these.
    Last([String; 2]),
    /// It is an error.
    Refused,
}

/// Go's way to say that a message is the last.
const IS_LAST: &str = "eq (len (slice $.Messages $i)) 1";
/// What Go tells of the error where a system message is refused.
const REFUSAL: &str = "{{ index $.Messages \"the model's chat template refuses a system message\" }}";

impl Shape {
    /// Reads the shape off renderings of these words, if they have one.
    pub fn read(seen: &Seen, words: &[&str; 6]) -> Option<Self> {
        let [system_word, user, assistant, user_2, ..] = *words;
        let [first, closing] = around(seen.one, [user])?;
        let [first_again, turn, next_turn, closing_again] = around(seen.three, [user, assistant, user_2])?;
        if first != first_again || closing != closing_again {
            return None;
        }
        let (user_suffix, assistant_prefix, generation) = split_turn(seen, turn, closing, user);
        let assistant_suffix = assistant_end(seen, next_turn, first, assistant);
        let user_prefix = &next_turn[assistant_suffix.len()..];
        let system = match (seen.system, seen.system_three) {
            (None, None) => System::Refused,
            (Some(two), Some(_)) if !two.contains(system_word) => System::Dropped,
            (Some(two), Some(four)) => {
                let [before, between, _] = around(two, [system_word, user])?;
                match around::<4, 5>(four, [system_word, user, assistant, user_2]) {
                    Some(_) => System::First([before.into(), between.into()]),
                    None => {
                        let [_, _, turn, between, _] = around(four, [user, assistant, system_word, user_2])?;
                        let before = turn.strip_prefix(next_turn)?;
                        System::Last([before.into(), between.into()])
                    }
                }
            }
            _ => return None,
        };
        let owned = |text: &str| text.to_owned();
        Some(Self {
            system,
            first: owned(first),
            user: [user_prefix, user_suffix].map(owned),
            assistant: [assistant_prefix, assistant_suffix].map(owned),
            generation: owned(generation),
        })
    }

    /// The Go template.
    pub fn go_template(&self) -> String {
        // Where the user's turn always begins alike, each role is a case; else what came before it decides.
        let plain = self.plain();
        let remember = if plain.is_none() { "{{ $previous = .Role }}" } else { "" };
        let begin = match plain {
            None => "{{ $previous := \"\" }}{{ range $i, $_ := .Messages }}".to_owned(),
            Some((default, _)) => {
                let condition = "{{ if and (eq $i 0) (ne .Role \"system\") }}";
                "{{ range $i, $_ := .Messages }}".to_owned() + &when(condition, default)
            }
        };
        let [assistant_prefix, assistant_suffix] = &self.assistant;
        [
            begin.as_str(),
            "{{ if eq .Role \"system\" }}",
            &self.system_case(plain.map(|(_, suffix)| suffix), remember),
            "{{ else if eq .Role \"user\" }}",
            &self.user_start(plain.is_some()),
            &self.inserted_system(),
            "{{ .Content }}",
            &literal(&self.user[1]),
            remember,
            "{{ else if eq .Role \"assistant\" }}",
            &literal(assistant_prefix),
            "{{ .Content }}",
            // A last turn of the assistant is one to be continued.
            &when("{{ if ne (len (slice $.Messages $i)) 1 }}", assistant_suffix),
            remember,
            "{{ end }}",
            &when(&format!("{{{{ if and ({IS_LAST}) (ne .Role \"assistant\") }}}}"), &self.generation),
            "{{ end }}",
        ]
        .concat()
    }

    /// Where each of the user's turns begins with the same text: what stands for a missing system message, and what
    /// ends a system message.
    fn plain(&self) -> Option<(&str, &str)> {
        let prefix = self.user[0].as_str();
        let default = self.first.strip_suffix(prefix)?;
        match &self.system {
            System::First([_, after]) => Some((default, after.strip_suffix(prefix)?)),
            // The user's turn is the first one then.
            System::Dropped if !default.is_empty() => None,
            System::Dropped | System::Last(_) | System::Refused => Some((default, "")),
        }
    }

    fn system_case(&self, plain_suffix: Option<&str>, remember: &str) -> String {
        match &self.system {
            System::First([before, after]) => {
                let after = plain_suffix.unwrap_or(after);
                [&literal(before), "{{ .Content }}", &literal(after), remember].concat()
            }
            System::Dropped | System::Last(_) => String::new(),
            System::Refused => REFUSAL.to_owned(),
        }
    }

    fn user_start(&self, is_plain: bool) -> String {
        let next = literal(&self.user[0]);
        if is_plain {
            return next;
        }
        let first = literal(&self.first);
        format!(
            "{{{{ if eq $previous \"\" }}}}{first}{{{{ else if ne $previous \"system\" }}}}{next}{{{{ end }}}}"
        )
    }

    fn inserted_system(&self) -> String {
        let System::Last([before, after]) = &self.system else { return String::new() };
        let (before, after) = (literal(before), literal(after));
        format!("{{{{ if and ({IS_LAST}) $.System }}}}{before}{{{{ $.System }}}}{after}{{{{ end }}}}")
    }

    /// The markers that open and close turns, in order of the texts. Of what begins an answer only the first: more may
    /// be the model's to write (`<think>`).
    pub fn stop(&self) -> Vec<String> {
        let mut stop: Vec<String> = Vec::new();
        let mut add = |markers: &mut dyn Iterator<Item = &str>| {
            for marker in markers {
                if !stop.iter().any(|s| s == marker) {
                    stop.push(marker.to_owned());
                }
            }
        };
        if let System::First([before, _]) = &self.system {
            add(&mut markers(before));
        }
        for text in self.user.iter().chain([&self.assistant[1]]) {
            add(&mut markers(text));
        }
        for text in [&self.assistant[0], &self.generation] {
            add(&mut markers(text).take(1));
        }
        stop
    }
}

/// A text under a condition; nothing for none.
fn when(condition: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { [condition, &literal(text), "{{ end }}"].concat() }
}

/// The texts around words that each occur once, in this order.
fn around<'a, const N: usize, const M: usize>(text: &'a str, words: [&str; N]) -> Option<[&'a str; M]> {
    let mut parts = Vec::with_capacity(M);
    let mut rest = text;
    for word in words {
        let (before, after) = rest.split_once(word)?;
        parts.push(before);
        rest = after;
    }
    parts.push(rest);
    let is_whole = parts.iter().all(|part| words.iter().all(|word| !part.contains(word)));
    parts.try_into().ok().filter(|_| is_whole)
}

/// What ends the user's turn, what begins the assistant's, and the generation prompt, from what stands between the two
/// (`turn`) and at the end of a rendering (`closing`).
fn split_turn<'a>(seen: &Seen, turn: &'a str, closing: &'a str, user: &str) -> (&'a str, &'a str, &'a str) {
    let open = seen.open.as_deref().and_then(|text| text.split_once(user));
    let len = match open {
        Some((_, end)) if turn.starts_with(end) && closing.starts_with(end) => end.len(),
        _ => {
            let same = turn.chars().zip(closing.chars()).take_while(|(a, b)| a == b);
            same.map(|(c, _)| c.len_utf8()).sum()
        }
    };
    (&closing[..len], &turn[len..], &closing[len..])
}

/// What ends the assistant's turn, from what stands between it and the user's next (`next_turn`).
fn assistant_end<'a>(seen: &Seen, next_turn: &'a str, first: &str, assistant: &str) -> &'a str {
    let closed = seen.closed.as_deref().and_then(|text| text.split_once(assistant));
    match closed {
        Some((_, end)) if next_turn.starts_with(end) => &next_turn[..end.len()],
        _ => {
            let same = next_turn.chars().rev().zip(first.chars().rev()).take_while(|(a, b)| a == b);
            let len: usize = same.map(|(c, _)| c.len_utf8()).sum();
            &next_turn[..next_turn.len() - len]
        }
    }
}

/// The markers in a text: `<...>` and `[...]` without blanks, as special tokens are written.
fn markers(text: &str) -> impl Iterator<Item = &str> {
    text.char_indices().filter_map(|(at, c)| {
        let close = match c {
            '<' => '>',
            '[' => ']',
            _ => return None,
        };
        let inside = &text[at + 1..];
        let len = inside.find(|d: char| d == close || d == c || d.is_whitespace())?;
        (len > 0 && inside[len..].starts_with(close)).then(|| &text[at..at + 1 + len + 1])
    })
}
