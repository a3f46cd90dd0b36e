//! The flags of tables and of puts, and what a table's flags mean for its callers.

use bitflags::bitflags;

bitflags! {
    /// How a table orders and stores its pairs. Fixed when the table is created.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct DbiFlags: u16 {
        /// Keys compare from their last byte to their first.
        const REVERSEKEY = 0x02;
        /// A key owns a sorted set of values: a list table.
        const DUPSORT = 0x04;
        /// Keys are integers in native byte order, all of 4 or all of 8 bytes.
        const INTEGERKEY = 0x08;
        /// All values of a list table have one size and lie packed; implies [`DbiFlags::DUPSORT`].
        const DUPFIXED = 0x10;
        /// Values are integers in native byte order; implies [`DbiFlags::DUPFIXED`].
        const INTEGERDUP = 0x20;
        /// Values compare from their last byte to their first; implies [`DbiFlags::DUPSORT`].
        const REVERSEDUP = 0x40;
    }
}

impl DbiFlags {
    /// The flags with those that they imply.
    #[must_use]
    pub fn normalised(mut self) -> Self {
        if self.contains(Self::INTEGERDUP) {
            self |= Self::DUPFIXED;
        }
        if self.intersects(Self::DUPFIXED | Self::REVERSEDUP) {
            self |= Self::DUPSORT;
        }
        self
    }

    /// Whether a key can own several values.
    pub fn is_list(self) -> bool {
        self.contains(Self::DUPSORT)
    }

    /// LMDB's bits.
    pub(crate) fn raw(self) -> u32 {
        u32::from(self.bits())
    }

    /// From LMDB's bits, leaving out those that are not about tables.
    pub(crate) fn from_raw(raw: u32) -> Self {
        Self::from_bits_truncate((raw & 0xFFFF) as u16)
    }
}

bitflags! {
    /// What a put does when the pair, or the order, is not new.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PutFlags: u32 {
        /// Refuse, with [`Error::KeyExists`](crate::Error::KeyExists), if the key is there already.
        const NOOVERWRITE = 0x10;
        /// In a list table, refuse if the pair is there already.
        const NODUPDATA = 0x20;
        /// The key is greater than all keys of the table; refuse with
        /// [`Error::OutOfOrder`](crate::Error::OutOfOrder) if it is not.
        const APPEND = 0x20000;
        /// In a list table, the value is greater than all values of its key.
        const APPENDDUP = 0x40000;
    }
}

/// The order in which a table compares its keys, or a key's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collation {
    /// As unsigned bytes.
    Bytes,
    /// As integers in native byte order.
    Native,
    /// As bytes from the last to the first.
    Reverse,
}

impl Collation {
    pub(crate) fn of_keys(flags: DbiFlags) -> Self {
        if flags.contains(DbiFlags::INTEGERKEY) {
            Self::Native
        } else if flags.contains(DbiFlags::REVERSEKEY) {
            Self::Reverse
        } else {
            Self::Bytes
        }
    }

    pub(crate) fn of_values(flags: DbiFlags) -> Self {
        if flags.contains(DbiFlags::INTEGERDUP) {
            Self::Native
        } else if flags.contains(DbiFlags::REVERSEDUP) {
            Self::Reverse
        } else {
            Self::Bytes
        }
    }

    /// Compares as LMDB does.
    #[inline]
    pub(crate) fn compare(self, a: &[u8], b: &[u8]) -> std::cmp::Ordering {
        match self {
            Self::Bytes => a.cmp(b),
            Self::Native => compare_native(a, b),
            Self::Reverse => a.iter().rev().cmp(b.iter().rev()),
        }
    }
}

#[inline]
fn compare_native(a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    if let (Ok(a), Ok(b)) = (<[u8; 8]>::try_from(a), <[u8; 8]>::try_from(b)) {
        return u64::from_ne_bytes(a).cmp(&u64::from_ne_bytes(b));
    }
    if let (Ok(a), Ok(b)) = (<[u8; 4]>::try_from(a), <[u8; 4]>::try_from(b)) {
        return u32::from_ne_bytes(a).cmp(&u32::from_ne_bytes(b));
    }
    // Sizes that no table of this kind holds; any total order does.
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_carry_what_they_imply() {
        assert_eq!(
            DbiFlags::INTEGERDUP.normalised(),
            DbiFlags::INTEGERDUP | DbiFlags::DUPFIXED | DbiFlags::DUPSORT
        );
        assert_eq!(DbiFlags::REVERSEDUP.normalised(), DbiFlags::REVERSEDUP | DbiFlags::DUPSORT);
        assert_eq!(DbiFlags::REVERSEKEY.normalised(), DbiFlags::REVERSEKEY);
    }

    #[test]
    fn collations_compare_as_lmdb_does() {
        use std::cmp::Ordering::{Greater, Less};
        assert_eq!(Collation::Bytes.compare(b"ab", b"b"), Less);
        assert_eq!(Collation::Native.compare(&256u64.to_ne_bytes(), &255u64.to_ne_bytes()), Greater);
        assert_eq!(Collation::Native.compare(&256u32.to_ne_bytes(), &255u32.to_ne_bytes()), Greater);
        assert_eq!(Collation::Reverse.compare(b"ab", b"ba"), Greater);
    }
}
