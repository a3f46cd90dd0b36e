//! The orders by which LMDB sorts keys and duplicates, as types, so that comparisons are inlined into the search.

use std::cmp::Ordering;

use crate::TableFlags;

/// A total order of byte strings, known at compile time.
///
/// A cursor must use the order by which LMDB sorted the table. [`Cursor::new`](crate::Cursor::new) compares the
/// order with the table's flags and refuses a wrong one. Orders of your own (for tables sorted by a custom
/// comparator) accept every flag by default.
pub trait Order: Copy + Default + Send + Sync + 'static {
    /// The order's name in error messages.
    const NAME: &'static str;

    /// How `a` stands to `b`.
    fn compare(a: &[u8], b: &[u8]) -> Ordering;

    /// Whether tables with these flags sort their keys by this order.
    #[must_use]
    fn suits_keys(flags: TableFlags) -> bool {
        let _ = flags;
        true
    }

    /// Whether tables with these flags sort their duplicates by this order.
    #[must_use]
    fn suits_duplicates(flags: TableFlags) -> bool {
        let _ = flags;
        true
    }
}

/// Byte by byte, a prefix before its extensions: LMDB's default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lexicographic;

impl Order for Lexicographic {
    const NAME: &'static str = "Lexicographic";

    #[inline(always)]
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        // Most comparisons of a search are decided by the first word; that saves the call of memcmp.
        if let (Some((x, a_rest)), Some((y, b_rest))) = (a.split_first_chunk(), b.split_first_chunk()) {
            match u64::from_be_bytes(*x).cmp(&u64::from_be_bytes(*y)) {
                // Nor is it called for nothing.
                Ordering::Equal if a_rest.is_empty() || b_rest.is_empty() => a_rest.len().cmp(&b_rest.len()),
                Ordering::Equal => a_rest.cmp(b_rest),
                decided => decided,
            }
        } else {
            a.cmp(b)
        }
    }

    fn suits_keys(flags: TableFlags) -> bool {
        OrderKind::of_keys(flags) == OrderKind::Lexicographic
    }

    fn suits_duplicates(flags: TableFlags) -> bool {
        !flags.contains(TableFlags::DUP_SORT) || OrderKind::of_duplicates(flags) == OrderKind::Lexicographic
    }
}

/// Unsigned integers in the machine's byte order, 4 or 8 bytes: `MDB_INTEGERKEY` and `MDB_INTEGERDUP`.
#[derive(Clone, Copy, Debug, Default)]
pub struct NativeInteger;

impl Order for NativeInteger {
    const NAME: &'static str = "NativeInteger";

    #[inline(always)]
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        if let (Ok(a), Ok(b)) = (a.try_into(), b.try_into()) {
            return u64::from_ne_bytes(a).cmp(&u64::from_ne_bytes(b));
        }
        if let (Ok(a), Ok(b)) = (a.try_into(), b.try_into()) {
            return u32::from_ne_bytes(a).cmp(&u32::from_ne_bytes(b));
        }
        compare_odd_integers(a, b)
    }

    fn suits_keys(flags: TableFlags) -> bool {
        OrderKind::of_keys(flags) == OrderKind::NativeInteger
    }

    fn suits_duplicates(flags: TableFlags) -> bool {
        !flags.contains(TableFlags::DUP_SORT) || OrderKind::of_duplicates(flags) == OrderKind::NativeInteger
    }
}

/// Integers of odd or different widths, which only damaged or misused tables hold: by value, then by width.
#[cold]
fn compare_odd_integers(a: &[u8], b: &[u8]) -> Ordering {
    fn significant(bytes: &[u8]) -> impl Iterator<Item = u8> + Clone + '_ {
        let length = bytes.len();
        (0..length)
            .map(
                move |place| {
                    if cfg!(target_endian = "big") { bytes[place] } else { bytes[length - 1 - place] }
                },
            )
            .skip_while(|byte| *byte == 0)
    }
    let (x, y) = (significant(a), significant(b));
    (x.clone().count().cmp(&y.clone().count())).then_with(|| x.cmp(y)).then_with(|| a.len().cmp(&b.len()))
}

/// Byte by byte from the end: `MDB_REVERSEKEY` and `MDB_REVERSEDUP`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReverseBytes;

impl Order for ReverseBytes {
    const NAME: &'static str = "ReverseBytes";

    #[inline]
    fn compare(a: &[u8], b: &[u8]) -> Ordering {
        a.iter().rev().cmp(b.iter().rev())
    }

    fn suits_keys(flags: TableFlags) -> bool {
        OrderKind::of_keys(flags) == OrderKind::ReverseBytes
    }

    fn suits_duplicates(flags: TableFlags) -> bool {
        !flags.contains(TableFlags::DUP_SORT) || OrderKind::of_duplicates(flags) == OrderKind::ReverseBytes
    }
}

/// The orders of this module, chosen by a table's flags at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    /// See [`Lexicographic`].
    Lexicographic,
    /// See [`NativeInteger`].
    NativeInteger,
    /// See [`ReverseBytes`].
    ReverseBytes,
}

impl OrderKind {
    /// The order of the keys of tables with these flags.
    #[must_use]
    pub fn of_keys(flags: TableFlags) -> OrderKind {
        if flags.contains(TableFlags::REVERSE_KEY) {
            OrderKind::ReverseBytes
        } else if flags.contains(TableFlags::INTEGER_KEY) {
            OrderKind::NativeInteger
        } else {
            OrderKind::Lexicographic
        }
    }

    /// The order of the duplicates of tables with these flags.
    #[must_use]
    pub fn of_duplicates(flags: TableFlags) -> OrderKind {
        if flags.contains(TableFlags::INTEGER_DUP) {
            OrderKind::NativeInteger
        } else if flags.contains(TableFlags::REVERSE_DUP) {
            OrderKind::ReverseBytes
        } else {
            OrderKind::Lexicographic
        }
    }

    /// How `a` stands to `b`.
    #[must_use]
    pub fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self {
            OrderKind::Lexicographic => Lexicographic::compare(a, b),
            OrderKind::NativeInteger => NativeInteger::compare(a, b),
            OrderKind::ReverseBytes => ReverseBytes::compare(a, b),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lexicographic_is_the_order_of_slices(a: Vec<u8>, b: Vec<u8>, tail: Vec<u8>) {
            prop_assert_eq!(Lexicographic::compare(&a, &b), a.cmp(&b));
            let extended = [&a[..], &tail].concat();
            prop_assert_eq!(Lexicographic::compare(&a, &extended), a.cmp(&extended));
        }

        #[test]
        fn native_integers_compare_by_value(a: u64, b: u64) {
            prop_assert_eq!(NativeInteger::compare(&a.to_ne_bytes(), &b.to_ne_bytes()), a.cmp(&b));
            let (x, y) = (a as u32, b as u32);
            prop_assert_eq!(NativeInteger::compare(&x.to_ne_bytes(), &y.to_ne_bytes()), x.cmp(&y));
            let (x, y) = (a as u16, b as u16);
            prop_assert_eq!(NativeInteger::compare(&x.to_ne_bytes(), &y.to_ne_bytes()), x.cmp(&y));
        }

        #[test]
        fn reverse_compares_from_the_end(a: Vec<u8>, b: Vec<u8>) {
            let (mut x, mut y) = (a.clone(), b.clone());
            x.reverse();
            y.reverse();
            prop_assert_eq!(ReverseBytes::compare(&a, &b), x.cmp(&y));
        }
    }
}
