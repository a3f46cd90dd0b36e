//! Reading single keys.

use super::Table;
use crate::codec::{Buffer, Codec};
use crate::error::Result;
use crate::read::Read;

impl<K: Codec, V: Codec> Table<K, V> {
    /// The value of a key; in a list table, its least value.
    ///
    /// # Errors
    ///
    /// [`Error::Unencodable`](crate::Error::Unencodable), [`Error::Undecodable`](crate::Error::Undecodable).
    #[doc(alias = "get-value")]
    #[inline]
    pub fn get<'r>(&self, read: &'r impl Read, key: K::In<'_>) -> Result<Option<V::Out<'r>>> {
        let mut buffer = Buffer::new();
        let key = self.key(key, &mut buffer)?;
        read.get(&self.dbi, key)?.map(|value| self.decoded_value(value)).transpose()
    }

    /// Whether a key is there.
    ///
    /// # Errors
    ///
    /// [`Error::Unencodable`](crate::Error::Unencodable).
    #[inline]
    pub fn contains_key(&self, read: &impl Read, key: K::In<'_>) -> Result<bool> {
        let mut buffer = Buffer::new();
        let key = self.key(key, &mut buffer)?;
        Ok(read.get(&self.dbi, key)?.is_some())
    }

    /// The values of many keys, in their order. Keys in ascending order are found faster.
    ///
    /// # Errors
    ///
    /// As [`Table::get`].
    #[doc(alias = "multi-get")]
    #[inline]
    pub fn get_many<'r, 'k>(
        &self,
        read: &'r impl Read,
        keys: impl IntoIterator<Item = K::In<'k>>,
    ) -> Result<Vec<Option<V::Out<'r>>>> {
        let mut cursor = read.cursor(&self.dbi)?;
        let keys = keys.into_iter();
        let mut values = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            // A new one each time is surely empty, and not on the heap.
            let mut buffer = Buffer::new();
            let key = self.key(key, &mut buffer)?;
            values.push(cursor.get(key)?.map(|value| self.decoded_value(value)).transpose()?);
        }
        Ok(values)
    }

    /// How many pairs the table has.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`](crate::Error::NoSuchDbi).
    pub fn entries(&self, read: &impl Read) -> Result<u64> {
        read.entries(&self.dbi)
    }
}
