//! Reading list tables: the values of one key, and key ranges crossed with value ranges.

use std::ops::ControlFlow;

use super::Table;
use super::range::Entries;
use crate::codec::{Buffer, Codec};
use crate::error::Result;
use crate::read::{Cursor, KeyRange, Pairs, Read};

/// The values of one key, in order, decoded one by one.
#[derive(Debug)]
pub struct Items<'t, 'r, K, V> {
    table: &'t Table<K, V>,
    cursor: Cursor<'r>,
    next: Option<&'r [u8]>,
}

impl<K: Codec, V: Codec> Table<K, V> {
    /// The values of a key: none if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::NotAList`](crate::Error::NotAList), as for everything here.
    #[doc(alias = "get-list")]
    #[doc(alias = "visit-list")]
    pub fn list<'t, 'r>(&'t self, read: &'r impl Read, key: K::In<'_>) -> Result<Items<'t, 'r, K, V>> {
        self.require_list("reading a key's list")?;
        let mut buffer = Buffer::new();
        let mut cursor = read.cursor(&self.dbi)?;
        let next = cursor.get(self.key(key, &mut buffer)?)?;
        Ok(Items { table: self, cursor, next })
    }

    /// How many values a key has: none if it is not there. They are not read for that.
    ///
    /// # Errors
    ///
    /// As [`Table::list`].
    pub fn list_count(&self, read: &impl Read, key: K::In<'_>) -> Result<u64> {
        self.require_list("counting a key's list")?;
        let mut buffer = Buffer::new();
        let mut cursor = read.cursor(&self.dbi)?;
        match cursor.seek_exact(self.key(key, &mut buffer)?)? {
            Some(_) => cursor.dup_count(),
            None => Ok(0),
        }
    }

    /// Whether a key has this value.
    ///
    /// # Errors
    ///
    /// As [`Table::list`].
    #[doc(alias = "in-list?")]
    pub fn in_list(&self, read: &impl Read, key: K::In<'_>, value: V::In<'_>) -> Result<bool> {
        self.require_list("looking for a value in a key's list")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        let value = self.value(value, &mut value_buffer)?;
        Ok(read.cursor(&self.dbi)?.seek_pair(key, value)?.is_some())
    }

    /// The least value of a key that is not less than this one.
    ///
    /// # Errors
    ///
    /// As [`Table::list`].
    #[doc(alias = "near-list")]
    pub fn near_list<'r>(
        &self,
        read: &'r impl Read,
        key: K::In<'_>,
        value: V::In<'_>,
    ) -> Result<Option<V::Out<'r>>> {
        self.require_list("looking for a value in a key's list")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        let value = self.value(value, &mut value_buffer)?;
        let found = read.cursor(&self.dbi)?.seek_dup(key, value)?;
        found.map(|(_, value)| self.decoded_value(value)).transpose()
    }

    /// Calls `visit` with the values of a key, as bytes: where all have one size, with many at a time, packed as they
    /// lie in the file.
    ///
    /// # Errors
    ///
    /// As [`Table::list`].
    pub fn visit_packed<'r>(
        &self,
        read: &'r impl Read,
        key: K::In<'_>,
        visit: impl FnMut(&'r [u8]),
    ) -> Result<()> {
        self.require_list("reading a key's list")?;
        let mut buffer = Buffer::new();
        let mut cursor = read.cursor(&self.dbi)?;
        match cursor.seek_exact(self.key(key, &mut buffer)?)? {
            Some(_) => cursor.visit_chunks(visit),
            None => Ok(()),
        }
    }

    /// Each key in a range with those of its values that lie in another; each range has its own direction.
    ///
    /// # Errors
    ///
    /// As [`Table::list`] and [`Table::range`].
    #[doc(alias = "list-range-first")]
    #[doc(alias = "list-range-first-n")]
    pub fn list_range<'t, 'r, 'k, 'v>(
        &'t self,
        read: &'r impl Read,
        keys: impl Into<KeyRange<K::In<'k>>>,
        values: impl Into<KeyRange<V::In<'v>>>,
    ) -> Result<Entries<'t, 'r, K, V>> {
        self.require_list("a range of values")?;
        let keys = self.key_span(keys.into())?;
        let values = self.value_span(values.into())?;
        Ok(self.entries_of(Pairs::new(read.cursor(&self.dbi)?, keys, Some(values), &self.dbi)))
    }

    /// How many pairs the keys of a range have; [`Table::range_count`] of a list table.
    ///
    /// # Errors
    ///
    /// As [`Table::list`] and [`Table::range`].
    #[doc(alias = "key-range-list-count")]
    pub fn pair_count<'k>(&self, read: &impl Read, keys: impl Into<KeyRange<K::In<'k>>>) -> Result<u64> {
        self.require_list("counting the values of keys")?;
        self.range_count(read, keys)
    }

    /// How many pairs have their key in one range and their value in another.
    ///
    /// Without bounds for the values, [`Table::range_count`] is faster.
    ///
    /// # Errors
    ///
    /// As [`Table::list_range`].
    #[doc(alias = "list-range-count")]
    pub fn list_range_count<'k, 'v>(
        &self,
        read: &impl Read,
        keys: impl Into<KeyRange<K::In<'k>>>,
        values: impl Into<KeyRange<V::In<'v>>>,
    ) -> Result<u64> {
        self.list_range(read, keys, values)?.raw().count_rest()
    }
}

impl<'r, K: Codec, V: Codec> Items<'_, 'r, K, V> {
    /// Calls the visitor with every value, until it breaks.
    ///
    /// # Errors
    ///
    /// As the iterator's.
    pub fn visit(self, mut visitor: impl FnMut(V::Out<'r>) -> ControlFlow<()>) -> Result<()> {
        for item in self {
            if visitor(item?).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Calls the visitor with the bytes of every value, until it breaks; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn visit_raw(mut self, mut visitor: impl FnMut(&'r [u8]) -> ControlFlow<()>) -> Result<()> {
        while let Some(value) = self.step()? {
            if visitor(value).is_break() {
                break;
            }
        }
        Ok(())
    }

    #[inline]
    fn step(&mut self) -> Result<Option<&'r [u8]>> {
        let Some(value) = self.next.take() else { return Ok(None) };
        self.next = self.cursor.next_dup()?;
        Ok(Some(value))
    }
}

impl<'r, K: Codec, V: Codec> Iterator for Items<'_, 'r, K, V> {
    type Item = Result<V::Out<'r>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let value = self.step().transpose()?;
        Some(value.and_then(|value| self.table.decoded_value(value)))
    }
}
