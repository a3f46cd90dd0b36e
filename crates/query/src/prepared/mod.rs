//! Prepared queries: parsed, analysed and planned once, run many times.
//!
//! ```text
//! PlanCache  text or tree --> Prepared     the least recently used ones make room for new ones
//! Prepared   Query + Slot --run(inputs)--> QueryResult
//! ```

mod cache;
mod facts;
mod kept;
mod outline;
mod rebind;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use cache::{PlanCache, PlanCacheStats};
pub(crate) use kept::{Given, Slot};

use edn::Value;

use crate::analyse::Warning;
use crate::ast::Query;
use crate::error::Result;
use crate::exec::Budget;
use crate::input::Input;
use crate::options::QueryOptions;
use crate::result::QueryResult;

/// A query that keeps its analysis and its plan between executions.
///
/// Every execution may have other inputs and other databases; it gives the same answer as [`query`](crate::query()).
/// What is kept is used as far as it fits: with the same inputs and schemas nothing is analysed or planned again, with
/// other constants the plan is used with these in place of the old ones, and when counts in the index have moved too
/// far away from what the plan was made for, a new one is made.
///
/// ```
/// use factum_query::storage::{Db, DbOptions, Schema};
/// use factum_query::{Input, Prepared, QueryOptions, edn, parse};
///
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let db = db.db_with(&edn::read("[{:name \"Ann\" :age 38} {:name \"Bob\" :age 41}]")?)?;
/// let older = Prepared::new(parse("[:find [?n ...] :in $ ?min :where [?e :name ?n] [?e :age ?a] [(< ?min ?a)]]")?);
/// let options = QueryOptions::default();
/// let than = |age: i64| older.run(&[Input::from(&db), edn::Value::Int(age).into()], &options);
/// assert_eq!((than(30)?.len(), than(40)?.len()), (2, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Prepared {
    query: Arc<Query>,
    slot: Slot,
}

impl Prepared {
    /// A query that will be planned when it first runs.
    pub fn new(query: impl Into<Arc<Query>>) -> Self {
        Self { query: query.into(), slot: Slot::default() }
    }

    /// The query.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Answers it for `inputs`, in the order of its `:in`.
    pub fn run(&self, inputs: &[Input], options: &QueryOptions) -> Result<QueryResult> {
        self.run_within(inputs, options, None)
    }

    /// Answers it for `inputs` row by row instead of all at once: `each` gets some rows as soon as they are known, and says
    /// whether it wants more. Returns what looked like mistakes, as [`QueryResult::warnings`] does.
    ///
    /// Rows come in batches of about a thousand; work on the next batch begins when `each` is done with the one before. The
    /// rows are those of [`run`](Self::run), each a value per find element, in any order. Where no row is final before the
    /// last one is known (`:order-by`, aggregates, `:having`) the whole result is made first and handed on in parts.
    /// Otherwise only what the plan must keep is in memory: hash tables, tables of rules, what functions computed, and the
    /// set of rows seen where the plan may make them twice. Limits and cancellation hold as ever; the time that `each`
    /// takes counts, too.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use factum_query::storage::{Db, DbOptions, Schema};
    /// use factum_query::{Prepared, QueryOptions, edn, parse};
    ///
    /// let db = Db::empty(Schema::built_in(), DbOptions::default());
    /// let db = db.db_with(&edn::read("[{:name \"Ann\"} {:name \"Bob\"}]")?)?;
    /// let names = Prepared::new(parse("[:find ?n :where [_ :name ?n]]")?);
    /// let mut count = 0;
    /// names.for_each_batch(&[db.into()], &QueryOptions::default(), |rows| {
    ///     count += rows.len();
    ///     ControlFlow::Continue(())
    /// })?;
    /// assert_eq!(count, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each_batch(
        &self,
        inputs: &[Input],
        options: &QueryOptions,
        each: impl FnMut(Vec<Vec<Value>>) -> ControlFlow<()>,
    ) -> Result<Vec<Warning>> {
        crate::stream::for_each_batch(&self.query, inputs, options, Some(&self.slot), each)
    }

    /// [`run`](Self::run) as part of another query, whose budget it uses up.
    pub(crate) fn run_within(
        &self,
        inputs: &[Input],
        options: &QueryOptions,
        around: Option<&Budget>,
    ) -> Result<QueryResult> {
        crate::run::answer(&self.query, inputs, options, Some(&self.slot), around)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Prepared").field(&self.query.to_string()).finish()
    }
}
