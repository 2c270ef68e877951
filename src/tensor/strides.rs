/// One digit of a mixed-radix index: it counts to `extent`, and each step moves `stride` in the source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Axis {
    /// Number of steps.
    pub extent: u64,
    /// What one step adds to the source index.
    pub stride: u64,
}

/// A strided view of an index range, as numpy's: index `i` is written in mixed radix over the axes, outermost first, and
/// its source is the base plus each digit times its stride.
///
/// Every reordering that converters do to rows or columns is of this form: a slice is a base, a rope un-permutation of
/// heads of `d` rows is the axes `(heads, d), (2, 1), (d / 2, 2)`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Strides {
    base: u64,
    axes: Vec<Axis>, // normalised: no extent of 1, no two axes that one could replace; empty for a single index
    len: u64,
}

impl Strides {
    /// A view with the given axes, outermost first.
    pub fn new(base: u64, axes: &[(u64, u64)]) -> Self {
        let mut merged: Vec<Axis> = Vec::with_capacity(axes.len());
        for &(extent, stride) in axes.iter().filter(|&&(extent, _)| extent != 1) {
            match merged.last_mut() {
                Some(outer) if outer.stride == stride * extent => {
                    *outer = Axis { extent: outer.extent * extent, stride }
                }
                _ => merged.push(Axis { extent, stride }),
            }
        }
        let len = axes.iter().map(|&(extent, _)| extent).product();
        Self { base, axes: merged, len }
    }

    /// The `len` indices from `base`.
    pub fn range(base: u64, len: u64) -> Self {
        Self::new(base, &[(len, 1)])
    }

    /// Number of indices.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is no index.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether each index follows the one before it.
    pub fn is_contiguous(&self) -> bool {
        matches!(self.axes.as_slice(), [] | [Axis { stride: 1, .. }])
    }

    /// The largest source index, if there is any.
    pub fn max(&self) -> Option<u64> {
        (self.len > 0).then(|| self.axes.iter().fold(self.base, |at, a| at + (a.extent - 1) * a.stride))
    }

    /// The source of `index`.
    pub fn at(&self, index: u64) -> u64 {
        let mut rest = index;
        let mut source = self.base;
        for axis in self.axes.iter().rev() {
            source += rest % axis.extent * axis.stride;
            rest /= axis.extent;
        }
        source
    }

    /// From `index` on: how many indices follow with a constant step between their sources, and that step.
    pub fn run(&self, index: u64) -> (u64, u64) {
        match self.axes.last() {
            None => (1, 1),
            Some(&Axis { extent, stride }) => (extent - index % extent, stride),
        }
    }

    /// The same view of a source that begins at index `start` of this one's; `None` if an index lies before that.
    pub fn shifted_down(&self, start: u64) -> Option<Self> {
        Some(Self { base: self.base.checked_sub(start)?, ..self.clone() })
    }

    /// The view of this view: index `i` is what `inner.at(i)` was. `None` where that is not one strided view.
    pub fn then(&self, inner: &Self) -> Option<Self> {
        match (self.axes.as_slice(), inner.axes.as_slice()) {
            ([] | [_], _) => {
                let stride = self.axes.first().map_or(1, |a| a.stride);
                let axes: Vec<_> = inner.axes.iter().map(|a| (a.extent, a.stride * stride)).collect();
                Some(Self::new(self.base + inner.base * stride, &axes))
            }
            (_, [] | [Axis { stride: 1, .. }]) => self.slice(inner.base, inner.len),
            _ => None,
        }
    }

    /// The `len` indices of this view from `start`, where that is a view again.
    fn slice(&self, start: u64, len: u64) -> Option<Self> {
        let (run, stride) = self.run(start);
        if len <= run {
            return Some(Self::new(self.at(start), &[(len, stride)]));
        }
        // Else whole steps of some axis: the axes within it stay as they are.
        let mut inner = 1;
        for (depth, axis) in self.axes.iter().enumerate().rev() {
            let steps = len / inner;
            let aligned = start.is_multiple_of(inner) && len.is_multiple_of(inner);
            if aligned && start / inner % axis.extent + steps <= axis.extent {
                let mut axes = vec![(steps, axis.stride)];
                axes.extend(self.axes[depth + 1..].iter().map(|a| (a.extent, a.stride)));
                return Some(Self::new(self.at(start), &axes));
            }
            inner *= axis.extent;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rope_takes_even_rows_then_odd_ones() {
        let rope = Strides::new(0, &[(2, 6), (2, 1), (3, 2)]);
        let rows: Vec<_> = (0..rope.len()).map(|i| rope.at(i)).collect();
        assert_eq!(rows, [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
        assert_eq!(rope.run(4), (2, 2));
        assert_eq!(rope.max(), Some(11));
    }

    #[test]
    fn axes_that_are_one_are_merged() {
        assert_eq!(Strides::new(5, &[(1, 9), (4, 6), (2, 3), (3, 1)]), Strides::range(5, 24));
    }

    proptest! {
        #[test]
        fn run_and_then_agree_with_at(base in 0_u64..9, axes in prop::collection::vec((1_u64..5, 1_u64..7), 1..4), cut in any::<(u16, u16)>()) {
            let view = Strides::new(base, &axes);
            for i in 0..view.len() {
                let (run, step) = view.run(i);
                for k in 0..run {
                    prop_assert_eq!(view.at(i + k), view.at(i) + k * step);
                }
            }
            let start = u64::from(cut.0) % view.len();
            let len = 1 + u64::from(cut.1) % (view.len() - start);
            if let Some(slice) = view.then(&Strides::range(start, len)) {
                prop_assert_eq!(slice.len(), len);
                for i in 0..len {
                    prop_assert_eq!(slice.at(i), view.at(start + i));
                }
            }
        }
    }
}
