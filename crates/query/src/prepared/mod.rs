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
use std::sync::Arc;

pub use cache::{PlanCache, PlanCacheStats};
pub(crate) use kept::{Given, Slot};

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
