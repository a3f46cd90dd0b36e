//! [`Transaction`]: several steps that become one commit.
//!
//! ```text
//! begin --> transact, query, pull, kv, update_schema ... --> commit --> one report, listeners
//!           each step sees the ones before, nobody else     abort, drop, error --> nothing
//! ```

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edn::{Keyword, Value};
use storage::{Datom, EntityId, Schema, SchemaPatch, Writer};

use crate::connection::Connection;
use crate::inputs::IntoInputs;
use crate::text::{AsPattern, AsQuery, EntityRef, SchemaInput, TxInput, TypeInput};
use crate::{Db, Error, QueryResult, Result, TxReport};

/// The writer's turn, and everything staged in it; made by [`Connection::begin`] or lent by
/// [`Connection::with_transaction`].
///
/// Reads see what was written before in the same transaction; nobody else does until [`commit`](Self::commit).
/// Dropping it, also by a panic, takes everything back. Other writers wait meanwhile, so it should be short, and it
/// stays on the thread that began it.
///
/// ```
/// use factum::Connection;
///
/// let conn = Connection::memory_with("{:account {:db/unique :db.unique/identity}}")?;
/// conn.transact(r#"[{:account "a" :left 50} {:account "b" :left 0}]"#)?;
///
/// let mut tx = conn.begin()?;
/// tx.transact(r#"[{:account "a" :left 20}]"#)?;
/// tx.transact(r#"[{:account "b" :left 30}]"#)?;
/// let total: i64 = tx.query("[:find (sum ?l) . :with ?e :where [?e :left ?l]]")?.scalar()?;
/// assert_eq!(total, 50);
/// let report = tx.commit()?;
/// assert_eq!(report.tx_data().len(), 4, "two values replaced");
/// # Ok::<(), factum::Error>(())
/// ```
pub struct Transaction {
    conn: Connection,
    /// Nothing once it has ended.
    writer: Option<Writer>,
    before: storage::Db,
    steps: Steps,
    deadline: Option<(Instant, Duration)>,
    /// The time limit that ended it.
    timed_out: Option<Duration>,
}

/// What the steps did together.
#[derive(Default)]
struct Steps {
    /// The effects in order; one that was undone later leaves a gap.
    effects: Vec<Option<Datom>>,
    /// Where a fact's effect stands, since a fact is either added or retracted on the whole, or neither.
    places: HashMap<(EntityId, storage::AttrId, Value), usize>,
    tempids: BTreeMap<Value, EntityId>,
    tx_id: Option<EntityId>,
    tx_meta: Value,
    new_attributes: Vec<Keyword>,
}

impl Steps {
    fn add(&mut self, report: &storage::TxReport) {
        for datom in &report.tx_data {
            let fact = (datom.e, datom.a, datom.v.clone());
            if let Some(place) = self.places.remove(&fact) {
                // Effects on one fact alternate: this one takes the earlier one back.
                self.effects[place] = None;
            } else {
                self.places.insert(fact, self.effects.len());
                self.effects.push(Some(datom.clone()));
            }
        }
        self.tempids.extend(report.tempids.iter().map(|(tempid, e)| (tempid.clone(), *e)));
        self.tx_id = Some(report.tx_id);
        if !report.tx_meta.is_nil() {
            self.tx_meta = report.tx_meta.clone();
        }
        for name in &report.new_attributes {
            if !self.new_attributes.contains(name) {
                self.new_attributes.push(name.clone());
            }
        }
    }
}

impl Transaction {
    pub(crate) fn begin(conn: Connection) -> Result<Self> {
        let writer = conn.store()?.write()?;
        let before = writer.db().clone();
        Ok(Self {
            conn,
            writer: Some(writer),
            before,
            steps: Steps::default(),
            deadline: None,
            timed_out: None,
        })
    }

    /// Ends the transaction, with [`Error::TransactionTimeout`] at its next step, if it takes longer than `limit`.
    /// Nothing of it is kept then. A query that is being answered is not interrupted; it has a
    /// [limit of its own](crate::Options::timeout).
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.set_timeout(limit);
        self
    }

    /// As [`timeout`](Self::timeout), from now on.
    pub fn set_timeout(&mut self, limit: Duration) {
        self.deadline = Some((Instant::now() + limit, limit));
    }

    /// Whether it was aborted, or ended by its time limit.
    pub fn is_ended(&self) -> bool {
        self.writer.is_none()
    }

    fn writer(&mut self) -> Result<&mut Writer> {
        if self.writer.is_some()
            && let Some(limit) = self.exceeded()
        {
            (self.writer, self.timed_out) = (None, Some(limit));
        }
        let ended = self.ended();
        self.writer.as_mut().ok_or(ended)
    }

    /// The time limit, if it is over.
    fn exceeded(&self) -> Option<Duration> {
        self.deadline.filter(|(deadline, _)| Instant::now() > *deadline).map(|(_, limit)| limit)
    }

    /// Why there is no writer.
    fn ended(&self) -> Error {
        match self.timed_out {
            Some(limit) => Error::TransactionTimeout { limit },
            None => Error::TransactionEnded,
        }
    }

    /// The database with everything that was staged so far, as a value.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionEnded`] after an abort; [`Error::TransactionTimeout`].
    pub fn db(&self) -> Result<Db> {
        let writer = self.writer.as_ref().ok_or_else(|| self.ended())?;
        if let Some(limit) = self.exceeded() {
            return Err(Error::TransactionTimeout { limit });
        }
        Ok(Db::new(writer.db().clone(), self.conn.runtime().clone()))
    }

    /// Stages transaction data. If it is refused, what was staged before stays.
    pub fn transact<'a>(&mut self, data: impl Into<TxInput<'a>>) -> Result<TxReport> {
        self.transact_with(data, Value::Nil)
    }

    /// [`transact`](Self::transact) with something to say about the transaction, for the report of the whole.
    pub fn transact_with<'a>(
        &mut self,
        data: impl Into<TxInput<'a>>,
        meta: impl Into<Value>,
    ) -> Result<TxReport> {
        let (runtime, meta) = (self.conn.runtime().clone(), meta.into());
        let writer = self.writer()?;
        let report = data.into().apply(|data| writer.transact(data, meta, &runtime.transactions))?;
        self.steps.add(&report);
        Ok(TxReport::new(report, runtime))
    }

    /// Stages a change of the schema.
    pub fn update_schema(&mut self, patch: impl Into<SchemaInput>) -> Result<Arc<Schema>> {
        let patch = patch.into().to_patch()?;
        let writer = self.writer()?;
        let next = storage::transact::update_schema(writer.db(), &patch)?;
        writer.set_db(next);
        Ok(writer.db().schema().clone())
    }

    /// Stages a type; see [`Connection::register_type`](crate::Connection::register_type).
    pub fn register_type(
        &mut self,
        name: impl Into<Keyword>,
        definition: impl Into<TypeInput>,
    ) -> Result<Arc<Schema>> {
        let name = name.into();
        let definition = definition.into().definition(&name)?;
        self.update_schema(SchemaPatch::default().with_type(name, definition))
    }

    /// Answers a query over the staged state.
    pub fn query(&self, query: impl AsQuery) -> Result<QueryResult> {
        self.db()?.query(query)
    }

    /// Answers a query with inputs over the staged state.
    pub fn query_with(&self, query: impl AsQuery, inputs: impl IntoInputs) -> Result<QueryResult> {
        self.db()?.query_with(query, inputs)
    }

    /// A tree of one entity in the staged state.
    pub fn pull(&self, pattern: impl AsPattern, entity: impl Into<EntityRef>) -> Result<Option<Value>> {
        self.db()?.pull(pattern, entity)
    }

    /// Lends the file's key-value transaction to `work`: what it writes to user tables becomes part of the same
    /// commit, and it reads what was written there before. The database's own tables cannot be opened in it.
    ///
    /// ```
    /// use factum::kv::Table;
    /// use factum::kv::codec::{Long, Str};
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let path = dir.path();
    /// let conn = factum::Connection::open(path)?;
    /// let visits: Table<Str, Long> = conn.store()?.env().expect("a file").open_table("visits")?;
    ///
    /// conn.with_transaction(|tx| {
    ///     tx.transact(r#"[{:name "Ann"}]"#)?;
    ///     tx.kv(|txn| visits.put(txn, "Ann", 1))
    /// })?;
    /// assert_eq!(visits.get(&conn.store()?.env().expect("a file").read()?, "Ann")?, Some(1));
    /// # Ok::<(), factum::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::InMemory`] for a connection without a file; those of `work`, whose writes up to then stay staged.
    #[doc(alias = "datalog-kv")]
    pub fn kv<R>(&mut self, work: impl for<'e> FnOnce(&mut kv::WriteTxn<'e>) -> kv::Result<R>) -> Result<R> {
        let result = self.writer()?.with_txn(work)?.ok_or(Error::InMemory)?;
        Ok(result.map_err(storage::Error::from)?)
    }

    /// Takes everything back and lets the next writer go on; the transaction cannot be used after.
    #[doc(alias = "abort-transact")]
    pub fn abort(&mut self) {
        self.writer = None;
    }

    /// Commits, unless it was aborted.
    pub(crate) fn finish(mut self) -> Result<()> {
        match self.writer() {
            Ok(_) => self.commit().map(drop),
            Err(Error::TransactionEnded) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes everything staged visible at once and, unless the database was opened otherwise, durable; then tells the
    /// listeners.
    ///
    /// The report is that of one transaction: facts that were added and taken away again are not in it.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionEnded`] after an abort; [`Error::TransactionTimeout`]; those of the file, such as a full disk:
    /// nothing is kept then.
    pub fn commit(mut self) -> Result<TxReport> {
        self.writer()?;
        let writer = self.writer.take().ok_or_else(|| self.ended())?;
        let steps = std::mem::take(&mut self.steps);
        let basis = EntityId(storage::TX_BASE + writer.db().basis_tx());
        self.conn.publish(|| {
            let report = storage::TxReport {
                db_before: self.before.clone(),
                db_after: writer.commit()?,
                tx_data: steps.effects.into_iter().flatten().collect(),
                tempids: steps.tempids,
                tx_id: steps.tx_id.unwrap_or(basis),
                tx_meta: steps.tx_meta,
                new_attributes: steps.new_attributes,
            };
            Ok(TxReport::new(report, self.conn.runtime().clone()))
        })
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let staged = self.steps.places.len();
        f.debug_struct("Transaction").field("staged", &staged).field("ended", &self.is_ended()).finish()
    }
}
