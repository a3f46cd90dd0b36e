//! LMDB's own cursors, with the gaps of `lmdb-pages`' cursors.

use std::marker::PhantomData;
use std::ops::{Bound, ControlFlow};

use super::cursor::{Pair, Walk};
use super::range::{KeyBytes, is_beyond};
use crate::dbi::Dbi;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::sys::{Code, Move, RawCursor};
use crate::txn::Place;

/// A cursor of a write transaction, which it borrows, so that nothing can be written while it lives.
#[derive(Debug)]
pub(crate) struct TxnCursor<'r> {
    /// Taken when dropped.
    cursor: Option<RawCursor>,
    at: At,
    dbi: Dbi,
    place: Place,
    _txn: PhantomData<&'r ()>,
}

/// Where the cursor is; LMDB's own only knows where it last found something.
#[derive(Debug)]
enum At {
    Nowhere,
    On,
    /// Where this key would be, were it there.
    Gap(KeyBytes),
    /// Behind all values of this key.
    Behind(KeyBytes),
    /// Where this value of this key would be, were it there.
    Between(KeyBytes, KeyBytes),
    Front,
    End,
}

impl Drop for TxnCursor<'_> {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            cursor.close();
        }
    }
}

impl<'r> TxnCursor<'r> {
    /// The caller binds `'r` to a borrow of the cursor's transaction.
    pub(crate) fn new(cursor: RawCursor, dbi: Dbi, place: Place) -> Self {
        Self { cursor: Some(cursor), at: At::Nowhere, dbi, place, _txn: PhantomData }
    }

    /// After the pair that the cursor was on was deleted.
    pub(crate) fn leave_gap(&mut self, key: &[u8], value: Option<&[u8]>) {
        let key = KeyBytes::from_slice(key);
        self.at = match value {
            Some(value) => At::Between(key, KeyBytes::from_slice(value)),
            None => At::Gap(key),
        };
    }

    /// After a put, which may have settled the sizes that the table holds.
    pub(crate) fn set_place(&mut self, place: Place) {
        self.place = place;
    }

    /// Moves onto the first value of `key` that is not less than `value`.
    fn seek_between(&mut self, key: &[u8], value: &[u8]) -> Result<bool> {
        let found = self.raw().seek_dup(key, value).map(Self::lengthen);
        Ok(self.arrive(found, At::Nowhere)?.is_some())
    }

    /// Moves onto the first value of the key behind this one.
    fn behind(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        match self.seek_or_end(key)? {
            Some((found, _)) if found == key => self.go(Move::NextKey, At::End),
            other => Ok(other),
        }
    }

    /// Refuses a key that LMDB must not see.
    fn check_key(&self, key: &[u8]) -> Result<()> {
        match self.place.expected_key(key.len()) {
            Some(expected) => Err(Error::WrongSize {
                name: self.dbi.name.to_owned(),
                what: "key",
                len: key.len(),
                expected,
            }),
            None => Ok(()),
        }
    }

    fn raw(&self) -> &RawCursor {
        self.cursor.as_ref().expect("taken only when dropped")
    }

    /// What LMDB found lies in pages that do not change while the transaction is borrowed.
    #[expect(unsafe_code, reason = "lengthens a borrow of the cursor to that of its transaction")]
    fn lengthen<'c>(pair: Option<Pair<'c>>) -> Option<Pair<'r>> {
        // SAFETY: the bytes belong to the transaction, not to the cursor. They change only by writing, and `'r` is a
        // shared borrow of the transaction, which excludes that.
        unsafe { std::mem::transmute::<Option<Pair<'c>>, Option<Pair<'r>>>(pair) }
    }

    fn arrive(&mut self, found: Result<Option<Pair<'r>>, Code>, otherwise: At) -> Result<Option<Pair<'r>>> {
        let found = found.map_err(|code| Error::from_code(code, "moving a cursor"))?;
        self.at = if found.is_some() { At::On } else { otherwise };
        Ok(found)
    }

    fn go(&mut self, to: Move, otherwise: At) -> Result<Option<Pair<'r>>> {
        let found = self.raw().go(to).map(Self::lengthen);
        self.arrive(found, otherwise)
    }

    fn seek_or_end(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        let found = self.raw().seek(key).map(Self::lengthen);
        self.arrive(found, At::End)
    }

    fn go_in_key(&mut self, to: Move) -> Result<Option<&'r [u8]>> {
        if !matches!(self.at, At::On) {
            return Ok(None);
        }
        if !self.dbi.is_list() {
            // A plain key has one value, so there is only one way to move.
            return match to {
                Move::FirstDup | Move::LastDup => Ok(self.current()?.map(|(_, value)| value)),
                _ => Ok(None),
            };
        }
        let found = self.raw().go(to).map(Self::lengthen);
        let found = found.map_err(|code| Error::from_code(code, "moving a cursor"))?;
        Ok(found.map(|(_, value)| value))
    }

    /// Whether the current key's values lie packed in pages: LMDB has none for a single value.
    fn has_pages(&mut self) -> Result<bool> {
        Ok(self.dbi.flags.contains(DbiFlags::DUPFIXED) && self.dup_count()? > 1)
    }

    fn before(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        match self.seek_or_end(key)? {
            Some(_) => self.go(Move::PrevKey, At::Front),
            None => self.go(Move::Last, At::Front),
        }
    }
}

impl<'r> Walk<'r> for TxnCursor<'r> {
    fn first(&mut self) -> Result<Option<Pair<'r>>> {
        self.go(Move::First, At::Nowhere)
    }

    fn last(&mut self) -> Result<Option<Pair<'r>>> {
        self.go(Move::Last, At::Nowhere)
    }

    fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        if key.is_empty() {
            return self.go(Move::First, At::End);
        }
        self.check_key(key)?;
        self.seek_or_end(key)
    }

    fn seek_exact(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        if key.is_empty() {
            self.at = At::Front;
            return Ok(None);
        }
        self.check_key(key)?;
        let found = self.raw().seek_exact(key).map(Self::lengthen);
        self.arrive(found, At::Gap(KeyBytes::from_slice(key)))
    }

    fn seek_le(&mut self, key: &[u8]) -> Result<Option<Pair<'r>>> {
        if key.is_empty() {
            self.at = At::Front;
            return Ok(None);
        }
        match self.seek_exact(key)? {
            Some((key, _)) => Ok(self.last_dup()?.map(|value| (key, value))),
            None => self.before(key),
        }
    }

    fn next(&mut self) -> Result<Option<Pair<'r>>> {
        match &self.at {
            At::On => self.go(Move::Next, At::End),
            At::Between(key, value) => {
                let (key, value) = (key.clone(), value.clone());
                if self.seek_between(&key, &value)? { self.current() } else { self.behind(&key) }
            }
            _ => self.next_key(),
        }
    }

    fn prev(&mut self) -> Result<Option<Pair<'r>>> {
        match &self.at {
            At::On => self.go(Move::Prev, At::Front),
            At::Between(key, value) => {
                let (key, value) = (key.clone(), value.clone());
                if self.seek_between(&key, &value)? {
                    self.go(Move::Prev, At::Front)
                } else {
                    self.seek_le(&key)
                }
            }
            _ => self.prev_key(),
        }
    }

    fn next_key(&mut self) -> Result<Option<Pair<'r>>> {
        match std::mem::replace(&mut self.at, At::End) {
            At::On => self.go(Move::NextKey, At::End),
            At::Nowhere | At::Front => self.go(Move::First, At::End),
            At::Gap(key) => self.seek_or_end(&key),
            At::Behind(key) => self.behind(&key),
            At::Between(key, value) => {
                if self.seek_between(&key, &value)? {
                    let next = self.current()?;
                    // In front of all values of the key, the next key is this one.
                    if self.first_dup()? == next.map(|(_, value)| value) {
                        return Ok(next);
                    }
                }
                self.behind(&key)
            }
            At::End => Ok(None),
        }
    }

    fn prev_key(&mut self) -> Result<Option<Pair<'r>>> {
        match std::mem::replace(&mut self.at, At::Front) {
            At::On => self.go(Move::PrevKey, At::Front),
            At::Nowhere | At::End => self.go(Move::Last, At::Front),
            At::Gap(key) => self.before(&key),
            At::Behind(key) => self.seek_le(&key),
            At::Between(key, value) => {
                if self.seek_between(&key, &value)? {
                    self.go(Move::PrevKey, At::Front)
                } else {
                    self.seek_le(&key)
                }
            }
            At::Front => Ok(None),
        }
    }

    fn current(&mut self) -> Result<Option<Pair<'r>>> {
        if !matches!(self.at, At::On) {
            return Ok(None);
        }
        self.go(Move::Current, At::Nowhere)
    }

    fn first_dup(&mut self) -> Result<Option<&'r [u8]>> {
        self.go_in_key(Move::FirstDup)
    }

    fn last_dup(&mut self) -> Result<Option<&'r [u8]>> {
        self.go_in_key(Move::LastDup)
    }

    fn next_dup(&mut self) -> Result<Option<&'r [u8]>> {
        self.go_in_key(Move::NextDup)
    }

    fn prev_dup(&mut self) -> Result<Option<&'r [u8]>> {
        self.go_in_key(Move::PrevDup)
    }

    fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'r>>> {
        let Some((key, _)) = self.seek_exact(key)? else { return Ok(None) };
        Ok(self.seek_dup_in_key(value)?.map(|value| (key, value)))
    }

    fn seek_dup_in_key(&mut self, value: &[u8]) -> Result<Option<&'r [u8]>> {
        let Some((key, current)) = self.current()? else { return Ok(None) };
        let behind = At::Behind(KeyBytes::from_slice(key));
        if !self.dbi.is_list() {
            // Values of plain tables compare as bytes.
            if current >= value {
                return Ok(Some(current));
            }
            self.at = behind;
            return Ok(None);
        }
        if value.is_empty() {
            return self.first_dup();
        }
        if let Some(expected) = self.place.expected_item(value.len()) {
            let name = self.dbi.name.to_owned();
            return Err(Error::WrongSize { name, what: "list item", len: value.len(), expected });
        }
        let found = self.raw().seek_dup(key, value).map(Self::lengthen);
        Ok(self.arrive(found, behind)?.map(|(_, value)| value))
    }

    fn dup_count(&mut self) -> Result<u64> {
        match self.at {
            At::On if self.dbi.is_list() => {
                self.raw().dup_count().map_err(|code| Error::from_code(code, "counting the values of a key"))
            }
            At::On => Ok(1),
            _ => Ok(0),
        }
    }

    fn skip_keys(&mut self, count: u64) -> Result<Option<Pair<'r>>> {
        let mut place = self.current()?;
        for _ in 0..count {
            if place.is_none() {
                return Ok(None);
            }
            place = self.next_key()?;
        }
        match place {
            Some((key, _)) => Ok(self.first_dup()?.map(|value| (key, value))),
            None => Ok(None),
        }
    }

    fn skip_pairs(&mut self, count: u64) -> Result<Option<Pair<'r>>> {
        let mut left = count;
        let mut place = self.skip_keys(0)?;
        while let Some((key, value)) = place {
            let here = self.dup_count()?;
            if left < here {
                let mut value = Some(value);
                for _ in 0..left {
                    value = self.next_dup()?;
                }
                return Ok(value.map(|value| (key, value)));
            }
            left -= here;
            place = self.next_key()?;
        }
        Ok(None)
    }

    fn dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        let Some((key, value)) = self.current()? else { return Ok(None) };
        if !self.has_pages()? {
            return Ok(Some(value));
        }
        // Where a move has met the end of the values, LMDB's cursor must be placed anew; until then it gives nothing.
        match self.go_in_key(Move::Page)? {
            Some(page) if !page.is_empty() => Ok(Some(page)),
            _ => {
                let placed = self.raw().seek_pair(key, value).map(Self::lengthen);
                self.arrive(placed, At::Nowhere)?;
                self.go_in_key(Move::Page)
            }
        }
    }

    fn next_dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        if !self.has_pages()? {
            return self.next_dup();
        }
        // LMDB goes on from the last value of a page only.
        self.dup_page()?;
        self.go_in_key(Move::NextPage)
    }

    fn prev_dup_page(&mut self) -> Result<Option<&'r [u8]>> {
        if !self.has_pages()? {
            return self.prev_dup();
        }
        self.dup_page()?;
        self.go_in_key(Move::PrevPage)
    }

    fn visit_on(
        &mut self,
        back: bool,
        end: Bound<&[u8]>,
        visit: &mut dyn FnMut(&'r [u8], &'r [u8]) -> ControlFlow<()>,
    ) -> Result<()> {
        let order = self.dbi.flags.key_order();
        while let Some((key, value)) = if back { self.prev()? } else { self.next()? } {
            if is_beyond(key, end, back, order) || visit(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
