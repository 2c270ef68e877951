//! The slopes of ALiBi: positions as a bias on attention, of another slope for each head (Press et al. 2021).

/// Heads that a model may have; a file may claim any number.
const MOST_HEADS: u64 = 1 << 16;

/// The slopes of so many heads, as the paper's own code has them: halving steps over as many heads as a power of two
/// holds, the last of them 2^-`most`; the rest lie between the first of them. `None` without heads or with too many.
pub fn slopes(heads: u64, most: f64) -> Option<Vec<f32>> {
    let power = 1 << heads.checked_ilog2().filter(|_| heads <= MOST_HEADS)?;
    let slope = |n: u64, of: u64| (-most * (n + 1) as f64 / of as f64).exp2() as f32;
    let between = (0..heads - power).map(|n| slope(2 * n, 2 * power));
    Some((0..power).map(|n| slope(n, power)).chain(between).collect())
}

#[cfg(test)]
mod tests {
    use super::slopes;

    #[test]
    fn slopes_are_those_of_the_paper() {
        assert_eq!(slopes(4, 8.0).unwrap(), [0.25, 0.0625, 0.015625, 0.00390625]);
        assert_eq!(slopes(6, 8.0).unwrap(), [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]);
        assert_eq!(slopes(0, 8.0), None);
        assert_eq!(slopes(u64::MAX, 8.0), None);
    }
}
