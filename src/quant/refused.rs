//! Type ids that are known and not read, with the reason.

use std::ops::RangeInclusive;

/// Why the type of that id is refused, with its name, or `None` for an id that nobody is known to have used.
pub fn refused(id: u32) -> Option<&'static str> {
    REFUSED.iter().find(|(ids, _)| ids.contains(&id)).map(|(_, reason)| *reason)
}

/// Ids from ggml.h; the fork's from ik_llama.cpp's, which numbers its own types from 97 up to leave ggml
/// room.
#[rustfmt::skip]
static REFUSED: &[(RangeInclusive<u32>, &str)] = &[
    (5..=5, "Q4_3, which ggml removed in 2023: no reader of it is left"),
    (9..=9, "Q8_1, which ggml uses for activations while it computes and never stores"),
    (15..=15, "Q8_K, which ggml uses for activations while it computes and never stores"),
    (31..=31, "Q4_0_4_4, Q4_0 with interleaved rows, which ggml removed: make the file again as Q4_0"),
    (32..=32, "Q4_0_4_8, Q4_0 with interleaved rows, which ggml removed: make the file again as Q4_0"),
    (33..=33, "Q4_0_8_8, Q4_0 with interleaved rows, which ggml removed: make the file again as Q4_0"),
    (36..=36, "IQ4_NL_4_4, IQ4_NL with interleaved rows, which ggml removed (or I2_S of bitnet.cpp)"),
    (37..=37, "IQ4_NL_4_8, IQ4_NL with interleaved rows, which ggml removed"),
    (38..=38, "IQ4_NL_8_8, IQ4_NL with interleaved rows, which ggml removed"),
    (133..=133, "Q6_0 of the ik_llama.cpp fork"),
    (134..=134, "IQ1_BN of the ik_llama.cpp fork"),
    (135..=135, "IQ2_BN of the ik_llama.cpp fork"),
    (137..=137, "IQ2_K of the ik_llama.cpp fork"),
    (138..=138, "IQ3_K of the ik_llama.cpp fork"),
    (139..=139, "IQ4_K of the ik_llama.cpp fork"),
    (140..=140, "IQ5_K of the ik_llama.cpp fork"),
    (141..=141, "IQ6_K of the ik_llama.cpp fork"),
    (144..=144, "IQ4_KS of the ik_llama.cpp fork"),
    (145..=145, "IQ2_KS of the ik_llama.cpp fork"),
    (146..=146, "IQ4_KSS of the ik_llama.cpp fork"),
    (152..=152, "IQ5_KS of the ik_llama.cpp fork"),
    (153..=153, "IQ2_KT of the ik_llama.cpp fork"),
    (154..=154, "IQ3_KT of the ik_llama.cpp fork"),
    (155..=155, "IQ4_KT of the ik_llama.cpp fork"),
    (156..=156, "IQ3_KS of the ik_llama.cpp fork"),
    (157..=157, "IQ2_KL of the ik_llama.cpp fork"),
    (158..=158, "IQ1_KT of the ik_llama.cpp fork"),
    (200..=399, "a type of the ik_llama.cpp fork with rows interleaved"),
    (97..=199, "a type of the ik_llama.cpp fork"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_or_refused_but_not_both() {
        for id in 0..=42 {
            assert_ne!(crate::quant::format(id).is_some(), refused(id).is_some(), "id {id}");
        }
        for id in [97, 139, 223, 399] {
            assert!(refused(id).is_some_and(|reason| reason.contains("ik_llama.cpp")), "id {id}");
        }
        assert_eq!(refused(43), None);
    }
}
