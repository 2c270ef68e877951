//! Sizes as people write and read them.

use bytesize::ByteSize;
use rawrz::hf::Shards;

/// Reads `--shard-size`: 0 for one file, else a number with a unit. MB is 1000^2 bytes and MiB 1024^2, as for Hugging
/// Face's `max_shard_size`.
pub fn shards(text: &str) -> Result<Shards, String> {
    let size: ByteSize = text.parse().map_err(|_| format!("{text:?} is not a size such as 512MB or 4GB"))?;
    match size.as_u64() {
        0 => Ok(Shards::One),
        _ if text.trim().ends_with(|c: char| c.is_ascii_digit()) => {
            Err(format!("{text} of what? Say {text}MB or {text}GB"))
        }
        len => Ok(Shards::UpTo(len)),
    }
}

/// A number of bytes in the unit that suits it, powers of 1000.
pub fn human(bytes: u64) -> String {
    ByteSize(bytes).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_sizes_have_units() {
        for (text, expected) in [
            ("0", Ok(Shards::One)),
            ("512MB", Ok(Shards::UpTo(512_000_000))),
            ("4 GiB", Ok(Shards::UpTo(4 << 30))),
            ("1.5GB", Ok(Shards::UpTo(1_500_000_000))),
        ] {
            assert_eq!(shards(text), expected, "{text}");
        }
        for text in ["", "512", "-1MB", "many", "5XB"] {
            assert!(shards(text).is_err(), "{text}");
        }
    }
}
