//! [`Options`]: how a database is opened and what its transactions and queries may use.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use edn::{Keyword, Value};
use kv::{Durability, EnvOptions};
use query::{FunctionRegistry, PlanCache, QueryOptions};
use storage::transact::TxFunctions;
use storage::types::{TypeDefinition, TypeFunctions};
use storage::{DbOptions, Schema, SchemaPatch, StoreOptions};

use crate::db::Runtime;
use crate::key_value::{KvOptions, WalOptions};
use crate::ordered_type::{self, OrderedType};
use crate::text::SchemaInput;
use crate::{Error, Result};

/// How to open a database; a builder by value. Everything has a default.
///
/// ```no_run
/// use factum::{Connection, Options};
///
/// let conn = Connection::open_with(
///     "people.db",
///     Options::new()
///         .schema("{:person/email {:db/valueType :db.type/string :db/unique :db.unique/identity}}")
///         .closed_schema(true)
///         .strict(true),
/// )?;
/// # Ok::<(), factum::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "options do nothing until a database is opened with them"]
pub struct Options {
    env: EnvOptions,
    schema: SchemaInput,
    closed_schema: Option<bool>,
    validate_data: Option<bool>,
    auto_entity_time: Option<bool>,
    adopt: bool,
    create_new: bool,
    pub(crate) temporary: bool,
    pub(crate) in_memory: bool,
    plan_cache: Option<usize>,
    types: Vec<(Keyword, TypeDefinition)>,
    type_functions: TypeFunctions,
    runtime: Runtime,
}

impl Options {
    /// The defaults: created if missing, every commit on disk before it returns, attributes made as they are used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Attributes to declare, merged into the stored schema.
    pub fn schema(mut self, schema: impl Into<SchemaInput>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Whether a missing database is made. Yes by default.
    pub fn create(mut self, create: bool) -> Self {
        self.env = self.env.existing_only(!create);
        self
    }

    /// Fail if there is anything at the path already.
    pub fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// Only read: the database must exist, and transactions are refused.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.env = self.env.read_only(read_only);
        self
    }

    /// Keep the database in one file of the path's name, with LMDB's `NAME-lock` beside it, instead of in a directory.
    /// Only a new database needs to be told: a path that is a file is opened as one.
    ///
    /// ```
    /// use factum::{Connection, Options};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("people.factum");
    /// let conn = Connection::open_with(&path, Options::new().single_file(true))?;
    /// conn.transact("[{:name \"Ann\"}]")?;
    /// conn.close()?;
    /// assert!(path.is_file());
    /// assert_eq!(Connection::open(&path)?.stat()?.datoms, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn single_file(mut self, single_file: bool) -> Self {
        self.env = self.env.single_file(single_file);
        self
    }

    /// Keep the database in a fresh directory below the path, which is gone when the last handle of the connection is. For
    /// what is too large for memory and need not stay: commits wait for no disk, unless a durability is asked for.
    ///
    /// ```
    /// use factum::{Connection, Options};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("scratch");
    /// let conn = Connection::open_with(&path, Options::new().temporary(true))?;
    /// conn.transact("[{:name \"Ann\"}]")?;
    /// let place = conn.path().expect("on disk").to_owned();
    /// assert!(place.starts_with(&path) && place.exists());
    /// drop(conn);
    /// assert!(!place.exists());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn temporary(mut self, temporary: bool) -> Self {
        self.temporary = temporary;
        self
    }

    /// What a commit promises when it returns. With [`Durability::Wal`], small durable transactions wait for the disk once
    /// instead of twice, and the database is written to by this process alone; other processes see them up to a tenth of a
    /// second later.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.env = self.env.durability(durability);
        self
    }

    /// The largest size that the file may reach; address space, not disk. 1 TiB by default.
    pub fn map_size(mut self, bytes: u64) -> Self {
        self.env = self.env.map_size(bytes);
        self
    }

    /// How many snapshots can be alive at a time, of all processes together.
    pub fn max_readers(mut self, readers: u32) -> Self {
        self.env = self.env.max_readers(readers);
        self
    }

    /// Make a database in an LMDB file that holds tables of another program.
    pub fn adopt(mut self, adopt: bool) -> Self {
        self.adopt = adopt;
        self
    }

    /// Whether only declared attributes may be written; stored with the database.
    pub fn closed_schema(mut self, closed: bool) -> Self {
        self.closed_schema = Some(closed);
        self
    }

    /// Whether values must already have the declared type, instead of being converted; stored with the database.
    pub fn validate_data(mut self, validate: bool) -> Self {
        self.validate_data = Some(validate);
        self
    }

    /// Whether `:db/created-at` and `:db/updated-at` are kept for every entity; stored with the database.
    pub fn auto_entity_time(mut self, auto: bool) -> Self {
        self.auto_entity_time = Some(auto);
        self
    }

    /// Whether an attribute that the schema does not know is an error in queries and patterns, not just a warning.
    pub fn strict(mut self, strict: bool) -> Self {
        self.runtime.query.strict = strict;
        self
    }

    /// How long a query may take.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.runtime.query.timeout = timeout.into();
        self
    }

    /// How many rows a query may produce on its way.
    pub fn max_rows(mut self, rows: impl Into<Option<u64>>) -> Self {
        self.runtime.query.rows_max = rows.into();
        self
    }

    /// How much memory a query may use.
    pub fn max_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.runtime.query.bytes_max = bytes.into();
        self
    }

    /// Functions and aggregates that queries can call by name.
    pub fn functions(mut self, functions: FunctionRegistry) -> Self {
        self.runtime.query.functions = functions.into();
        self
    }

    /// Functions that transactions and schemas can call by name.
    pub fn tx_functions(mut self, functions: TxFunctions) -> Self {
        self.runtime.transactions = functions;
        self
    }

    /// A Rust type that attributes can have as `:db/valueType`; registered when the database is opened. See [`OrderedType`].
    pub fn ordered_type<T: OrderedType>(mut self) -> Self {
        self.types.push(ordered_type::definition::<T>());
        self.type_functions = ordered_type::add_function::<T>(self.type_functions);
        self
    }

    /// A type to be registered when the database is opened; see [`Connection::register_type`](crate::Connection::register_type).
    pub fn register_type(mut self, name: impl Into<Keyword>, definition: TypeDefinition) -> Self {
        self.types.push((name.into(), definition));
        self
    }

    /// Functions that the definitions of types can name; types that are written in Rust bring theirs.
    pub fn type_functions(self, functions: TypeFunctions) -> Self {
        self.type_functions.merge(&functions);
        self
    }

    /// How many queries keep their plans; 512 by default, 0 keeps none.
    pub fn plan_cache(mut self, queries: usize) -> Self {
        self.plan_cache = Some(queries);
        self
    }

    /// All options of queries at once.
    pub fn query_options(mut self, options: QueryOptions) -> Self {
        self.runtime.query = options;
        self
    }

    /// All options of the file at once.
    pub fn env(mut self, env: EnvOptions) -> Self {
        self.env = env;
        self
    }

    /// Options as Datalevin writes them: `{:closed-schema? true :validate-data? true :auto-entity-time? true}`; `:wal? true`
    /// is [`Durability::Wal`], with `:wal-durability-profile :relaxed` [`Durability::WalLater`]. `:kv-opts` takes what
    /// [`Kv::open_value`](crate::Kv::open_value) does: `{:kv-opts {:mapsize 2048 :flags #{:nosync} :temp? true}}`.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for options that this version does not have, rather than ignoring them.
    pub fn from_value(value: &Value) -> Result<Self> {
        let mut options = Self::new();
        let bad = |option: &Value, reason: String| Err(Error::Option { option: option.to_string(), reason });
        let Some(entries) = value.as_map() else {
            return bad(value, "options are a map".to_owned());
        };
        let mut kv = KvOptions::default();
        for (key, value) in entries {
            let name = key.as_keyword().map(|name| name.as_str()).unwrap_or_default();
            let flag = match value {
                Value::Bool(flag) => Some(*flag),
                _ => None,
            };
            options = match (name, flag, value) {
                ("closed-schema?", Some(flag), _) => options.closed_schema(flag),
                ("validate-data?", Some(flag), _) => options.validate_data(flag),
                ("auto-entity-time?", Some(flag), _) => options.auto_entity_time(flag),
                ("strict?", Some(flag), _) => options.strict(flag),
                ("read-only?", Some(flag), _) => options.read_only(flag),
                ("kv-opts", _, value) => {
                    kv.take(value, ":kv-opts ")?;
                    options
                }
                (name, _, value) if kv.wal.take(name, value) => options,
                // Hints about caches and sampling that change no answer.
                ("cache-limit", _, Value::Int(_)) | ("background-sampling?", Some(_), _) => options,
                _ if WalOptions::refusal(name, value).is_some() => {
                    return bad(key, WalOptions::refusal(name, value).unwrap_or_default());
                }
                _ if KNOWN.contains(&name) => return bad(key, format!("does not take {value}")),
                _ => {
                    let near = edn::nearest(name, KNOWN).map(did_you_mean);
                    return bad(key, format!("there is no such option{}", near.unwrap_or_default()));
                }
            };
        }
        let env = kv.environment()?;
        options.env = if options.env.is_read_only() { env.read_only(true) } else { env };
        options.in_memory = kv.in_memory;
        options.temporary = kv.temporary;
        Ok(options)
    }

    pub(crate) fn runtime(&self) -> Runtime {
        let plans = self.plan_cache.map_or_else(PlanCache::default, PlanCache::new);
        let mut runtime = Runtime { plans: Arc::new(plans), ..self.runtime.clone() };
        // Functions that are written out in transactions are read with the limits and the functions of queries.
        let interpreter = query::interpret::interpreter(runtime.query.clone());
        runtime.transactions = runtime.transactions.interpreter(interpreter);
        runtime
    }

    /// What a database in memory cannot have.
    pub(crate) fn check_memory(&self) -> Result<()> {
        if !self.env.keeps_log() {
            return Ok(());
        }
        let reason = "is for databases that stay: one in memory has nothing to recover";
        Err(Error::Option { option: "the write-ahead log (:wal?)".to_owned(), reason: reason.to_owned() })
    }

    pub(crate) fn initial_schema(&self) -> Result<Schema> {
        let schema = Schema::with_functions(self.functions_of_types());
        Ok(schema.with_changes(&self.patch()?).map_err(storage::Error::from)?)
    }

    /// What is to be declared: types, then attributes.
    fn patch(&self) -> Result<SchemaPatch> {
        let patch = self.schema.to_patch()?;
        let types = self.types.iter().cloned();
        Ok(types.fold(patch, |patch, (name, definition)| patch.with_type(name, definition)))
    }

    /// What registered types can use: the program's functions, and those that are written out.
    pub(crate) fn functions_of_types(&self) -> TypeFunctions {
        let interpreter = query::interpret::value_interpreter(self.runtime.query.clone());
        self.type_functions.clone().interpreter(interpreter)
    }

    pub(crate) fn db_options(&self) -> DbOptions {
        let mut options = DbOptions::default();
        options.closed_schema = self.closed_schema.unwrap_or_default();
        options.validate_data = self.validate_data.unwrap_or_default();
        options.auto_entity_time = self.auto_entity_time.unwrap_or_default();
        options
    }

    pub(crate) fn check_new(&self, path: &Path) -> Result<()> {
        let taken = self.create_new && path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if taken || (self.create_new && path.is_file()) {
            return Err(Error::Exists { path: path.to_owned() });
        }
        Ok(())
    }

    /// For the database at `path`, which is a file if it is one already.
    pub(crate) fn store_options(&self, path: Option<&Path>) -> Result<StoreOptions> {
        let is_file = self.env.is_single_file() || path.is_some_and(Path::is_file);
        let mut env = self.env.clone().single_file(is_file);
        if self.temporary {
            // Nobody reads the files later.
            env = env.durability_by_default(Durability::None);
        }
        let functions = self.functions_of_types();
        let mut options = StoreOptions::new().env(env).adopt(self.adopt).type_functions(functions);
        let patch = self.patch()?;
        if !patch.is_empty() {
            options = options.schema(patch);
        }
        if let Some(closed) = self.closed_schema {
            options = options.closed_schema(closed);
        }
        if let Some(validate) = self.validate_data {
            options = options.validate_data(validate);
        }
        if let Some(auto) = self.auto_entity_time {
            options = options.auto_entity_time(auto);
        }
        Ok(options)
    }
}

/// The question, with one mark even where the name ends with one.
pub(crate) fn did_you_mean(name: &str) -> String {
    format!(", did you mean :{}?", name.trim_end_matches('?'))
}

/// The options that [`Options::from_value`] understands.
const KNOWN: [&str; 10] = [
    WalOptions::KNOWN[0],
    WalOptions::KNOWN[1],
    "closed-schema?",
    "validate-data?",
    "auto-entity-time?",
    "strict?",
    "read-only?",
    "kv-opts",
    "cache-limit",
    "background-sampling?",
];

impl From<()> for Options {
    fn from((): ()) -> Self {
        Self::new()
    }
}

macro_rules! from_schema {
    ($($type:ty),*) => {
        $(impl From<$type> for Options {
            /// A schema and nothing else.
            fn from(schema: $type) -> Self {
                Self::new().schema(schema)
            }
        })*
    };
}

from_schema!(&str, Value, &Value, storage::SchemaPatch);
