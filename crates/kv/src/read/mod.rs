//! Reading: from a snapshot, or from a write transaction that has not been committed yet.
//!
//! ```text
//!   ReadTxn --> lmdb-pages' cursors  \
//!                                     Cursor --> Pairs (a range, in a direction) --> typed ranges
//!   WriteTxn --> LMDB's cursors      /
//! ```

mod cursor;
mod pairs;
mod range;
mod txn_cursor;

use std::ops::Bound;
use std::sync::{Arc, OnceLock, PoisonError};

use lmdb_pages::{Count, OrderKind, Snapshot};

pub use cursor::Cursor;
pub use pairs::{Keys, Pairs};
pub use range::KeyRange;
pub(crate) use range::Span;
pub(crate) use txn_cursor::TxnCursor;

use crate::dbi::Dbi;
use crate::env::{Env, Shared};
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::txn::WriteTxn;

/// What can be read from: a [`ReadTxn`] or a [`WriteTxn`], which sees its own writes.
///
/// Sealed: the two are all there is.
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
}

pub(crate) mod sealed {
    use super::{Bound, Count, Dbi, Result};

    /// What only this crate may ask.
    pub trait Sealed {
        /// Counts keys and pairs in a range of keys.
        fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count>;
    }
}

/// The newest committed state at the time of [`Env::read`], which stays as it is; cheap to clone, and read by any
/// number of threads.
///
/// **While it lives, pages that later transactions free cannot be reused**, so the file may grow.
#[derive(Clone, Debug)]
pub struct ReadTxn {
    inner: Arc<ReadInner>,
}

#[derive(Debug)]
pub(crate) struct ReadInner {
    snapshot: Snapshot,
    /// By the numbers of handles, as far as they existed when this began.
    tables: Box<[OnceLock<Option<lmdb_pages::Table>>]>,
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
        let snapshot = self.snapshot()?;
        let mut latest = self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let handles = self.shared.dbis.read().unwrap_or_else(PoisonError::into_inner).entries.len();
        if let Some(inner) = latest.upgrade()
            && inner.snapshot.txn_id() == snapshot.txn_id()
            && inner.tables.len() >= handles
        {
            return Ok(ReadTxn { inner });
        }
        let tables = (0..handles).map(|_| OnceLock::new()).collect();
        let inner = Arc::new(ReadInner { snapshot, tables, shared: Arc::clone(&self.shared) });
        *latest = Arc::downgrade(&inner);
        Ok(ReadTxn { inner })
    }
}

impl ReadTxn {
    /// The snapshot, for reading with `lmdb-pages` itself.
    pub fn snapshot(&self) -> &Snapshot {
        &self.inner.snapshot
    }

    /// The number of the transaction whose state this is.
    pub fn txn_id(&self) -> u64 {
        self.inner.snapshot.txn_id()
    }

    /// The root record of a table.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`]; [`Error::DbiFlagsConflict`] if the handle is of a table of that name in another
    /// state of the database; [`Error::ForeignDbi`].
    pub fn table(&self, dbi: &Dbi) -> Result<lmdb_pages::Table> {
        let inner = &*self.inner;
        inner.shared.check_handle(dbi)?;
        let found = match inner.tables.get(dbi.index as usize) {
            Some(place) => match place.get() {
                Some(found) => *found,
                None => {
                    let found = inner.snapshot.table(dbi.name)?;
                    *place.get_or_init(|| found)
                }
            },
            None => inner.snapshot.table(dbi.name)?,
        };
        match found {
            Some(table) if table.flags().bits() == dbi.flags.bits() => Ok(table),
            Some(table) => Err(Error::DbiFlagsConflict {
                name: dbi.name.to_owned(),
                stored: DbiFlags::from_raw(u32::from(table.flags().bits())),
                requested: dbi.flags,
            }),
            None => Err(inner.shared.no_such_dbi(dbi.name)),
        }
    }
}

impl Read for ReadTxn {
    fn cursor(&self, dbi: &Dbi) -> Result<Cursor<'_>> {
        let table = self.table(dbi)?;
        Ok(Cursor::of_snapshot(&self.inner.snapshot, &table)?)
    }

    fn get(&self, dbi: &Dbi, key: &[u8]) -> Result<Option<&[u8]>> {
        use lmdb_pages::{Cursor as PagesCursor, Lexicographic, NativeInteger, ReverseBytes};
        let table = self.table(dbi)?;
        let snapshot = &self.inner.snapshot;
        // A cursor is large, so for the usual orders it is made where it is used.
        Ok(match (dbi.flags.key_order(), dbi.flags.value_order()) {
            (OrderKind::Lexicographic, OrderKind::Lexicographic) => {
                PagesCursor::<Lexicographic, Lexicographic>::new(snapshot, &table)?.get(key)?
            }
            (OrderKind::NativeInteger, OrderKind::Lexicographic) => {
                PagesCursor::<NativeInteger, Lexicographic>::new(snapshot, &table)?.get(key)?
            }
            (OrderKind::ReverseBytes, OrderKind::Lexicographic) => {
                PagesCursor::<ReverseBytes, Lexicographic>::new(snapshot, &table)?.get(key)?
            }
            _ => self.cursor(dbi)?.get(key)?,
        })
    }

    fn entries(&self, dbi: &Dbi) -> Result<u64> {
        Ok(self.table(dbi)?.entries())
    }
}

impl sealed::Sealed for ReadTxn {
    fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count> {
        let table = self.table(dbi)?;
        let snapshot = &self.inner.snapshot;
        Ok(match OrderKind::of_keys(table.flags()) {
            OrderKind::Lexicographic => {
                lmdb_pages::count_range::<lmdb_pages::Lexicographic>(snapshot, &table, low, high)
            }
            OrderKind::NativeInteger => {
                lmdb_pages::count_range::<lmdb_pages::NativeInteger>(snapshot, &table, low, high)
            }
            OrderKind::ReverseBytes => {
                lmdb_pages::count_range::<lmdb_pages::ReverseBytes>(snapshot, &table, low, high)
            }
        }?)
    }
}

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
}

impl sealed::Sealed for WriteTxn<'_> {
    fn count(&self, dbi: &Dbi, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Count> {
        let mut keys = Keys::new(self.cursor(dbi)?, Span::of_bounds(low, high), dbi);
        let mut count = Count::default();
        while let Some(key) = keys.next() {
            key?;
            count.keys += 1;
            count.pairs += keys.dup_count()?;
        }
        Ok(count)
    }
}
