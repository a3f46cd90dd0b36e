//! The duplicates of the key on which a cursor stands: a sub-page in the key's node, or a tree of their own.

use super::{Cursor, DupPlace, Pair, Place};
use crate::error::{Error, Result};
use crate::format::{F_DUPDATA, F_SUBDATA, Header, Node, P_LEAF, Record};
use crate::order::Order;
use crate::walk::Leaf;

impl<'s, K: Order, D: Order> Cursor<'s, K, D> {
    /// Moves to the first value of the current key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_FIRST_DUP")]
    pub fn first_dup(&mut self) -> Result<Option<&'s [u8]>> {
        if self.place != Place::On {
            return Ok(None);
        }
        let node = self.node()?;
        if self.dup_place == DupPlace::Single {
            return self.single_value(node).map(Some);
        }
        self.open_dups(node)?;
        self.enter_first_dup().map(Some)
    }

    /// Moves to the last value of the current key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_LAST_DUP")]
    pub fn last_dup(&mut self) -> Result<Option<&'s [u8]>> {
        if self.place != Place::On {
            return Ok(None);
        }
        let node = self.node()?;
        if self.dup_place == DupPlace::Single {
            return self.single_value(node).map(Some);
        }
        self.open_dups(node)?;
        self.enter_last_dup().map(Some)
    }

    /// Moves to the next value of the current key; stays where it is if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_NEXT_DUP")]
    #[inline]
    pub fn next_dup(&mut self) -> Result<Option<&'s [u8]>> {
        if !self.stand_on_dup()? {
            return Ok(None);
        }
        if self.dups.leaf.index + 1 < self.dups.leaf.count {
            self.dups.leaf.index += 1;
        } else {
            self.dup_place = DupPlace::Unopened;
            let moved = self.dups.next_leaf::<D>()?;
            self.dup_place = DupPlace::Open;
            if !moved {
                return Ok(None);
            }
        }
        self.dups.leaf.key(self.dups.leaf.index).map(Some)
    }

    /// Moves to the previous value of the current key; stays where it is if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_PREV_DUP")]
    #[inline]
    pub fn prev_dup(&mut self) -> Result<Option<&'s [u8]>> {
        if !self.stand_on_dup()? {
            return Ok(None);
        }
        if self.dups.leaf.index > 0 {
            self.dups.leaf.index -= 1;
        } else {
            self.dup_place = DupPlace::Unopened;
            let moved = self.dups.previous_leaf::<D>()?;
            self.dup_place = DupPlace::Open;
            if !moved {
                return Ok(None);
            }
        }
        self.dups.leaf.key(self.dups.leaf.index).map(Some)
    }

    /// Moves to the first pair of `key` whose value is `value` or greater. If the key has only lesser values, the
    /// cursor is in the gap behind them; if it does not exist, in the gap where it would be.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_GET_BOTH_RANGE")]
    #[inline]
    pub fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Result<Option<Pair<'s>>> {
        // Values of the present key are sought from the present value, not from the first.
        let same = self.place == Place::On
            && self.dup_place != DupPlace::Single
            && K::compare(self.key, key).is_eq();
        if !same && !self.find(key)? {
            return Ok(None);
        }
        let key = self.node()?.key;
        Ok(self.seek_dup_in_key(value)?.map(|value| (key, value)))
    }

    /// Moves to the first value of the current key that is `value` or greater; into the gap behind the key's last
    /// value if all are less.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[inline]
    pub fn seek_dup_in_key(&mut self, value: &[u8]) -> Result<Option<&'s [u8]>> {
        if self.place != Place::On {
            return Ok(None);
        }
        match self.dup_place {
            DupPlace::Single => {
                let single = self.single_value(self.node()?)?;
                if D::compare(single, value).is_ge() {
                    return Ok(Some(single));
                }
                return Ok(self.leave_key());
            }
            DupPlace::Unopened => self.open_dups(self.node()?)?,
            DupPlace::Open => self.dup_place = DupPlace::Unopened,
        }
        self.dups.seek::<D>(value)?;
        if !self.dups.is_loaded() {
            return Err(self.no_duplicates());
        }
        if self.dups.leaf.index >= self.dups.leaf.count && !self.dups.next_leaf::<D>()? {
            return Ok(self.leave_key());
        }
        self.dup_place = DupPlace::Open;
        self.dups.leaf.key(self.dups.leaf.index).map(Some)
    }

    /// Goes into the gap behind the current key.
    fn leave_key(&mut self) -> Option<&'s [u8]> {
        self.keys.leaf.index += 1;
        self.place = Place::Gap;
        None
    }

    /// Makes sure that `dups` is on the current duplicate; false if the key has none.
    #[inline(always)]
    fn stand_on_dup(&mut self) -> Result<bool> {
        if self.place != Place::On || self.dup_place == DupPlace::Single {
            return Ok(false);
        }
        if self.dup_place == DupPlace::Unopened {
            self.open_dups(self.node()?)?;
            self.enter_first_dup()?;
        }
        Ok(true)
    }

    /// How many values the current key has: 0 if the cursor is on none. No page is read for it but the key's own.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "mdb_cursor_count")]
    #[inline]
    pub fn dup_count(&self) -> Result<u64> {
        if self.place != Place::On {
            return Ok(0);
        }
        if self.dup_place == DupPlace::Single {
            return Ok(1);
        }
        let page = self.keys.leaf.page();
        duplicates_of(self.node()?, page)?.count(page)
    }

    /// The values of the current key that lie in the page of the current value, packed, without a copy; the cursor
    /// then stands on the last of them. In tables without [`DUP_FIXED`](crate::TableFlags::DUP_FIXED), the current value.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_GET_MULTIPLE")]
    pub fn dup_page(&mut self) -> Result<Option<&'s [u8]>> {
        if !self.stand_on_dup()? {
            return self.current_value();
        }
        self.take_dup_page()
    }

    /// As [`dup_page`](Self::dup_page), of the next page of the key's values; nothing, and stays, if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_NEXT_MULTIPLE")]
    pub fn next_dup_page(&mut self) -> Result<Option<&'s [u8]>> {
        if !self.stand_on_dup()? {
            return Ok(None);
        }
        if self.dups.leaf.is_packed() {
            self.dups.leaf.index = self.dups.leaf.count - 1;
        }
        if self.next_dup()?.is_none() { Ok(None) } else { self.take_dup_page() }
    }

    /// As [`dup_page`](Self::dup_page), of the previous page of the key's values; nothing, and stays, if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_PREV_MULTIPLE")]
    pub fn prev_dup_page(&mut self) -> Result<Option<&'s [u8]>> {
        if !self.stand_on_dup()? {
            return Ok(None);
        }
        if self.dups.leaf.is_packed() {
            self.dups.leaf.index = 0;
        }
        if self.prev_dup()?.is_none() { Ok(None) } else { self.take_dup_page() }
    }

    /// The packed values of the page that `dups` is in, onto the last of which it moves, or the one value.
    fn take_dup_page(&mut self) -> Result<Option<&'s [u8]>> {
        let leaf = &mut self.dups.leaf;
        match leaf.packed(0) {
            Some(packed) => {
                leaf.index = leaf.count - 1;
                Ok(Some(packed))
            }
            None => leaf.key(leaf.index).map(Some),
        }
    }

    /// All values of the current key in order, as they lie in the file: each chunk is one or more whole values. In
    /// tables of [`DUP_FIXED`](crate::TableFlags::DUP_FIXED) a chunk is all values of a page, without a copy; in
    /// other tables it is one value. Afterwards the cursor stands on the key's first value.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page; then also from the iterator.
    pub fn dup_chunks(&mut self) -> Result<DupChunks<'_, 's, K, D>> {
        self.chunks(false)
    }

    /// As [`dup_chunks`](Self::dup_chunks), from the last chunk to the first; the values inside a chunk ascend.
    ///
    /// # Errors
    ///
    /// As [`dup_chunks`](Self::dup_chunks).
    pub fn dup_chunks_back(&mut self) -> Result<DupChunks<'_, 's, K, D>> {
        self.chunks(true)
    }

    fn chunks(&mut self, back: bool) -> Result<DupChunks<'_, 's, K, D>> {
        let next = if self.place != Place::On {
            None
        } else if self.dup_place == DupPlace::Single {
            Some(self.single_value(self.node()?)?)
        } else {
            self.open_dups(self.node()?)?;
            if back {
                self.enter_last_dup()?
            } else {
                self.enter_first_dup()?
            };
            self.dup_place = DupPlace::Unopened;
            let leaf = &self.dups.leaf;
            Some(leaf.packed(0).map_or_else(|| leaf.key(leaf.index), Ok)?)
        };
        Ok(DupChunks { cursor: self, next, back })
    }

    pub(super) fn current_value(&mut self) -> Result<Option<&'s [u8]>> {
        if self.place != Place::On {
            return Ok(None);
        }
        match self.dup_place {
            DupPlace::Single => self.single_value(self.node()?).map(Some),
            DupPlace::Unopened => self.first_dup(),
            DupPlace::Open => self.dups.leaf.key(self.dups.leaf.index).map(Some),
        }
    }

    /// Points `dups` at the duplicates in `node`, not yet at one of them.
    #[inline]
    pub(super) fn open_dups(&mut self, node: Node<'s>) -> Result<()> {
        let page = self.keys.leaf.page();
        if !self.sorted_dups {
            return Err(Error::corrupted(page, "a table without duplicates holds a key with some"));
        }
        match duplicates_of(node, page)? {
            Duplicates::SubPage(bytes) => {
                let header = Header::of(bytes, page)?;
                if header.flags & P_LEAF == 0 {
                    return Err(Error::corrupted(page, "a sub-page is not a leaf"));
                }
                self.dups.reset_to_leaf(Leaf::new(bytes, page, header, header.pad as usize)?);
            }
            Duplicates::Tree(record) => self.dups.reset(record.root, record.pad as usize),
        }
        self.dup_place = DupPlace::Unopened;
        Ok(())
    }

    #[inline]
    pub(super) fn enter_first_dup(&mut self) -> Result<&'s [u8]> {
        if !self.dups.first()? {
            return Err(self.no_duplicates());
        }
        self.dup_place = DupPlace::Open;
        self.dups.leaf.key(0)
    }

    pub(super) fn enter_last_dup(&mut self) -> Result<&'s [u8]> {
        if !self.dups.last()? {
            return Err(self.no_duplicates());
        }
        self.dup_place = DupPlace::Open;
        self.dups.leaf.key(self.dups.leaf.index)
    }

    #[cold]
    fn no_duplicates(&mut self) -> Error {
        self.dup_place = DupPlace::Unopened;
        Error::corrupted(self.keys.leaf.page(), "a key's list of duplicates is empty")
    }
}

/// How a node holds its duplicates.
pub(crate) enum Duplicates<'s> {
    SubPage(&'s [u8]),
    Tree(Record),
}

/// The duplicates in `node`, which has [`F_DUPDATA`] and lies in page `page`.
#[inline]
pub(crate) fn duplicates_of(node: Node<'_>, page: u64) -> Result<Duplicates<'_>> {
    let data = node.data(page)?;
    if node.flags == F_DUPDATA {
        return Ok(Duplicates::SubPage(data));
    }
    if node.flags != F_DUPDATA | F_SUBDATA {
        return Err(Error::corrupted(page, "a node has flags that exclude each other"));
    }
    match Record::read(data) {
        Some(record) => Ok(Duplicates::Tree(record)),
        None => Err(Error::corrupted(page, "the record of a tree of duplicates has the wrong size")),
    }
}

impl Duplicates<'_> {
    /// How many they are.
    #[inline]
    pub fn count(&self, page: u64) -> Result<u64> {
        match self {
            Duplicates::SubPage(bytes) => Ok(u64::from(Header::of(bytes, page)?.count)),
            Duplicates::Tree(record) => Ok(record.entries),
        }
    }
}

/// The values of one key, chunk by chunk; see [`Cursor::dup_chunks`].
#[derive(Debug)]
pub struct DupChunks<'c, 's, K: Order, D: Order> {
    cursor: &'c mut Cursor<'s, K, D>,
    next: Option<&'s [u8]>,
    back: bool,
}

impl<'s, K: Order, D: Order> DupChunks<'_, 's, K, D> {
    fn advance(&mut self) -> Result<Option<&'s [u8]>> {
        if self.cursor.dup_place == DupPlace::Single {
            return Ok(None);
        }
        let dups = &mut self.cursor.dups;
        let packed = dups.leaf.is_packed();
        if self.back {
            if !packed && dups.leaf.index > 0 {
                dups.leaf.index -= 1;
            } else if !dups.previous_leaf::<D>()? {
                return Ok(None);
            }
        } else if !packed && dups.leaf.index + 1 < dups.leaf.count {
            dups.leaf.index += 1;
        } else if !dups.next_leaf::<D>()? {
            return Ok(None);
        }
        let leaf = &dups.leaf;
        leaf.packed(0).map_or_else(|| leaf.key(leaf.index), Ok).map(Some)
    }
}

impl<'s, K: Order, D: Order> Iterator for DupChunks<'_, 's, K, D> {
    type Item = Result<&'s [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let chunk = self.next.take()?;
        match self.advance() {
            Ok(next) => {
                self.next = next;
                Some(Ok(chunk))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
