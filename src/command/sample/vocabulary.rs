//! The sample's tokenizer: a token for each byte, one for each word that the model says, and the marks of a chat.

/// What the model says, split as its pre-tokenizer splits it. No word occurs twice: each has one that follows it.
const SENTENCE: [&str; 12] = [
    " Every",
    " byte",
    " you",
    " just",
    " loaded",
    " came",
    " straight",
    " from",
    " one",
    " GGUF",
    " file",
    ".",
];

/// What stands before an answer.
const PARAGRAPH: &str = "\n\n";

/// Tokens that text never contains.
const MARKS: [&str; 5] =
    ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"];

/// The turns of a chat between those marks, as Llama 3 has them.
pub const CHAT_TEMPLATE: &str = "{{ bos_token }}{% for message in messages %}<|start_header_id|>{{ message['role'] }}\
<|end_header_id|>\n\n{{ message['content'] | trim }}<|eot_id|>{% endfor %}\
{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}";

/// All tokens and merges.
pub struct Vocabulary {
    /// Tokens by id: bytes, merged texts, marks.
    pub tokens: Vec<String>,
    /// Merges in order of rank, each as left and right token with a space between.
    pub merges: Vec<String>,
}

impl Vocabulary {
    /// Makes it.
    pub fn new() -> Self {
        let mut all = Self { tokens: letters().map(String::from).collect(), merges: Vec::new() };
        for word in SENTENCE.iter().chain([&PARAGRAPH]) {
            all.merge(word);
        }
        all.tokens.extend(MARKS.map(str::to_owned));
        all
    }

    /// GGUF's token types: 1 for text, 3 for marks (`llama_token_type` in llama.h).
    pub fn token_types(&self) -> Vec<i32> {
        let texts = self.tokens.len() - MARKS.len();
        (0..self.tokens.len()).map(|id| if id < texts { 1 } else { 3 }).collect()
    }

    /// What the model says, as ids.
    pub fn sentence(&self) -> Vec<usize> {
        SENTENCE.iter().map(|word| self.id(&spelled(word))).collect()
    }

    /// The mark that a text begins with.
    pub fn bos(&self) -> u32 {
        self.id(MARKS[0]) as u32
    }

    /// The mark that ends an answer.
    pub fn end_of_turn(&self) -> u32 {
        self.id(MARKS[4]) as u32
    }

    /// Makes a word one token, by merging it letter by letter from its start. All merges begin with the start of a
    /// word, so none gets in the way of another's.
    fn merge(&mut self, word: &str) {
        let word = spelled(word);
        for (at, right) in word.char_indices().skip(1) {
            let merged = &word[..at + right.len_utf8()];
            if !self.tokens.iter().any(|token| token == merged) {
                self.merges.push(format!("{} {right}", &word[..at]));
                self.tokens.push(merged.to_owned());
            }
        }
    }

    fn id(&self, token: &str) -> usize {
        self.tokens.iter().position(|t| t == token).expect("every word and mark is a token")
    }
}

/// The letters that byte-level BPE writes the bytes 0 to 255 with: those that print stand for themselves, the others
/// get letters from U+0100 on (GPT-2's `bytes_to_unicode`).
fn letters() -> impl Iterator<Item = char> {
    let mut next = 0x100;
    (0..=255_u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        _ => {
            next += 1;
            char::from_u32(next - 1).expect("below U+0200")
        }
    })
}

fn spelled(text: &str) -> String {
    let letters: Vec<_> = letters().collect();
    text.bytes().map(|byte| letters[usize::from(byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_gpt_2s_letters() {
        assert_eq!(spelled(" a\n\n~"), "\u{120}a\u{10a}\u{10a}~");
        assert_eq!(letters().nth(0xAD), Some('\u{143}'));
    }

    #[test]
    fn every_token_is_its_own() {
        let vocabulary = Vocabulary::new();
        let mut tokens = vocabulary.tokens.clone();
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), vocabulary.tokens.len());
        assert_eq!(vocabulary.merges.len(), vocabulary.tokens.len() - 256 - MARKS.len());
    }
}
