//! Tables: their handles, their options, and opening them.

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::codec::{CodecError, KeyType};
use crate::env::types::check_definitions;
use crate::env::{Env, Shared};
use crate::error::{Error, Result};
use crate::flags::DbiFlags;
use crate::options::StoredOptions;

/// The longest name of a table.
const NAME_MAX: usize = 511;
/// Names that begin so belong to this crate.
pub(crate) const OWN_PREFIX: &str = "factum/";

/// A handle on a table of raw bytes; small and copied freely.
///
/// It stays valid as long as its environment is open. If the table is dropped, using the handle gives
/// [`Error::NoSuchDbi`], and [`Error::StaleDbi`] if a table of that name is made again: a handle never reaches
/// another table than its own. (A table that *another process* drops and makes again under the same name, with the
/// same flags, cannot be told from the old one.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dbi {
    pub(crate) name: &'static str,
    pub(crate) index: u32,
    /// Which environment it belongs to.
    pub(crate) env: u32,
    pub(crate) flags: DbiFlags,
}

impl Dbi {
    /// The table's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The flags it was created with.
    pub fn flags(&self) -> DbiFlags {
        self.flags
    }

    /// Whether a key can own several values.
    pub fn is_list(&self) -> bool {
        self.flags.is_list()
    }
}

/// How to create a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DbiOptions {
    pub(crate) flags: DbiFlags,
    pub(crate) counted: bool,
    pub(crate) key_type: Option<KeyType>,
    pub(crate) value_type: Option<KeyType>,
}

impl DbiOptions {
    /// A plain table.
    pub fn new() -> Self {
        Self::default()
    }

    /// A list table: a key owns a sorted set of values.
    pub fn list() -> Self {
        DbiFlags::DUPSORT.into()
    }

    /// Counts keys and pairs, so that ranges are counted, ranked and sampled in logarithmic time. Decided when the
    /// table is created ([`WriteTxn::start_counting`](crate::WriteTxn::start_counting) does it later); a counted
    /// table is counted also by those who open it without this option.
    #[must_use]
    pub fn counted(mut self, counted: bool) -> Self {
        self.counted = counted;
        self
    }

    /// Stores the types of keys and values with the table, for those who open it without knowing them.
    #[must_use]
    pub fn types(mut self, key_type: KeyType, value_type: KeyType) -> Self {
        self.key_type = Some(key_type);
        self.value_type = Some(value_type);
        self
    }

    /// As [`types`](Self::types), for the keys alone.
    #[must_use]
    pub fn key_type_of(mut self, key_type: KeyType) -> Self {
        self.key_type = Some(key_type);
        self
    }

    /// As [`types`](Self::types), for the values alone.
    #[must_use]
    pub fn value_type_of(mut self, value_type: KeyType) -> Self {
        self.value_type = Some(value_type);
        self
    }

    /// The flags.
    pub fn dbi_flags(&self) -> DbiFlags {
        self.flags
    }

    /// Whether the table is counted.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// The stored type of the keys.
    pub fn key_type(&self) -> Option<&KeyType> {
        self.key_type.as_ref()
    }

    /// The stored type of the values.
    pub fn value_type(&self) -> Option<&KeyType> {
        self.value_type.as_ref()
    }

    /// The type of keys that a call works with: what it gives, or else what the table was made with, or else `:data`.
    ///
    /// # Errors
    ///
    /// A registered type belongs to its table: [`CodecError::NotDeclared`] if the table was not made with the one that is given,
    /// [`CodecError::DeclaredOtherwise`] if something else is given than the one that it was made with.
    pub fn key_type_for(&self, given: Option<KeyType>) -> std::result::Result<KeyType, CodecError> {
        KeyType::of_call(given, self.key_type())
    }

    /// The same for values.
    ///
    /// # Errors
    ///
    /// As [`DbiOptions::key_type_for`].
    pub fn value_type_for(&self, given: Option<KeyType>) -> std::result::Result<KeyType, CodecError> {
        KeyType::of_call(given, self.value_type())
    }

    pub(crate) fn of_stored(flags: DbiFlags, stored: StoredOptions) -> Self {
        let StoredOptions { counted, key_type, value_type } = stored;
        Self { flags, counted: counted.is_some(), key_type, value_type }
    }

    /// Adds flags.
    #[must_use]
    pub fn flags(mut self, flags: DbiFlags) -> Self {
        self.flags = (self.flags | flags).normalised();
        self
    }
}

impl From<DbiFlags> for DbiOptions {
    fn from(flags: DbiFlags) -> Self {
        Self { flags: flags.normalised(), ..Self::default() }
    }
}

/// What the environment knows of a table that a handle exists for.
#[derive(Debug)]
pub(crate) struct DbiEntry {
    pub(crate) c_name: CString,
    /// The first and the last but one transaction in whose state a table of this name is the one that handles with
    /// this number mean: each dropping begins a new number.
    made_at: AtomicU64,
    dropped_at: AtomicU64,
}

impl DbiEntry {
    fn new(name: &str, made_at: u64) -> Result<Self> {
        let c_name = CString::new(name)
            .map_err(|_| Error::BadDbiName { name: name.to_owned(), reason: "it contains a zero byte" })?;
        Ok(Self { c_name, made_at: AtomicU64::new(made_at), dropped_at: AtomicU64::new(NEVER) })
    }

    /// Whether the handle's table is the one of its name in the state after this transaction.
    pub(crate) fn is_of(&self, txn_id: u64) -> bool {
        self.made_at.load(Ordering::Acquire) <= txn_id && txn_id < self.dropped_at.load(Ordering::Acquire)
    }
}

const NEVER: u64 = u64::MAX;

/// The tables that a transaction has dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops {
    /// By the numbers of handles.
    dropped: Vec<u32>,
    /// The numbers of handles on tables that are made again under these names.
    remade: HashMap<&'static str, u32>,
}

impl Drops {
    /// Notes that a table was dropped, and makes a number for the next table of its name.
    pub(crate) fn add(&mut self, shared: &Shared, dbi: &Dbi) -> Result<()> {
        let mut dbis = shared.dbis.write().unwrap_or_else(PoisonError::into_inner);
        let index = dbis.push(DbiEntry::new(dbi.name, NEVER)?);
        self.dropped.push(dbi.index);
        self.remade.insert(dbi.name, index);
        Ok(())
    }

    /// The number of a table's handles after it was dropped.
    pub(crate) fn remade(&self, name: &str) -> Option<u32> {
        self.remade.get(name).copied()
    }

    /// Commits by `commit`; if that succeeds, the dropping holds for all handles from transaction `id` on. Nobody
    /// begins to read or opens a table in between.
    pub(crate) fn commit(&self, shared: &Shared, id: u64, commit: impl FnOnce() -> Result<()>) -> Result<()> {
        let mut dbis = shared.dbis.write().unwrap_or_else(PoisonError::into_inner);
        commit()?;
        for (name, index) in &self.remade {
            dbis.by_name.insert(name, *index);
            if let Some(entry) = dbis.entries.get(*index as usize) {
                entry.made_at.store(id, Ordering::Release);
            }
        }
        for entry in self.dropped.iter().filter_map(|index| dbis.entries.get(*index as usize)) {
            entry.dropped_at.store(id, Ordering::Release);
        }
        Ok(())
    }
}

/// Names live for ever, so that handles are small and copied freely; there are only as many as a program has
/// names for tables.
fn intern(name: &str) -> &'static str {
    static NAMES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

pub(crate) fn check_name(name: &str) -> Result<()> {
    let bad = |reason| Err(Error::BadDbiName { name: name.to_owned(), reason });
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.len() > NAME_MAX {
        return bad("it is longer than 511 bytes");
    }
    if name.contains('\0') {
        return bad("it contains a zero byte");
    }
    if name.starts_with(OWN_PREFIX) {
        return bad("names beginning with factum/ are reserved");
    }
    Ok(())
}

impl Shared {
    /// The handle's number for a name; made on first use.
    pub(crate) fn register(&self, name: &str, flags: DbiFlags) -> Result<Dbi> {
        let mut dbis = self.dbis.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((&name, &index)) = dbis.by_name.get_key_value(name) {
            return Ok(Dbi { name, index, env: self.id, flags });
        }
        let name = intern(name);
        let index = dbis.push(DbiEntry::new(name, 0)?);
        dbis.by_name.insert(name, index);
        Ok(Dbi { name, index, env: self.id, flags })
    }

    /// Refuses handles of other environments.
    #[inline]
    pub(crate) fn check_handle(&self, dbi: &Dbi) -> Result<()> {
        if self.has_made(dbi) { Ok(()) } else { Err(Error::ForeignDbi { name: dbi.name.to_owned() }) }
    }

    /// Whether it is a handle of this environment.
    #[inline]
    pub(crate) fn has_made(&self, dbi: &Dbi) -> bool {
        dbi.env == self.id
    }

    pub(crate) fn entry(&self, dbi: &Dbi) -> Result<Arc<DbiEntry>> {
        self.check_handle(dbi)?;
        let dbis = self.dbis.read().unwrap_or_else(PoisonError::into_inner);
        dbis.entries
            .get(dbi.index as usize)
            .cloned()
            .ok_or_else(|| Error::ForeignDbi { name: dbi.name.to_owned() })
    }

    pub(crate) fn no_such_dbi(&self, name: &str) -> Error {
        let names = self
            .reader
            .snapshot()
            .and_then(|snapshot| snapshot.table_names())
            .unwrap_or_default()
            .into_iter()
            .filter(|name| !name.starts_with(OWN_PREFIX))
            .collect::<Vec<_>>();
        let nearest = edn::nearest(name, names.iter().map(String::as_str)).map(str::to_owned);
        Error::NoSuchDbi { name: name.to_owned(), nearest }
    }
}

impl Shared {
    /// Refuses names that no table can have, and those that [`Env::reserve`] took.
    pub(crate) fn check_free_name(&self, name: &str) -> Result<()> {
        check_name(name)?;
        if self.dbis.read().unwrap_or_else(PoisonError::into_inner).reserved.contains(name) {
            let reason = "the database keeps its own facts in this table";
            return Err(Error::BadDbiName { name: name.to_owned(), reason });
        }
        Ok(())
    }
}

impl Shared {
    /// Refuses tables that [`Env::reserve`] did not take.
    pub(crate) fn check_reserved(&self, dbi: &Dbi) -> Result<()> {
        self.check_handle(dbi)?;
        if self.dbis.read().unwrap_or_else(PoisonError::into_inner).reserved.contains(dbi.name) {
            return Ok(());
        }
        let reason = "writes to a table can be deferred only if its name is reserved for its owner";
        Err(Error::BadDbiName { name: dbi.name.to_owned(), reason })
    }
}

impl Env {
    /// Takes names for tables that only their owner may change: from here on they are opened by
    /// [`open_reserved`](Self::open_reserved) alone. It holds for this process, as long as the environment is open.
    ///
    /// A store that keeps its own tables in a file of user tables protects them so against a slip of the pen.
    pub fn reserve(&self, names: &[&str]) {
        let mut dbis = self.shared.dbis.write().unwrap_or_else(PoisonError::into_inner);
        dbis.reserved.extend(names.iter().map(|name| (*name).to_owned()));
    }

    /// As [`open_dbi`](Self::open_dbi), also for a name that was [reserved](Self::reserve).
    ///
    /// # Errors
    ///
    /// As [`open_dbi`](Self::open_dbi).
    pub fn open_reserved(&self, name: &str, options: impl Into<DbiOptions>) -> Result<Dbi> {
        self.open_checked(name, options.into())
    }

    /// Opens a table, creating it in a transaction of its own if it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::DbiFlagsConflict`] if it exists with other flags, [`Error::BadDbiName`], [`Error::ReadOnly`] if it
    /// must be created and may not, [`Error::WouldDeadlock`] if that happens while this thread has a write
    /// transaction (use [`WriteTxn::open_dbi`](crate::WriteTxn::open_dbi) there).
    pub fn open_dbi(&self, name: &str, options: impl Into<DbiOptions>) -> Result<Dbi> {
        self.shared.check_free_name(name)?;
        self.open_checked(name, options.into())
    }

    fn open_checked(&self, name: &str, options: DbiOptions) -> Result<Dbi> {
        check_name(name)?;
        if let Some(table) = self.snapshot()?.table(name)? {
            let stored = DbiFlags::from_raw(u32::from(table.flags().bits()));
            let read = self.read()?;
            agree(name, stored, &read.stored_options(name)?, &options)?;
            check_definitions(name, &options, |name| read.stored_type(name))?;
            return self.shared.register(name, stored);
        }
        let mut txn = self.write()?;
        let dbi = txn.open_checked(name, options)?;
        txn.commit()?;
        Ok(dbi)
    }

    /// Opens a table as it is.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchDbi`] if it does not exist.
    pub fn existing_dbi(&self, name: &str) -> Result<Dbi> {
        self.shared.check_free_name(name)?;
        match self.snapshot()?.table(name)? {
            Some(table) => self.shared.register(name, DbiFlags::from_raw(u32::from(table.flags().bits()))),
            None => Err(self.shared.no_such_dbi(name)),
        }
    }

    /// The names of all tables, sorted.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`] if the file is damaged.
    pub fn dbi_names(&self) -> Result<Vec<String>> {
        let mut names = self.snapshot()?.table_names()?;
        names.retain(|name| !name.starts_with(OWN_PREFIX));
        Ok(names)
    }
}

/// Whether a table with these flags and stored options is what `options` ask for.
pub(crate) fn agree(name: &str, flags: DbiFlags, stored: &StoredOptions, options: &DbiOptions) -> Result<()> {
    if flags != options.flags {
        return Err(Error::DbiFlagsConflict {
            name: name.to_owned(),
            stored: flags,
            requested: options.flags,
        });
    }
    match stored.contradiction(options) {
        Some((option, stored, requested)) => {
            Err(Error::DbiOptionsConflict { name: name.to_owned(), option, stored, requested })
        }
        None => Ok(()),
    }
}
