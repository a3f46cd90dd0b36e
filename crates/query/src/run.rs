//! [`query`]: from a parsed query and its inputs to the result.
//!
//! ```text
//! Query + inputs --analyse--> Logical --exec--> relation --decode--> rows --group, window, pull--> QueryResult
//!                                         ^ calls functions and nested queries through the Caller
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use edn::Value;

use crate::analyse::{self, Analysed, Warning};
use crate::ast::Query;
use crate::error::{Error, Result};
use crate::exec::{self, Arena, Budget, CallArg, CallError, Host, Limits, Relation, Run, Source};
use crate::functions::{CallContext, Function, QueryFunction};
use crate::input::Input;
use crate::logical::Callee;
use crate::options::QueryOptions;
use crate::plan::{self, Plan};
use crate::prepared::{Given, Prepared, Slot};
use crate::result::QueryResult;
use crate::shape::{Shaped, Shaper};

/// Answers `query` for `inputs`, which are in the order of its `:in` (without `:in`, a database for `$`).
///
/// ```
/// use factum_query::storage::{Db, DbOptions, Schema};
/// use factum_query::{QueryOptions, edn, parse, query};
///
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let db = db.db_with(&edn::read("[{:name \"Ann\" :age 38} {:name \"Bob\" :age 41}]")?)?;
/// let over_forty = parse("[:find ?n . :where [?e :name ?n] [?e :age ?a] [(> ?a 40)]]")?;
/// let result = query(&over_forty, &[db.into()], &QueryOptions::default())?;
/// assert_eq!(result.to_value(), "Bob".into());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn query(query: &Query, inputs: &[Input], options: &QueryOptions) -> Result<QueryResult> {
    answer(query, inputs, options, None, None)
}

/// Answers a query; what was kept from earlier executions is used, and what is learnt is kept, in `slot`. A nested query
/// uses up the budget of the one around it.
pub(crate) fn answer(
    query: &Query,
    inputs: &[Input],
    options: &QueryOptions,
    slot: Option<&Slot>,
    around: Option<&Budget>,
) -> Result<QueryResult> {
    let (rows, warnings) = execute(query, inputs, options, slot, around, |ready| ready.collect())?;
    Ok(QueryResult::new(query, rows, warnings))
}

/// Everything up to the execution itself, which is left to `last`; not called where an input without rows leaves nothing.
pub(crate) fn execute(
    query: &Query,
    inputs: &[Input],
    options: &QueryOptions,
    slot: Option<&Slot>,
    around: Option<&Budget>,
    last: impl FnOnce(Ready<'_>) -> Result<Shaped>,
) -> Result<Shaped> {
    let timeout = query.timeout.map(|timeout| Duration::from_millis(timeout.millis));
    let execution = options.for_execution(timeout);
    let budget = &match around {
        // The limits of the whole hold anyway.
        Some(around) => around.part(Limits { timeout, ..Limits::default() }),
        None => Budget::new(execution.limits.clone()),
    };
    // Plans that are chosen at random are not worth keeping.
    let slot = slot.filter(|_| options.optimise.dice.is_none());
    let kept = match slot {
        Some(slot) => slot.exact(inputs, options).map_err(|error| Error::new(error, &query.text))?,
        None => None,
    };
    let (analysed, sources, rows, plan) = match kept {
        Some((kept, sources)) => {
            (Arc::clone(&kept.analysed), sources, kept.rows.clone(), Some(Arc::clone(&kept.plan)))
        }
        None => {
            let parsed = slot.and_then(|slot| slot.with_parsed_rules(inputs));
            let mut analysed = analyse::analyse(query, parsed.as_deref().unwrap_or(inputs), options, budget)?;
            if let (Some(slot), Some(_)) = (slot, &parsed) {
                analysed.parsed_rules = slot.parsed_rules();
            }
            let (sources, rows) = (std::mem::take(&mut analysed.sources), analysed.rows.take());
            (Arc::new(analysed), sources, rows, None)
        }
    };
    if rows.as_ref().is_some_and(Vec::is_empty) {
        // An input without rows leaves nothing, whatever the clauses say.
        return Ok((Vec::new(), analysed.warnings.clone()));
    }
    let caller = Caller::new(&analysed, &sources, options, budget);
    let arena = Arena::default();
    let input = match &rows {
        Some(rows) => {
            let vars = analysed.logical.inputs.clone();
            Relation::from_values(vars, rows.iter().map(Vec::as_slice), &arena)
        }
        None => Relation::unit(),
    };
    let fail = |error: exec::ExecError| Error::new(error, &analysed.text);
    let plan = match (plan, slot) {
        (Some(plan), _) => plan,
        (None, Some(slot)) => {
            let given = Given { inputs, sources: &sources, rows: rows.as_deref() };
            slot.plan(&analysed, &given, &input, options).map_err(fail)?
        }
        (None, None) => {
            let plan = plan::plan(&analysed.logical, &sources, &input, &options.optimise);
            Arc::new(plan.map_err(fail)?)
        }
    };
    let run = Run { sources: &sources, arena: &arena, host: &caller };
    let shaper = Shaper { query, analysed: &analysed, sources: &sources, options, budget };
    let (rows, of_pulls) = last(Ready { shaper, run, plan: &plan, input, execution: &execution })?;
    let mut warnings = analysed.warnings.clone();
    for warning in caller.into_warnings().into_iter().chain(of_pulls) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    Ok((rows, warnings))
}

/// A planned query that only has to be executed.
pub(crate) struct Ready<'a> {
    pub shaper: Shaper<'a>,
    pub run: Run<'a>,
    pub plan: &'a Plan,
    pub input: Relation<'a>,
    pub execution: &'a exec::Options,
}

impl Ready<'_> {
    /// The whole result.
    pub fn collect(self) -> Result<Shaped> {
        let Self { shaper, run, plan, input, execution } = self;
        let relation = exec::run_plan(run, plan, input, execution, shaper.budget, None);
        shaper.shape(&relation.map_err(|error| shaper.fail(error))?)
    }
}

/// Results of nested queries that are kept during one execution.
const NESTED_KEPT_MAX: usize = 65_536;

/// Calls functions and nested queries for execution.
pub(crate) struct Caller<'a> {
    sources: &'a [Source],
    functions: &'a [Arc<Function>],
    options: &'a QueryOptions,
    budget: &'a Budget,
    nested: Mutex<HashMap<NestedKey, Value>>,
    prepared: Mutex<HashMap<usize, Arc<Prepared>>>,
    warnings: Mutex<Vec<Warning>>,
}

/// A nested query, by its place in memory, and its arguments.
type NestedKey = (usize, Vec<NestedArg>);

#[derive(Clone, PartialEq, Eq, Hash)]
enum NestedArg {
    Value(Value),
    Source(u16),
    Function(usize),
}

impl<'a> Caller<'a> {
    pub(crate) fn new(
        analysed: &'a Analysed,
        sources: &'a [Source],
        options: &'a QueryOptions,
        budget: &'a Budget,
    ) -> Self {
        Self {
            sources,
            functions: &analysed.functions,
            options,
            budget,
            nested: Mutex::default(),
            prepared: Mutex::default(),
            warnings: Mutex::default(),
        }
    }

    pub(crate) fn into_warnings(self) -> Vec<Warning> {
        self.warnings.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn function(&self, function: &Function, args: &[CallArg]) -> Result<Value, CallError> {
        let db = args.first().and_then(|arg| match arg {
            CallArg::Source(id) => match &self.sources[usize::from(id.0)] {
                Source::Db(db) => Some(db),
                Source::Tuples(_) => None,
            },
            _ => None,
        });
        let context = CallContext { db, registry: Some(&self.options.functions) };
        let values: Vec<Value> = args.iter().filter_map(|arg| arg.as_value().cloned()).collect();
        Ok(function.call_with(&context, &values)?)
    }

    fn nested(&self, query: &Arc<Query>, args: &[CallArg]) -> Result<Value, CallError> {
        let arg = |arg: &CallArg| match arg {
            CallArg::Value(value) => NestedArg::Value(value.clone()),
            CallArg::Source(id) => NestedArg::Source(id.0),
            CallArg::Function(index) => NestedArg::Function(*index),
        };
        let key = (Arc::as_ptr(query) as usize, args.iter().map(arg).collect::<Vec<_>>());
        if let Some(known) = self.nested.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let inputs: Vec<Input> = args.iter().map(|arg| self.nested_input(arg)).collect();
        let result = self.prepared(query).run_within(&inputs, self.options, Some(self.budget))?;
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(result.warnings());
        let value = result.into_value();
        let mut nested = self.nested.lock().unwrap_or_else(PoisonError::into_inner);
        if nested.len() < NESTED_KEPT_MAX {
            self.budget.hold(bytes_of(&value))?;
            nested.insert(key, value.clone());
        }
        Ok(value)
    }

    /// A nested query runs for many inputs, so its plan is kept for as long as the execution goes on.
    fn prepared(&self, query: &Arc<Query>) -> Arc<Prepared> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let place = Arc::as_ptr(query) as usize;
        Arc::clone(prepared.entry(place).or_insert_with(|| Arc::new(Prepared::new(Arc::clone(query)))))
    }

    fn nested_input(&self, arg: &CallArg) -> Input {
        match arg {
            CallArg::Value(value) => Input::Value(value.clone()),
            CallArg::Source(id) => match &self.sources[usize::from(id.0)] {
                Source::Db(db) => Input::Db(db.clone()),
                Source::Tuples(tuples) => {
                    Input::Value(Value::Vector(tuples.iter().cloned().map(Value::Vector).collect()))
                }
            },
            CallArg::Function(index) => {
                let function = Arc::clone(&self.functions[*index]);
                Input::Function(QueryFunction::new(move |args| function.call(args)))
            }
        }
    }
}

/// About as many bytes as a value takes.
pub(crate) fn bytes_of(value: &Value) -> usize {
    let inside = match value {
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        // Values nest no deeper than results may.
        Value::List(items) | Value::Vector(items) => items.iter().map(bytes_of).sum(),
        Value::Set(items) => items.iter().map(bytes_of).sum(),
        Value::Map(entries) => entries.iter().map(|(key, value)| bytes_of(key) + bytes_of(value)).sum(),
        _ => 0,
    };
    size_of::<Value>() + inside
}

impl Host for Caller<'_> {
    fn call(&self, callee: &Callee, args: &[CallArg]) -> Result<Value, CallError> {
        match callee {
            Callee::Function(function) => self.function(function, args),
            Callee::NestedQuery(query) => self.nested(query, args),
            Callee::Input(index) => self.function(&self.functions[*index], args),
        }
    }
}
