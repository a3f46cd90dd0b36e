//! Testing encoded values against ranges.

use storage::ValueRange;

/// Whether `value` lies in one of `ranges`, which are ascending and disjoint.
#[inline]
pub fn in_ranges(ranges: &[ValueRange], value: &[u8]) -> bool {
    match ranges {
        [] => false,
        [range] => range.contains(value),
        ranges => {
            // Only the last range that starts at or below the value can hold it.
            let at = ranges.partition_point(|range| range.above_lo(value));
            at > 0 && ranges[at - 1].contains(value)
        }
    }
}
