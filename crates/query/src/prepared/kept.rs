//! [`Slot`]: the last analysis and plan of a query, for as long as they fit.
//!
//! ```text
//! same inputs, schemas and options?      the analysis and the plan, as they are
//! else analyse; same shape as before?    the plan, with the constants replaced
//! else                                   plan anew
//! ```
//!
//! In the first two cases the counts that the plan relies on are looked up again where the data may have changed, and
//! a plan that they have drifted away from is made anew (see [`Facts`]).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use edn::Value;
use storage::Schema;

use super::facts::Facts;
use super::outline::Outline;
use super::rebind::Replacements;
use crate::analyse::Analysed;
use crate::ast::Rules;
use crate::exec::{Relation, Result, Source};
use crate::functions::{FunctionRegistry, QueryFunction};
use crate::input::Input;
use crate::options::QueryOptions;
use crate::plan::{self, Plan, Switches};

/// Inputs with more elements than this are not compared with those of the next execution.
const ELEMENTS_MAX: usize = 64;

/// Where a prepared query keeps what it learnt.
#[derive(Default)]
pub(crate) struct Slot(Mutex<Option<Arc<Kept>>>);

/// What an execution was given.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub inputs: &'a [Input],
    pub sources: &'a [Source],
    /// The rows of relation inputs.
    pub rows: Option<&'a [Vec<Value>]>,
}

/// An analysis and a plan, and what they hold for. No database is kept: that would keep its snapshot alive.
pub(crate) struct Kept {
    /// The analysis, without sources and rows.
    pub analysed: Arc<Analysed>,
    /// The rows that the inputs give, if the inputs are kept.
    pub rows: Option<Vec<Vec<Value>>>,
    pub plan: Arc<Plan>,
    settings: Settings,
    /// The inputs, if they are small and the analysis has looked at nothing else.
    inputs: Option<Vec<KeptInput>>,
    /// Parsed rules, with the value that they were given as.
    rules: Option<(Value, Arc<Rules>)>,
    /// Sources that the analysis has added to those of the inputs.
    own_sources: Vec<Source>,
    schemas: Vec<Option<Arc<Schema>>>,
    outline: Outline,
    /// Whether the plan holds for other constants, too.
    adapts: bool,
    facts: Facts,
    /// A mark of the databases that the facts were last counted for.
    counted: AtomicU64,
}

enum KeptInput {
    Db { schema: Arc<Schema>, closed_schema: bool },
    Value(Value),
    Function(QueryFunction),
    Rules(Arc<Rules>),
}

/// The options that analysis and planning look at.
struct Settings {
    strict: bool,
    functions: Arc<FunctionRegistry>,
    optimise: Switches,
}

impl Settings {
    fn of(options: &QueryOptions) -> Self {
        Self {
            strict: options.strict,
            functions: Arc::clone(&options.functions),
            optimise: options.optimise.clone(),
        }
    }

    fn are_those_of(&self, options: &QueryOptions) -> bool {
        self.strict == options.strict
            && Arc::ptr_eq(&self.functions, &options.functions)
            && self.optimise == options.optimise
    }
}

impl KeptInput {
    fn of(input: &Input) -> Option<Self> {
        Some(match input {
            Input::Db(db) => {
                Self::Db { schema: db.schema().clone(), closed_schema: db.options().closed_schema }
            }
            Input::Value(value) if elements(value) <= ELEMENTS_MAX => Self::Value(value.clone()),
            Input::Value(_) => return None,
            Input::Function(function) => Self::Function(function.clone()),
            Input::Rules(rules) => Self::Rules(Arc::clone(rules)),
        })
    }

    fn is(&self, input: &Input) -> bool {
        match (self, input) {
            (Self::Db { schema, closed_schema }, Input::Db(db)) => {
                Arc::ptr_eq(schema, db.schema()) && *closed_schema == db.options().closed_schema
            }
            (Self::Value(kept), Input::Value(value)) => kept == value,
            (Self::Function(kept), Input::Function(function)) => kept.is(function),
            (Self::Rules(kept), Input::Rules(rules)) => Arc::ptr_eq(kept, rules) || kept == rules,
            _ => false,
        }
    }
}

/// The elements of nested collections, counted up to a little more than [`ELEMENTS_MAX`].
fn elements(value: &Value) -> usize {
    let mut count = 0;
    let mut all = |items: &mut dyn Iterator<Item = &Value>| {
        for item in items {
            count += 1 + elements(item);
            if count > ELEMENTS_MAX {
                break;
            }
        }
    };
    match value {
        Value::List(items) | Value::Vector(items) => all(&mut items.iter()),
        Value::Set(items) => all(&mut items.iter()),
        Value::Map(entries) => all(&mut entries.iter().flat_map(|(key, value)| [key, value])),
        _ => {}
    }
    count
}

/// A mark of the state of databases. Equal marks may lie, as speculative databases can share their numbers; then a
/// plan is kept for longer than it should, which costs time and no answers.
fn mark(sources: &[Source]) -> u64 {
    let mut mark = 1_u64;
    for source in sources {
        if let Source::Db(db) = source {
            mark = mark.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(db.basis_tx()).rotate_left(17);
            mark = mark.wrapping_add(db.max_eid().0);
        }
    }
    mark
}

impl Slot {
    pub(super) fn kept(&self) -> Option<Arc<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was kept for exactly these inputs, with their sources.
    pub fn exact(
        &self,
        inputs: &[Input],
        options: &QueryOptions,
    ) -> Result<Option<(Arc<Kept>, Vec<Source>)>> {
        let Some(kept) = self.kept() else { return Ok(None) };
        let Some(known) = &kept.inputs else { return Ok(None) };
        let same =
            known.len() == inputs.len() && known.iter().zip(inputs).all(|(kept, input)| kept.is(input));
        if !same || !kept.settings.are_those_of(options) {
            return Ok(None);
        }
        let given = inputs.iter().filter_map(|input| match input {
            Input::Db(db) => Some(Source::Db(db.clone())),
            _ => None,
        });
        let sources: Vec<Source> = given.chain(kept.own_sources.iter().cloned()).collect();
        let rows = kept.rows.as_ref().map_or(1, Vec::len);
        Ok(kept.is_fresh(&kept.plan, &sources, rows)?.then_some((kept, sources)))
    }

    /// The inputs, with rules that need not be parsed again.
    pub fn with_parsed_rules(&self, inputs: &[Input]) -> Option<Vec<Input>> {
        let kept = self.kept()?;
        let (value, rules) = kept.rules.as_ref()?;
        let place = inputs.iter().position(|input| matches!(input, Input::Value(given) if given == value))?;
        let mut inputs = inputs.to_vec();
        inputs[place] = Input::Rules(Arc::clone(rules));
        Some(inputs)
    }

    /// The rules that were parsed last.
    pub fn parsed_rules(&self) -> Option<(Value, Arc<Rules>)> {
        self.kept()?.rules.clone()
    }

    /// A plan for an analysis: the kept one with other constants, if the shape is the same; else a new one, which is
    /// kept.
    pub fn plan(
        &self,
        analysed: &Arc<Analysed>,
        given: &Given<'_>,
        input: &Relation<'_>,
        options: &QueryOptions,
    ) -> Result<Arc<Plan>> {
        let Given { inputs, sources, rows } = *given;
        let outline = Outline::of(&analysed.logical, input);
        if let Some(plan) = self.adapted(analysed, sources, input, options, &outline)? {
            return Ok(plan);
        }
        let plan = Arc::new(plan::plan(&analysed.logical, sources, input, &options.optimise)?);
        let facts = Facts::of(&plan, sources, input.len())?;
        let adapts = !plan.fixed
            && Replacements::between(&outline, &outline)
                .is_some_and(|unchanged| unchanged.apply(&mut Plan::clone(&plan)));
        let databases = inputs.iter().filter(|input| matches!(input, Input::Db(_))).count();
        let are_plain =
            sources[..databases.min(sources.len())].iter().all(|source| matches!(source, Source::Db(_)));
        let comparable = are_plain && !analysed.looked_up;
        let known: Option<Vec<KeptInput>> =
            if comparable { inputs.iter().map(KeptInput::of).collect() } else { None };
        let kept = Kept {
            analysed: Arc::clone(analysed),
            rows: rows.filter(|_| known.is_some()).map(<[_]>::to_vec),
            plan: Arc::clone(&plan),
            settings: Settings::of(options),
            rules: analysed.parsed_rules.clone(),
            own_sources: if known.is_some() { sources[databases..].to_vec() } else { Vec::new() },
            inputs: known,
            schemas: schemas(sources),
            outline,
            adapts,
            facts,
            counted: AtomicU64::new(mark(sources)),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(kept));
        Ok(plan)
    }

    fn adapted(
        &self,
        analysed: &Analysed,
        sources: &[Source],
        input: &Relation<'_>,
        options: &QueryOptions,
        outline: &Outline,
    ) -> Result<Option<Arc<Plan>>> {
        let Some(kept) = self.kept() else { return Ok(None) };
        let same_schemas = || {
            let now = schemas(sources);
            now.len() == kept.schemas.len()
                && now.iter().zip(&kept.schemas).all(|(now, kept)| match (now, kept) {
                    (Some(now), Some(kept)) => Arc::ptr_eq(now, kept),
                    (None, None) => true,
                    _ => false,
                })
        };
        if !kept.settings.are_those_of(options) || !outline.has_shape_of(&kept.outline) || !same_schemas() {
            return Ok(None);
        }
        let limit = analysed.logical.row_limit;
        if outline.constants == kept.outline.constants && limit == kept.analysed.logical.row_limit {
            let fresh = kept.is_fresh(&kept.plan, sources, input.len())?;
            return Ok(fresh.then(|| Arc::clone(&kept.plan)));
        }
        if !kept.adapts || !similar_limits(limit, kept.analysed.logical.row_limit) {
            return Ok(None);
        }
        let Some(replacements) = Replacements::between(&kept.outline, outline) else { return Ok(None) };
        let mut plan = Plan::clone(&kept.plan);
        if !replacements.apply(&mut plan) {
            return Ok(None);
        }
        plan.finish.limit = plan.finish.limit.and(limit);
        let fresh = kept.facts.still_hold(&Facts::of(&plan, sources, input.len())?);
        Ok(fresh.then(|| Arc::new(plan)))
    }
}

/// Whether a plan made for one number of wanted rows suits the other.
fn similar_limits(a: Option<usize>, b: Option<usize>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a.max(b) <= a.min(b).saturating_mul(8).max(64),
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn schemas(sources: &[Source]) -> Vec<Option<Arc<Schema>>> {
    let schema = |source: &Source| match source {
        Source::Db(db) => Some(db.schema().clone()),
        Source::Tuples(_) => None,
    };
    sources.iter().map(schema).collect()
}

impl Kept {
    /// Whether the counts that the plan relies on are still about the same.
    fn is_fresh(&self, plan: &Plan, sources: &[Source], input_rows: usize) -> Result<bool> {
        let mark = mark(sources);
        if self.counted.load(Ordering::Relaxed) == mark {
            return Ok(true);
        }
        let fresh = self.facts.still_hold(&Facts::of(plan, sources, input_rows)?);
        if fresh {
            self.counted.store(mark, Ordering::Relaxed);
        }
        Ok(fresh)
    }
}
