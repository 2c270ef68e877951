//! Rows cut into runs, against the same cut of a list.

use proptest::prelude::*;

use super::{Shaped, cut};
use crate::quant::Dtype;
use crate::tensor::{Matrix, VirtualTensor};

/// As many rows of two elements, each of its own number.
fn numbered(rows: u64) -> Shaped {
    let row = |n| Matrix::constant(1, 2, n as f32).expect("small");
    let matrix = Matrix::stack((0..rows).map(row).collect()).expect("equally long");
    Shaped { shape: vec![rows, 2], matrix }
}

fn first_elements(value: Shaped) -> Vec<f32> {
    let tensor = VirtualTensor::new("t".into(), value.shape, Dtype::F32, value.matrix).expect("as many");
    let mut bytes = vec![0; tensor.len() as usize];
    tensor.read_exact_at(0, &mut bytes).expect("within the tensor");
    bytes.as_chunks().0.iter().step_by(2).map(|b| f32::from_le_bytes(*b)).collect()
}

proptest! {
    #[test]
    fn runs_are_those_of_a_list(lens in prop::collection::vec(1_u64..6, 1..5), more in 1_u64..3) {
        let rows: u64 = lens.iter().sum();
        let mut list = (0..rows).map(|n| n as f32);
        for (run, len) in lens.iter().enumerate() {
            let value = cut(numbered(rows), &lens, run).expect("the runs are all rows");
            let expected: Vec<_> = list.by_ref().take(*len as usize).collect();
            prop_assert_eq!(first_elements(value), expected);
            // Of more or fewer rows than there are the runs are not the tensor's.
            prop_assert!(cut(numbered(rows + more), &lens, run).is_none());
            prop_assert!(cut(numbered(rows.saturating_sub(more).max(1)), &lens, run).is_none() || rows == 1);
        }
        prop_assert!(cut(numbered(rows), &lens, lens.len()).is_none());
        prop_assert!(cut(numbered(rows), &[u64::MAX, rows], 1).is_none());
    }
}
