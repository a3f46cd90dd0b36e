//! [`Cursor`]: one cursor over snapshots and write transactions alike.

use std::ops::{Bound, ControlFlow};

use lmdb_pages::{Lexicographic, NativeInteger, Order, OrderKind, ReverseBytes, Snapshot};

use super::txn_cursor::TxnCursor;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;

/// A key and one of its values.
pub(super) type Pair<'r> = (&'r [u8], &'r [u8]);

/// A position in a table, and ways to move it.
///
/// A cursor is *nowhere* when it is new, *on a pair* after an operation that returned one, and *in a gap* between
/// neighbouring pairs after one that found nothing. From nowhere, [`Cursor::next`] goes to the first pair and
/// [`Cursor::prev`] to the last; from a gap, to the pair behind it and before it.
///
/// What it returns lives as long as the borrow of what is read, not of the cursor.
#[derive(Debug)]
pub struct Cursor<'r>(Kind<'r>);

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the usual variant is the large one; it must not cost an allocation"
)]
enum Kind<'r> {
    /// Keys and values compare as bytes: nearly all tables, so worth a path of its own.
    Plain(lmdb_pages::Cursor<'r>),
    Other(Box<dyn Walk<'r> + 'r>),
}

/// What a cursor can do, whatever the orders of its table and wherever it reads.
pub(crate) trait Walk<'r>: std::fmt::Debug {
    fn first(&mut self) -> Result<Option<Pair<'r>>>;
    fn last(&mut self) -> Result<Option<Pair<'r>>>;
    fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>>;
    fn seek_exact(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>>;
    fn seek_le(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>>;
    fn next(&mut self) -> Result<Option<Pair<'r>>>;
    fn prev(&mut self) -> Result<Option<Pair<'r>>>;
    fn next_key(&mut self) -> Result<Option<Pair<'r>>>;
    fn prev_key(&mut self) -> Result<Option<Pair<'r>>>;
    fn current(&mut self) -> Result<Option<Pair<'r>>>;
    fn first_dup(&mut self) -> Result<Option<&'r [u8]>>;
    fn last_dup(&mut self) -> Result<Option<&'r [u8]>>;
    fn next_dup(&mut self) -> Result<Option<&'r [u8]>>;
    fn prev_dup(&mut self) -> Result<Option<&'r [u8]>>;
    fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'r>>>;
    fn seek_dup_in_key(&mut self, value: &[u8]) -> Result<Option<&'r [u8]>>;
    fn dup_count(&mut self) -> Result<u64>;
    fn skip_keys(&mut self, count: u64) -> Result<Option<Pair<'r>>>;
    fn skip_pairs(&mut self, count: u64) -> Result<Option<Pair<'r>>>;
    /// See the methods of [`Cursor`].
    fn dup_page(&mut self) -> Result<Option<&'r [u8]>>;
    fn next_dup_page(&mut self) -> Result<Option<&'r [u8]>>;
    fn prev_dup_page(&mut self) -> Result<Option<&'r [u8]>>;
    /// Goes on, forward or back, until the visitor breaks or a key lies beyond the end.
    fn visit_on(
        &mut self,
        back: bool,
        end: Bound<&[u8]>,
        visit: &mut dyn FnMut(&'r [u8], &'r [u8]) -> ControlFlow<()>,
    ) -> Result<()>;

    /// All values of the current key; the packed ones of a page at a time, where they are packed.
    fn visit_chunks(&mut self, back: bool, visit: &mut dyn FnMut(&'r [u8])) -> Result<()> {
        let mut page = if back { self.last_dup()? } else { self.first_dup()? };
        if page.is_some() {
            page = self.dup_page()?;
        }
        while let Some(values) = page {
            visit(values);
            page = if back { self.prev_dup_page()? } else { self.next_dup_page()? };
        }
        self.first_dup().map(|_| ())
    }
}

impl<'r, K: Order + std::fmt::Debug, D: Order + std::fmt::Debug> Walk<'r> for lmdb_pages::Cursor<'r, K, D> {
    fn first(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.first()?)
    }

    fn last(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.last()?)
    }

    fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        Ok(self.seek(key)?)
    }

    fn seek_exact(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        Ok(self.seek_exact(key)?)
    }

    fn seek_le(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        Ok(self.seek_le(key)?)
    }

    fn next(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.next()?)
    }

    fn prev(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.prev()?)
    }

    fn next_key(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.next_key()?)
    }

    fn prev_key(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.prev_key()?)
    }

    fn current(&mut self) -> Result<Option<Pair<'r>>> {
        Ok(self.current()?)
    }

    fn first_dup(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.first_dup()?)
    }

    fn last_dup(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.last_dup()?)
    }

    fn next_dup(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.next_dup()?)
    }

    fn prev_dup(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.prev_dup()?)
    }

    fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'r>>> {
        Ok(self.seek_dup(key, value)?)
    }

    fn seek_dup_in_key(&mut self, value: &[u8]) -> Result<Option<&'r [u8]>> {
        Ok(self.seek_dup_in_key(value)?)
    }

    fn dup_count(&mut self) -> Result<u64> {
        Ok(lmdb_pages::Cursor::dup_count(self)?)
    }

    fn skip_keys(&mut self, count: u64) -> Result<Option<Pair<'r>>> {
        Ok(self.skip_keys(count)?)
    }

    fn skip_pairs(&mut self, count: u64) -> Result<Option<Pair<'r>>> {
        Ok(self.skip_pairs(count)?)
    }

    fn dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.dup_page()?)
    }

    fn next_dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.next_dup_page()?)
    }

    fn prev_dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        Ok(self.prev_dup_page()?)
    }

    fn visit_on(
        &mut self,
        back: bool,
        end: Bound<&[u8]>,
        visit: &mut dyn FnMut(&'r [u8], &'r [u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        let visit = |(key, value): Pair<'r>| visit(key, value);
        let _ = if back { self.visit_prev(end, visit)? } else { self.visit_next(end, visit)? };
        Ok(())
    }

    fn visit_chunks(&mut self, back: bool, visit: &mut dyn FnMut(&'r [u8])) -> Result<()> {
        for chunk in if back { self.dup_chunks_back()? } else { self.dup_chunks()? } {
            visit(chunk?);
        }
        Ok(())
    }
}

/// Calls the fast path or the other one.
macro_rules! either {
    ($self:ident, $cursor:ident => $call:expr) => {
        match &mut $self.0 {
            Kind::Plain($cursor) => Ok($call?),
            Kind::Other($cursor) => $call,
        }
    };
}

impl<'r> Cursor<'r> {
    pub(crate) fn of_snapshot(snapshot: &'r Snapshot, table: &lmdb_pages::Table) -> lmdb_pages::Result<Self> {
        use OrderKind as Kinds;
        fn boxed<'r, K: Order + std::fmt::Debug + 'r, D: Order + std::fmt::Debug + 'r>(
            snapshot: &'r Snapshot,
            table: &lmdb_pages::Table,
        ) -> lmdb_pages::Result<Kind<'r>> {
            Ok(Kind::Other(Box::new(lmdb_pages::Cursor::<K, D>::new(snapshot, table)?)))
        }
        let flags = table.flags();
        let kind = match (OrderKind::of_keys(flags), OrderKind::of_duplicates(flags)) {
            (Kinds::Lexicographic, Kinds::Lexicographic) => {
                Kind::Plain(lmdb_pages::Cursor::new(snapshot, table)?)
            }
            (Kinds::Lexicographic, Kinds::NativeInteger) => {
                boxed::<Lexicographic, NativeInteger>(snapshot, table)?
            }
            (Kinds::Lexicographic, Kinds::ReverseBytes) => {
                boxed::<Lexicographic, ReverseBytes>(snapshot, table)?
            }
            (Kinds::NativeInteger, Kinds::Lexicographic) => {
                boxed::<NativeInteger, Lexicographic>(snapshot, table)?
            }
            (Kinds::NativeInteger, Kinds::NativeInteger) => {
                boxed::<NativeInteger, NativeInteger>(snapshot, table)?
            }
            (Kinds::NativeInteger, Kinds::ReverseBytes) => {
                boxed::<NativeInteger, ReverseBytes>(snapshot, table)?
            }
            (Kinds::ReverseBytes, Kinds::Lexicographic) => {
                boxed::<ReverseBytes, Lexicographic>(snapshot, table)?
            }
            (Kinds::ReverseBytes, Kinds::NativeInteger) => {
                boxed::<ReverseBytes, NativeInteger>(snapshot, table)?
            }
            (Kinds::ReverseBytes, Kinds::ReverseBytes) => {
                boxed::<ReverseBytes, ReverseBytes>(snapshot, table)?
            }
        };
        Ok(Self(kind))
    }

    pub(crate) fn of_txn(cursor: TxnCursor<'r>) -> Self {
        Self(Kind::Other(Box::new(cursor)))
    }

    /// The first value of `key`. Moves as [`Cursor::seek_exact`].
    ///
    /// # Errors
    ///
    /// [`Error::Pages`] if the file is damaged, as for every operation of a cursor.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&'r [u8]>> {
        Ok(self.seek_exact(key)?.map(|(_, value)| value))
    }

    /// Moves to the first pair.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn first(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.first())
    }

    /// Moves to the last pair.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn last(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.last())
    }

    /// Moves to the first pair whose key is `key` or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_SET_RANGE")]
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.seek(key))
    }

    /// Moves to the first pair of exactly this key.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_SET_KEY")]
    #[inline]
    pub fn seek_exact(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.seek_exact(key))
    }

    /// Moves to the last pair whose key is `key` or less: the last value of the greatest such key.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn seek_le(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.seek_le(key))
    }

    /// Moves to the next pair.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[expect(clippy::should_implement_trait, reason = "a cursor moves both ways and can fail")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.next())
    }

    /// Moves to the previous pair.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[inline]
    pub fn prev(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.prev())
    }

    /// Moves to the first value of the next key.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_NEXT_NODUP")]
    #[inline]
    pub fn next_key(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.next_key())
    }

    /// Moves to the last value of the previous key.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_PREV_NODUP")]
    pub fn prev_key(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.prev_key())
    }

    /// The pair that the cursor is on.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_GET_CURRENT")]
    pub fn current(&mut self) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.current())
    }

    /// Moves to the first value of the current key.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_FIRST_DUP")]
    pub fn first_dup(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.first_dup())
    }

    /// Moves to the last value of the current key.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_LAST_DUP")]
    pub fn last_dup(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.last_dup())
    }

    /// Moves to the next value of the current key, or stays.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_NEXT_DUP")]
    #[inline]
    pub fn next_dup(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.next_dup())
    }

    /// Moves to the previous value of the current key, or stays.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_PREV_DUP")]
    pub fn prev_dup(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.prev_dup())
    }

    /// Moves to the first pair of exactly this key whose value is `value` or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_GET_BOTH_RANGE")]
    pub fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.seek_dup(key, value))
    }

    /// Moves to exactly this pair; if it is not there, as [`Cursor::seek_dup`].
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_GET_BOTH")]
    pub fn seek_pair(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'r>>> {
        Ok(self.seek_dup(key, value)?.filter(|(_, found)| *found == value))
    }

    /// Moves to the first value of the current key that is `value` or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn seek_dup_in_key(&mut self, value: &[u8]) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.seek_dup_in_key(value))
    }

    /// How many values the current key has, without looking at them; zero if the cursor is on none.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "mdb_cursor_count")]
    pub fn dup_count(&mut self) -> Result<u64> {
        either!(self, cursor => cursor.dup_count())
    }

    /// Moves on by `count` keys from the current one, onto the first value of the key there. From a snapshot, this
    /// looks only at the heads of the pages in between.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn skip_keys(&mut self, count: u64) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.skip_keys(count))
    }

    /// Moves on by `count` pairs, counted from the first value of the current key, likewise.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn skip_pairs(&mut self, count: u64) -> Result<Option<Pair<'r>>> {
        either!(self, cursor => cursor.skip_pairs(count))
    }

    /// The values of the current key that lie in the page of the current value, packed as they lie in the file; the
    /// cursor is on the last of them then. In a table without [`DbiFlags::DUPFIXED`](crate::DbiFlags::DUPFIXED), the
    /// current value alone.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_GET_MULTIPLE")]
    pub fn dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.dup_page())
    }

    /// As [`Cursor::dup_page`], of the next page of the key's values; nothing, if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_NEXT_MULTIPLE")]
    pub fn next_dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.next_dup_page())
    }

    /// As [`Cursor::dup_page`], of the previous page of the key's values; nothing, if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[doc(alias = "MDB_PREV_MULTIPLE")]
    pub fn prev_dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        either!(self, cursor => cursor.prev_dup_page())
    }

    /// Calls `visit` with all values of the current key: in a table of
    /// [`DbiFlags::DUPFIXED`](crate::DbiFlags::DUPFIXED) with many at a time, packed as they lie in the file.
    /// Afterwards the cursor is on the key's first value.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn visit_chunks(&mut self, mut visit: impl FnMut(&'r [u8])) -> Result<()> {
        match &mut self.0 {
            Kind::Plain(cursor) => Walk::visit_chunks(cursor, false, &mut visit),
            Kind::Other(cursor) => cursor.visit_chunks(false, &mut visit),
        }
    }

    /// As [`Cursor::visit_chunks`], from the last page to the first; the values of a page ascend.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    pub fn visit_chunks_back(&mut self, mut visit: impl FnMut(&'r [u8])) -> Result<()> {
        match &mut self.0 {
            Kind::Plain(cursor) => Walk::visit_chunks(cursor, true, &mut visit),
            Kind::Other(cursor) => cursor.visit_chunks(true, &mut visit),
        }
    }

    /// Calls `visit` with the pairs that repeated [`Cursor::next`] would give, until it breaks, or until a key lies
    /// beyond `end`: faster, since where the range ends is asked once a page. The cursor is on the pair at which the
    /// visit stopped then, or in the gap behind the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[inline]
    pub fn visit_next<B>(
        &mut self,
        end: Bound<&[u8]>,
        visit: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.visit_on(false, end, visit)
    }

    /// As [`Cursor::visit_next`] for [`Cursor::prev`], until a key lies before `start`.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`].
    #[inline]
    pub fn visit_prev<B>(
        &mut self,
        start: Bound<&[u8]>,
        visit: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.visit_on(true, start, visit)
    }

    #[inline]
    pub(super) fn visit_on<B>(
        &mut self,
        back: bool,
        end: Bound<&[u8]>,
        mut visit: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        match &mut self.0 {
            Kind::Plain(cursor) if back => Ok(cursor.visit_prev(end, |(key, value)| visit(key, value))?),
            Kind::Plain(cursor) => Ok(cursor.visit_next(end, |(key, value)| visit(key, value))?),
            Kind::Other(cursor) => {
                let mut flow = ControlFlow::Continue(());
                cursor.visit_on(back, end, &mut |key, value| {
                    flow = visit(key, value);
                    if flow.is_break() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                Ok(flow)
            }
        }
    }
}
