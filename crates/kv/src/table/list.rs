//! Reading list tables: the values of one key, and key ranges crossed with value ranges.

use std::ops::{Bound, ControlFlow};

use super::Table;
use super::range::Entries;
use crate::codec::{Buffer, Codec};
use crate::dbi::Dbi;
use crate::error::{Error, Result};
use crate::read::{Cursor, Intersection, KeyRange, Pairs, Read};

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
        let from = self.values.lower_bound(Bound::Included(value), &mut value_buffer);
        let value = match from.map_err(|source| self.unencodable(source))? {
            Bound::Included(bytes) | Bound::Excluded(bytes) => bytes,
            Bound::Unbounded => &[],
        };
        let found = read.cursor(&self.dbi)?.seek_dup(key, value)?;
        found.map(|(_, value)| self.decoded_value(value)).transpose()
    }

    /// Calls `visit` with the values of a key, as bytes: where all have one size, with many at a time, packed as they
    /// lie in the file. ([`Cursor::visit_chunks_back`] goes from the last to the first.)
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

/// One list of a table: a key, for [`SharedItems::of`].
#[derive(Clone, Debug)]
pub struct ListKey<'t, V> {
    dbi: Dbi,
    key: Buffer,
    values: &'t V,
}

/// The values that several lists share, in order, decoded one by one.
///
/// ```
/// # use factum_kv::codec::{Id, Keyword, Str};
/// # use factum_kv::{Env, SharedItems, Table};
/// # let dir = tempfile::tempdir().expect("a directory");
/// # let env = Env::open(dir.path())?;
/// let words: Table<Str, Id> = env.open_list("words")?; // word -> documents
/// let years: Table<Id, Id> = env.open_list("years")?; // year -> documents
/// let mut txn = env.write()?;
/// words.put_list(&mut txn, "sea", [1, 2, 3, 900])?;
/// words.put_list(&mut txn, "salt", [2, 3, 7])?;
/// years.put_list(&mut txn, 1851, [3, 5, 7])?;
/// txn.commit()?;
///
/// let read = env.read()?;
/// let both: Vec<_> = words.list_intersection(&read, ["sea", "salt"])?.collect::<Result<_, _>>()?;
/// assert_eq!(both, [2, 3]);
/// let lists = [words.list_key("sea")?, words.list_key("salt")?, years.list_key(1851)?];
/// let all: Vec<_> = SharedItems::of(&read, lists)?.collect::<Result<_, _>>()?;
/// assert_eq!(all, [3]);
/// # Ok::<(), factum_kv::Error>(())
/// ```
#[derive(Debug)]
pub struct SharedItems<'t, 'r, V> {
    values: Option<(&'static str, &'t V)>,
    shared: Intersection<'r>,
}

impl<K: Codec, V: Codec> Table<K, V> {
    /// A key's list, to be intersected with lists of this and other tables.
    ///
    /// # Errors
    ///
    /// As [`Table::list`].
    pub fn list_key(&self, key: K::In<'_>) -> Result<ListKey<'_, V>> {
        self.require_list("the intersection of lists")?;
        let mut buffer = Buffer::new();
        let key = Buffer::from_slice(self.key(key, &mut buffer)?);
        Ok(ListKey { dbi: self.dbi, key, values: &self.values })
    }

    /// The values that the lists of these keys share.
    ///
    /// # Errors
    ///
    /// As [`Table::list`].
    pub fn list_intersection<'t, 'r, 'k>(
        &'t self,
        read: &'r impl Read,
        keys: impl IntoIterator<Item = K::In<'k>>,
    ) -> Result<SharedItems<'t, 'r, V>> {
        let lists: Vec<_> = keys.into_iter().map(|key| self.list_key(key)).collect::<Result<_>>()?;
        SharedItems::of(read, lists)
    }
}

impl<'t, 'r, V: Codec> SharedItems<'t, 'r, V> {
    /// The values that these lists share, which may be of several tables with the same type and order of values.
    ///
    /// # Errors
    ///
    /// As [`Intersection::of`].
    pub fn of(read: &'r impl Read, lists: impl IntoIterator<Item = ListKey<'t, V>>) -> Result<Self> {
        let lists: Vec<_> = lists.into_iter().collect();
        let values = lists.first().map(|list| (list.dbi.name, list.values));
        let shared = Intersection::of(read, lists.iter().map(|list| (&list.dbi, &list.key)))?;
        Ok(Self { values, shared })
    }

    /// The bytes of the values instead.
    pub fn raw(self) -> Intersection<'r> {
        self.shared
    }
}

impl<'r, V: Codec> Iterator for SharedItems<'_, 'r, V> {
    type Item = Result<V::Out<'r>>;

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.shared.next()?;
        let (name, values) = self.values?;
        Some(bytes.and_then(|bytes| {
            values.decode(bytes).map_err(|source| Error::Undecodable {
                name: name.to_owned(),
                bytes: bytes.into(),
                source,
            })
        }))
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
