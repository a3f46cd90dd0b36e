//! [`Prepared`]: a query that is parsed and planned once.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use edn::Value;
use query::FindShape;
use serde::de::DeserializeOwned;

use crate::inputs::IntoInputs;
use crate::{Db, Input, Query, QueryOptions, QueryResult, Result, RowStream};

/// A query that is parsed and planned once and asked many times, of any database and with any inputs, typed if wanted:
/// `I` are the inputs after `$`, `R` is a row.
///
/// What was planned is used again with other inputs; it is planned anew when the schema changes, or when the data has
/// changed so much that another plan is likely to be better. Answers are those of [`Db::query_with`] in any case. It is
/// made with [`Db::prepare`] or [`Connection::prepare`](crate::Connection::prepare), and shared freely between threads.
///
/// ```
/// use factum::{Db, Prepared};
///
/// let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41} {:name "Cy" :age 29}]"#)?.db_after();
/// let between: Prepared<(i64, i64), (String, i64)> = db.prepare(
///     "[:find ?n ?a :in $ ?from ?to :where [?e :name ?n] [?e :age ?a] [(<= ?from ?a)] [(< ?a ?to)]]",
/// )?;
/// assert_eq!(between.rows(&db, (30, 40))?, [("Ann".to_owned(), 38)]);
/// assert_eq!(between.rows(&db, (40, 50))?, [("Bob".to_owned(), 41)]);
///
/// let names: Prepared<(), String> = db.prepare("[:find [?n ...] :where [_ :name ?n]]")?;
/// assert_eq!(names.rows(&db, ())?.len(), 3);
/// # Ok::<(), factum::Error>(())
/// ```
pub struct Prepared<I = Vec<Input>, R = Value> {
    prepared: Arc<query::Prepared>,
    types: PhantomData<fn(I) -> R>,
}

impl<I: IntoInputs, R: DeserializeOwned> Prepared<I, R> {
    pub(crate) fn new(prepared: Arc<query::Prepared>) -> Self {
        Self { prepared, types: PhantomData }
    }

    /// The answer for these inputs.
    pub fn run(&self, db: &Db, inputs: I) -> Result<QueryResult> {
        db.run_prepared(&self.prepared, inputs)
    }

    /// The answer for all inputs, databases among them, in the order of its `:in`; under limits and with functions as in
    /// [`query_under`](crate::query_under).
    pub fn run_under(&self, inputs: Vec<Input>, options: &QueryOptions) -> Result<QueryResult> {
        let inputs: Vec<query::Input> = inputs.into_iter().map(|input| input.0).collect();
        Ok(QueryResult(self.prepared.run(&inputs, options)?))
    }

    /// The rows for these inputs; of a query for one column (`[?x ...]` or `?x .`) its values.
    pub fn rows(&self, db: &Db, inputs: I) -> Result<Vec<R>> {
        let result = self.run(db, inputs)?;
        match result.shape() {
            FindShape::Collection | FindShape::Scalar => result.column(),
            FindShape::Relation | FindShape::Tuple => result.rows(),
        }
    }

    /// The first or only row, if there is one.
    pub fn first(&self, db: &Db, inputs: I) -> Result<Option<R>> {
        Ok(self.rows(db, inputs)?.into_iter().next())
    }

    /// The rows for these inputs one after the other, while the query runs; see [`Db::stream`].
    pub fn stream(&self, db: &Db, inputs: I) -> Result<RowStream<R>> {
        db.stream_prepared(Arc::clone(&self.prepared), inputs)
    }

    /// The query.
    pub fn query(&self) -> &Query {
        self.prepared.query()
    }
}

impl<I, R> Clone for Prepared<I, R> {
    fn clone(&self) -> Self {
        Self { prepared: Arc::clone(&self.prepared), types: PhantomData }
    }
}

impl<I, R> fmt::Debug for Prepared<I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.prepared, f)
    }
}
