//! Snapshots: the state of the whole file after one transaction, readable from any number of threads.

use std::any::Any;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::format::{F_DUPDATA, F_SUBDATA, Meta, Record};
use crate::map::Pages;
use crate::order::{Lexicographic, NativeInteger, Order, OrderKind, ReverseBytes};
use crate::reader::ReaderInner;
use crate::table::{Table, TableFlags};

/// A number for each source of snapshots, so that a table of one is not taken for a table of another.
pub(crate) fn next_reader_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The state of an environment after one committed transaction.
///
/// `Send`, `Sync` and cheap to clone: all clones share one reader slot, and any number of threads may read through
/// them at once. See [`Reader::snapshot`](crate::Reader::snapshot) for what a living snapshot costs.
#[derive(Debug)]
pub struct Snapshot {
    pub(crate) inner: Arc<SnapshotInner>,
}

impl Clone for Snapshot {
    fn clone(&self) -> Self {
        // The count is not zero, since it counts `self`; so nobody ends the lease meanwhile.
        self.inner.readers.fetch_add(1, Ordering::Relaxed);
        Snapshot { inner: Arc::clone(&self.inner) }
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // Whoever ends the lease must have seen the end of all reading: each releases, the last acquires.
        if self.inner.readers.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(reader) = &self.inner.home
        {
            reader.end_unread(&self.inner);
        }
    }
}

/// Where a value lies in the file of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    len: u16,
}

impl Place {
    /// As one number, never zero; nothing for places beyond 2⁴⁷ bytes.
    #[must_use]
    pub fn to_bits(self) -> Option<u64> {
        (self.offset < 1 << 47).then_some(self.offset << 16 | u64::from(self.len))
    }

    /// The place of these bits.
    #[must_use]
    #[inline]
    pub fn from_bits(bits: u64) -> Self {
        Self { offset: bits >> 16, len: bits as u16 }
    }
}

/// What a snapshot knows. It may outlive the snapshot's lease, but only the reader has it then, which lends it again
/// only with a lease on the same state.
pub(crate) struct SnapshotInner {
    pub(crate) txn_id: u64,
    /// How many [`Snapshot`]s there are of it. From zero it rises only under the reader's lock.
    pub(crate) readers: AtomicUsize,
    reader: u64,
    main: Record,
    free: Record,
    /// The last page that the snapshot claims.
    pub(crate) last_page: u64,
    pub(crate) pages: Pages,
    memo: OnceLock<Box<dyn Memo>>,
    /// Where the lease lies that keeps the pages from changing; absent for bytes in memory, which need none.
    home: Option<Arc<ReaderInner>>,
}

/// What can be kept with a state; see [`Snapshot::memo`].
trait Memo: Any + Send + Sync + UnwindSafe + RefUnwindSafe {}

impl<T: Any + Send + Sync + UnwindSafe + RefUnwindSafe> Memo for T {}

impl std::fmt::Debug for SnapshotInner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("txn_id", &self.txn_id).finish_non_exhaustive()
    }
}

impl SnapshotInner {
    /// Without readers yet.
    pub(crate) fn new(reader: u64, meta: Meta, pages: Pages, home: Option<Arc<ReaderInner>>) -> Self {
        let Meta { main, free, last_page, txn_id } = meta;
        let (readers, memo) = (AtomicUsize::new(0), OnceLock::new());
        SnapshotInner { txn_id, readers, reader, main, free, last_page, pages, memo, home }
    }
}

impl Snapshot {
    /// One more snapshot of a state.
    ///
    /// If it comes from a reader, the caller must have its lock, and a lease on the state must lie there.
    pub(crate) fn new(inner: Arc<SnapshotInner>) -> Snapshot {
        inner.readers.fetch_add(1, Ordering::Relaxed);
        Snapshot { inner }
    }

    /// The newest state in a data file whose bytes lie in memory: a copy, a backup, a damaged file.
    ///
    /// # Errors
    ///
    /// [`Error::NotLmdb`] if neither meta page is one of LMDB's.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Result<Snapshot> {
        let bytes: Arc<[u8]> = bytes.into();
        let meta = Meta::newest_of(&bytes)?;
        let pages = Pages::in_memory(bytes, meta.last_page + 1, meta.page_size());
        Ok(Snapshot::new(Arc::new(SnapshotInner::new(next_reader_id(), meta, pages, None))))
    }

    /// The transaction after which the snapshot was taken.
    #[must_use]
    pub fn txn_id(&self) -> u64 {
        self.inner.txn_id
    }

    /// What a program has learnt about this state, empty at first; all snapshots of the state share it.
    ///
    /// It outlives them: the newest state that was read keeps it until a newer one is read, whether or not anybody
    /// reads meanwhile. A state has room for one memo, so whoever asks for one of another type gets nothing. A memo
    /// that has the reader in it keeps the reader, and so the environment, open.
    #[inline]
    #[must_use]
    pub fn memo<T>(&self) -> Option<&T>
    where
        T: Any + Default + Send + Sync + UnwindSafe + RefUnwindSafe,
    {
        let memo: &dyn Any = &**self.inner.memo.get_or_init(|| Box::<T>::default());
        memo.downcast_ref()
    }

    /// Where a value of this snapshot lies, for [`at`](Self::at); nothing if it is longer than a page.
    #[must_use]
    pub fn place_of(&self, value: &[u8]) -> Option<Place> {
        let pages = &self.inner.pages;
        let offset = pages.offset_of(value)?;
        pages.at_offset(offset, value.len())?;
        Some(Place { offset, len: u16::try_from(value.len()).ok()? })
    }

    /// The bytes at a place, without a search. Only a snapshot of the same state has the same value there: another one
    /// may have anything, or nothing.
    #[must_use]
    #[inline]
    pub fn at(&self, place: Place) -> Option<&[u8]> {
        self.inner.pages.at_offset(place.offset, place.len.into())
    }

    /// Bytes of a page.
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.inner.pages.page_size()
    }

    /// The unnamed table, in which the named tables are entered.
    #[must_use]
    pub fn main(&self) -> Table {
        self.stamp(self.inner.main)
    }

    /// LMDB's list of free pages: transaction id to page numbers.
    #[must_use]
    pub fn free_list(&self) -> Table {
        // The record's other fields carry the environment's page size and flags.
        let flags = TableFlags::INTEGER_KEY.bits();
        self.stamp(Record { pad: 0, flags, ..self.inner.free })
    }

    /// The table named `name`, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::NotATable`] if the main table has a plain entry of that name.
    pub fn table(&self, name: &str) -> Result<Option<Table>> {
        match OrderKind::of_keys(self.main().flags()) {
            OrderKind::Lexicographic => self.table_in::<Lexicographic>(name),
            OrderKind::NativeInteger => self.table_in::<NativeInteger>(name),
            OrderKind::ReverseBytes => self.table_in::<ReverseBytes>(name),
        }
    }

    /// The names of all tables, in the main table's order. (Names that are not UTF-8 are left out.)
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged main table.
    pub fn table_names(&self) -> Result<Vec<String>> {
        match OrderKind::of_keys(self.main().flags()) {
            OrderKind::Lexicographic => self.names_in::<Lexicographic>(),
            OrderKind::NativeInteger => self.names_in::<NativeInteger>(),
            OrderKind::ReverseBytes => self.names_in::<ReverseBytes>(),
        }
    }

    fn table_in<K: Order>(&self, name: &str) -> Result<Option<Table>> {
        let mut cursor = Cursor::<K, Lexicographic>::new_unchecked(self, &self.main());
        if !cursor.find(name.as_bytes())? {
            return Ok(None);
        }
        if cursor.node_flags()? & (F_SUBDATA | F_DUPDATA) != F_SUBDATA {
            return Err(Error::NotATable { name: name.to_owned() });
        }
        match cursor.current()?.and_then(|(_, value)| Record::read(value)) {
            Some(record) => Ok(Some(self.stamp(record))),
            None => Err(Error::corrupted(cursor.leaf_page(), "a table's record has the wrong size")),
        }
    }

    fn names_in<K: Order>(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut cursor = Cursor::<K, Lexicographic>::new_unchecked(self, &self.main());
        let mut place = cursor.first()?;
        while let Some((key, _)) = place {
            if cursor.node_flags()? & (F_SUBDATA | F_DUPDATA) == F_SUBDATA
                && let Ok(name) = std::str::from_utf8(key)
            {
                names.push(name.to_owned());
            }
            place = cursor.next_key()?;
        }
        Ok(names)
    }

    fn stamp(&self, record: Record) -> Table {
        Table { record, txn_id: self.inner.txn_id, reader: self.inner.reader }
    }

    /// Refuses tables of other snapshots.
    pub(crate) fn check_table(&self, table: &Table) -> Result<()> {
        if table.txn_id == self.inner.txn_id && table.reader == self.inner.reader {
            return Ok(());
        }
        Err(Error::ForeignTable { table: table.txn_id, snapshot: self.inner.txn_id })
    }
}
