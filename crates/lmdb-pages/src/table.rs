//! Tables: the root records of B+trees, as of one snapshot.

use bitflags::bitflags;

use crate::format::Record;

bitflags! {
    /// How LMDB sorts a table (`MDB_REVERSEKEY` and so on), with LMDB's own bit values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TableFlags: u16 {
        /// Keys are compared from their last byte to the first.
        const REVERSE_KEY = 0x02;
        /// A key may have several values, which are sorted.
        const DUP_SORT = 0x04;
        /// Keys are native unsigned integers of 4 or 8 bytes.
        const INTEGER_KEY = 0x08;
        /// All duplicates have the same size and lie packed.
        const DUP_FIXED = 0x10;
        /// Duplicates are native unsigned integers of 4 or 8 bytes.
        const INTEGER_DUP = 0x20;
        /// Duplicates are compared from their last byte to the first.
        const REVERSE_DUP = 0x40;
    }
}

/// The root of a table as of one snapshot: where its tree begins, how it is sorted, how large it is.
///
/// A plain copyable record. It is valid only with the snapshot that it came from (and clones of it);
/// [`Cursor::new`](crate::Cursor::new) checks that.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    pub(crate) record: Record,
    pub(crate) txn_id: u64,
    /// Which reader's file the record belongs to.
    pub(crate) reader: u64,
}

impl Table {
    /// How many pairs the table holds: every duplicate counts.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.record.entries
    }

    /// Whether the table holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.record.entries == 0
    }

    /// How the table is sorted.
    #[must_use]
    pub fn flags(&self) -> TableFlags {
        TableFlags::from_bits_truncate(self.record.flags)
    }

    /// The sizes that LMDB keeps in the table's record. Pages of duplicates' own trees are not among them.
    #[must_use]
    pub fn stat(&self) -> TableStat {
        let Record { depth, branch_pages, leaf_pages, overflow_pages, entries, .. } = self.record;
        TableStat { depth: u32::from(depth), branch_pages, leaf_pages, overflow_pages, entries }
    }

    /// The width of a plain tree's packed items: main trees have none.
    pub(crate) fn has_duplicates(&self) -> bool {
        self.record.flags & TableFlags::DUP_SORT.bits() != 0
    }
}

/// Sizes of a table's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableStat {
    /// Levels of pages from the root to the leaves.
    pub depth: u32,
    /// Inner pages.
    pub branch_pages: u64,
    /// Leaf pages.
    pub leaf_pages: u64,
    /// Pages of values that are too large for a leaf.
    pub overflow_pages: u64,
    /// Pairs.
    pub entries: u64,
}
