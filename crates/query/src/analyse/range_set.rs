//! [`RangeSet`]: sets of values as sorted, disjoint ranges of their encodings, with the operations of logic.
//!
//! ```text
//! (< 10 ?x 20)          (10 .. 20)
//! (in ?x [3 7])         [3 .. 3] [7 .. 7]
//! (or (< ?x 3) ..)      union          (and ..)   intersection          (not ..)   complement
//! ```

use std::cmp::Ordering;
use std::ops::Bound;

use storage::{EncodedValue, ValueRange};

/// A set of encoded values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<ValueRange>,
}

/// One end of a range on the line of all values: `at` a value, `before` or behind it, or at the end of the line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge<'a> {
    Start,
    At { value: &'a EncodedValue, behind: bool },
    End,
}

impl Ord for Edge<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |edge: &Self| match edge {
            Self::Start => 0,
            Self::At { .. } => 1,
            Self::End => 2,
        };
        match (self, other) {
            (Self::At { value: a, behind: x }, Self::At { value: b, behind: y }) => {
                a.cmp(b).then_with(|| x.cmp(y))
            }
            _ => key(self).cmp(&key(other)),
        }
    }
}

impl PartialOrd for Edge<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn lo_edge(range: &ValueRange) -> Edge<'_> {
    match &range.lo {
        Bound::Unbounded => Edge::Start,
        Bound::Included(value) => Edge::At { value, behind: false },
        Bound::Excluded(value) => Edge::At { value, behind: true },
    }
}

fn hi_edge(range: &ValueRange) -> Edge<'_> {
    match &range.hi {
        Bound::Unbounded => Edge::End,
        Bound::Included(value) => Edge::At { value, behind: true },
        Bound::Excluded(value) => Edge::At { value, behind: false },
    }
}

fn between(lo: Edge<'_>, hi: Edge<'_>) -> ValueRange {
    let lo = match lo {
        Edge::Start | Edge::End => Bound::Unbounded,
        Edge::At { value, behind: false } => Bound::Included(value.clone()),
        Edge::At { value, behind: true } => Bound::Excluded(value.clone()),
    };
    let hi = match hi {
        Edge::Start | Edge::End => Bound::Unbounded,
        Edge::At { value, behind: true } => Bound::Included(value.clone()),
        Edge::At { value, behind: false } => Bound::Excluded(value.clone()),
    };
    ValueRange { lo, hi }
}

impl RangeSet {
    /// Every value.
    pub(crate) fn all() -> Self {
        Self { ranges: vec![ValueRange::ALL] }
    }

    /// No value.
    pub(crate) fn none() -> Self {
        Self { ranges: Vec::new() }
    }

    /// The values between two bounds.
    pub(crate) fn range(lo: Bound<EncodedValue>, hi: Bound<EncodedValue>) -> Self {
        let range = ValueRange { lo, hi };
        let empty = lo_edge(&range) >= hi_edge(&range);
        Self { ranges: if empty { Vec::new() } else { vec![range] } }
    }

    /// These values.
    pub(crate) fn points(values: impl IntoIterator<Item = EncodedValue>) -> Self {
        let mut values: Vec<EncodedValue> = values.into_iter().collect();
        values.sort_unstable();
        values.dedup();
        Self { ranges: values.into_iter().map(ValueRange::exactly).collect() }
    }

    /// Whether it is every value.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self.ranges.as_slice(), [range] if range.is_all())
    }

    /// How many ranges it takes.
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The ranges, sorted and disjoint.
    pub(crate) fn into_ranges(self) -> Vec<ValueRange> {
        self.ranges
    }

    /// Values in both.
    pub(crate) fn intersect(&self, other: &Self) -> Self {
        let (mut i, mut j) = (0, 0);
        let mut ranges = Vec::new();
        while let (Some(a), Some(b)) = (self.ranges.get(i), other.ranges.get(j)) {
            let lo = lo_edge(a).max(lo_edge(b));
            let hi = hi_edge(a).min(hi_edge(b));
            if lo < hi {
                ranges.push(between(lo, hi));
            }
            if hi_edge(a) < hi_edge(b) {
                i += 1;
            } else {
                j += 1;
            }
        }
        Self { ranges }
    }

    /// Values in either.
    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut all: Vec<&ValueRange> = self.ranges.iter().chain(&other.ranges).collect();
        all.sort_by(|a, b| lo_edge(a).cmp(&lo_edge(b)));
        let mut ranges: Vec<ValueRange> = Vec::new();
        for range in all {
            match ranges.last_mut() {
                Some(last) if lo_edge(range) <= hi_edge(last) => {
                    if hi_edge(range) > hi_edge(last) {
                        last.hi = range.hi.clone();
                    }
                }
                _ => ranges.push(range.clone()),
            }
        }
        Self { ranges }
    }

    /// All other values.
    pub(crate) fn complement(&self) -> Self {
        let mut ranges = Vec::new();
        let mut from = Edge::Start;
        for range in &self.ranges {
            if from < lo_edge(range) {
                ranges.push(between(from, lo_edge(range)));
            }
            from = hi_edge(range);
        }
        if from < Edge::End {
            ranges.push(between(from, Edge::End));
        }
        Self { ranges }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn int(value: i64) -> EncodedValue {
        EncodedValue::int(value)
    }

    fn bound(kind: u8, value: i64) -> Bound<EncodedValue> {
        match kind {
            0 => Bound::Unbounded,
            1 => Bound::Included(int(value)),
            _ => Bound::Excluded(int(value)),
        }
    }

    fn holds(set: &RangeSet, value: i64) -> bool {
        set.ranges.iter().any(|range| range.contains(&int(value)))
    }

    fn is_canonical(set: &RangeSet) -> bool {
        set.ranges.iter().all(|range| lo_edge(range) < hi_edge(range))
            && set.ranges.windows(2).all(|pair| hi_edge(&pair[0]) <= lo_edge(&pair[1]))
    }

    fn a_set() -> impl Strategy<Value = RangeSet> {
        let range = (0..3u8, -9..9i64, 0..3u8, -9..9i64)
            .prop_map(|(lo, a, hi, b)| RangeSet::range(bound(lo, a), bound(hi, b)));
        let points = prop::collection::vec(-9..9i64, 0..4)
            .prop_map(|values| RangeSet::points(values.into_iter().map(int)));
        prop::collection::vec(prop_oneof![range, points], 0..3)
            .prop_map(|sets| sets.iter().fold(RangeSet::none(), |all, set| all.union(set)))
    }

    proptest! {
        #[test]
        fn operations_are_those_of_logic(a in a_set(), b in a_set()) {
            let (and, or, not) = (a.intersect(&b), a.union(&b), a.complement());
            for set in [&a, &b, &and, &or, &not] {
                prop_assert!(is_canonical(set), "{set:?}");
            }
            for value in -11..11 {
                prop_assert_eq!(holds(&and, value), holds(&a, value) && holds(&b, value));
                prop_assert_eq!(holds(&or, value), holds(&a, value) || holds(&b, value));
                prop_assert_eq!(holds(&not, value), !holds(&a, value));
            }
            prop_assert_eq!(not.complement().intersect(&a), a);
        }
    }

    #[test]
    fn everything_and_nothing() {
        assert!(RangeSet::none().complement().is_all());
        assert_eq!(RangeSet::all().complement(), RangeSet::none());
        assert_eq!(RangeSet::range(Bound::Excluded(int(1)), Bound::Included(int(1))), RangeSet::none());
    }
}
