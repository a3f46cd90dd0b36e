//! [`Batch`]: writes that are prepared first and carried out together.
//!
//! Keys and values are encoded when they are added, before any lock is taken; what cannot be stored is refused
//! there. A batch is carried out whole or not at all, over any number of tables.

mod forms;
mod queue;

use std::ops::Range;

pub(crate) use queue::Queue;
pub use queue::Ticket;

use crate::codec::{Buffer, Codec};
use crate::dbi::Dbi;
use crate::env::{Env, Shared};
use crate::error::{Error, Result};
use crate::flags::{DbiFlags, PutFlags};
use crate::log::StepWriter;
use crate::table::Table;
use crate::txn::WriteTxn;

/// Writes that belong together.
///
/// ```
/// use factum_kv::codec::{Long, Str};
/// use factum_kv::{Batch, Env, Table};
///
/// # fn main() -> factum_kv::Result<()> {
/// # let dir = tempfile::tempdir().expect("a directory");
/// let env = Env::open(dir.path())?;
/// let users: Table<Str, Long> = env.open_table("users")?;
/// let events: Table<Long, Str> = env.open_list("events")?;
///
/// let mut batch = Batch::new();
/// batch.put(&users, "ann", 40)?.put(&events, 1, "born")?.delete(&users, "bob")?;
/// env.transact(&batch)?;
///
/// let ticket = env.submit(batch)?; // the same once more, together with what other threads submit meanwhile
/// ticket.wait()?;
/// assert_eq!(users.get(&env.read()?, "ann")?, Some(40));
/// # Ok(())
/// # }
/// ```
///
/// [`Batch::read`] makes one of the tuple forms of EDN.
#[derive(Clone, Debug, Default)]
#[must_use = "a batch does nothing until it is carried out"]
pub struct Batch {
    /// All keys and values, one behind the other.
    bytes: Vec<u8>,
    writes: Vec<Write>,
}

#[derive(Clone, Debug)]
struct Write {
    dbi: Dbi,
    key: Range<usize>,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Put(Range<usize>, PutFlags),
    Delete,
    DeleteItem(Range<usize>),
}

impl Batch {
    /// Nothing, so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many writes it holds.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Bytes of all its keys and values.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    fn push(&mut self, dbi: &Dbi, key: &[u8], action: impl FnOnce(&mut Self) -> Action) -> &mut Self {
        let key = self.keep(key);
        let action = action(self);
        self.writes.push(Write { dbi: *dbi, key, action });
        self
    }

    /// Adds a put of raw bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::TooLong`].
    pub fn put_raw(&mut self, dbi: &Dbi, key: &[u8], value: &[u8], flags: PutFlags) -> Result<&mut Self> {
        check_sizes(dbi, key, Some(value))?;
        Ok(self.push(dbi, key, |batch| Action::Put(batch.keep(value), flags)))
    }

    /// Adds a deletion of raw bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::TooLong`].
    pub fn delete_raw(&mut self, dbi: &Dbi, key: &[u8]) -> Result<&mut Self> {
        check_sizes(dbi, key, None)?;
        Ok(self.push(dbi, key, |_| Action::Delete))
    }

    /// Adds a deletion of one value of a key, as raw bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NotAList`], [`Error::Empty`], [`Error::TooLong`].
    pub fn delete_dup_raw(&mut self, dbi: &Dbi, key: &[u8], value: &[u8]) -> Result<&mut Self> {
        if !dbi.is_list() {
            return Err(Error::NotAList {
                name: dbi.name.to_owned(),
                operation: "deleting one value of a key",
            });
        }
        check_sizes(dbi, key, Some(value))?;
        Ok(self.push(dbi, key, |batch| Action::DeleteItem(batch.keep(value))))
    }

    /// Adds a put.
    ///
    /// # Errors
    ///
    /// As [`Table::put`].
    pub fn put<K: Codec, V: Codec>(
        &mut self,
        table: &Table<K, V>,
        key: K::In<'_>,
        value: V::In<'_>,
    ) -> Result<&mut Self> {
        self.put_with(table, key, value, PutFlags::empty())
    }

    /// Adds a put with conditions.
    ///
    /// # Errors
    ///
    /// As [`Table::put`]; whether the conditions hold is found out when the batch is carried out.
    pub fn put_with<K: Codec, V: Codec>(
        &mut self,
        table: &Table<K, V>,
        key: K::In<'_>,
        value: V::In<'_>,
        flags: PutFlags,
    ) -> Result<&mut Self> {
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = table.key(key, &mut key_buffer)?;
        let value = table.value(value, &mut value_buffer)?;
        self.put_raw(table.dbi(), key, value, flags)
    }

    /// Adds a deletion of a key with all its values.
    ///
    /// # Errors
    ///
    /// As [`Table::delete`].
    pub fn delete<K: Codec, V: Codec>(&mut self, table: &Table<K, V>, key: K::In<'_>) -> Result<&mut Self> {
        let mut buffer = Buffer::new();
        let key = table.key(key, &mut buffer)?;
        self.delete_raw(table.dbi(), key)
    }

    /// Adds puts of many values of one key.
    ///
    /// # Errors
    ///
    /// As [`Table::put_list`].
    pub fn put_list<'v, K: Codec, V: Codec>(
        &mut self,
        table: &Table<K, V>,
        key: K::In<'_>,
        values: impl IntoIterator<Item = V::In<'v>>,
    ) -> Result<&mut Self> {
        table.require_list("adding to a key's list")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = table.key(key, &mut key_buffer)?;
        for value in values {
            self.put_raw(table.dbi(), key, table.value(value, &mut value_buffer)?, PutFlags::empty())?;
        }
        Ok(self)
    }

    /// Adds deletions of many values of one key.
    ///
    /// # Errors
    ///
    /// As [`Table::delete_list`].
    pub fn delete_list<'v, K: Codec, V: Codec>(
        &mut self,
        table: &Table<K, V>,
        key: K::In<'_>,
        values: impl IntoIterator<Item = V::In<'v>>,
    ) -> Result<&mut Self> {
        table.require_list("deleting from a key's list")?;
        let (mut key_buffer, mut value_buffer) = (Buffer::new(), Buffer::new());
        let key = table.key(key, &mut key_buffer)?;
        for value in values {
            self.delete_dup_raw(table.dbi(), key, table.value(value, &mut value_buffer)?)?;
        }
        Ok(self)
    }
}

impl Batch {
    /// The writes as steps for the log, to be carried out later, when nothing must be left to object to.
    pub(crate) fn steps(&self, shared: &Shared) -> Result<StepWriter> {
        let bad = |reason: &str| Error::BadOption { option: "defer", reason: reason.to_owned() };
        let mut steps = StepWriter::default();
        let mut table = None;
        for Write { dbi, key, action } in &self.writes {
            if table != Some(*dbi) {
                shared.check_reserved(dbi)?;
                steps.about(dbi.name);
                table = Some(*dbi);
            }
            let key = &self.bytes[key.clone()];
            if dbi.flags.contains(DbiFlags::INTEGERKEY) && key.len() != 8 {
                let name = dbi.name.to_owned();
                return Err(Error::WrongSize { name, what: "key", len: key.len(), expected: 8 });
            }
            match action {
                Action::Put(value, flags) if flags.is_empty() => steps.put(key, &self.bytes[value.clone()]),
                Action::Put(..) => return Err(bad("writes with conditions cannot be deferred")),
                Action::Delete if dbi.is_list() => return Err(bad("only pairs of a list can be deleted so")),
                Action::Delete => steps.delete(key),
                Action::DeleteItem(value) => steps.delete_pair(key, &self.bytes[value.clone()]),
            }
        }
        Ok(steps)
    }
}

/// Refuses what no table could hold.
fn check_sizes(dbi: &Dbi, key: &[u8], value: Option<&[u8]>) -> Result<()> {
    const KEY_MAX: usize = crate::txn::KEY_MAX;
    let check = |what: &'static str, bytes: &[u8]| match bytes.len() {
        0 => Err(Error::Empty { name: dbi.name.to_owned(), what }),
        len if len > KEY_MAX => Err(Error::TooLong { name: dbi.name.to_owned(), what, len, max: KEY_MAX }),
        _ => Ok(()),
    };
    check("key", key)?;
    match value {
        Some(value) if dbi.is_list() => check("list item", value),
        _ => Ok(()),
    }
}

impl WriteTxn<'_> {
    /// Carries out a batch inside this transaction.
    ///
    /// # Errors
    ///
    /// Of the first write that fails; those before it remain done, unless the error ends the transaction. In a
    /// [nested](WriteTxn::nested) transaction they can be taken back.
    pub fn apply(&mut self, batch: &Batch) -> Result<()> {
        self.apply_writes(batch).map_err(|(_, error)| error)
    }

    /// As [`WriteTxn::apply`]; an error comes with the number of writes that were done before.
    fn apply_writes(&mut self, batch: &Batch) -> Result<(), (usize, Error)> {
        for (done, write) in batch.writes.iter().enumerate() {
            self.apply_write(batch, write).map_err(|error| (done, error))?;
        }
        Ok(())
    }

    fn apply_write(&mut self, batch: &Batch, write: &Write) -> Result<()> {
        let key = &batch.bytes[write.key.clone()];
        match &write.action {
            Action::Put(value, flags) if flags.is_empty() => {
                self.put(&write.dbi, key, &batch.bytes[value.clone()])
            }
            Action::Put(value, flags) => self.put_with(&write.dbi, key, &batch.bytes[value.clone()], *flags),
            Action::Delete => self.delete(&write.dbi, key).map(drop),
            Action::DeleteItem(value) => {
                self.delete_dup(&write.dbi, key, &batch.bytes[value.clone()]).map(drop)
            }
        }
    }

    /// Calls the function with a transaction inside this one, which is kept if it returns `Ok` and taken back if it
    /// returns `Err` or panics.
    ///
    /// # Errors
    ///
    /// The function's, and those of [`WriteTxn::nested`] and [`WriteTxn::commit`].
    pub fn with_nested<T, E: From<Error>>(
        &mut self,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut txn = self.nested()?;
        let made = f(&mut txn)?;
        txn.commit()?;
        Ok(made)
    }
}

impl Env {
    /// Carries out a batch in a transaction of its own, whole or not at all.
    ///
    /// # Errors
    ///
    /// Of the first write that fails; nothing is changed then.
    #[doc(alias = "transact-kv")]
    pub fn transact(&self, batch: &Batch) -> Result<()> {
        let mut txn = self.write()?;
        txn.apply(batch)?;
        txn.commit()
    }

    /// Calls the function with a write transaction, which is committed if it returns `Ok` and taken back if it returns
    /// `Err` or panics.
    ///
    /// ```
    /// use factum_kv::codec::{Long, Str};
    /// use factum_kv::{Env, Table};
    ///
    /// # let dir = tempfile::tempdir().expect("a directory");
    /// # let env = Env::open(dir.path())?;
    /// let accounts: Table<Str, Long> = env.open_table("accounts")?;
    /// let overdrawn = env.with_transaction(|txn| {
    ///     accounts.put(txn, "ann", -5)?;
    ///     if accounts.get(txn, "ann")?.is_some_and(|balance| balance < 0) {
    ///         return Err("overdrawn".into());
    ///     }
    ///     Ok::<_, Box<dyn std::error::Error>>(())
    /// });
    /// assert!(overdrawn.is_err());
    /// assert_eq!(accounts.get(&env.read()?, "ann")?, None);
    /// # Ok::<(), factum_kv::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The function's, and those of [`Env::write`] and [`WriteTxn::commit`].
    #[doc(alias = "with-transaction-kv")]
    #[doc(alias = "abort-transact-kv")]
    pub fn with_transaction<T, E: From<Error>>(
        &self,
        f: impl FnOnce(&mut WriteTxn<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut txn = self.write()?;
        let made = f(&mut txn)?;
        txn.commit()?;
        Ok(made)
    }
}
