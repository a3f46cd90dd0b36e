//! [`Db`]: a database as a value.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use edn::{Keyword, Value};
use query::pull::{PullOptions, Puller};
use query::{PlanCache, Query, QueryOptions};
use serde::de::DeserializeOwned;
use storage::transact::{TxFunctions, TxReport as StorageReport, transact};
use storage::{Datom, Datoms, EntityId, Index, Schema};

use crate::call::parse_timed;
use crate::inputs::IntoInputs;
use crate::stream::RowForm;
use crate::text::{AsPattern, AsQuery, EntityRef, TxInput};
use crate::{
    CancelToken, Entity, Error, Explanation, Input, Options, PlanCacheStats, Prepared, QueryResult, Result,
    RowStream, TxReport, Warning,
};

/// What a connection knows beside its data; every database that comes from it knows it, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtime {
    pub(crate) query: QueryOptions,
    pub(crate) transactions: TxFunctions,
    /// Plans of queries asked before.
    pub(crate) plans: Arc<PlanCache>,
}

/// An immutable database: it gives the same answers for as long as it lives, whatever is committed meanwhile.
///
/// Cheap to clone and to send to other threads. A `Db` comes from [`Connection::db`](crate::Connection::db), from
/// [`Db::empty`], or from another one through [`with`](Db::with).
///
/// ```
/// use factum::Db;
///
/// let empty = Db::empty("{:name {:db/unique :db.unique/identity}}")?;
/// let two = empty.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
/// let rows: Vec<(String, i64)> = two.query("[:find ?n ?a :where [?e :name ?n] [?e :age ?a]]")?.rows()?;
/// assert_eq!(rows.len(), 2);
/// assert_eq!(empty.query("[:find ?n :where [_ :name ?n]]")?.len(), 0);
/// # Ok::<(), factum::Error>(())
/// ```
#[derive(Clone)]
pub struct Db {
    inner: storage::Db,
    runtime: Arc<Runtime>,
}

impl Db {
    pub(crate) fn new(inner: storage::Db, runtime: Arc<Runtime>) -> Self {
        Self { inner, runtime }
    }

    /// A database without facts, in memory, with a schema or [`Options`].
    pub fn empty(options: impl Into<Options>) -> Result<Self> {
        let options = options.into();
        options.check_memory()?;
        let schema = options.initial_schema()?;
        Ok(Self::new(storage::Db::empty(schema, options.db_options()), Arc::new(options.runtime())))
    }

    /// The attributes and their properties.
    pub fn schema(&self) -> &Arc<Schema> {
        self.inner.schema()
    }

    /// The largest id given to an entity.
    pub fn max_eid(&self) -> EntityId {
        self.inner.max_eid()
    }

    /// The number of the last transaction.
    pub fn basis_tx(&self) -> u64 {
        self.inner.basis_tx()
    }

    /// Answers a query, given as text or parsed.
    pub fn query(&self, query: impl AsQuery) -> Result<QueryResult> {
        self.query_with(query, ())
    }

    /// Answers a query with inputs, which fill `:in` after `$`.
    ///
    /// ```
    /// # use factum::{Db, inputs};
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let names: Vec<String> = db
    ///     .query_with("[:find [?n ...] :in $ ?min :where [?e :name ?n] [?e :age ?a] [(<= ?min ?a)]]", [40])?
    ///     .column()?;
    /// assert_eq!(names, ["Bob"]);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn query_with(&self, query: impl AsQuery, inputs: impl IntoInputs) -> Result<QueryResult> {
        self.run_prepared(&*query.prepared(&self.runtime.plans)?, inputs)
    }

    /// A query to be asked many times, with inputs and rows of Rust types if wanted.
    ///
    /// Queries given to [`query`](Self::query) are kept in the same way, found by their text; preparing saves looking
    /// them up and says what goes in and comes out.
    ///
    /// ```
    /// # use factum::{Db, Prepared};
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let age: Prepared<(&str,), i64> = db.prepare("[:find ?a . :in $ ?n :where [?e :name ?n] [?e :age ?a]]")?;
    /// assert_eq!(age.first(&db, ("Bob",))?, Some(41));
    /// assert_eq!(age.first(&db, ("Cy",))?, None);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn prepare<I: IntoInputs, R: DeserializeOwned>(&self, query: impl AsQuery) -> Result<Prepared<I, R>> {
        Ok(Prepared::new(query.prepared(&self.runtime.plans)?))
    }

    /// Runs a prepared query with this database as its first source.
    pub(crate) fn run_prepared(
        &self,
        prepared: &query::Prepared,
        inputs: impl IntoInputs,
    ) -> Result<QueryResult> {
        let inputs = self.all_inputs(prepared.query(), inputs);
        Ok(QueryResult(prepared.run(&inputs, &self.runtime.query)?))
    }

    /// The rows of a query one after the other, while it runs, as [`rows`](QueryResult::rows) or, of a query for one column
    /// (`[?x ...]`), as [`column`](QueryResult::column) would give them; in any order.
    ///
    /// Use it for answers that are too large for memory, or of which the first rows may do. Where no row is final before
    /// the last one is known (`:order-by`, aggregates, `:having`) the whole result is made before the first row comes. Else
    /// only what the plan must keep is held: hash tables, tables of rules, values that functions computed, and the set of
    /// rows seen where the plan may make them twice. Limits and cancellation hold as in [`query`](Self::query); time goes on
    /// while nobody asks for the next row.
    ///
    /// ```
    /// # use factum::Db;
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let mut sum = 0;
    /// for row in db.stream("[:find ?n ?a :where [?e :name ?n] [?e :age ?a]]", ())? {
    ///     let (_name, age): (String, i64) = row?;
    ///     sum += age;
    /// }
    /// assert_eq!(sum, 79);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn stream<T: DeserializeOwned>(
        &self,
        query: impl AsQuery,
        inputs: impl IntoInputs,
    ) -> Result<RowStream<T>> {
        let prepared = query.prepared(&self.runtime.plans)?;
        self.stream_prepared(prepared, inputs)
    }

    pub(crate) fn stream_prepared<T: DeserializeOwned>(
        &self,
        prepared: Arc<query::Prepared>,
        inputs: impl IntoInputs,
    ) -> Result<RowStream<T>> {
        let inputs = self.all_inputs(prepared.query(), inputs);
        RowStream::start(prepared, inputs, &self.runtime.query)
    }

    /// [`stream`](Self::stream) without a thread of its own: calls `each` for every row until it breaks. Returns what the
    /// query should have said better.
    ///
    /// ```
    /// # use factum::Db;
    /// use std::ops::ControlFlow;
    ///
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let mut first = None;
    /// db.for_each_row("[:find [?n ...] :where [_ :name ?n]]", (), |name: String| {
    ///     first = Some(name);
    ///     ControlFlow::Break(())
    /// })?;
    /// assert!(first.is_some());
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn for_each_row<T: DeserializeOwned>(
        &self,
        query: impl AsQuery,
        inputs: impl IntoInputs,
        mut each: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<Vec<Warning>> {
        let prepared = query.prepared(&self.runtime.plans)?;
        let inputs = self.all_inputs(prepared.query(), inputs);
        let form = RowForm::of(prepared.query());
        let (mut number, mut misfit) = (0, None);
        let warnings = prepared.for_each_batch(&inputs, &self.runtime.query, |rows| {
            for row in rows {
                match form.convert(row, number) {
                    Ok(row) => each(row)?,
                    Err(error) => {
                        misfit = Some(error);
                        return ControlFlow::Break(());
                    }
                }
                number += 1;
            }
            ControlFlow::Continue(())
        })?;
        misfit.map_or(Ok(warnings), Err)
    }

    /// How the plans of queries asked before were used again; they are shared with the connection.
    pub fn plan_cache(&self) -> PlanCacheStats {
        self.runtime.plans.stats()
    }

    /// The rows of a query as a Rust type; short for [`query`](Self::query) and [`rows`](QueryResult::rows).
    pub fn rows<T: DeserializeOwned>(&self, query: impl AsQuery) -> Result<Vec<T>> {
        self.query(query)?.rows()
    }

    /// How a query would be answered; with `run`, also how that went.
    pub fn explain(&self, query: impl AsQuery, inputs: impl IntoInputs, run: bool) -> Result<Explanation> {
        let (query, parsed_in) = parse_timed(&query)?;
        let options = query::ExplainOptions { run, parsed_in };
        let inputs = self.all_inputs(&query, inputs);
        Ok(query::explain(&query, &inputs, &self.runtime.query, options)?)
    }

    /// The database itself goes to the first source, if the query asks for one at all.
    fn all_inputs(&self, query: &Query, inputs: impl IntoInputs) -> Vec<query::Input> {
        let given = inputs.into_inputs().into_iter().map(|input| input.0);
        let database =
            query.parameters().iter().any(|name| name.starts_with('$')).then(|| Input::from(self).0);
        database.into_iter().chain(given).collect()
    }

    /// A tree of one entity, as a pattern shapes it; `None` if there is nothing of it.
    ///
    /// ```
    /// # use factum::{Db, Value};
    /// # let db = Db::empty("{:name {:db/unique :db.unique/identity} :boss {:db/valueType :db.type/ref}}")?
    /// #     .with(r#"[{:name "Ann"} {:name "Bob" :boss [:name "Ann"]}]"#)?.db_after();
    /// let bob = db.pull("[:name {:boss [:name]}]", (":name", "Bob"))?.expect("Bob exists");
    /// assert_eq!(bob.to_string(), r#"{:boss {:name "Ann"}, :name "Bob"}"#);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn pull(&self, pattern: impl AsPattern, entity: impl Into<EntityRef>) -> Result<Option<Value>> {
        let Some(entity) = self.entid(entity)? else { return Ok(None) };
        let puller = self.puller(&pattern)?;
        puller.pull(entity).map_err(Error::from)
    }

    /// [`pull`](Self::pull) into a Rust type.
    pub fn pull_as<T: DeserializeOwned>(
        &self,
        pattern: impl AsPattern,
        entity: impl Into<EntityRef>,
    ) -> Result<Option<T>> {
        let value = self.pull(pattern, entity)?;
        value.map(|value| crate::result::convert(value, 0)).transpose()
    }

    /// A tree of each entity, in order, in one pass over the indexes; `None` where there is nothing.
    pub fn pull_many<E: Into<EntityRef>>(
        &self,
        pattern: impl AsPattern,
        entities: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Option<Value>>> {
        let ids = entities.into_iter().map(|entity| self.entid(entity)).collect::<Result<Vec<_>>>()?;
        self.puller(&pattern)?.pull_many(&ids).map_err(Error::from)
    }

    /// [`pull_many`](Self::pull_many) into a Rust type.
    ///
    /// ```
    /// # use factum::Db;
    /// # let db = Db::empty("{:name {:db/unique :db.unique/identity}}")?
    /// #     .with(r#"[{:name "Ann" :age 38} {:name "Bob"}]"#)?.db_after();
    /// #[derive(serde::Deserialize)]
    /// struct Person {
    ///     name: String,
    ///     age: Option<i64>,
    /// }
    ///
    /// let people: Vec<Option<Person>> = db.pull_many_as("[:name :age]", [(":name", "Bob"), (":name", "Cy")])?;
    /// assert!(people[1].is_none());
    /// let bob = people.into_iter().next().flatten().expect("Bob exists");
    /// assert_eq!((bob.name.as_str(), bob.age), ("Bob", None));
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn pull_many_as<T: DeserializeOwned, E: Into<EntityRef>>(
        &self,
        pattern: impl AsPattern,
        entities: impl IntoIterator<Item = E>,
    ) -> Result<Vec<Option<T>>> {
        let values = self.pull_many(pattern, entities)?.into_iter().enumerate();
        values.map(|(at, value)| value.map(|value| crate::result::convert(value, at)).transpose()).collect()
    }

    /// A pattern made ready for this database, to pull with many times.
    pub fn puller(&self, pattern: impl AsPattern) -> Result<Puller<'_>> {
        let options = PullOptions { strict: self.runtime.query.strict, ..PullOptions::default() };
        self.puller_with(pattern, options)
    }

    /// [`puller`](Self::puller) with limits of its own, or a visitor.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// # use factum::{Db, EntityId, PullOptions};
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38}]"#)?.db_after();
    ///
    /// let deadline = Some(Instant::now() + Duration::from_secs(1));
    /// let puller = db.puller_with("[:name]", PullOptions { deadline, ..PullOptions::default() })?;
    /// assert_eq!(puller.pull(EntityId(1))?.expect("Ann").to_string(), r#"{:name "Ann"}"#);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn puller_with(&self, pattern: impl AsPattern, options: PullOptions) -> Result<Puller<'_>> {
        let parsed = pattern.as_pattern()?;
        Puller::new(&self.inner, &parsed, &self.runtime.query.functions, options)
            .map_err(|source| Error::Pull { source, text: pattern.text().map(Into::into) })
    }

    /// The entity's id, if the reference leads to one.
    pub fn entid(&self, entity: impl Into<EntityRef>) -> Result<Option<EntityId>> {
        Ok(self.inner.entid(&entity.into().0)?)
    }

    /// An entity to walk from; `None` if the reference leads nowhere.
    pub fn entity(&self, entity: impl Into<EntityRef>) -> Result<Option<Entity>> {
        Ok(self.inner.entity(&entity.into().0)?)
    }

    /// The database that an entity is read from, with the changes that the entity has.
    ///
    /// ```
    /// # use factum::Db;
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38}]"#)?.db_after();
    /// let older = db.entity(1)?.expect("Ann").assoc(":age", 39)?;
    /// assert_eq!(Db::of_entity(&older).query("[:find ?a . :where [_ :age ?a]]")?.scalar::<i64>()?, 39);
    /// # Ok::<(), factum::Error>(())
    /// ```
    #[doc(alias = "entity-db")]
    pub fn of_entity(entity: &Entity) -> Self {
        Self::new(entity.db().clone(), Arc::default())
    }

    /// The datoms of an index that begin with these components; nil stands for any.
    ///
    /// ```
    /// # use factum::{Db, Index, Keyword, values};
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let ages = db.datoms(Index::Ave, &values![Keyword::from(":age")])?;
    /// let ages = ages.map(|datom| Ok(datom?.v)).collect::<factum::Result<Vec<_>>>()?;
    /// assert_eq!(ages, values![38, 41]);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn datoms(&self, index: Index, components: &[Value]) -> Result<Datoms<'_>> {
        Ok(self.inner.datoms(index, components)?)
    }

    /// The datoms of an index from a place on, to the end of the index or of the attribute.
    pub fn seek_datoms(&self, index: Index, components: &[Value]) -> Result<Datoms<'_>> {
        Ok(self.inner.seek_datoms(index, components)?)
    }

    /// The datoms of an index from a place backwards.
    pub fn rseek_datoms(&self, index: Index, components: &[Value]) -> Result<Datoms<'_>> {
        Ok(self.inner.rseek_datoms(index, components)?)
    }

    /// The datoms of an attribute with values from `start` to `end`, both included; nil is an open end.
    pub fn index_range(
        &self,
        attribute: impl Into<Keyword>,
        start: &Value,
        end: &Value,
    ) -> Result<Datoms<'_>> {
        let attribute = self.attribute(&attribute.into())?;
        Ok(self.inner.index_range(&attribute, start, end)?)
    }

    /// How many datoms match, without reading them; `None` stands for any.
    pub fn count(
        &self,
        entity: Option<EntityId>,
        attribute: Option<Keyword>,
        value: Option<&Value>,
    ) -> Result<u64> {
        let attribute = match attribute {
            Some(name) => match self.schema().attribute(&name) {
                Some(attribute) => Some(attribute.clone()),
                None => return Ok(0),
            },
            None => None,
        };
        let value = match (value, &attribute) {
            (None, _) => None,
            (Some(value), Some(attribute)) => Some(self.inner.encode_for(attribute, value)?),
            (Some(value), None) => Some(storage::encode(value)),
        };
        Ok(self.inner.count(entity, attribute.map(|attribute| attribute.id), value.as_deref())?)
    }

    /// All datoms that match, by the index that suits; `None` stands for any.
    ///
    /// ```
    /// # use factum::Db;
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 38}]"#)?.db_after();
    /// assert_eq!(db.search(None, Some(":age".into()), Some(&38.into()))?.len(), 2);
    /// assert_eq!(db.search(Some(factum::EntityId(1)), None, Some(&38.into()))?.len(), 1);
    /// # Ok::<(), factum::Error>(())
    /// ```
    #[doc(alias = "search-datoms")]
    pub fn search(
        &self,
        entity: Option<EntityId>,
        attribute: Option<Keyword>,
        value: Option<&Value>,
    ) -> Result<Vec<Datom>> {
        let e = entity.map_or(Value::Nil, Value::from);
        let a = attribute.clone().map_or(Value::Nil, Value::Keyword);
        let v = value.cloned().unwrap_or_default();
        let is_indexed = |name: &Keyword| self.schema().attribute(name).is_none_or(|a| !a.no_index);
        let (index, components) = match (&entity, &attribute) {
            (None, Some(name)) if is_indexed(name) => (Index::Ave, vec![a, v]),
            (Some(_), _) => (Index::Eav, vec![e, a, v]),
            (None, _) => (Index::Eav, vec![Value::Nil, a, v]),
        };
        let datoms = self.datoms(index, &components)?;
        datoms.map(|datom| datom.map_err(Error::from)).collect()
    }

    /// `n` different datoms, drawn evenly from all by their rank in the index by entity, and in its order; all of them if
    /// there are not more. The same seed gives the same sample of the same database.
    ///
    /// ```
    /// # use factum::Db;
    /// # let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
    /// let sample = db.sample(2, 42)?;
    /// assert_eq!(sample.len(), 2);
    /// assert_eq!(db.sample(2, 42)?, sample);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn sample(&self, n: usize, seed: u64) -> Result<Vec<Datom>> {
        Ok(self.inner.sample(n, seed)?)
    }

    /// As [`sample`](Self::sample), from the datoms of an attribute with values from `start` to `end`, both included;
    /// nil is an open end.
    ///
    /// ```
    /// # use factum::{Db, Value};
    /// # let db = Db::empty(())?.with("[{:n 1} {:n 2} {:n 3} {:n 4} {:n 5}]")?.db_after();
    /// let sample = db.sample_range(":n", &Value::Int(2), &Value::Nil, 3, 42)?;
    /// assert!(sample.len() == 3 && sample.iter().all(|datom| datom.v >= Value::Int(2)));
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn sample_range(
        &self,
        attribute: impl Into<Keyword>,
        start: &Value,
        end: &Value,
        n: usize,
        seed: u64,
    ) -> Result<Vec<Datom>> {
        let attribute = self.attribute(&attribute.into())?;
        Ok(self.inner.sample_range(&attribute, start, end, n, seed)?)
    }

    /// How many distinct values an attribute has.
    pub fn cardinality(&self, attribute: impl Into<Keyword>) -> Result<u64> {
        match self.schema().attribute(&attribute.into()) {
            Some(attribute) => Ok(self.inner.cardinality(attribute.id)?),
            None => Ok(0),
        }
    }

    fn attribute(&self, name: &Keyword) -> Result<Arc<storage::Attribute>> {
        let known = self.schema().attribute(name).cloned();
        known.ok_or_else(|| {
            let nearest = self.schema().nearest(name.as_str());
            storage::Error::UnknownAttribute { attribute: name.clone(), nearest }.into()
        })
    }

    /// What a transaction would do; nothing is written. Its [`db_after`](TxReport::db_after) is a database like any
    /// other, to any depth.
    ///
    /// ```
    /// # use factum::Db;
    /// let db = Db::empty(())?;
    /// let report = db.with(r#"[{:db/id "ann" :name "Ann"}]"#)?;
    /// let ann = report.tempid("ann").expect("a new entity");
    /// assert_eq!(report.db_after().pull("[:name]", ann)?.unwrap().to_string(), r#"{:name "Ann"}"#);
    /// assert_eq!(db.pull("[:name]", ann)?, None);
    /// # Ok::<(), factum::Error>(())
    /// ```
    pub fn with<'a>(&self, data: impl Into<TxInput<'a>>) -> Result<TxReport> {
        self.with_meta(data, Value::Nil)
    }

    /// [`with`](Self::with), with something to say about the transaction.
    pub fn with_meta<'a>(&self, data: impl Into<TxInput<'a>>, meta: impl Into<Value>) -> Result<TxReport> {
        let meta = meta.into();
        let report =
            data.into().apply(|data| transact(&self.inner, data, meta, &self.runtime.transactions))?;
        Ok(self.report(report))
    }

    fn report(&self, report: StorageReport) -> TxReport {
        TxReport::new(report, self.runtime.clone())
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }

    /// This database with another limit on how long its queries may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        Arc::make_mut(&mut self.runtime).query.timeout = timeout.into();
        self
    }

    /// This database with queries that `cancel` stops from another thread.
    #[must_use]
    pub fn with_cancel(mut self, cancel: CancelToken) -> Self {
        Arc::make_mut(&mut self.runtime).query.cancel = cancel;
        self
    }

    /// The layer below: cursors, encoded values.
    pub fn inner(&self) -> &storage::Db {
        &self.inner
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db").field("max_eid", &self.max_eid()).field("basis_tx", &self.basis_tx()).finish()
    }
}

/// Several values of different types, for [`Db::datoms`].
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        ::std::vec::Vec::<$crate::Value>::from([$($crate::Value::from($value)),*])
    };
}
