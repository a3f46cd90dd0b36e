//! [`Connection`]: a database that changes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use edn::Value;
use storage::{Schema, SchemaPatch, Store};

use crate::db::Runtime;
use crate::text::{SchemaInput, TxInput};
use crate::{Db, Error, Options, Result, TxReport};

/// A database in a file or in memory, to read from and to write to.
///
/// Clones are the same connection; it is shared freely between threads. One transaction at a time is processed,
/// reading is never blocked by it: [`db`](Connection::db) gives the newest committed state as a value.
///
/// ```
/// use factum::Connection;
///
/// # let dir = tempfile::tempdir().unwrap();
/// # let path = dir.path();
/// let conn = Connection::open(path)?;
/// let before = conn.db()?;
/// conn.transact(r#"[{:name "Ann" :age 38}]"#)?;
///
/// let names: Vec<String> = conn.db()?.query("[:find [?n ...] :where [_ :name ?n]]")?.column()?;
/// assert_eq!(names, ["Ann"]);
/// assert!(before.query("[:find ?n :where [_ :name ?n]]")?.is_empty(), "a database value never changes");
/// # Ok::<(), factum::Error>(())
/// ```
#[derive(Clone)]
pub struct Connection {
    inner: Arc<Inner>,
}

struct Inner {
    path: Option<PathBuf>,
    /// Nothing once the connection is closed.
    store: RwLock<Option<Store>>,
    runtime: Arc<Runtime>,
    listeners: Mutex<BTreeMap<String, Listener>>,
}

type Listener = Arc<dyn Fn(&TxReport) + Send + Sync>;

impl Connection {
    /// Opens the database in the directory `path`, making it if there is none.
    ///
    /// # Errors
    ///
    /// If the path holds something else, a database of a later version, or cannot be written.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, Options::new())
    }

    /// Opens a database with [`Options`]; a schema alone will do, too.
    pub fn open_with(path: impl AsRef<Path>, options: impl Into<Options>) -> Result<Self> {
        let (path, options) = (path.as_ref(), options.into());
        options.check_new(path)?;
        let store = options.store_options()?.open(path)?;
        Ok(Self::new(store, Some(path.to_owned()), options.runtime()))
    }

    /// A new database in memory.
    pub fn memory() -> Result<Self> {
        Self::memory_with(Options::new())
    }

    /// A new database in memory, with [`Options`] or a schema.
    pub fn memory_with(options: impl Into<Options>) -> Result<Self> {
        let options = options.into();
        let store = options.store_options()?.memory()?;
        Ok(Self::new(store, None, options.runtime()))
    }

    /// A connection in memory that goes on from a database value.
    pub fn from_db(db: &Db) -> Self {
        Self::new(Store::from_db(db.inner().clone()), None, db.runtime().as_ref().clone())
    }

    fn new(store: Store, path: Option<PathBuf>, runtime: Runtime) -> Self {
        let inner = Inner {
            path,
            store: RwLock::new(Some(store)),
            runtime: Arc::new(runtime),
            listeners: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where the database lies; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// The newest committed state. As long as it lives, the file cannot reuse the space of what was retracted since,
    /// so let go of it when done.
    pub fn db(&self) -> Result<Db> {
        Ok(Db::new(self.store()?.db()?, self.inner.runtime.clone()))
    }

    /// The attributes of the newest state.
    pub fn schema(&self) -> Result<Arc<Schema>> {
        Ok(self.db()?.schema().clone())
    }

    /// Applies transaction data and commits it, all or nothing.
    ///
    /// ```
    /// # use factum::Connection;
    /// let conn = Connection::memory_with("{:name {:db/unique :db.unique/identity}}")?;
    /// let report = conn.transact(r#"[{:db/id "ann" :name "Ann"} {:name "Bob" :boss "ann"}]"#)?;
    /// assert_eq!(report.tx_data().len(), 3);
    ///
    /// let error = conn.transact(r#"[[:db/add "x" :name nil]]"#).unwrap_err();
    /// assert_eq!(error.code(), ":transact/syntax");
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn transact<'a>(&self, data: impl Into<TxInput<'a>>) -> Result<TxReport> {
        self.transact_with(data, Value::Nil)
    }

    /// [`transact`](Self::transact) with something to say about the transaction, for the listeners.
    pub fn transact_with<'a>(
        &self,
        data: impl Into<TxInput<'a>>,
        meta: impl Into<Value>,
    ) -> Result<TxReport> {
        let (store, meta) = (self.store()?, meta.into());
        let functions = &self.inner.runtime.transactions;
        let report = data.into().apply(|data| store.transact(data, meta, functions))?;
        let report = TxReport::new(report, self.inner.runtime.clone());
        self.notify(&report);
        Ok(report)
    }

    /// Merges properties into the schema: an EDN map, or a [`SchemaPatch`] that also deletes and renames.
    ///
    /// ```
    /// # use factum::{Connection, Keyword};
    /// let conn = Connection::memory()?;
    /// conn.transact("[{:age 38}]")?;
    /// conn.update_schema("{:age {:db/valueType :db.type/long :db/doc \"in years\"}}")?;
    /// let error = conn.update_schema("{:age {:db/valueType :db.type/instant}}").unwrap_err();
    /// assert_eq!(error.class(), "type-change");
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn update_schema(&self, patch: impl Into<SchemaInput>) -> Result<Arc<Schema>> {
        let patch: SchemaPatch = patch.into().to_patch()?;
        Ok(self.store()?.update_schema(&patch)?.schema().clone())
    }

    /// Calls `listener` with the report of every later transaction of this connection, after it was committed; a
    /// listener under the same key is replaced.
    ///
    /// ```
    /// # use factum::Connection;
    /// use std::sync::mpsc;
    ///
    /// let conn = Connection::memory()?;
    /// let (sender, receiver) = mpsc::channel();
    /// conn.listen("count", move |report| sender.send(report.tx_data().len()).unwrap());
    /// conn.transact("[{:age 38}]")?;
    /// assert_eq!(receiver.recv(), Ok(1));
    /// assert!(conn.unlisten("count"));
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn listen(&self, key: impl Into<String>, listener: impl Fn(&TxReport) + Send + Sync + 'static) {
        self.listeners().insert(key.into(), Arc::new(listener));
    }

    /// Removes a listener; whether there was one.
    pub fn unlisten(&self, key: &str) -> bool {
        self.listeners().remove(key).is_some()
    }

    /// Listeners run without any lock held, so that they may use the connection.
    fn notify(&self, report: &TxReport) {
        let listeners: Vec<Listener> = self.listeners().values().cloned().collect();
        listeners.iter().for_each(|listener| listener(report));
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Listener>> {
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection and all its clones. Databases that came from it stay readable; the file itself is closed
    /// with the last of them.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if it was closed before.
    pub fn close(&self) -> Result<()> {
        let store = self.inner.store.write().unwrap_or_else(PoisonError::into_inner).take();
        store.map(drop).ok_or_else(|| self.closed())
    }

    /// Whether the connection was closed.
    pub fn is_closed(&self) -> bool {
        self.inner.store.read().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The layer below: user tables in the same file, explicit writers.
    pub fn store(&self) -> Result<Store> {
        let store = self.inner.store.read().unwrap_or_else(PoisonError::into_inner);
        store.clone().ok_or_else(|| self.closed())
    }

    fn closed(&self) -> Error {
        Error::Closed { path: self.inner.path.clone() }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path =
            self.inner.path.as_ref().map_or_else(|| "memory".into(), |path| path.display().to_string());
        f.debug_struct("Connection").field("path", &path).field("closed", &self.is_closed()).finish()
    }
}
