//! Where counts are read from: a snapshot, or a write transaction whose counts are settled.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};

use lmdb_pages::{Lexicographic, NativeInteger, OrderKind, Place, ReverseBytes, Run, Snapshot, TableFlags};

use super::find::{Block, Counted, Measure};
use super::{Tally, TreeId};
use crate::dbi::Dbi;
use crate::error::Result;
use crate::read::{Keys, Read, Span};
use crate::txn::WriteTxn;

/// A key and one of its values.
type Pair<'r> = (&'r [u8], &'r [u8]);

/// A counted table of a snapshot.
#[derive(Debug)]
pub(crate) struct SnapshotSource<'r> {
    pub(crate) snapshot: &'r Snapshot,
    pub(crate) table: lmdb_pages::Table,
    /// Over all trees of counts; none if nothing was ever counted.
    pub(crate) counts: Option<lmdb_pages::Table>,
    /// The root of the table's tree of counts, if it was learnt.
    pub(crate) root: Option<&'r [u8]>,
    /// Where nodes of that tree lie, by their numbers, as far as they were found; zero for others.
    pub(crate) places: &'r [AtomicU64],
}

impl<'r> SnapshotSource<'r> {
    fn find(&self, tree: TreeId, id: u32) -> Result<Option<&'r [u8]>> {
        match &self.counts {
            Some(counts) => Ok(lmdb_pages::get::<Lexicographic>(self.snapshot, counts, &tree.key(id))?),
            None => Ok(None),
        }
    }
}

impl<'r> Counted<'r> for SnapshotSource<'r> {
    fn node(&mut self, tree: TreeId, id: u32) -> Result<Option<&'r [u8]>> {
        let known = self.places.get(id as usize);
        let place = known.map_or(0, |place| place.load(Ordering::Relaxed));
        let node = match place {
            0 => self.find(tree, id)?,
            bits => self.snapshot.at(Place::from_bits(bits)),
        };
        if let Some(node) = node {
            lmdb_pages::fetch(node);
            if place == 0
                && let Some(known) = known
                && let Some(bits) = self.snapshot.place_of(node).and_then(Place::to_bits)
            {
                known.store(bits, Ordering::Relaxed);
            }
        }
        Ok(node)
    }

    fn root(&self) -> Option<&'r [u8]> {
        self.root
    }

    fn count(&mut self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Tally> {
        let count = count_leaves(self.snapshot, &self.table, low, high)?;
        Ok(Tally { keys: count.keys, pairs: count.pairs })
    }

    fn count_in_blocks<const N: usize>(
        &mut self,
        ends: [(Block<'_>, Bound<&[u8]>); N],
    ) -> Result<[Tally; N]> {
        let (snapshot, table) = (self.snapshot, &self.table);
        if table.flags().contains(TableFlags::DUP_SORT) {
            let mut tallies = [Tally::default(); N];
            for (tally, (block, end)) in tallies.iter_mut().zip(ends) {
                *tally = self.count(block.start(), end)?;
            }
            return Ok(tallies);
        }
        let ends =
            ends.map(|(block, end)| (Run { low: block.low, high: block.high, keys: block.tally.keys }, end));
        let counts = match OrderKind::of_keys(table.flags()) {
            OrderKind::Lexicographic => lmdb_pages::count_in_runs::<Lexicographic, N>(snapshot, table, ends),
            OrderKind::NativeInteger => lmdb_pages::count_in_runs::<NativeInteger, N>(snapshot, table, ends),
            OrderKind::ReverseBytes => lmdb_pages::count_in_runs::<ReverseBytes, N>(snapshot, table, ends),
        }?;
        Ok(counts.map(|keys| Tally { keys, pairs: keys }))
    }
}

/// Counts by the headers of the table's own leaves.
pub(crate) fn count_leaves(
    snapshot: &Snapshot,
    table: &lmdb_pages::Table,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
) -> Result<lmdb_pages::Count> {
    Ok(match OrderKind::of_keys(table.flags()) {
        OrderKind::Lexicographic => lmdb_pages::count_range::<Lexicographic>(snapshot, table, low, high),
        OrderKind::NativeInteger => lmdb_pages::count_range::<NativeInteger>(snapshot, table, low, high),
        OrderKind::ReverseBytes => lmdb_pages::count_range::<ReverseBytes>(snapshot, table, low, high),
    }?)
}

/// A counted table inside a write transaction.
#[derive(Debug)]
pub(crate) struct TxnSource<'r, 'e> {
    pub(crate) txn: &'r WriteTxn<'e>,
    pub(crate) dbi: Dbi,
}

impl<'r> Counted<'r> for TxnSource<'r, '_> {
    fn node(&mut self, tree: TreeId, id: u32) -> Result<Option<&'r [u8]>> {
        self.txn.count_node(&tree.key(id))
    }

    fn count(&mut self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Tally> {
        count_keys(self.txn, &self.dbi, low, high)
    }
}

/// Counts by walking over the keys.
pub(crate) fn count_keys(
    read: &impl Read,
    dbi: &Dbi,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
) -> Result<Tally> {
    let mut keys = Keys::new(read.cursor(dbi)?, Span::of_bounds(low, high), dbi);
    let mut tally = Tally::default();
    while let Some(key) = keys.next() {
        key?;
        tally = tally + Tally { keys: 1, pairs: keys.dup_count()? };
    }
    Ok(tally)
}

/// The pair at a rank inside a block.
pub(crate) fn pair_in_block<'r>(
    read: &'r impl Read,
    dbi: &Dbi,
    block: Block<'_>,
    rank: u64,
    measure: Measure,
) -> Result<Option<Pair<'r>>> {
    let mut cursor = read.cursor(dbi)?;
    let first = match block.low {
        Some(low) => cursor.seek(low)?,
        None => cursor.first()?,
    };
    if first.is_none() {
        return Ok(None);
    }
    match measure {
        Measure::Keys => cursor.skip_keys(rank),
        Measure::Pairs => cursor.skip_pairs(rank),
    }
}
