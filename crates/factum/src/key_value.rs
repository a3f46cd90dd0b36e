//! [`Kv`]: key-value tables, in a file of their own or beside a database's facts.

use std::fmt;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use edn::{Keyword, Value};
use kv::{Durability, Env, EnvFlags, EnvOptions, SpillOptions, TempEnv, WriteTxn};
use storage::types::{TypeFunctions, register_for_tables, types_of_tables};

use crate::connection::WeakConnection;
use crate::options::did_you_mean;
use crate::ordered_type::{self, OrderedType};
use crate::{Connection, Error, Options, Result, TypeInput};

/// An open key-value store; clones are the same one.
///
/// It is a [`kv::Env`], whose methods it has: [`open_table`](Env::open_table), [`read`](Env::read),
/// [`write`](Env::write), [`with_transaction`](Env::with_transaction) and so on. What it adds: where the file also holds
/// a database, the database's own tables cannot be opened through it.
///
/// ```
/// use factum::Kv;
/// use factum::kv::Table;
/// use factum::kv::codec::{Long, Str};
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path();
/// let kv = Kv::open(path)?;
/// let ages: Table<Str, Long> = kv.open_table("ages")?;
/// kv.with_transaction(|txn| ages.put(txn, "Ann", 38))?;
/// assert_eq!(ages.get(&kv.read()?, "Ann")?, Some(38));
/// # Ok::<(), factum::Error>(())
/// ```
///
/// [`Connection::kv`] gives the store of a database's own file. One transaction can touch both; see
/// [`Transaction::kv`](crate::Transaction::kv).
#[derive(Clone)]
pub struct Kv {
    // Declared first, so that it is closed before its directory goes.
    env: Env,
    /// The guard of a temporary store's files.
    temporary: Option<Arc<TempEnv>>,
    /// Whether the file holds a database, too.
    beside_facts: bool,
    /// The connection to that, if the store came from one.
    facts: Option<WeakConnection>,
    /// What registered types can use; shared by all who have the file open.
    functions: TypeFunctions,
    /// Where large results go.
    spill: SpillOptions,
}

impl fmt::Debug for Kv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kv").field(&self.env.path()).finish()
    }
}

impl Deref for Kv {
    type Target = Env;

    fn deref(&self) -> &Env {
        &self.env
    }
}

impl Kv {
    /// Opens the store in the directory `path`, making it if there is none; or in the file `path` if there is one.
    ///
    /// # Errors
    ///
    /// As [`EnvOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &EnvOptions::new())
    }

    /// Opens a store with options.
    ///
    /// # Errors
    ///
    /// As [`EnvOptions::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &EnvOptions) -> Result<Self> {
        let is_file = options.is_single_file() || path.as_ref().is_file();
        Self::of_env(options.clone().single_file(is_file).open(path)?)
    }

    fn of_env(env: Env) -> Result<Self> {
        let beside_facts = storage::reserve_tables(&env)?;
        let functions = types_of_tables(&env, &Options::new().functions_of_types());
        Ok(Self {
            env,
            temporary: None,
            beside_facts,
            facts: None,
            functions,
            spill: SpillOptions::default(),
        })
    }

    /// A store whose files are gone when its last handle is; see [`TempEnv`].
    ///
    /// # Errors
    ///
    /// As [`TempEnv::new`].
    pub fn temporary() -> Result<Self> {
        Ok(Self::of_temporary(TempEnv::new()?))
    }

    fn of_temporary(temporary: TempEnv) -> Self {
        let env: Env = temporary.clone();
        let functions = types_of_tables(&env, &Options::new().functions_of_types());
        Self {
            env,
            temporary: Some(Arc::new(temporary)),
            beside_facts: false,
            facts: None,
            functions,
            spill: SpillOptions::default(),
        }
    }

    /// Where results that are kept go when they outgrow the memory that they may take, for
    /// [`Entries::spill`](kv::Entries::spill) and [`ReIndex::spill`](kv::ReIndex::spill): below the `:spill-root` that the store
    /// was opened with, or else the system's directory for temporary files.
    pub fn spill_options(&self) -> &SpillOptions {
        &self.spill
    }

    /// Registers a value type: tables can then be made with `name` as the type of their keys, or of the values of their lists.
    /// The definition is kept in the file; to register the same one again changes nothing. Beside a database, it is registered for
    /// its attributes, too; see [`Connection::register_type`].
    ///
    /// ```
    /// # use factum::{Kv, Value, kv::{DbiOptions, KeyRange, Table, codec::KeyType}};
    /// let kv = Kv::temporary()?;
    /// kv.register_type(":my/length", "{:index {:type :long :order-fn (fn [s] (count s))}}")?;
    /// let (length, long) = (KeyType::from_value(&Value::keyword("my/length"))?, KeyType::from_name("long")?);
    /// let dbi = kv.open_dbi("words", DbiOptions::new().types(length, long))?;
    ///
    /// let words = Table::of_stored(&kv.read()?, dbi)?;
    /// kv.with_transaction(|txn| {
    ///     words.put(txn, &"pear".into(), &1.into())?;
    ///     words.put(txn, &"fig".into(), &2.into())
    /// })?;
    /// let read = kv.read()?;
    /// let (word, _) = words.first(&read, KeyRange::all())?.expect("a word");
    /// assert_eq!(word, "fig".into());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the name or the definition does not hold, or the name is that of another type; if the file holds a database and this store
    /// did not come from an open connection to it.
    #[doc(alias = "register-type")]
    pub fn register_type(&self, name: impl Into<Keyword>, definition: impl Into<TypeInput>) -> Result<()> {
        let name = name.into();
        if let Some(facts) = &self.facts {
            let facts = facts.upgrade().ok_or(Error::Closed { path: Some(self.env.path().to_owned()) })?;
            return facts.register_type(name, definition).map(drop);
        }
        let mut txn = self.env.write().map_err(storage::Error::from)?;
        self.register_type_in(&mut txn, name, definition)?;
        Ok(txn.commit().map_err(storage::Error::from)?)
    }

    /// [`register_type`](Self::register_type) in a transaction, which may be taken back.
    ///
    /// # Errors
    ///
    /// As there; beside a database always, whose types are registered by its own transactions.
    pub fn register_type_in(
        &self,
        txn: &mut WriteTxn<'_>,
        name: impl Into<Keyword>,
        definition: impl Into<TypeInput>,
    ) -> Result<()> {
        let name = name.into();
        let definition = definition.into().definition(&name)?;
        let state = self.env.snapshot().map_err(storage::Error::from)?;
        Ok(register_for_tables(txn, &state, &self.functions, (&name, &definition))?)
    }

    /// Registers a Rust type; see [`OrderedType`] and, for tables whose keys are known to be of this type, [`InOrder`](crate::InOrder).
    ///
    /// # Errors
    ///
    /// As [`register_type`](Self::register_type).
    pub fn register<T: OrderedType>(&self) -> Result<()> {
        let (name, definition) = ordered_type::definition::<T>();
        self.register_type(name, definition)?;
        // Those who have the file open share the functions.
        drop(ordered_type::add_function::<T>(self.functions.clone()));
        Ok(())
    }

    /// The names of all tables of the user's, sorted.
    ///
    /// # Errors
    ///
    /// As [`Env::dbi_names`].
    #[doc(alias = "list-dbis")]
    pub fn dbi_names(&self) -> Result<Vec<String>> {
        let mut names = self.env.dbi_names()?;
        names.retain(|name| !(self.beside_facts && storage::is_own_table(name)));
        Ok(names)
    }

    /// Whether its files are gone when its last handle is.
    pub fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }

    /// Opens a store with the options that Datalevin's `open-kv` takes, as an EDN map. Without a path, the store is in
    /// memory; a temporary one gets a fresh directory below the path. Neither of these has a log.
    ///
    /// | option | what it says |
    /// |---|---|
    /// | `:mapsize` | MiB of address space to reserve; no less than the default, [1 TiB](EnvOptions::DEFAULT_MAP_SIZE), is reserved, so that a store need not be made larger later |
    /// | `:max-readers`, `:max-dbs` | as [`EnvOptions::max_readers`], [`EnvOptions::max_dbis`] |
    /// | `:flags` | a set of LMDB's, such as `#{:nosync :rdonly-env}`; see [`EnvOptions::flags`] |
    /// | `:temp?`, `:inmemory?` | whether the files are gone when the store is |
    /// | `:wal?`, `:wal-durability-profile` | a write-ahead log, `:strict` or `:relaxed` |
    /// | `:spill-opts` | `{:spill-root dir :spill-threshold percent}`: where results go that are kept ([`Kv::spill_options`]), and how many per cent of the memory may be in use before they go there ([`SpillOptions::threshold`]) |
    /// | `:lmdb-sync-interval` | seconds; commits are durable when they return, so nothing is left to do for a timer. Refused together with flags that make them less |
    ///
    /// ```
    /// # use factum::{Kv, edn};
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path();
    /// let options = edn::read("{:mapsize 2048 :max-dbs 256 :flags #{:nosync}}")?;
    /// let kv = Kv::open_value(Some(path), &options)?;
    /// assert!(kv.info()?.map_size >= 2048 << 20);
    /// assert!(Kv::open_value(Some(path), &edn::read("{:mapsiz 1}")?).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for options that do not exist or do not take their value, and those of opening.
    pub fn open_value(path: Option<&Path>, options: &Value) -> Result<Self> {
        if let Some(path) = path {
            check_local(path)?;
        }
        let mut read = KvOptions { in_memory: path.is_none(), ..KvOptions::default() };
        read.take(options, "")?;
        let env = read.environment()?;
        let kv = match path {
            None => Self::of_temporary(TempEnv::in_memory_with(&env)?),
            Some(_) if read.in_memory => Self::of_temporary(TempEnv::in_memory_with(&env)?),
            Some(parent) if read.temporary => {
                std::fs::create_dir_all(parent)
                    .map_err(|source| kv::Error::NotWritable { path: parent.to_owned(), source })?;
                Self::of_temporary(TempEnv::open(&env, Some(parent))?)
            }
            Some(path) => Self::open_with(path, &env)?,
        };
        Ok(Self { spill: read.spill, ..kv })
    }
}

/// Refuses what names a database on another machine, which would otherwise become a directory of that name.
pub(crate) fn check_local(path: &Path) -> Result<()> {
    if path.to_str().is_some_and(|path| path.starts_with("dtlv://")) {
        let reason = "there are no remote stores, only directories and files".to_owned();
        return Err(Error::Option { option: path.display().to_string(), reason });
    }
    Ok(())
}

impl Connection {
    /// The key-value store of the database's own file: tables of the user's beside the facts.
    ///
    /// The database's own tables cannot be opened in it, and are not listed among its tables.
    ///
    /// # Errors
    ///
    /// [`Error::InMemory`] without a file, [`Error::Closed`].
    #[doc(alias = "datalog-kv")]
    pub fn kv(&self) -> Result<Kv> {
        let kv = Kv::of_env(self.store()?.env().ok_or(Error::InMemory)?.clone())?;
        Ok(Kv { facts: Some(self.downgrade()), ..kv })
    }
}

/// Datalevin's options of the write-ahead log: `:wal?`, and `:wal-durability-profile` of `:strict` (the default) or
/// `:relaxed`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WalOptions {
    on: bool,
    relaxed: Option<bool>,
}

impl WalOptions {
    pub(crate) const KNOWN: [&str; 2] = ["wal?", "wal-durability-profile"];

    /// Takes the option, if it is one of these and has a value of its own.
    pub(crate) fn take(&mut self, name: &str, value: &Value) -> bool {
        match (name, value, value.as_keyword().map(|profile| profile.as_str())) {
            ("wal?", Value::Bool(on), _) => self.on = *on,
            ("wal-durability-profile", _, Some("strict")) => self.relaxed = Some(false),
            ("wal-durability-profile", _, Some("relaxed")) => self.relaxed = Some(true),
            _ => return false,
        }
        true
    }

    /// Why an option is not one of these, if it looks like one.
    pub(crate) fn refusal(name: &str, value: &Value) -> Option<String> {
        match name {
            "wal-durability-profile" => Some(format!("takes :strict or :relaxed, not {value}")),
            "wal?" => None,
            name if name.starts_with("wal-") => {
                Some("the log has no such option: it is synced as :wal-durability-profile says, and keeps itself small".into())
            }
            _ => None,
        }
    }

    pub(crate) fn on(self, env: EnvOptions) -> Result<EnvOptions> {
        match (self.on, self.relaxed) {
            (false, None) => Ok(env),
            (false, Some(_)) => Err(Error::Option {
                option: ":wal-durability-profile".to_owned(),
                reason: "is about the write-ahead log, which needs :wal? true".to_owned(),
            }),
            (true, None | Some(false)) => Ok(env.durability(Durability::Wal)),
            (true, Some(true)) => Ok(env.durability(Durability::WalLater)),
        }
    }
}

/// The options of `open-kv`, which are also those of `:kv-opts` of a database.
#[derive(Default)]
pub(crate) struct KvOptions {
    pub(crate) env: EnvOptions,
    pub(crate) temporary: bool,
    pub(crate) in_memory: bool,
    pub(crate) wal: WalOptions,
    spill: SpillOptions,
    /// Whether commits should be forced to disk at intervals.
    timer: bool,
}

/// How many MiB of address space to reserve: never less than without the option.
fn map_of(env: EnvOptions, mib: u32) -> EnvOptions {
    match u64::from(mib) << 20 {
        bytes if bytes > EnvOptions::DEFAULT_MAP_SIZE => env.map_size(bytes),
        _ => env,
    }
}

/// `{:spill-root dir :spill-threshold percent}`
fn spill_options(option: &str, value: &Value) -> Result<SpillOptions> {
    let bad = |reason: String| Error::Option { option: option.to_owned(), reason };
    let mut spill = SpillOptions::default();
    for (key, value) in value.as_map().ok_or_else(|| bad(format!("does not take {value}")))? {
        let name = key.as_keyword().map(|name| name.as_str()).unwrap_or_default();
        spill = match (name, value) {
            ("spill-root", Value::Str(directory)) => spill.directory(&**directory),
            ("spill-threshold", Value::Int(percent @ 1..=100)) => spill.threshold(*percent as u8),
            ("spill-root", _) => return Err(bad(format!("{key} is a directory, a string, not {value}"))),
            ("spill-threshold", _) => {
                return Err(bad(format!("{key} is a percentage, 1 to 100, not {value}")));
            }
            _ => {
                let near = edn::nearest(name, ["spill-root", "spill-threshold"]).map(did_you_mean);
                return Err(bad(format!("has no {key}{}", near.unwrap_or_default())));
            }
        };
    }
    Ok(spill)
}

const KNOWN: [&str; 11] = [
    WalOptions::KNOWN[0],
    WalOptions::KNOWN[1],
    "mapsize",
    "max-readers",
    "max-dbs",
    "flags",
    "temp?",
    "inmemory?",
    "spill-opts",
    "lmdb-sync-interval",
    "client-opts",
];

impl KvOptions {
    /// Takes a map of options, or none; `within` is what the map is the value of, for errors.
    pub(crate) fn take(&mut self, value: &Value, within: &str) -> Result<()> {
        let entries = match value {
            Value::Nil => return Ok(()),
            value => value.as_map().ok_or_else(|| Error::Option {
                option: format!("{within}{value}"),
                reason: "options are a map".to_owned(),
            })?,
        };
        for (key, value) in entries {
            let option = || format!("{within}{key}");
            let bad = |reason: String| Err(Error::Option { option: option(), reason });
            let name = key.as_keyword().map(|name| name.as_str()).unwrap_or_default();
            let count = value.as_int().and_then(|count| u32::try_from(count).ok()).filter(|count| *count > 0);
            let env = std::mem::take(&mut self.env);
            self.env = match (name, count, value) {
                ("mapsize", Some(mib), _) => map_of(env, mib),
                ("max-readers", Some(readers), _) => env.max_readers(readers),
                ("max-dbs", Some(dbis), _) => env.max_dbis(dbis),
                ("flags", _, flags) => env.flags(env_flags(&option(), flags)?),
                (name, _, value) if self.wal.take(name, value) => env,
                ("temp?", _, Value::Bool(temporary)) => {
                    self.temporary = *temporary;
                    env
                }
                ("inmemory?", _, Value::Bool(in_memory)) => {
                    self.in_memory |= *in_memory;
                    env
                }
                ("spill-opts", ..) => {
                    self.spill = spill_options(&option(), value)?;
                    env
                }
                ("lmdb-sync-interval", Some(_), _) => {
                    self.timer = true;
                    env
                }
                ("client-opts", ..) => return bad("there are no remote stores".to_owned()),
                _ if WalOptions::refusal(name, value).is_some() => {
                    return bad(WalOptions::refusal(name, value).unwrap_or_default());
                }
                _ if KNOWN.contains(&name) => return bad(format!("does not take {value}")),
                _ => {
                    let near = edn::nearest(name, KNOWN).map(did_you_mean);
                    return bad(format!("there is no such option{}", near.unwrap_or_default()));
                }
            };
        }
        Ok(())
    }

    /// The options of the environment, with the log that was asked for.
    pub(crate) fn environment(&self) -> Result<EnvOptions> {
        if self.wal.on && (self.in_memory || self.temporary) {
            let reason = "is for stores that stay: one in memory or a temporary one has nothing to recover";
            return Err(Error::Option { option: ":wal?".to_owned(), reason: reason.to_owned() });
        }
        let env = self.wal.on(self.env.clone())?;
        // A store that goes away has nothing to be forced to disk.
        if self.timer && !self.in_memory && !self.temporary && env.leaves_commits_behind() {
            let reason = "there is no timer that would force these commits to disk: call sync".to_owned();
            return Err(Error::Option { option: ":lmdb-sync-interval".to_owned(), reason });
        }
        Ok(env)
    }
}

fn env_flags(option: &str, value: &Value) -> Result<EnvFlags> {
    let bad = |reason: String| Error::Option { option: option.to_owned(), reason };
    let names: Vec<&Value> = match value {
        Value::Set(names) => names.iter().collect(),
        value => value.as_sequence().ok_or_else(|| bad(format!("does not take {value}")))?.iter().collect(),
    };
    let mut flags = EnvFlags::empty();
    for value in names {
        let name = value.as_keyword().map(|name| name.as_str()).unwrap_or_default();
        let Some((_, flag)) = EnvFlags::NAMED.iter().find(|(known, _)| *known == name) else {
            let near = edn::nearest(name, EnvFlags::NAMED.iter().map(|(known, _)| *known));
            let near = near.map(did_you_mean).unwrap_or_default();
            return Err(bad(format!("there is no flag {value}{near}")));
        };
        flags |= *flag;
    }
    Ok(flags)
}
