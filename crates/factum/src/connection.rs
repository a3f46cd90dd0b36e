//! [`Connection`]: a database that changes.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use edn::{Keyword, Value};
use serde::de::DeserializeOwned;
use storage::{Datom, EntityId, Index, Schema, SchemaPatch, Store};
use tempfile::TempDir;

use crate::db::Runtime;
use crate::inputs::IntoInputs;
use crate::ordered_type::{self, OrderedType};
use crate::queue::{Done, PendingTx, Progress, Queue, Request};
use crate::text::{AsQuery, SchemaInput, TxInput, TypeInput};
use crate::transaction::Transaction;
use crate::{Db, Error, Options, Prepared, Result, TxReport};

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

/// A [`Connection`] that does not keep it open.
#[derive(Clone)]
pub(crate) struct WeakConnection(Weak<Inner>);

impl WeakConnection {
    pub(crate) fn upgrade(&self) -> Option<Connection> {
        self.0.upgrade().map(|inner| Connection { inner })
    }
}

struct Inner {
    path: Option<PathBuf>,
    /// Nothing once the connection is closed.
    store: RwLock<Option<Store>>,
    /// The directory of a temporary database, removed after the store is closed: fields are dropped in their order.
    _temporary: Option<TempDir>,
    runtime: Arc<Runtime>,
    listeners: Mutex<BTreeMap<String, Listener>>,
    news: News,
    /// Asynchronous transactions; the thread starts with the first.
    queue: Mutex<Option<Arc<Queue>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.get_mut().unwrap_or_else(PoisonError::into_inner) {
            queue.close();
        }
    }
}

/// A fresh directory, removed when the guard is dropped.
fn temporary_below(parent: &Path) -> Result<TempDir> {
    std::fs::create_dir_all(parent)
        .and_then(|()| tempfile::Builder::new().prefix("factum-").tempdir_in(parent))
        .map_err(|source| kv::Error::NotWritable { path: parent.to_owned(), source }.into())
}

type Listener = Arc<dyn Fn(&TxReport) + Send + Sync>;

/// Reports on their way to the listeners.
#[derive(Default)]
struct News {
    /// Held from a commit until its report is queued.
    order: Mutex<()>,
    state: Mutex<NewsState>,
}

#[derive(Default)]
struct NewsState {
    waiting: VecDeque<TxReport>,
    /// Whether a thread is calling listeners.
    is_telling: bool,
}

/// All facts of one database, retracted, and all of another; by the names of their attributes, in the other's schema.
fn exchange(before: &storage::Db, after: &storage::Db) -> Result<Vec<Datom>> {
    let mut datoms = Vec::new();
    for datom in before.datoms(Index::Eav, &[])? {
        let datom = datom?;
        let name = before.schema().by_id(datom.a).map(|attribute| &attribute.ident);
        if let Some(attribute) = name.and_then(|name| after.schema().attribute(name)) {
            datoms.push(Datom { a: attribute.id, added: false, ..datom });
        }
    }
    for datom in after.datoms(Index::Eav, &[])? {
        datoms.push(datom?);
    }
    Ok(datoms)
}

impl Connection {
    /// Opens the database in the directory `path`, making it if there is none; or in the file `path` if there is one
    /// (see [`Options::single_file`]).
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
        crate::key_value::check_local(path)?;
        if options.in_memory {
            return Self::memory_with(options);
        }
        options.check_new(path)?;
        let temporary = options.temporary.then(|| temporary_below(path)).transpose()?;
        // In a directory of its own even a database in one file needs no other name.
        let path = temporary.as_ref().map_or_else(|| path.to_owned(), |dir| dir.path().join("database"));
        let store = options.store_options(Some(&path))?.open(&path)?;
        Ok(Self::new(store, Some(path), temporary, options.runtime()))
    }

    /// A new database in memory.
    pub fn memory() -> Result<Self> {
        Self::memory_with(Options::new())
    }

    /// A new database in memory, with [`Options`] or a schema.
    pub fn memory_with(options: impl Into<Options>) -> Result<Self> {
        let options = options.into();
        options.check_memory()?;
        let store = options.store_options(None)?.memory()?;
        Ok(Self::new(store, None, None, options.runtime()))
    }

    /// A connection in memory that goes on from a database value.
    pub fn from_db(db: &Db) -> Self {
        Self::new(Store::from_db(db.inner().clone()), None, None, db.runtime().as_ref().clone())
    }

    fn new(store: Store, path: Option<PathBuf>, temporary: Option<TempDir>, runtime: Runtime) -> Self {
        let inner = Inner {
            path,
            store: RwLock::new(Some(store)),
            _temporary: temporary,
            runtime: Arc::new(runtime),
            listeners: Mutex::default(),
            news: News::default(),
            queue: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The connection, without keeping it open.
    pub(crate) fn downgrade(&self) -> WeakConnection {
        WeakConnection(Arc::downgrade(&self.inner))
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

    /// A query to be asked many times of this connection's databases; see [`Db::prepare`].
    pub fn prepare<I: IntoInputs, R: DeserializeOwned>(&self, query: impl AsQuery) -> Result<Prepared<I, R>> {
        Ok(Prepared::new(query.prepared(&self.inner.runtime.plans)?))
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
        let meta = meta.into();
        let mut writer = self.store()?.write()?;
        let functions = &self.inner.runtime.transactions;
        let mut report = data.into().apply(|data| writer.transact(data, meta, functions))?;
        self.publish(|| {
            report.db_after = writer.commit()?;
            Ok(TxReport::new(report, self.inner.runtime.clone()))
        })
    }

    /// Begins an explicit transaction: everything done through it becomes one commit, or nothing. Waits for the writer
    /// before; see [`Transaction`].
    ///
    /// # Errors
    ///
    /// If the connection is closed or read-only, or this thread has a transaction already.
    pub fn begin(&self) -> Result<Transaction> {
        Transaction::begin(self.clone())
    }

    /// Runs `work` in an explicit transaction and commits it, unless `work` fails or [aborts](Transaction::abort):
    /// then everything is taken back.
    ///
    /// ```
    /// # use factum::{Connection, Error};
    /// let conn = Connection::memory_with("{:seat {:db/unique :db.unique/identity}}")?;
    /// conn.transact("[{:seat 1} {:seat 2 :guest \"Ann\"}]")?;
    ///
    /// let free = "[:find (min ?s) . :where [?e :seat ?s] (not [?e :guest])]";
    /// let seat = conn.with_transaction(|tx| {
    ///     let Some(seat) = tx.query(free)?.scalar::<Option<i64>>()? else { return Ok(None) };
    ///     tx.transact(&format!("[{{:seat {seat} :guest \"Bob\"}}]"))?;
    ///     Ok::<_, Error>(Some(seat))
    /// })?;
    /// assert_eq!(seat, Some(1));
    /// assert!(conn.db()?.query("[:find ?s . :where [?e :seat ?s] (not [?e :guest])]")?.is_empty());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// That of `work`, or of beginning and committing; [`Error::TransactionTimeout`] if `work` set a time limit that is
    /// over, even if it did not notice.
    pub fn with_transaction<R, E: From<Error>>(
        &self,
        work: impl FnOnce(&mut Transaction) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut tx = self.begin()?;
        let result = work(&mut tx)?;
        tx.finish()?;
        Ok(result)
    }

    /// Hands transaction data to the connection's writer thread and returns at once.
    ///
    /// The thread commits everything that has come together, in the order in which it was submitted; each submitted
    /// transaction still happens whole or not at all, and is refused alone. Where many small transactions come, one
    /// commit, and so one wait for the disk, serves hundreds of them; there is nothing to tune. If too many wait
    /// (8192), submitting waits, too.
    ///
    /// ```
    /// # use factum::Connection;
    /// let conn = Connection::memory()?;
    /// let pending: Vec<_> =
    ///     (0..100).map(|n| conn.transact_async(&format!("[{{:n {n}}}]"))).collect::<Result<_, _>>()?;
    /// for (n, pending) in pending.into_iter().enumerate() {
    ///     let report = pending.wait()?; // or .await
    ///     assert_eq!(report.tx_data()[0].v, (n as i64).into());
    /// }
    /// # Ok::<(), factum::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the connection is closed, or the data is text that is not EDN; everything else the promise tells.
    #[doc(alias = "transact-async")]
    pub fn transact_async<'a>(&self, data: impl Into<TxInput<'a>>) -> Result<PendingTx> {
        self.transact_async_meta(data, Value::Nil)
    }

    /// [`transact_async`](Self::transact_async) with something to say about the transaction.
    ///
    /// # Errors
    ///
    /// As [`transact_async`](Self::transact_async).
    pub fn transact_async_meta<'a>(
        &self,
        data: impl Into<TxInput<'a>>,
        meta: impl Into<Value>,
    ) -> Result<PendingTx> {
        let progress = Arc::new(Progress::default());
        let queue = self.submit(data.into(), meta.into(), Done::Promise(progress.clone()))?;
        Ok(PendingTx::new(progress, queue, self.clone()))
    }

    /// [`transact_async`](Self::transact_async) with something to say about the transaction, and with a function that is
    /// called at the end, on the writer's thread and so in order.
    ///
    /// # Errors
    ///
    /// As [`transact_async`](Self::transact_async); the function is not called then.
    pub fn transact_async_with<'a>(
        &self,
        data: impl Into<TxInput<'a>>,
        meta: impl Into<Value>,
        callback: impl FnOnce(Result<TxReport>) + Send + 'static,
    ) -> Result<()> {
        self.submit(data.into(), meta.into(), Done::Callback(Box::new(callback))).map(drop)
    }

    fn submit(&self, data: TxInput<'_>, meta: Value, done: Done) -> Result<Arc<Queue>> {
        let (store, data) = (self.store()?, data.into_owned()?);
        let queue = self.queue()?;
        queue.push(Request { conn: self.clone(), store, data, meta, done })?;
        Ok(queue)
    }

    fn queue(&self) -> Result<Arc<Queue>> {
        let mut queue = self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = &*queue {
            return Ok(queue.clone());
        }
        Ok(queue.insert(Queue::start()?).clone())
    }

    /// [`transact`](Self::transact) for those who need no report: it tells only the listeners.
    #[doc(alias = "transact-ack!")]
    pub fn transact_ack<'a>(&self, data: impl Into<TxInput<'a>>) -> Result<()> {
        self.transact(data).map(drop)
    }

    /// [`update_schema`](Self::update_schema), refused with `:schema/revision-conflict` if the schema is no longer at
    /// `revision` (see [`Schema::revision`]), so that two programs do not undo each other's changes.
    pub fn update_schema_if_revision(
        &self,
        revision: u64,
        patch: impl Into<SchemaInput>,
    ) -> Result<Arc<Schema>> {
        let patch: SchemaPatch = patch.into().to_patch()?;
        self.change(|db| storage::transact::update_schema_if_revision(db, revision, &patch))
    }

    /// Loads datoms with final ids in one commit, all or nothing; much faster than a transaction.
    ///
    /// Values are converted to the type of their attribute, attributes that are not known are made, and datoms that are
    /// there already count once. Nothing else is checked: no uniqueness, no composite tuples, and old values of
    /// single-valued attributes stay. For millions of them see [`storage::BulkLoader`] and [`storage::EntityLoader`].
    ///
    /// ```
    /// # use factum::{Connection, EntityId};
    /// let conn = Connection::memory()?;
    /// conn.load_datoms(&[(EntityId(1), ":name".into(), "Ann".into()), (EntityId(1), ":age".into(), 38.into())])?;
    /// assert_eq!(conn.db()?.pull("[:name :age]", 1)?.unwrap().to_string(), r#"{:age 38, :name "Ann"}"#);
    /// # Ok::<(), factum::Error>(())
    /// ```
    #[doc(alias = "fill-db", alias = "init-db")]
    pub fn load_datoms(&self, datoms: &[(EntityId, Keyword, Value)]) -> Result<storage::BulkReport> {
        let store = self.store()?;
        let known = store.db()?;
        let is_new = |name: &&Keyword| known.schema().attribute(name).is_none();
        let missing = datoms.iter().map(|(_, name, _)| name).filter(is_new);
        let missing: BTreeMap<Value, Value> =
            missing.map(|name| (Value::Keyword(name.clone()), Value::Map(BTreeMap::new()))).collect();
        if let Some((Value::Keyword(attribute), _)) = missing.first_key_value() {
            if known.options().closed_schema {
                let nearest = known.schema().nearest(attribute.as_str());
                return Err(storage::Error::UnknownAttribute { attribute: attribute.clone(), nearest }.into());
            }
            self.update_schema(Value::Map(missing))?;
        }
        let db = store.db()?;
        let mut loader = storage::BulkLoader::new(db.schema());
        for (e, name, value) in datoms {
            let Some(attribute) = db.schema().attribute(name) else { continue };
            if value.is_nil() {
                return Err(storage::Error::NilValue { attribute: name.clone() }.into());
            }
            loader.add(*e, attribute.id, db.encode_for(attribute, value)?.as_bytes())?;
        }
        Ok(store.bulk_load(loader)?)
    }

    /// Puts an attribute that was kept out of the index by value, by `:db/noindex`, into it.
    ///
    /// ```
    /// # use factum::{Connection, Index, values, Keyword};
    /// let conn = Connection::memory_with("{:note {:db/noindex true}}")?;
    /// conn.transact(r#"[{:note "a"} {:note "b"}]"#)?;
    /// assert!(conn.db()?.datoms(Index::Ave, &values![Keyword::from(":note")]).is_err());
    /// conn.index_attribute(":note")?;
    /// assert_eq!(conn.db()?.datoms(Index::Ave, &values![Keyword::from(":note")])?.count(), 2);
    /// # Ok::<(), factum::Error>(())
    /// ```
    #[doc(alias = "index-attr")]
    pub fn index_attribute(&self, attribute: impl Into<Keyword>) -> Result<Arc<Schema>> {
        let attribute = attribute.into();
        self.change(|db| storage::transact::index_attribute(db, &attribute))
    }

    fn change(
        &self,
        change: impl FnOnce(&storage::Db) -> Result<storage::Db, storage::TransactError>,
    ) -> Result<Arc<Schema>> {
        let mut writer = self.store()?.write()?;
        let next = change(writer.db())?;
        writer.set_db(next);
        Ok(writer.commit()?.schema().clone())
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

    /// Registers a value type: attributes can then have `name` as their `:db/valueType`. The definition is kept in the database; to register
    /// the same one again changes nothing.
    ///
    /// ```
    /// # use factum::{Connection, TypeDefinition};
    /// let conn = Connection::memory()?;
    /// let definition = "{:index {:type [:long :long] :order-fn (fn [v] [(:major v) (:minor v)])}}";
    /// conn.register_type(":my/version", definition)?;
    /// conn.update_schema("{:version {:db/valueType :my/version}}")?;
    /// conn.transact("[{:version {:major 1 :minor 10}} {:version {:major 1 :minor 9}}]")?;
    /// let last = "[:find (max ?v) . :where [_ :version ?v]]";
    /// assert_eq!(conn.db()?.query(last)?.to_value().to_string(), "{:major 1, :minor 10}");
    /// # Ok::<(), factum::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the name or the definition does not hold, or the name is that of another type; see [`storage::types::TypeError`].
    #[doc(alias = "register-type")]
    pub fn register_type(
        &self,
        name: impl Into<Keyword>,
        definition: impl Into<TypeInput>,
    ) -> Result<Arc<Schema>> {
        let name = name.into();
        let definition = definition.into().definition(&name)?;
        self.update_schema(SchemaPatch::default().with_type(name, definition))
    }

    /// Registers a Rust type; see [`OrderedType`].
    pub fn register<T: OrderedType>(&self) -> Result<Arc<Schema>> {
        let (name, definition) = ordered_type::definition::<T>();
        let schema = self.update_schema(SchemaPatch::default().with_type(name, definition))?;
        // The types of one database share their functions.
        drop(ordered_type::add_function::<T>(schema.types().functions().clone()));
        Ok(schema)
    }

    /// Takes away all facts and all attributes; options and user tables stay, and ids begin at 1 again. Databases that
    /// came from the connection before keep what they show.
    ///
    /// ```
    /// # use factum::Connection;
    /// let conn = Connection::memory()?;
    /// conn.transact("[{:age 38}]")?;
    /// assert_eq!(conn.clear()?.count(None, None, None)?, 0);
    /// assert_eq!(conn.transact("[{:db/id -1 :age 39}]")?.tempid(-1), Some(factum::EntityId(1)));
    /// # Ok::<(), factum::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the connection is closed or read-only; those of the file: then nothing changes.
    pub fn clear(&self) -> Result<Db> {
        self.reset(&Db::empty(())?)
    }

    /// Replaces everything by the facts and the schema of `db`, a database value of whatever origin, in one commit.
    ///
    /// The listeners get a report: all facts that were there, retracted, and all that are there now. As attributes
    /// are those of the new schema, facts of others go without mention.
    ///
    /// ```
    /// # use factum::{Connection, Db};
    /// let conn = Connection::memory()?;
    /// conn.transact("[{:age 38}]")?;
    /// let other = Db::empty("{:name {:db/unique :db.unique/identity}}")?.with(r#"[{:name "Ann"}]"#)?.db_after();
    /// conn.reset(&other)?;
    /// assert_eq!(conn.db()?.rows::<(String,)>("[:find ?n :where [_ :name ?n]]")?, [("Ann".to_string(),)]);
    /// assert!(conn.schema()?.attribute(&":age".into()).is_none());
    /// # Ok::<(), factum::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`clear`](Self::clear).
    #[doc(alias = "reset-conn!")]
    pub fn reset(&self, db: &Db) -> Result<Db> {
        self.reset_with(db, Value::Nil)
    }

    /// [`reset`](Self::reset) with something to say about it, for the listeners.
    pub fn reset_with(&self, db: &Db, meta: impl Into<Value>) -> Result<Db> {
        let (store, tx_meta) = (self.store()?, meta.into());
        let writer = store.write()?;
        let db_before = writer.db().clone();
        let report = self.publish(|| {
            let db_after = store.replace_in(writer, db.inner())?;
            let tx_data =
                if self.listeners().is_empty() { Vec::new() } else { exchange(&db_before, &db_after)? };
            let report = storage::TxReport {
                tx_id: EntityId(storage::TX_BASE + db_after.basis_tx()),
                db_before,
                db_after,
                tx_data,
                tempids: BTreeMap::new(),
                tx_meta,
                new_attributes: Vec::new(),
            };
            Ok(TxReport::new(report, self.inner.runtime.clone()))
        })?;
        Ok(report.db_after())
    }

    /// Calls `listener` with the report of every later transaction of this connection, after it was committed and in
    /// the order of commits; a listener under the same key is replaced.
    ///
    /// It is called on the thread of the transaction, before [`transact`](Self::transact) returns; but while another
    /// thread's listeners are running, that thread goes on with the reports that come meanwhile. No lock is held, so a
    /// listener may use the connection; the report of a transaction that it makes itself comes after the present one.
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

    /// Commits, by a writer who has the turn, and tells the listeners, in the order of commits.
    ///
    /// ```text
    /// writer's turn:  | stage .. [lock] commit |             next writer: | stage .. [lock: waits] commit |
    ///                                 report queued [unlock]                         report queued after it
    /// ```
    ///
    /// Only those who have the turn take the lock, so nobody waits for the turn while holding it.
    pub(crate) fn publish(&self, commit: impl FnOnce() -> Result<TxReport>) -> Result<TxReport> {
        let order = self.order_of_news();
        let report = commit()?;
        self.queue_news([&report]);
        drop(order);
        self.tell_listeners();
        Ok(report)
    }

    /// Taken before committing and held until [`queue_news`](Self::queue_news), in the writer's turn.
    pub(crate) fn order_of_news(&self) -> MutexGuard<'_, ()> {
        self.inner.news.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts reports of commits into the row, in the order in which they are given.
    pub(crate) fn queue_news<'r>(&self, reports: impl IntoIterator<Item = &'r TxReport>) {
        if !self.listeners().is_empty() {
            let mut state = self.inner.news.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.extend(reports.into_iter().cloned());
        }
    }

    /// Calls the listeners with what is queued, unless somebody is at it already, who goes on then.
    pub(crate) fn tell_listeners(&self) {
        /// A listener that panics must not silence the others for ever.
        struct Telling<'n>(&'n News);

        impl Drop for Telling<'_> {
            fn drop(&mut self) {
                self.0.state.lock().unwrap_or_else(PoisonError::into_inner).is_telling = false;
            }
        }

        let news = &self.inner.news;
        loop {
            let mut state = news.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.is_telling || state.waiting.is_empty() {
                return;
            }
            state.is_telling = true;
            let report = state.waiting.pop_front();
            drop(state);
            let telling = Telling(news);
            if let Some(report) = report {
                let listeners: Vec<Listener> = self.listeners().values().cloned().collect();
                listeners.iter().for_each(|listener| listener(&report));
            }
            drop(telling);
        }
    }

    fn listeners(&self) -> MutexGuard<'_, BTreeMap<String, Listener>> {
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection and all its clones, after the asynchronous transactions that were submitted before.
    /// Databases that came from it stay readable; the file itself is closed with the last of them.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] if it was closed before.
    pub fn close(&self) -> Result<()> {
        let store = self.inner.store.write().unwrap_or_else(PoisonError::into_inner).take();
        let queue = self.inner.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Inside an explicit transaction, which they wait for, they come after it.
        if let Some(queue) = queue
            && store.as_ref().is_some_and(|store| !store.is_writing())
        {
            queue.drain();
        }
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

    /// Whether this thread has the writer's turn.
    pub(crate) fn is_writing(&self) -> bool {
        self.store().is_ok_and(|store| store.is_writing())
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.inner.runtime
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
