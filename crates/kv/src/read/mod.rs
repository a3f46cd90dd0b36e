//! Reading: from a snapshot, or from a write transaction that has not been committed yet.
//!
//! ```text
//!   ReadTxn --> lmdb-pages' cursors  \
//!                                     Cursor --> Pairs (a range, in a direction) --> typed ranges
//!   WriteTxn --> LMDB's cursors      /
//! ```

mod cursor;
mod intersection;
mod learnt;
mod pairs;
mod range;
mod range_form;
mod txn_cursor;

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use lmdb_pages::{Count, Lexicographic, NativeInteger, OrderKind, ReverseBytes, Snapshot};

pub use cursor::Cursor;
use cursor::Pair;
pub(crate) use cursor::Walk;
pub use intersection::Intersection;
use learnt::{Learnt, learn};
pub(crate) use pairs::Sum;
pub use pairs::{Keys, Pairs};
pub use range::KeyRange;
pub(crate) use range::{KeyBytes, Span};
pub(crate) use txn_cursor::TxnCursor;

use crate::counted::{
    Block, COUNTS, Measure, Ranks, SnapshotSource, Tally, TxnSource, count_keys, count_leaves, pair_in_block,
};
use crate::dbi::{Dbi, DbiOptions};
use crate::env::{Env, Shared};
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::options::{OPTIONS, StoredOptions, type_row};
use crate::txn::WriteTxn;

/// What can be read from: a [`ReadTxn`] or a [`WriteTxn`], which sees its own writes.
///
/// Sealed: the two are all there is. A reference to a `dyn Read` is one, too, for code that takes either.
pub trait Read: sealed::Sealed {
    /// A cursor over a table, standing nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    fn cursor(&self, dbi: &Dbi) -> Result<Cursor<'_>>;

    /// The value of a key, or the first of its values.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    fn get(&self, dbi: &Dbi, key: &[u8]) -> Result<Option<&[u8]>>;

    /// How many pairs a table has.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    fn entries(&self, dbi: &Dbi) -> Result<u64>;

    /// How many keys, and how many pairs, have keys between two bounds.
    ///
    /// A counted table answers in logarithmic time. Otherwise a snapshot looks at the heads of the leaves in between,
    /// and a write transaction at every key.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`], [`Error::CountsOutdated`].
    fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count>;

    /// How many keys, and how many pairs, have keys less than this one, in a counted table.
    ///
    /// # Errors
    ///
    /// [`Error::NotCounted`], [`Error::CountsOutdated`].
    fn rank(&self, dbi: &Dbi, key: &[u8]) -> Result<Count>;

    /// The pair that so many pairs stand before, in a counted table.
    ///
    /// # Errors
    ///
    /// As [`Read::rank`].
    fn by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<(&[u8], &[u8])>>;

    /// The key, with its first value, that so many keys stand before, in a counted table.
    ///
    /// # Errors
    ///
    /// As [`Read::rank`].
    fn key_by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<(&[u8], &[u8])>>;

    /// The options a table was created with.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    #[doc(alias = "dbi-opts")]
    fn dbi_options(&self, dbi: &Dbi) -> Result<DbiOptions>;
}

impl<R: Read + ?Sized> Read for &R {
    fn cursor(&self, dbi: &Dbi) -> Result<Cursor<'_>> {
        (**self).cursor(dbi)
    }

    fn get(&self, dbi: &Dbi, key: &[u8]) -> Result<Option<&[u8]>> {
        (**self).get(dbi, key)
    }

    fn entries(&self, dbi: &Dbi) -> Result<u64> {
        (**self).entries(dbi)
    }

    fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count> {
        (**self).count(dbi, low, high)
    }

    fn rank(&self, dbi: &Dbi, key: &[u8]) -> Result<Count> {
        (**self).rank(dbi, key)
    }

    fn by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<Pair<'_>>> {
        (**self).by_rank(dbi, rank)
    }

    fn key_by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<Pair<'_>>> {
        (**self).key_by_rank(dbi, rank)
    }

    fn dbi_options(&self, dbi: &Dbi) -> Result<DbiOptions> {
        (**self).dbi_options(dbi)
    }
}

impl<R: sealed::Sealed + ?Sized> sealed::Sealed for &R {}

pub(crate) mod sealed {
    /// What only this crate implements.
    pub trait Sealed {}
}

/// The newest committed state at the time of [`Env::read`], which stays as it is; cheap to clone, and read by any
/// number of threads.
///
/// **While it lives, pages that later transactions free cannot be reused**, so the file may grow.
#[derive(Clone, Debug)]
pub struct ReadTxn {
    snapshot: Snapshot,
    /// Declared last, so that the environment is closed after the snapshot has ended.
    shared: Arc<Shared>,
}

impl Env {
    /// Begins reading the newest committed state.
    ///
    /// # Errors
    ///
    /// As [`Env::snapshot`].
    pub fn read(&self) -> Result<ReadTxn> {
        Ok(ReadTxn { snapshot: self.snapshot()?, shared: Arc::clone(&self.shared) })
    }
}

impl ReadTxn {
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The snapshot, for reading with `lmdb-pages` itself.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The number of the transaction whose state this is.
    pub fn txn_id(&self) -> u64 {
        self.snapshot.txn_id()
    }

    /// The shape of a table's tree.
    ///
    /// # Errors
    ///
    /// As [`ReadTxn::table`].
    #[doc(alias = "mdb_stat")]
    pub fn stat(&self, dbi: &Dbi) -> Result<lmdb_pages::TableStat> {
        Ok(self.table(dbi)?.stat())
    }

    /// The root record of a table.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`], [`Error::StaleDbi`]; [`Error::DbiFlagsConflict`] if the handle is of a table of that name in another
    /// state of the database; [`Error::ForeignDbi`].
    pub fn table(&self, dbi: &Dbi) -> Result<lmdb_pages::Table> {
        self.shared.check_handle(dbi)?;
        let place = self.learnt().and_then(|learnt| learnt.table(dbi)).map(|table| &table.root);
        let found = learn(place, || self.find_table(dbi))?;
        match found {
            Some(table) if table.flags().bits() == dbi.flags.bits() => Ok(table),
            Some(table) => Err(Error::DbiFlagsConflict {
                name: dbi.name.to_owned(),
                stored: DbiFlags::from_raw(u32::from(table.flags().bits())),
                requested: dbi.flags,
            }),
            None => Err(match self.snapshot.table(dbi.name)? {
                Some(_) => Error::StaleDbi { name: dbi.name.to_owned() },
                None => self.shared.no_such_dbi(dbi.name),
            }),
        }
    }

    /// What is known of the state's tables; nothing if somebody else has left a memo of his own with it.
    #[inline]
    fn learnt(&self) -> Option<&Learnt> {
        self.snapshot.memo()
    }

    /// A handle's table, where it is known already, in place: it is eighty bytes, which is much to copy for one lookup.
    #[inline]
    fn learnt_table(&self, dbi: &Dbi) -> Option<&lmdb_pages::Table> {
        let table = self.learnt()?.table(dbi)?.root.get()?.as_ref()?;
        (dbi.env == self.shared.id && table.flags().bits() == dbi.flags.bits()).then_some(table)
    }

    /// The handle's own table, not another of its name.
    fn find_table(&self, dbi: &Dbi) -> Result<Option<lmdb_pages::Table>> {
        if self.shared.entry(dbi)?.is_of(self.snapshot.txn_id()) {
            Ok(self.snapshot.table(dbi.name)?)
        } else {
            Ok(None)
        }
    }
}

impl Read for ReadTxn {
    fn cursor(&self, dbi: &Dbi) -> Result<Cursor<'_>> {
        let table = self.table(dbi)?;
        Ok(Cursor::of_snapshot(&self.snapshot, &table)?)
    }

    fn get(&self, dbi: &Dbi, key: &[u8]) -> Result<Option<&[u8]>> {
        let found;
        let table = match self.learnt_table(dbi) {
            Some(table) => table,
            None => {
                found = self.table(dbi)?;
                &found
            }
        };
        Ok(match dbi.flags.key_order() {
            OrderKind::Lexicographic => lmdb_pages::get::<Lexicographic>(&self.snapshot, table, key)?,
            OrderKind::NativeInteger => lmdb_pages::get::<NativeInteger>(&self.snapshot, table, key)?,
            OrderKind::ReverseBytes => lmdb_pages::get::<ReverseBytes>(&self.snapshot, table, key)?,
        })
    }

    fn entries(&self, dbi: &Dbi) -> Result<u64> {
        Ok(self.table(dbi)?.entries())
    }

    fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count> {
        match self.ranks(dbi)? {
            Some(mut ranks) => ranks.count(low, high).map(count_of),
            None => count_leaves(&self.snapshot, &self.table(dbi)?, low, high),
        }
    }

    fn rank(&self, dbi: &Dbi, key: &[u8]) -> Result<Count> {
        let mut ranks = self.ranks(dbi)?.ok_or_else(|| not_counted(dbi, "the rank of a key"))?;
        ranks.count(Bound::Unbounded, Bound::Excluded(key)).map(count_of)
    }

    fn by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<Pair<'_>>> {
        self.select(dbi, rank, Measure::Pairs)
    }

    fn key_by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<Pair<'_>>> {
        self.select(dbi, rank, Measure::Keys)
    }

    fn dbi_options(&self, dbi: &Dbi) -> Result<DbiOptions> {
        self.table(dbi)?;
        let options = DbiOptions::of_stored(dbi.flags, self.stored_options(dbi.name)?);
        self.shared().resolved(dbi.name, options, |name| self.stored_type(name))
    }
}

impl ReadTxn {
    /// Compares the counts of a counted table with its contents.
    ///
    /// # Errors
    ///
    /// [`Error::CountsOutdated`] if a program that does not count has changed the table, [`Error::Corrupted`],
    /// [`Error::NotCounted`].
    pub fn verify_counts(&self, dbi: &Dbi) -> Result<()> {
        self.ranks(dbi)?.ok_or_else(|| not_counted(dbi, "verifying counts"))?.verify()
    }

    /// A type that is registered in the file, for the tables or for what is beside them.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`], [`Error::Corrupted`], and in [`Error::Unencodable`] what the environment's
    /// [`TypeSource`](crate::codec::TypeSource) has against the definition.
    pub fn registered_type(&self, name: &edn::Keyword) -> Result<Option<crate::codec::RegisteredType>> {
        let shared = self.shared();
        shared.registered_type(name, self.stored_type(name)?, |told| shared.definition_beside(told, name))
    }

    /// A counted table's tree of counts.
    fn ranks(&self, dbi: &Dbi) -> Result<Option<Ranks<SnapshotSource<'_>>>> {
        let table = self.table(dbi)?;
        let learnt = self.learnt();
        let place = learnt.and_then(|learnt| learnt.table(dbi));
        let tree = place.map(|place| &place.tree);
        let tree = learn(tree, || Ok(self.stored_options(dbi.name)?.counted))?;
        let Some(tree) = tree else { return Ok(None) };
        let counts = learn(learnt.map(|learnt| &learnt.counts), || Ok(self.snapshot.table(COUNTS)?))?;
        let root = place.and_then(|place| place.counts_root.get()).map(|bytes| &**bytes);
        let places: &[AtomicU64] = match (place, counts) {
            (Some(place), Some(counts)) if root.is_some() => place.counts_places(counts.entries()),
            _ => &[],
        };
        let source = SnapshotSource { snapshot: &self.snapshot, table, counts, root, places };
        let mut ranks = Ranks::new(source, tree, dbi.flags.key_order(), dbi.name);
        if root.is_none() {
            ranks.check(table.entries())?;
            if let (Some(place), Some(bytes)) = (place, ranks.root()?) {
                place.counts_root.get_or_init(|| bytes.into());
            }
        }
        Ok(Some(ranks))
    }

    fn select(&self, dbi: &Dbi, rank: u64, measure: Measure) -> Result<Option<Pair<'_>>> {
        let mut ranks = self.ranks(dbi)?.ok_or_else(|| not_counted(dbi, "selecting by rank"))?;
        match ranks.select(rank, measure)? {
            Some((block, rank)) => pair_in_block(self, dbi, block, rank, measure),
            None => Ok(None),
        }
    }

    pub(crate) fn stored_options(&self, name: &str) -> Result<StoredOptions> {
        let decoded = self.stored_row(name.as_bytes(), StoredOptions::decode)?;
        decoded
            .unwrap_or(Ok(StoredOptions::default()))
            .map_err(|error| Error::Corrupted { reason: format!("the options of table {name:?}: {error}") })
    }

    /// The stored definition of a registered type.
    pub(crate) fn stored_type(&self, name: &edn::Keyword) -> Result<Option<Vec<u8>>> {
        self.stored_row(&type_row(name), <[u8]>::to_vec)
    }

    fn stored_row<T>(&self, key: &[u8], read: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        let snapshot = &self.snapshot;
        let Some(table) = snapshot.table(OPTIONS)? else { return Ok(None) };
        let mut cursor: lmdb_pages::Cursor<'_> = lmdb_pages::Cursor::new(snapshot, &table)?;
        Ok(cursor.get(key)?.map(read))
    }
}

fn count_of(tally: Tally) -> Count {
    let mut count = Count::default();
    (count.keys, count.pairs) = (tally.keys, tally.pairs);
    count
}

#[cold]
fn not_counted(dbi: &Dbi, operation: &'static str) -> Error {
    Error::NotCounted { name: dbi.name.to_owned(), operation }
}

impl sealed::Sealed for ReadTxn {}

impl Read for WriteTxn<'_> {
    fn cursor(&self, dbi: &Dbi) -> Result<Cursor<'_>> {
        self.open_cursor(dbi).map(Cursor::of_txn)
    }

    fn get(&self, dbi: &Dbi, key: &[u8]) -> Result<Option<&[u8]>> {
        WriteTxn::get(self, dbi, key)
    }

    fn entries(&self, dbi: &Dbi) -> Result<u64> {
        WriteTxn::entries(self, dbi)
    }

    fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count> {
        match txn_ranks(self, dbi)? {
            TxnRanks::Settled(mut ranks) => ranks.count(low, high).map(count_of),
            _ => count_keys(self, dbi, low, high).map(count_of),
        }
    }

    fn rank(&self, dbi: &Dbi, key: &[u8]) -> Result<Count> {
        match txn_ranks(self, dbi)? {
            TxnRanks::NotCounted => Err(not_counted(dbi, "the rank of a key")),
            _ => self.count(dbi, Bound::Unbounded, Bound::Excluded(key)),
        }
    }

    fn by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<Pair<'_>>> {
        txn_select(self, dbi, rank, Measure::Pairs)
    }

    fn key_by_rank(&self, dbi: &Dbi, rank: u64) -> Result<Option<Pair<'_>>> {
        txn_select(self, dbi, rank, Measure::Keys)
    }

    fn dbi_options(&self, dbi: &Dbi) -> Result<DbiOptions> {
        WriteTxn::dbi_options(self, dbi)
    }
}

/// How a write transaction can count in a table.
enum TxnRanks<'r, 'e> {
    NotCounted,
    /// The tree does not know the latest writes.
    Unsettled,
    Settled(Ranks<TxnSource<'r, 'e>>),
}

fn txn_ranks<'r, 'e>(txn: &'r WriteTxn<'e>, dbi: &Dbi) -> Result<TxnRanks<'r, 'e>> {
    match txn.settled_tree(dbi)? {
        (None, _) => Ok(TxnRanks::NotCounted),
        (Some(_), false) => Ok(TxnRanks::Unsettled),
        (Some(tree), true) => {
            let (order, entries) = (dbi.flags.key_order(), txn.entries(dbi)?);
            let mut ranks = Ranks::new(TxnSource { txn, dbi: *dbi }, tree, order, dbi.name);
            ranks.check(entries)?;
            Ok(TxnRanks::Settled(ranks))
        }
    }
}

fn txn_select<'r>(txn: &'r WriteTxn<'_>, dbi: &Dbi, rank: u64, measure: Measure) -> Result<Option<Pair<'r>>> {
    let place = match txn_ranks(txn, dbi)? {
        TxnRanks::NotCounted => return Err(not_counted(dbi, "selecting by rank")),
        TxnRanks::Unsettled => Some((Block::whole(), rank)),
        TxnRanks::Settled(mut ranks) => ranks.select(rank, measure)?,
    };
    match place {
        Some((block, rank)) => pair_in_block(txn, dbi, block, rank, measure),
        None => Ok(None),
    }
}

impl sealed::Sealed for WriteTxn<'_> {}
