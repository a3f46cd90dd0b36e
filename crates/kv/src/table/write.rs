//! Writing to typed tables.

use super::Table;
use crate::codec::{Buffer, Codec};
use crate::error::Result;
use crate::flags::{DbiFlags, PutFlags};
use crate::txn::WriteTxn;

impl<K: Codec, V: Codec> Table<K, V> {
    /// Stores a pair: replaces the key's value, or in a list table adds to the key's values.
    ///
    /// # Errors
    ///
    /// [`Error::Unencodable`](crate::Error::Unencodable), and as [`WriteTxn::put`].
    #[inline]
    pub fn put(&self, txn: &mut WriteTxn<'_>, key: K::In<'_>, value: V::In<'_>) -> Result<()> {
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        let value =
            self.values.encode_value(value, &mut value_buffer).map_err(|source| self.unencodable(source))?;
        txn.put_headed(&self.dbi, key, value)
    }

    /// As [`Table::put`], with conditions.
    ///
    /// # Errors
    ///
    /// Also as [`WriteTxn::put_with`].
    #[inline]
    pub fn put_with(
        &self,
        txn: &mut WriteTxn<'_>,
        key: K::In<'_>,
        value: V::In<'_>,
        flags: PutFlags,
    ) -> Result<()> {
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        let value = self.value(value, &mut value_buffer)?;
        txn.put_with(&self.dbi, key, value, flags)
    }

    /// Deletes a key with all its values; says whether it was there.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::delete`].
    #[inline]
    pub fn delete(&self, txn: &mut WriteTxn<'_>, key: K::In<'_>) -> Result<bool> {
        let mut buffer = Buffer::new();
        let key = self.key(key, &mut buffer)?;
        txn.delete(&self.dbi, key)
    }

    /// Adds values to a key's list. Where all have one size, they are handed over together.
    ///
    /// # Errors
    ///
    /// [`Error::NotAList`](crate::Error::NotAList), and as [`Table::put`].
    #[doc(alias = "put-list-items")]
    pub fn put_list<'v>(
        &self,
        txn: &mut WriteTxn<'_>,
        key: K::In<'_>,
        values: impl IntoIterator<Item = V::In<'v>>,
    ) -> Result<()> {
        self.require_list("adding to a key's list")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        if !self.dbi.flags.contains(DbiFlags::DUPFIXED) {
            for value in values {
                txn.put(&self.dbi, key, self.value(value, &mut value_buffer)?)?;
            }
            return Ok(());
        }
        let (mut packed, mut size) = (Vec::new(), 0);
        for value in values {
            let bytes = self.value(value, &mut value_buffer)?;
            if size != bytes.len() {
                txn.put_packed(&self.dbi, key, &packed, size)?;
                packed.clear();
                size = bytes.len();
            }
            packed.extend_from_slice(bytes);
        }
        txn.put_packed(&self.dbi, key, &packed, size)
    }

    /// Deletes values from a key's list; says how many were there.
    ///
    /// # Errors
    ///
    /// [`Error::NotAList`](crate::Error::NotAList), and as [`WriteTxn::delete_dup`].
    #[doc(alias = "del-list-items")]
    pub fn delete_list<'v>(
        &self,
        txn: &mut WriteTxn<'_>,
        key: K::In<'_>,
        values: impl IntoIterator<Item = V::In<'v>>,
    ) -> Result<u64> {
        self.require_list("deleting from a key's list")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        let mut deleted = 0;
        for value in values {
            deleted += u64::from(txn.delete_dup(&self.dbi, key, self.value(value, &mut value_buffer)?)?);
        }
        Ok(deleted)
    }

    /// Reads a key's value and stores what the function makes of it; `None` deletes the key.
    ///
    /// # Errors
    ///
    /// [`Error::IsAList`](crate::Error::IsAList) on a list table, and as [`Table::put`].
    #[doc(alias = "update-kv")]
    pub fn update<'v>(
        &self,
        txn: &mut WriteTxn<'_>,
        key: K::In<'_>,
        f: impl FnOnce(Option<V::Out<'_>>) -> Option<V::In<'v>>,
    ) -> Result<()> {
        self.require_plain("updating a value")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = self.key(key, &mut key_buffer)?;
        let old = txn.get(&self.dbi, key)?.map(|value| self.decoded_value(value)).transpose()?;
        match f(old) {
            Some(new) => {
                let value = self.value(new, &mut value_buffer)?;
                txn.put(&self.dbi, key, value)
            }
            None => txn.delete(&self.dbi, key).map(|_| ()),
        }
    }

    /// Deletes all pairs and keeps the table.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::clear`].
    pub fn clear(&self, txn: &mut WriteTxn<'_>) -> Result<()> {
        txn.clear(&self.dbi)
    }
}
