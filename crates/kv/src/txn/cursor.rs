//! [`WriteCursor`]: a cursor that also writes.

use super::WriteTxn;
use crate::codec::Buffer;
use crate::dbi::Dbi;
use crate::error::{Error, Result};
use crate::flags::PutFlags;
use crate::read::{TxnCursor, Walk};
use crate::sys::RawCursor;

type Pair<'r> = (&'r [u8], &'r [u8]);

/// A position in a table, ways to move it, and to write where it is.
///
/// It moves as a [`Cursor`](crate::Cursor) does. What it returns lives until it is used again, since writing may move
/// the bytes. After deleting, it is in the gap that the pair left: [`WriteCursor::next`] goes to the pair behind, so a
/// loop skips none.
///
/// ```
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let env = factum_kv::Env::open(dir.path())?;
/// let dbi = env.open_dbi("numbers", factum_kv::DbiFlags::empty())?;
/// let mut txn = env.write()?;
/// for number in 0..10u8 {
///     txn.put(&dbi, &[number], b"")?;
/// }
/// let mut cursor = txn.cursor_mut(&dbi)?;
/// while let Some((key, _)) = cursor.next()? {
///     if key[0] % 3 != 0 {
///         cursor.delete()?;
///     }
/// }
/// drop(cursor);
/// assert_eq!(txn.entries(&dbi)?, 4);
/// # Ok::<(), factum_kv::Error>(())
/// ```
///
/// A slice from before a write cannot be used after it:
///
/// ```compile_fail,E0499
/// # fn f(cursor: &mut factum_kv::WriteCursor<'_, '_>) -> factum_kv::Result<()> {
/// let (key, _) = cursor.first()?.unwrap();
/// cursor.delete()?;
/// println!("{key:?}");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct WriteCursor<'t, 'e> {
    /// Only for finding places; all writing goes through the transaction, which keeps counts. Declared first, so that
    /// it is closed before the transaction can end.
    cursor: TxnCursor<'t>,
    txn: &'t mut WriteTxn<'e>,
    dbi: Dbi,
}

/// Moves as the cursor inside does. What that returns lives as long as the borrow of the transaction, `'t`, although
/// writing through this cursor ends it; so it is handed out for the borrow of this cursor only.
macro_rules! moves {
    ($($(#[$meta:meta])* $name:ident($($argument:ident),*) -> $out:ty;)*) => {
        $($(#[$meta])*
        ///
        /// # Errors
        ///
        /// [`Error::Corrupted`] if the file is damaged, [`Error::WrongSize`] if all keys or values of the table have
        /// another size than those that are looked for.
        pub fn $name(&mut self, $($argument: &[u8]),*) -> Result<Option<$out>> {
            Walk::$name(&mut self.cursor, $($argument),*)
        })*
    };
}

#[expect(clippy::should_implement_trait, reason = "a cursor moves both ways and can fail")]
impl WriteCursor<'_, '_> {
    moves! {
        /// Moves to the first pair.
        first() -> Pair<'_>;
        /// Moves to the last pair.
        last() -> Pair<'_>;
        /// Moves to the next pair.
        next() -> Pair<'_>;
        /// Moves to the previous pair.
        prev() -> Pair<'_>;
        /// Moves to the first value of the next key.
        next_key() -> Pair<'_>;
        /// Moves to the last value of the previous key.
        prev_key() -> Pair<'_>;
        /// The pair that the cursor is on.
        current() -> Pair<'_>;
        /// Moves to the first pair whose key is `key` or greater.
        seek(key) -> Pair<'_>;
        /// Moves to the first pair of exactly this key.
        seek_exact(key) -> Pair<'_>;
        /// Moves to the last pair whose key is `key` or less.
        seek_le(key) -> Pair<'_>;
        /// Moves to the first pair of exactly this key whose value is `value` or greater.
        seek_dup(key, value) -> Pair<'_>;
        /// Moves to the first value of the current key.
        first_dup() -> &[u8];
        /// Moves to the last value of the current key.
        last_dup() -> &[u8];
        /// Moves to the next value of the current key, or stays.
        next_dup() -> &[u8];
        /// Moves to the previous value of the current key, or stays.
        prev_dup() -> &[u8];
        /// Moves to the first value of the current key that is `value` or greater.
        seek_dup_in_key(value) -> &[u8];
        /// The values of the current key that lie in the page of the current value, packed, as
        /// [`Cursor::dup_page`](crate::Cursor::dup_page) gives them; moves onto the last of them.
        dup_page() -> &[u8];
        /// As [`WriteCursor::dup_page`], of the next page of the key's values.
        next_dup_page() -> &[u8];
        /// As [`WriteCursor::dup_page`], of the previous page of the key's values.
        prev_dup_page() -> &[u8];
    }

    /// Calls `visit` with all values of the current key as [`Cursor::visit_chunks`](crate::Cursor::visit_chunks) does;
    /// afterwards the cursor is on the key's first value.
    ///
    /// # Errors
    ///
    /// As the other moves.
    pub fn visit_chunks(&mut self, mut visit: impl FnMut(&[u8])) -> Result<()> {
        Walk::visit_chunks(&mut self.cursor, false, &mut |values| visit(values))
    }

    /// As [`WriteCursor::visit_chunks`], from the last page to the first; the values of a page ascend.
    ///
    /// # Errors
    ///
    /// As the other moves.
    pub fn visit_chunks_back(&mut self, mut visit: impl FnMut(&[u8])) -> Result<()> {
        Walk::visit_chunks(&mut self.cursor, true, &mut |values| visit(values))
    }

    /// Moves to exactly this pair; if it is not there, as [`WriteCursor::seek_dup`].
    ///
    /// # Errors
    ///
    /// As the other moves.
    pub fn seek_pair(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'_>>> {
        Ok(self.seek_dup(key, value)?.filter(|(_, found)| *found == value))
    }

    /// How many values the current key has; zero if the cursor is on none.
    ///
    /// # Errors
    ///
    /// As the other moves.
    pub fn dup_count(&mut self) -> Result<u64> {
        Walk::dup_count(&mut self.cursor)
    }

    /// Stores a pair as [`WriteTxn::put_with`] does, and moves onto it. If the flags refuse it because the key or the
    /// pair is there already, the cursor is on that.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::put_with`].
    #[doc(alias = "mdb_cursor_put")]
    pub fn put(&mut self, key: &[u8], value: &[u8], flags: PutFlags) -> Result<()> {
        let result = self.txn.put_with(&self.dbi, key, value, flags);
        self.refresh()?;
        match &result {
            Ok(()) if self.dbi.is_list() => drop(self.seek_dup(key, value)?),
            Ok(()) => drop(self.seek_exact(key)?),
            Err(Error::KeyExists { .. }) if flags.contains(PutFlags::NODUPDATA) => {
                self.seek_dup(key, value)?;
            }
            Err(Error::KeyExists { .. }) => drop(self.seek_exact(key)?),
            Err(_) => {}
        }
        result
    }

    /// Replaces the value of the pair that the cursor is on, and stays on it; says whether it was on one.
    ///
    /// In a list table the new value takes its own place among the key's values, wherever the old one was; if it was
    /// there already, the key has one value less.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::put`]; the old value is still there then.
    #[doc(alias = "MDB_CURRENT")]
    pub fn replace(&mut self, value: &[u8]) -> Result<bool> {
        let Some((key, old)) = self.here()? else { return Ok(false) };
        // With flags, since other puts may be kept back, and this cursor would not see them.
        self.txn.put_with(&self.dbi, &key, value, PutFlags::empty())?;
        if self.dbi.is_list() && *old != *value {
            self.txn.delete_dup(&self.dbi, &key, &old)?;
        }
        self.refresh()?;
        self.seek_pair(&key, value)?;
        Ok(true)
    }

    /// Deletes the pair that the cursor is on; says whether it was on one.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::delete`].
    #[doc(alias = "mdb_cursor_del")]
    pub fn delete(&mut self) -> Result<bool> {
        let Some((key, value)) = self.here()? else { return Ok(false) };
        if self.dbi.is_list() {
            self.txn.delete_dup(&self.dbi, &key, &value)?;
            self.cursor.leave_gap(&key, Some(&value));
        } else {
            self.txn.delete(&self.dbi, &key)?;
            self.cursor.leave_gap(&key, None);
        }
        Ok(true)
    }

    /// Deletes the key that the cursor is on, with all its values; says whether it was on one.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::delete`].
    #[doc(alias = "MDB_NODUPDATA")]
    pub fn delete_key(&mut self) -> Result<bool> {
        let Some((key, _)) = self.here()? else { return Ok(false) };
        self.txn.delete(&self.dbi, &key)?;
        self.cursor.leave_gap(&key, None);
        Ok(true)
    }

    /// Copies of the current key, and in list tables of the value.
    fn here(&mut self) -> Result<Option<(Buffer, Buffer)>> {
        let list = self.dbi.is_list();
        Ok(self.current()?.map(|(key, value)| {
            (Buffer::from_slice(key), Buffer::from_slice(if list { value } else { &[] }))
        }))
    }

    fn refresh(&mut self) -> Result<()> {
        self.cursor.set_place(self.txn.place(&self.dbi)?);
        Ok(())
    }
}

impl<'e> WriteTxn<'e> {
    /// A cursor that writes, standing nowhere. While it lives, the transaction is used through it only.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`].
    pub fn cursor_mut(&mut self, dbi: &Dbi) -> Result<WriteCursor<'_, 'e>> {
        let place = self.place(dbi)?;
        let raw = RawCursor::open(self.handle, place.number, None)
            .map_err(|code| self.fail(code, "opening a cursor"))?;
        Ok(WriteCursor { cursor: TxnCursor::new(raw, *dbi, place), txn: self, dbi: *dbi })
    }
}
