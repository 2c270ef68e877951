//! Every ggml type against values that ggml's own C code gave.

use std::fs;
use std::path::PathBuf;

use rawrz::quant::{Dtype, FORMATS, Format, Isa};

fn golden(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn decode(format: &Format, isa: Isa, blocks: &[u8]) -> Vec<f32> {
    let mut values = vec![0.0; blocks.len() / format.block_bytes * format.block_len];
    format.decode_with(isa, Dtype::F32, blocks, &mut values);
    values
}

#[test]
fn golden_blocks_decode_to_golden_values() {
    let index: Vec<serde_json::Value> = serde_json::from_slice(&golden("index.json")).unwrap();
    for entry in &index {
        let file = entry["ggml_type"].as_str().unwrap();
        let number = |key| entry[key].as_u64().unwrap() as usize;
        let format = rawrz::quant::format(number("id") as u32).unwrap_or_else(|| panic!("no row for {file}"));
        assert_eq!(format.name, file.to_uppercase());
        assert_eq!(
            (format.block_len, format.block_bytes),
            (number("block_len"), number("block_bytes")),
            "{file}"
        );

        let blocks = golden(&format!("{file}.blocks"));
        let expected: Vec<f32> = golden(&format!("{file}.f32"))
            .as_chunks()
            .0
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        assert_eq!((blocks.len() / format.block_bytes, expected.len()), (number("blocks"), number("values")));
        for isa in Isa::available() {
            let values = decode(format, isa, &blocks);
            assert_eq!(values.iter().filter(|value| value.is_nan()).count(), number("nan"), "{file} {isa}");
            for (at, (value, expected)) in values.iter().zip(&expected).enumerate() {
                let same = value.to_bits() == expected.to_bits() || value.is_nan() && expected.is_nan();
                assert!(same, "{file} {isa}: value {at} is {value:e}, not {expected:e}");
            }
        }
    }
}

/// Quantised types have a golden file each; of the others, those that are not plain IEEE or integer numbers.
#[test]
fn every_block_format_has_a_golden_file() {
    let index: Vec<serde_json::Value> = serde_json::from_slice(&golden("index.json")).unwrap();
    let golden: Vec<u64> = index.iter().map(|entry| entry["id"].as_u64().unwrap()).collect();
    for format in FORMATS.iter().filter(|format| format.dtype.is_none()) {
        // Id 4 is Ollama's; it has a test of its own, from the type whose blocks it reorders.
        assert!(format.id == 4 || golden.contains(&u64::from(format.id)), "{}", format.name);
    }
}

/// 64 blocks of the bytes of a linear congruential generator, the scales made finite; CRC-32 of these bytes,
/// and of the values that ggml's C code decodes them to (llama.cpp's libggml-base, as vendored by
/// llama-cpp-python).
#[test]
fn generated_blocks_decode_to_ggmls_checksums() {
    let cases: [(&str, &[usize], u32, u32); 25] = [
        ("Q1_0", &[0], 0xdf6fce02, 0x0e465a4a),
        ("Q2_0", &[0], 0xdf6fce02, 0xf5ef9f75),
        ("Q4_0", &[0], 0xdf6fce02, 0xc033a30c),
        ("Q4_1", &[0, 2], 0xbb961509, 0x0a890212),
        ("Q5_0", &[0], 0xf70fbd81, 0x9e38ae93),
        ("Q5_1", &[0, 2], 0x83655e02, 0xa4409dc2),
        ("Q8_0", &[0], 0x154d74aa, 0xa1c9c251),
        ("Q2_K", &[80, 82], 0xc30e691b, 0x0ea7dfb6),
        ("Q3_K", &[108], 0x6547db28, 0xa1716ac9),
        ("Q4_K", &[0, 2], 0xa476feac, 0x0d384b05),
        ("Q5_K", &[0, 2], 0xe437f787, 0x7163934b),
        ("Q6_K", &[208], 0xdf5642ee, 0xf416d62d),
        ("IQ2_XXS", &[0], 0x89d963db, 0x0724f490),
        ("IQ2_XS", &[0], 0xeffa845d, 0xd7475d60),
        ("IQ2_S", &[0], 0x1a835867, 0xca1ff6f7),
        ("IQ3_XXS", &[0], 0x7b90e3a3, 0xdb8c0b9a),
        ("IQ3_S", &[0], 0xfae92ea2, 0xbd2fa61d),
        ("IQ1_S", &[0], 0x68b6ce2c, 0x7f483519),
        ("IQ1_M", &[54], 0xd6729242, 0x0adae300),
        ("IQ4_NL", &[0], 0xdf6fce02, 0x662472f6),
        ("IQ4_XS", &[0], 0x965a3ef3, 0x3d541bb3),
        ("TQ1_0", &[52], 0x9f1e981e, 0x75a4082e),
        ("TQ2_0", &[64], 0x3e3112bd, 0x4d9123ad),
        ("MXFP4", &[], 0xd4082f6f, 0x813bd1dc),
        ("NVFP4", &[], 0x0af23e9f, 0xb1d5af72),
    ];
    for (name, scales, crc_in, crc_out) in cases {
        let format = FORMATS.iter().rfind(|format| format.name == name).unwrap();
        let mut state = 1u64;
        let mut blocks: Vec<u8> = (0..64 * format.block_bytes)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect();
        for block in blocks.chunks_exact_mut(format.block_bytes) {
            scales.iter().for_each(|at| block[at + 1] &= 0xbf);
        }
        assert_eq!(crc32fast::hash(&blocks), crc_in, "{name}: input");
        for isa in Isa::available() {
            let values: Vec<u8> =
                decode(format, isa, &blocks).iter().flat_map(|value| value.to_le_bytes()).collect();
            assert_eq!(crc32fast::hash(&values), crc_out, "{name} {isa}: values");
        }
    }
}

/// Ollama's reordering, done here on the bytes as its loader does it, makes type 4 of type 39.
#[test]
fn ollamas_mxfp4_is_ggmls_with_the_nibbles_in_pairs() {
    let blocks = golden("mxfp4.blocks");
    let paired: Vec<u8> = blocks
        .as_chunks::<17>()
        .0
        .iter()
        .flat_map(|[scale, codes @ ..]| {
            let nibbles: Vec<u8> =
                codes.iter().map(|code| code & 15).chain(codes.iter().map(|code| code >> 4)).collect();
            let pairs: Vec<u8> = nibbles.chunks(2).map(|pair| pair[0] | pair[1] << 4).collect();
            [vec![*scale], pairs].concat()
        })
        .collect();
    let (ggml, ollama) = (rawrz::quant::format(39).unwrap(), rawrz::quant::format(4).unwrap());
    for isa in Isa::available() {
        assert_eq!(decode(ollama, isa, &paired), decode(ggml, isa, &blocks), "{isa}");
    }
}
