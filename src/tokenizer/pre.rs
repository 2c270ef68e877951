//! The pre-tokenizers that `tokenizer.ggml.pre` names: how each splits text before merges apply.
//!
//! Data: a new name is a name more in a row of [`TABLE`], a new way to split is a row more. The regular expressions are the
//! originals' own spelling, not llama.cpp's: its engine lacks `\p{Lu}` classes and `(?i:)`, and its rewritten tekken and
//! gpt-4o patterns split text beyond ASCII differently. `ollama create` knows a pre-tokenizer by the SHA-256 of the
//! spelling (tests below).
//!
//! Sources: `llama-vocab.cpp` and `conversion/base.py` of llama.cpp for the names, the tokenizer.json of the originals for the patterns.

/// One step of a pre-tokenizer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Every match of the regular expression (Oniguruma, Ruby syntax) is a piece, and so is what lies between.
    Split(&'static str),
    /// Every decimal digit is a piece.
    Digits,
    /// The pattern of GPT-2, which the byte-level step of the tokenizers library has built in.
    Gpt2,
}

/// What a vocabulary's pieces are made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pieces {
    /// Bytes, each written as one printable character.
    Bytes,
    /// Text, spaces written U+2581, and `<0xNN>` for the bytes of what the vocabulary lacks.
    Text,
    /// Words between white space, as they are.
    Words,
}

/// One way to split text.
#[derive(Debug)]
pub struct PreTokenizer {
    /// The values of `tokenizer.ggml.pre` that mean it.
    pub names: &'static [&'static str],
    /// What to do, in order.
    pub steps: &'static [Step],
    /// What merges see.
    pub pieces: Pieces,
    /// Whether a piece that is a token is taken whole, before any merge.
    pub ignore_merges: bool,
    /// Whether a beginning-of-sequence token is added where the file does not say.
    pub add_bos: bool,
    /// Whether the original normalises to NFC. GGUF does not record it and llama.cpp never does; text in NFC has the same ids either way.
    pub nfc: bool,
}

/// The row of a name.
pub fn find(name: &str) -> Option<&'static PreTokenizer> {
    TABLE.iter().find(|row| row.names.contains(&name))
}

/// All names, in table order.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|row| row.names).copied()
}

/// Tokens that take the white space before them, with the pre-tokenizer where they do. GGUF has no such flag; llama.cpp knows these
/// by name (`llama_vocab::impl::load`).
pub const STRIPS_LEFT: &[(&str, &str)] = &[
    ("jina-v2-de", "<mask>"),
    ("jina-v2-es", "<mask>"),
    ("jina-v2-code", "<mask>"),
    ("modern-bert", "[MASK]"),
];

/// What most rows are: bytes, no special rule.
const PLAIN: PreTokenizer = PreTokenizer {
    names: &[],
    steps: &[],
    pieces: Pieces::Bytes,
    ignore_merges: false,
    add_bos: false,
    nfc: false,
};

// Parts of patterns. Macros, because concat! takes literals alone.

/// English contractions.
macro_rules! contractions {
    () => {
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    };
}

/// Punctuation with the line ends after it, line ends, spaces.
macro_rules! tail {
    () => {
        concat!(r" ?[^\s\p{L}\p{N}]+[\r\n]*|", spaces!())
    };
}

/// Line ends, spaces.
macro_rules! spaces {
    () => {
        r"\s*[\r\n]+|\s+(?!\S)|\s+"
    };
}

/// Words, numbers as given, punctuation, spaces.
macro_rules! words {
    ($numbers:literal) => {
        concat!(r"[^\r\n\p{L}\p{N}]?\p{L}+|", $numbers, "|", tail!())
    };
}

/// The pattern of GPT-4o: words end where lower case gives way to upper case.
macro_rules! cased {
    ($contractions:expr, $numbers:literal) => {
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
            $contractions,
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
            $contractions,
            "|",
            $numbers,
            r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|",
            spaces!()
        )
    };
}

macro_rules! contractions_if_any {
    () => {
        concat!(contractions!(), "?")
    };
}

/// DeepSeek-V3's last pattern, up to what follows punctuation.
macro_rules! deepseek_v3_head {
    () => {
        concat!(
            r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"##,
            r"|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+"
        )
    };
}

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = concat!(contractions!(), "|", words!(r"\p{N}{1,3}"));
const QWEN2: &str = concat!(contractions!(), "|", words!(r"\p{N}"));
const GPT_4O: &str = cased!(contractions_if_any!(), r"\p{N}{1,3}");
const DEEPSEEK_V3: &str = concat!(deepseek_v3_head!(), r"[\r\n]*|", spaces!());
const THREE_DIGITS: &str = r"\p{N}{1,3}";
/// Chinese and Japanese.
const CJK: &str = "[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+";
const BLOOM: &str = " ?[^(\\s|.,!?\u{2026}\u{3002}\u{ff0c}\u{3001}\u{964}\u{6d4}\u{60c})]+";
/// Chinese, Yi to Vai, Korean; as DeepSeek's first two models have it.
const DEEPSEEK_CJK: &str = "[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}]+";

impl PreTokenizer {
    /// The pattern that stands for [`Step::Gpt2`] where further steps follow it.
    pub const GPT2: &'static str = GPT2;
}

/// The table.
pub static TABLE: &[PreTokenizer] = &[
    PreTokenizer {
        names: &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        steps: &[Step::Split(LLAMA3)],
        ignore_merges: true,
        add_bos: true,
        ..PLAIN
    },
    PreTokenizer { names: &["dbrx", "smaug-bpe", "chatglm-bpe"], steps: &[Step::Split(LLAMA3)], ..PLAIN },
    PreTokenizer { names: &["glm4", "glm5"], steps: &[Step::Split(LLAMA3)], ignore_merges: true, ..PLAIN },
    PreTokenizer { names: &["qwen2"], steps: &[Step::Split(QWEN2)], nfc: true, ..PLAIN },
    PreTokenizer {
        names: &[
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "megrez",
            "stablelm2",
            "hunyuan",
            "solar-open",
            "grok-2",
        ],
        steps: &[Step::Split(QWEN2)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["qwen35"],
        steps: &[Step::Split(concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|",
            spaces!()
        ))],
        nfc: true,
        ..PLAIN
    },
    PreTokenizer { names: &["ufakzeka"], steps: &[Step::Split(words!(r"\p{N}"))], ..PLAIN },
    PreTokenizer {
        names: &["laguna"],
        steps: &[Step::Split(r"(?:\r?\n)+(?!\r?\n)"), Step::Split(QWEN2)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["minicpm5"],
        steps: &[Step::Split(THREE_DIGITS), Step::Split(concat!(contractions!(), "|", words!(r"\p{N}+")))],
        ignore_merges: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["seed-coder"],
        steps: &[Step::Split(concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|",
            spaces!()
        ))],
        ..PLAIN
    },
    PreTokenizer {
        names: &["jais-2"],
        steps: &[Step::Split(concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+",
            r"|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)",
            r"|\s{1,2}(?!\S)|\s{1}"
        ))],
        ..PLAIN
    },
    PreTokenizer {
        names: &["exaone-moe"],
        steps: &[Step::Split(concat!(
            contractions!(),
            r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"
        ))],
        ..PLAIN
    },
    PreTokenizer {
        names: &["bailingmoe", "bailingmoe2", "llada-moe"],
        steps: &[Step::Split(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        )],
        ..PLAIN
    },
    PreTokenizer { names: &["mpt", "olmo"], steps: &[Step::Gpt2], nfc: true, ..PLAIN },
    PreTokenizer {
        names: &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "jina-v2-es",
            "jina-v2-de",
            "gigachat",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "jais",
            "trillion",
            "granite-docling",
            "exaone4",
            "jina-v1-en",
            "jina-v2-code",
            "roberta-bpe",
        ],
        steps: &[Step::Gpt2],
        ..PLAIN
    },
    PreTokenizer {
        names: &["command-r"],
        steps: &[Step::Digits, Step::Gpt2],
        add_bos: true,
        nfc: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["starcoder", "refact", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"],
        steps: &[Step::Digits, Step::Gpt2],
        ..PLAIN
    },
    PreTokenizer {
        names: &["falcon"],
        steps: &[Step::Split(r"[\p{P}\$\+<=>\^~\|`]+"), Step::Split(GPT2), Step::Split("[0-9][0-9][0-9]")],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-llm"],
        steps: &[
            Step::Split("[\r\n]"),
            Step::Split(DEEPSEEK_LETTERS),
            Step::Split("\\s?[!-/:-~\u{ff01}-\u{ff0f}\u{ff1a}-\u{ff5e}\u{2018}-\u{201f}\u{3000}-\u{3002}]+"),
            Step::Split(r"\s+$"),
            Step::Split(DEEPSEEK_CJK),
            Step::Digits,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-coder"],
        steps: &[
            Step::Split("[\r\n]"),
            Step::Split(r"\s?\p{L}+"),
            Step::Split(r"\s?\p{P}+"),
            Step::Split(DEEPSEEK_CJK),
            Step::Digits,
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"],
        steps: &[Step::Split(THREE_DIGITS), Step::Split(CJK), Step::Split(DEEPSEEK_V3)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["spark2_5"],
        steps: &[
            Step::Split(THREE_DIGITS),
            Step::Split(CJK),
            Step::Split(concat!(deepseek_v3_head!(), r"|[\r\n]|\s+(?!\S)|\s+")),
            Step::Split(r"\p{N}"),
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["youtu"],
        steps: &[
            Step::Split(concat!(
                "[\u{ac00}-\u{d7a3}\u{3131}-\u{318e}]+|",
                "[\u{ff01}\u{2026}\u{201c}\u{201d}\u{2018}\u{2019}\u{2014}\u{ff1a}\u{ff1b}\u{ff0c}\u{3001}-\u{303f}\u{fe30}-\u{fe4f}]+|",
                "[\u{3105}-\u{312f}]+|[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+"
            )),
            Step::Split(cased!(contractions_if_any!(), r"\p{N}")),
        ],
        ignore_merges: true,
        ..PLAIN
    },
    PreTokenizer { names: &["poro-chat", "bloom", "gpt3-finnish"], steps: &[Step::Split(BLOOM)], ..PLAIN },
    PreTokenizer { names: &["viking"], steps: &[Step::Split(BLOOM), Step::Split(r"\p{N}")], ..PLAIN },
    PreTokenizer {
        names: &["tekken"],
        steps: &[Step::Split(cased!("", r"\p{N}"))],
        ignore_merges: true,
        add_bos: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"],
        steps: &[Step::Split(GPT_4O)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["granite-embed-multi-97m"],
        steps: &[Step::Split(GPT_4O)],
        ignore_merges: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["tiny_aya", "cohere2moe"],
        steps: &[Step::Split(r"\d{1,3}(?=(?:\d{3})*\b)"), Step::Split(GPT_4O)],
        ..PLAIN
    },
    PreTokenizer {
        names: &["afmoe"],
        steps: &[
            // Digits in threes from the right, which llama.cpp has code of its own for.
            Step::Split(r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"),
            Step::Split(concat!(
                "[\u{4e00}-\u{9fff}\u{3400}-\u{4dbf}\u{f900}-\u{faff}\u{3040}-\u{309f}\u{30a0}-\u{30ff}\u{ff65}-\u{ff9f}",
                "\u{2f00}-\u{2fdf}\u{e40}-\u{e7f}\u{e80}-\u{eff}\u{1780}-\u{17ff}\u{1000}-\u{109f}\u{aa60}-\u{aa7f}",
                "\u{a9e0}-\u{a9ff}\u{ac00}-\u{d7af}\u{1100}-\u{11ff}]+"
            )),
            Step::Split(DEEPSEEK_V3),
        ],
        ..PLAIN
    },
    PreTokenizer {
        names: &["superbpe"],
        steps: &[Step::Split(r"\p{N}+"), Step::Split(r"(?=(\d{3})+(?!\d))")],
        ..PLAIN
    },
    PreTokenizer {
        names: &["chameleon"],
        steps: &[
            Step::Split("<sentinel:[0-9]+>"),
            Step::Split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
            Step::Split(r"([\t\n]|    |  )"),
            Step::Split(r"\p{N}"),
            Step::Split(r"[\p{P}!-/:-@\[-`{-~]"),
            Step::Gpt2,
        ],
        add_bos: true,
        ..PLAIN
    },
    PreTokenizer {
        names: &["kimi-k2"],
        // The original is tiktoken; Oniguruma has the same class intersections.
        steps: &[Step::Split(concat!(
            r"[\p{Han}]+",
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+",
            contractions_if_any!(),
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*",
            contractions_if_any!(),
            r"|\p{N}{1,3}|",
            tail!()
        ))],
        ..PLAIN
    },
    PreTokenizer {
        names: &["gemma4", "granite-embed-multi-311m", "sarvam-moe"],
        steps: &[Step::Split(r"[^\n]+|[\n]+")],
        pieces: Pieces::Text,
        ..PLAIN
    },
    PreTokenizer { names: &["whitespace"], pieces: Pieces::Words, ..PLAIN },
];

/// The letters of European, Caucasian and Cherokee scripts, with one white space before them.
const DEEPSEEK_LETTERS: &str = concat!(
    r"\s?[",
    "A-Za-z\u{b5}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{1ba}\u{1bc}-\u{1bf}\u{1c4}-\u{293}",
    "\u{295}-\u{2af}\u{370}-\u{373}\u{376}\u{377}\u{37b}-\u{37d}\u{37f}\u{386}\u{388}-\u{38a}\u{38c}",
    "\u{38e}-\u{3a1}\u{3a3}-\u{3f5}\u{3f7}-\u{481}\u{48a}-\u{52f}\u{531}-\u{556}\u{10a0}-\u{10c5}",
    "\u{13a0}-\u{13f5}\u{13f8}-\u{13fd}\u{1c90}-\u{1cba}\u{1cbd}-\u{1cbf}\u{1d00}-\u{1d2b}",
    "\u{1d6b}-\u{1d77}\u{1d79}-\u{1d9a}\u{1e00}-\u{1f15}\u{1f18}-\u{1f1d}\u{1f20}-\u{1f45}",
    "\u{1f48}-\u{1f4d}\u{1f50}-\u{1f57}\u{1f59}\u{1f5b}\u{1f5d}\u{1f5f}-\u{1f7d}\u{1f80}-\u{1fb4}",
    "\u{1fb6}-\u{1fbc}\u{1fbe}\u{1fc2}-\u{1fc4}\u{1fc6}-\u{1fcc}\u{1fd0}-\u{1fd3}\u{1fd6}-\u{1fdb}",
    "\u{1fe0}-\u{1fec}\u{1ff2}-\u{1ff4}\u{1ff6}-\u{1ffc}\u{2102}\u{2107}\u{210a}-\u{2113}\u{2115}",
    "\u{2119}-\u{211d}\u{2124}\u{2126}\u{2128}\u{212a}-\u{212d}\u{212f}-\u{2134}\u{2139}",
    "\u{213c}-\u{213f}\u{2145}-\u{2149}\u{214e}\u{2183}\u{2184}\u{2c00}-\u{2c7b}\u{2c7e}-\u{2ce4}",
    "\u{2ceb}-\u{2cee}\u{2cf2}\u{2cf3}\u{a640}-\u{a66d}\u{a680}-\u{a69b}\u{a722}-\u{a76f}",
    "\u{a771}-\u{a787}\u{a78b}-\u{a78e}\u{ab70}-\u{abbf}\u{fb00}-\u{fb06}\u{fb13}-\u{fb17}",
    "\u{ff21}-\u{ff3a}\u{ff41}-\u{ff5a}\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}",
    "\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}",
    "]+"
);

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    /// `parseTokenizer` in ollama's `convert/tokenizer.go`: SHA-256 of all `Split` patterns, one after the other.
    const OLLAMA: &[(&str, &str)] = &[
        ("llama-bpe", "d98f9631be1e9607a9848c26c1f9eac1aa9fc21ac6ba82a2fc0741af9780a48f"),
        ("qwen2", "1ff7f41064896984db5d1bb6ff64fa4bc29007d08c1b439e505b7392777a319e"),
        ("qwen35", "00431aed57e696b747435f734d1e3b9b1bfd931a121fb5cac7129e97c181e9ba"),
        ("deepseek-llm", "03df5c5863ad70781dcfdef491ead25140f895fe8010964be0daefe27be32b02"),
        ("deepseek-coder", "21cde974d587f0d54dc8d56b183cc1e6239600172035c68fbd6d4b9f8da0576e"),
        ("laguna", "b92c0824a58e1d8dc3221cf3e12c433c3a86f57e46d57229993489f0798e7702"),
    ];

    #[test]
    fn ollama_recognises_the_spelling() {
        for (name, digest) in OLLAMA {
            let mut sha = Sha256::new();
            for step in find(name).unwrap().steps {
                if let Step::Split(regex) = step {
                    sha.update(regex);
                }
            }
            let found: String = sha.finalize().iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(found, *digest, "{name}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut all: Vec<_> = names().collect();
        all.sort_unstable();
        assert!(all.windows(2).all(|w| w[0] != w[1]));
    }

    #[test]
    fn every_pattern_compiles() {
        use tokenizers::SplitDelimiterBehavior::Isolated;
        use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
        for row in TABLE {
            for step in row.steps {
                if let Step::Split(regex) = step {
                    Split::new(SplitPattern::Regex((*regex).into()), Isolated, false)
                        .unwrap_or_else(|e| panic!("{:?}: {e}", row.names));
                }
            }
        }
    }
}
