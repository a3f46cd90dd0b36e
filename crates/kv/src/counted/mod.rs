//! Counted tables: exact counts, ranks and selection by rank in logarithmic time.
//!
//! LMDB knows how many pairs a table has, and how many values a key has, but nothing about ranges. A counted table
//! therefore has a tree of counts beside it, in a table of this crate's own: its leaves stand for blocks of up to
//! 256 neighbouring keys, each with the number of keys and of pairs in it.
//!
//! ```text
//!   counts   node    [ <g: 61234 | g..: 60010 | t..: 12007 ]           level 1
//!                        /             \
//!            node    [ <c: 128 | c..e: 200 | e..: 134 ]  ...           level 0
//!                                  |
//!   table               ... c cat cow crab dingo dog ...               a block: leaves of the table
//!
//!   rank("cow") = what stands left of the path in each node + the keys of the block before "cow"
//! ```
//!
//! Keys inside a block are counted by the headers of the table's own leaves, from the key to the nearer end of the block,
//! so a rank costs a search in each level of both trees, whatever the distance. Blocks begin where leaves begin, as
//! far as possible, so that their ends need not be looked for: the branch page above knows them. Writing gathers what changed ([`pending`]) and brings it
//! into the tree once, in the order of the keys, when the transaction commits or nests ([`apply`]). The tree is
//! written in the same transaction as the table, so both always belong together; a program that changes a counted
//! table without this crate is found out by the sum of the counts.

mod apply;
mod find;
mod node;
mod pending;
mod source;

use std::ffi::CStr;
use std::ops::{Add, AddAssign};

pub(crate) use apply::{Settler, remove_tree};
pub(crate) use find::{Block, Measure, Ranks};
pub(crate) use pending::{LeafStarts, Pending};
pub(crate) use source::{SnapshotSource, TxnSource, count_keys, count_leaves, pair_in_block};

/// The table that holds the trees of counts of all counted tables.
pub(crate) const COUNTS: &str = "factum/counts";
pub(crate) const COUNTS_C: &CStr = c"factum/counts";

/// How much lies somewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) keys: u64,
    pub(crate) pairs: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { keys: self.keys + other.keys, pairs: self.pairs + other.pairs }
    }
}

/// By how much that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) keys: i64,
    pub(crate) pairs: i64,
}

impl AddAssign for Change {
    fn add_assign(&mut self, other: Self) {
        self.keys += other.keys;
        self.pairs += other.pairs;
    }
}

impl Tally {
    fn changed_by(self, change: Change) -> Self {
        Self {
            keys: self.keys.saturating_add_signed(change.keys),
            pairs: self.pairs.saturating_add_signed(change.pairs),
        }
    }
}

/// The number of a counted table, and the keys of its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TreeId(pub(crate) u32);

/// The number of every tree's root.
const ROOT: u32 = 0;

impl TreeId {
    fn key(self, node: u32) -> [u8; 8] {
        let mut key = [0; 8];
        key[..4].copy_from_slice(&self.0.to_be_bytes());
        key[4..].copy_from_slice(&node.to_be_bytes());
        key
    }
}
