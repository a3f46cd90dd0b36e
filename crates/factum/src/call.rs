//! Calls that belong to no one database: queries over several, functions by name.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use edn::{Symbol, Value};
use query::{ExplainOptions, FunctionError, Query, QueryOptions};

use crate::inputs::IntoInputs;
use crate::text::AsQuery;
use crate::{Explanation, QueryResult, Result};

/// Answers a query whose inputs, the databases among them, are all given: `:in $ $other ?x`.
///
/// ```
/// use factum::{Db, inputs};
///
/// let shop = Db::empty(())?.with(r#"[{:item "tea" :price 4} {:item "rum" :price 30}]"#)?.db_after();
/// let cellar = Db::empty(())?.with(r#"[{:item "tea" :left 3}]"#)?.db_after();
/// let value: i64 = factum::query(
///     "[:find (sum ?v) . :in $ $cellar
///       :where [?i :item ?n] [?i :price ?p] [$cellar ?c :item ?n] [$cellar ?c :left ?l] [(* ?p ?l) ?v]]",
///     inputs![&shop, &cellar],
/// )?
/// .scalar()?;
/// assert_eq!(value, 12);
/// # Ok::<(), factum::Error>(())
/// ```
pub fn query(query: impl AsQuery, inputs: impl IntoInputs) -> Result<QueryResult> {
    query_under(query, inputs, &QueryOptions::default())
}

/// [`query()`] under limits, with functions, and whatever else [`QueryOptions`] say; those of the databases are not looked at.
pub fn query_under(
    query: impl AsQuery,
    inputs: impl IntoInputs,
    options: &QueryOptions,
) -> Result<QueryResult> {
    let query = query.as_query()?;
    let inputs: Vec<query::Input> = inputs.into_inputs().into_iter().map(|input| input.0).collect();
    Ok(QueryResult(query::query(&query, &inputs, options)?))
}

/// How such a query would be answered; with `run`, also how that went.
pub fn explain(query: impl AsQuery, inputs: impl IntoInputs, run: bool) -> Result<Explanation> {
    let (query, parsed_in) = parse_timed(&query)?;
    explain_under(&query, inputs, &QueryOptions::default(), ExplainOptions { run, parsed_in })
}

/// [`explain`] of a query that was parsed before, under limits and with functions.
pub fn explain_under(
    query: &Query,
    inputs: impl IntoInputs,
    options: &QueryOptions,
    what: ExplainOptions,
) -> Result<Explanation> {
    let inputs: Vec<query::Input> = inputs.into_inputs().into_iter().map(|input| input.0).collect();
    Ok(query::explain(query, &inputs, options, what)?)
}

/// A query, and how long it took to make it of text or of forms, if it had to be made.
pub(crate) fn parse_timed(query: &impl AsQuery) -> Result<(Cow<'_, Query>, Option<Duration>)> {
    let start = Instant::now();
    let query = query.as_query()?;
    let took = start.elapsed();
    let parsed_in = matches!(query, Cow::Owned(_)).then_some(took);
    Ok((query, parsed_in))
}

/// Whether a built-in function of the query language has this name.
pub fn is_function(name: &Symbol) -> bool {
    query::functions::built_in(name).is_some()
}

/// The names of all built-in functions.
pub fn function_names() -> impl Iterator<Item = &'static str> {
    query::functions::built_in_names()
}

/// Calls a built-in function of the query language.
///
/// ```
/// # use factum::values;
/// assert_eq!(factum::call_function(&"+".into(), &values![1, 2])?, 3.into());
/// # Ok::<(), factum::Error>(())
/// ```
pub fn call_function(name: &Symbol, args: &[Value]) -> Result<Value, FunctionError> {
    let unknown = || FunctionError::Unknown {
        name: name.to_string(),
        nearest: edn::nearest(name.as_str(), function_names()).map(str::to_owned),
    };
    query::functions::built_in(name).ok_or_else(unknown)?.call(args)
}
