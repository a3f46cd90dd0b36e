//! The flags of tables and of puts, and what a table's flags mean for its callers.

use bitflags::bitflags;
use lmdb_pages::{OrderKind, TableFlags};

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

    /// How keys compare.
    pub(crate) fn key_order(self) -> OrderKind {
        OrderKind::of_keys(TableFlags::from_bits_truncate(self.bits()))
    }

    /// How the values of a key compare.
    pub(crate) fn value_order(self) -> OrderKind {
        OrderKind::of_duplicates(TableFlags::from_bits_truncate(self.bits()))
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
}
