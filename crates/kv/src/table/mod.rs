//! [`Table`]: a table whose keys and values have types.
//!
//! Every operation takes what it works on as its first argument: a [`ReadTxn`](crate::ReadTxn) or a
//! [`WriteTxn`] to read from, a [`WriteTxn`] to write to. So one transaction can touch any number of tables.

mod list;
mod point;
mod range;
mod rank;
mod spill;
mod write;

use crate::codec::{Buffer, Codec, CodecError, KeyType, Ordered};
use crate::dbi::{Dbi, DbiOptions};
use crate::env::Env;
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::read::{Pairs, Read};
use crate::txn::WriteTxn;

pub use list::{Items, ListKey, SharedItems};
pub use range::{Entries, TypedKeys};
pub use spill::{Spilled, SpilledIter};

/// A table with a codec for its keys and one for its values.
///
/// ```
/// use factum_kv::codec::{Instant, Str};
/// use factum_kv::{Env, Table};
///
/// # fn main() -> factum_kv::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// let env = Env::open(dir.path())?;
/// let events: Table<Instant, Str> = env.open_table("events")?;
///
/// let mut txn = env.write()?;
/// events.put(&mut txn, 1_000, "started")?;
/// events.put(&mut txn, 2_000, "stopped")?;
/// txn.commit()?;
///
/// let read = env.read()?;
/// assert_eq!(events.get(&read, 1_000)?, Some("started"));
/// let late: Vec<_> = events.range(&read, 1_500..)?.collect::<Result<_, _>>()?;
/// assert_eq!(late, [(2_000, "stopped")]);
/// # Ok(())
/// # }
/// ```
///
/// A [`DynTable`] is the same with types that are chosen at run time.
#[derive(Clone, Copy, Debug)]
pub struct Table<K, V> {
    dbi: Dbi,
    keys: K,
    values: V,
}

/// A table with types chosen at run time, over EDN values.
pub type DynTable = Table<KeyType, KeyType>;

impl<K: Codec, V: Codec> Table<K, V> {
    /// Gives a table types.
    pub fn new(dbi: Dbi, keys: K, values: V) -> Self {
        Self { dbi, keys, values }
    }

    /// The table without types.
    pub fn dbi(&self) -> &Dbi {
        &self.dbi
    }

    /// The table's name.
    pub fn name(&self) -> &'static str {
        self.dbi.name
    }

    /// The codec of the keys.
    pub fn key_codec(&self) -> &K {
        &self.keys
    }

    /// The codec of the values.
    pub fn value_codec(&self) -> &V {
        &self.values
    }

    #[inline]
    pub(crate) fn key<'i: 'b, 'b>(&self, key: K::In<'i>, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        self.keys.encode(key, buffer).map_err(|source| self.unencodable(source))
    }

    #[inline]
    pub(crate) fn value<'i: 'b, 'b>(&self, value: V::In<'i>, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        self.values.encode(value, buffer).map_err(|source| self.unencodable(source))
    }

    #[inline]
    fn decoded_key<'b>(&self, bytes: &'b [u8]) -> Result<K::Out<'b>> {
        self.keys.decode(bytes).map_err(|source| self.undecodable(bytes, source))
    }

    #[inline]
    fn decoded_value<'b>(&self, bytes: &'b [u8]) -> Result<V::Out<'b>> {
        self.values.decode(bytes).map_err(|source| self.undecodable(bytes, source))
    }

    #[inline]
    fn decoded<'b>(&self, key: &'b [u8], value: &'b [u8]) -> Result<(K::Out<'b>, V::Out<'b>)> {
        Ok((self.decoded_key(key)?, self.decoded_value(value)?))
    }

    /// As [`decoded`](Self::decoded), without a reason why not.
    #[inline]
    fn try_decoded<'b>(&self, key: &'b [u8], value: &'b [u8]) -> Option<(K::Out<'b>, V::Out<'b>)> {
        Some((self.keys.decode(key).ok()?, self.values.decode(value).ok()?))
    }

    /// The error of the pair that a walk is on, since [`try_decoded`](Self::try_decoded) gave none for it.
    #[cold]
    fn why_undecodable(&self, pairs: &mut Pairs<'_>) -> Error {
        match pairs.current() {
            Ok(Some((key, value))) => match self.decoded(key, value) {
                Err(error) => error,
                Ok(_) => {
                    let reason = "they were refused a moment ago";
                    self.undecodable(value, CodecError::Bytes { type_name: "value", reason })
                }
            },
            Ok(None) => {
                Error::Corrupted { reason: format!("a walk over {:?} has lost its place", self.dbi.name) }
            }
            Err(error) => error,
        }
    }

    #[cold]
    fn unencodable(&self, source: CodecError) -> Error {
        Error::Unencodable { name: self.dbi.name.to_owned(), source }
    }

    #[cold]
    fn undecodable(&self, bytes: &[u8], source: CodecError) -> Error {
        Error::Undecodable { name: self.dbi.name.to_owned(), bytes: bytes.into(), source }
    }

    fn require_plain(&self, operation: &'static str) -> Result<()> {
        if self.dbi.is_list() {
            Err(Error::IsAList { name: self.dbi.name.to_owned(), operation })
        } else {
            Ok(())
        }
    }

    pub(crate) fn require_list(&self, operation: &'static str) -> Result<()> {
        if self.dbi.is_list() {
            Ok(())
        } else {
            Err(Error::NotAList { name: self.dbi.name.to_owned(), operation })
        }
    }
}

impl DynTable {
    /// A table with the types that it was made with; `:data` where there are none.
    ///
    /// # Errors
    ///
    /// As [`Read::dbi_options`].
    pub fn of_stored(read: &(impl Read + ?Sized), dbi: Dbi) -> Result<Self> {
        Self::of_call(read, dbi, None, None)
    }

    /// A table with the types that a call gives, or else those that it was made with.
    ///
    /// # Errors
    ///
    /// As [`Read::dbi_options`]; [`Error::Unencodable`] if a registered type is given for another table than was made with it, or
    /// something else for one that was.
    pub fn of_call(
        read: &(impl Read + ?Sized),
        dbi: Dbi,
        keys: Option<KeyType>,
        values: Option<KeyType>,
    ) -> Result<Self> {
        let stored = read.dbi_options(&dbi)?;
        let refused = |source| Error::Unencodable { name: dbi.name.to_owned(), source };
        let keys = stored.key_type_for(keys).map_err(refused)?;
        Ok(Self::new(dbi, keys, stored.value_type_for(values).map_err(refused)?))
    }
}

impl Env {
    /// Opens a plain table with types, creating it if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`Env::open_dbi`].
    pub fn open_table<K: Codec + Default, V: Codec + Default>(&self, name: &str) -> Result<Table<K, V>> {
        Ok(Table::new(self.open_dbi(name, DbiFlags::empty())?, K::default(), V::default()))
    }

    /// Opens a list table with types, creating it if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`Env::open_dbi`].
    pub fn open_list<K: Codec + Default, V: Ordered + Default>(&self, name: &str) -> Result<Table<K, V>> {
        Ok(Table::new(self.open_dbi(name, DbiFlags::DUPSORT)?, K::default(), V::default()))
    }

    /// Opens a table with types and options, creating it if it does not exist.
    ///
    /// # Errors
    ///
    /// As [`Env::open_dbi`].
    pub fn open_table_with<K: Codec, V: Codec>(
        &self,
        name: &str,
        options: impl Into<DbiOptions>,
        keys: K,
        values: V,
    ) -> Result<Table<K, V>> {
        Ok(Table::new(self.open_dbi(name, options)?, keys, values))
    }
}

impl WriteTxn<'_> {
    /// As [`Env::open_table_with`], inside this transaction.
    ///
    /// # Errors
    ///
    /// As [`WriteTxn::open_dbi`].
    pub fn open_table_with<K: Codec, V: Codec>(
        &mut self,
        name: &str,
        options: impl Into<DbiOptions>,
        keys: K,
        values: V,
    ) -> Result<Table<K, V>> {
        Ok(Table::new(self.open_dbi(name, options)?, keys, values))
    }
}
