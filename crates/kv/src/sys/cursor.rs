//! [`RawCursor`]: a cursor of a write transaction, which LMDB is asked for when a position is first needed.

use std::cell::Cell;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use lmdb_master_sys as ffi;

use super::{Code, CodeResult, RawStat, TxnHandle, bytes, check, empty_val, found, val};
use crate::log::{CursorTape, Tape};

/// Where a cursor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    First,
    Last,
    Next,
    Prev,
    NextKey,
    PrevKey,
    NextDup,
    PrevDup,
    FirstDup,
    LastDup,
    Current,
    /// Onto the last of the packed values of the current page, all of which are returned.
    Page,
    NextPage,
    PrevPage,
}

impl Move {
    fn op(self) -> ffi::MDB_cursor_op {
        match self {
            Self::First => ffi::MDB_FIRST,
            Self::Last => ffi::MDB_LAST,
            Self::Next => ffi::MDB_NEXT,
            Self::Prev => ffi::MDB_PREV,
            Self::NextKey => ffi::MDB_NEXT_NODUP,
            Self::PrevKey => ffi::MDB_PREV_NODUP,
            Self::NextDup => ffi::MDB_NEXT_DUP,
            Self::PrevDup => ffi::MDB_PREV_DUP,
            Self::FirstDup => ffi::MDB_FIRST_DUP,
            Self::LastDup => ffi::MDB_LAST_DUP,
            Self::Current => ffi::MDB_GET_CURRENT,
            Self::Page => ffi::MDB_GET_MULTIPLE,
            Self::NextPage => ffi::MDB_NEXT_MULTIPLE,
            Self::PrevPage => ffi::MDB_PREV_MULTIPLE,
        }
    }
}

/// Where LMDB begins to look for the place of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// On the page that the cursor is on; from the root only if the place is not there.
    Cursor,
    /// At the root, without a look at the cursor's page, which has gone out of the processor's caches where puts
    /// jump about.
    Root,
}

/// A key and its value, as a cursor returns them.
type Pair<'t> = (&'t [u8], &'t [u8]);

/// A cursor of a write transaction.
///
/// LMDB closes it with its transaction; its owner must not use it after that. What it returns is borrowed from
/// it, which excludes its own writes; the owner excludes those of other cursors of the transaction.
#[derive(Debug)]
pub(crate) struct RawCursor {
    txn: TxnHandle,
    dbi: ffi::MDB_dbi,
    /// `None` until a position is needed.
    cursor: Cell<Option<NonNull<ffi::MDB_cursor>>>,
    /// Where its writes are recorded, if there is a write-ahead log.
    tape: Option<CursorTape>,
    /// A cursor stays on its transaction's thread.
    _not_send: PhantomData<*mut ()>,
}

impl RawCursor {
    pub(crate) fn open(txn: TxnHandle, dbi: ffi::MDB_dbi, tape: Option<&Tape>) -> CodeResult<Self> {
        let cursor = Self::unopened(txn, dbi, tape)?;
        cursor.opened()?;
        Ok(cursor)
    }

    /// A cursor that LMDB is asked for only when something needs its position.
    pub(crate) fn unopened(txn: TxnHandle, dbi: ffi::MDB_dbi, tape: Option<&Tape>) -> CodeResult<Self> {
        let mut cursor = Self::nowhere(txn);
        cursor.begin(txn, dbi, tape)?;
        Ok(cursor)
    }

    /// A cursor to be used after [`RawCursor::begin`].
    pub(crate) fn nowhere(txn: TxnHandle) -> Self {
        Self { txn, dbi: 0, cursor: Cell::new(None), tape: None, _not_send: PhantomData }
    }

    /// Makes an unopened cursor one of this transaction and table.
    pub(crate) fn begin(&mut self, txn: TxnHandle, dbi: ffi::MDB_dbi, tape: Option<&Tape>) -> CodeResult<()> {
        self.begin_unrecorded(txn, dbi);
        if let Some(tape) = tape {
            self.tape = Some(tape.at(dbi, txn.flags(dbi)? & ffi::MDB_DUPSORT != 0));
        }
        Ok(())
    }

    /// [`begin`](Self::begin), where there is no write-ahead log.
    #[inline]
    pub(crate) fn begin_unrecorded(&mut self, txn: TxnHandle, dbi: ffi::MDB_dbi) {
        (self.txn, self.dbi) = (txn, dbi);
    }

    /// Forgets the transaction, with which LMDB ends the cursor.
    #[inline]
    pub(crate) fn rest(&mut self) {
        self.cursor.set(None);
        self.tape = None;
    }

    /// Whether it holds nothing of a transaction.
    #[inline]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.cursor.get().is_none() && self.tape.is_none()
    }

    #[inline]
    fn opened(&self) -> CodeResult<*mut ffi::MDB_cursor> {
        match self.cursor.get() {
            Some(cursor) => Ok(cursor.as_ptr()),
            None => self.open_now(),
        }
    }

    #[cold]
    fn open_now(&self) -> CodeResult<*mut ffi::MDB_cursor> {
        let mut cursor = ptr::null_mut();
        // SAFETY: the transaction is active; LMDB checks the table number.
        check(unsafe { ffi::mdb_cursor_open(self.txn.0.as_ptr(), self.dbi, &mut cursor) })?;
        let cursor = NonNull::new(cursor).ok_or(Code(ffi::MDB_PROBLEM))?;
        self.cursor.set(Some(cursor));
        Ok(cursor.as_ptr())
    }

    /// Closes the cursor before its transaction ends.
    pub(crate) fn close(self) {
        self.leave();
    }

    /// Gives the position up.
    fn leave(&self) {
        if let Some(cursor) = self.cursor.take() {
            // SAFETY: the transaction is active, so LMDB has not closed the cursor yet.
            unsafe { ffi::mdb_cursor_close(cursor.as_ptr()) }
        }
    }

    /// Deletes all pairs of the table. The caller makes sure that no other cursor is on it.
    pub(crate) fn clear_table(&mut self) -> CodeResult<()> {
        self.leave();
        self.txn.drop_table(self.dbi, false)?;
        if let Some(tape) = &self.tape {
            tape.cleared();
        }
        Ok(())
    }

    /// The table's size and shape at this point of the transaction.
    pub(crate) fn stat(&self) -> CodeResult<RawStat> {
        self.txn.stat(self.dbi)
    }

    fn position(
        &self,
        mut key: ffi::MDB_val,
        mut value: ffi::MDB_val,
        op: ffi::MDB_cursor_op,
    ) -> CodeResult<Option<Pair<'_>>> {
        let cursor = self.opened()?;
        // SAFETY: the cursor's transaction is active, `key` and `value` are valid for reads where the operation
        // reads them, and LMDB fills in what it returns.
        found(unsafe {
            check(ffi::mdb_cursor_get(cursor, &mut key, &mut value, op))
                .map(|()| (bytes(&key), bytes(&value)))
        })
    }

    /// Moves, and returns where the cursor is then.
    pub(crate) fn go(&self, to: Move) -> CodeResult<Option<Pair<'_>>> {
        match self.position(empty_val(), empty_val(), to.op()) {
            // Moves inside a key's values return the value only.
            Ok(Some(_)) if matches!(to, Move::FirstDup | Move::LastDup) => {
                self.position(empty_val(), empty_val(), ffi::MDB_GET_CURRENT)
            }
            // LMDB's answer for a cursor that is on nothing.
            Err(Code(libc::EINVAL)) => Ok(None),
            other => other,
        }
    }

    /// Moves to exactly this key, onto its first value.
    pub(crate) fn seek_exact(&self, key: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), empty_val(), ffi::MDB_SET_KEY)
    }

    /// Moves to the first key that is not less.
    pub(crate) fn seek(&self, key: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), empty_val(), ffi::MDB_SET_RANGE)
    }

    /// Moves to exactly this key and value.
    pub(crate) fn seek_pair(&self, key: &[u8], value: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), val(value), ffi::MDB_GET_BOTH)
    }

    /// Moves to the first value of exactly this key that is not less.
    pub(crate) fn seek_dup(&self, key: &[u8], value: &[u8]) -> CodeResult<Option<Pair<'_>>> {
        self.position(val(key), val(value), ffi::MDB_GET_BOTH_RANGE)
    }

    /// How many values the current key has.
    pub(crate) fn dup_count(&self) -> CodeResult<u64> {
        let (cursor, mut count) = (self.opened()?, 0);
        // SAFETY: the cursor's transaction is active.
        check(unsafe { ffi::mdb_cursor_count(cursor, &mut count) })?;
        Ok(count as u64)
    }

    /// Stores a pair. If the search for its place begins where the cursor is, the cursor is on it afterwards.
    #[inline]
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], flags: u32, from: Search) -> CodeResult<()> {
        let (mut raw_key, mut raw_value) = (val(key), val(value));
        let code = match from {
            Search::Cursor => {
                let cursor = self.opened()?;
                // SAFETY: the cursor's transaction is active; both slices are only read. No flag makes LMDB write
                // through `value` (the reserving one is never passed).
                unsafe { ffi::mdb_cursor_put(cursor, &mut raw_key, &mut raw_value, flags) }
            }
            // SAFETY: as above; LMDB checks the table number, and keeps the cursor in step.
            Search::Root => unsafe {
                ffi::mdb_put(self.txn.0.as_ptr(), self.dbi, &mut raw_key, &mut raw_value, flags)
            },
        };
        check(code)?;
        if let Some(tape) = &self.tape {
            tape.put(key, value, flags);
        }
        Ok(())
    }

    /// Stores a value of `len` bytes that `fill` writes where LMDB will keep it; they are zero before. The caller
    /// makes sure that the table is a plain one, where alone LMDB can do that.
    pub(crate) fn put_reserved(
        &mut self,
        key: &[u8],
        len: usize,
        flags: u32,
        fill: impl FnOnce(&mut [u8]),
    ) -> CodeResult<()> {
        let mut raw_key = val(key);
        let mut value = ffi::MDB_val { mv_size: len, mv_data: ptr::null_mut() };
        let (cursor, raw_flags) = (self.opened()?, flags | ffi::MDB_RESERVE);
        // SAFETY: the cursor's transaction is active, and the key is only read. With this flag LMDB reads the size of
        // the value and writes the address of its place.
        check(unsafe { ffi::mdb_cursor_put(cursor, &mut raw_key, &mut value, raw_flags) })?;
        if len > 0 {
            // SAFETY: on success the address is that of `len` writable bytes in a dirty page of the transaction, which
            // stays in place until the transaction's next call; `self` is borrowed until `fill` returns. Zeroing
            // through a pointer initialises the bytes before a slice is made of them.
            let bytes = unsafe {
                let start = value.mv_data.cast::<u8>();
                ptr::write_bytes(start, 0, len);
                std::slice::from_raw_parts_mut(start, len)
            };
            fill(bytes);
            if let Some(tape) = &self.tape {
                tape.put(key, bytes, flags);
            }
        } else if let Some(tape) = &self.tape {
            tape.put(key, &[], flags);
        }
        Ok(())
    }

    /// Stores many values of one fixed size, packed in `items`, under one key.
    ///
    /// LMDB makes room among the pages that a transaction holds in memory once for a call, by an estimate that is too
    /// low for very many values; so it gets them in portions. Values that ascend beyond those that are there fill
    /// pages completely, without a search, if they are said to; LMDB tells where that ceases to be true.
    pub(crate) fn put_packed(&mut self, key: &[u8], items: &[u8], item_size: usize) -> CodeResult<()> {
        /// Bytes of values in a portion.
        const PORTION: usize = 1 << 16;
        for portion in items.chunks((PORTION / item_size).max(1) * item_size) {
            let (mut rest, mut flags) = (portion, ffi::MDB_APPENDDUP);
            while !rest.is_empty() {
                let done = match self.put_multiple(key, rest, item_size, flags) {
                    (Ok(()), stored) if stored == rest.len() / item_size => break,
                    // At a value that equals the only one that the key has so far, LMDB stops without an error.
                    (Ok(()), stored) => stored + 1,
                    (Err(Code::KEY_EXIST), stored) if flags != 0 => {
                        flags = 0;
                        stored
                    }
                    (Err(code), _) => return Err(code),
                };
                rest = &rest[done * item_size..];
            }
        }
        if let Some(tape) = &self.tape {
            tape.put_packed(key, items, item_size);
        }
        Ok(())
    }

    /// Hands values to LMDB together; also says how many it has stored, on failure, too.
    fn put_multiple(
        &mut self,
        key: &[u8],
        items: &[u8],
        item_size: usize,
        flags: u32,
    ) -> (CodeResult<()>, usize) {
        let cursor = match self.opened() {
            Ok(cursor) => cursor,
            Err(code) => return (Err(code), 0),
        };
        let mut key = val(key);
        let count = items.len() / item_size;
        let mut values = [
            ffi::MDB_val { mv_size: item_size, mv_data: items.as_ptr().cast_mut().cast::<c_void>() },
            ffi::MDB_val { mv_size: count, mv_data: ptr::null_mut() },
        ];
        // SAFETY: as for `put`; with this flag LMDB reads `count * size` bytes, no more than the length of `items`, and
        // writes the number of stored items into the second value.
        let code =
            unsafe { ffi::mdb_cursor_put(cursor, &mut key, values.as_mut_ptr(), ffi::MDB_MULTIPLE | flags) };
        (check(code), values[1].mv_size.min(count))
    }

    /// Deletes the current pair, or the current key with all its values.
    pub(crate) fn delete(&mut self, all_values: bool) -> CodeResult<()> {
        let (cursor, flags) = (self.opened()?, if all_values { ffi::MDB_NODUPDATA } else { 0 });
        if let Some(tape) = &self.tape {
            // Before the pair is gone; a deletion that fails ends the transaction, and the record with it.
            let (key, value) =
                self.position(empty_val(), empty_val(), ffi::MDB_GET_CURRENT)?.ok_or(Code::NOT_FOUND)?;
            tape.delete(key, value, all_values);
        }
        // SAFETY: the cursor's transaction is active.
        check(unsafe { ffi::mdb_cursor_del(cursor, flags) })
    }
}
