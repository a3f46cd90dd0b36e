//! `explain`: how a query is answered, with estimates; and how it went, with actual rows and times.
//!
//! ```text
//! Query + inputs --analyse--> Logical --plan--> Plan --describe--> Explanation   (text tree, EDN)
//!                                         └--run_plan with Measures--┘  only when asked to run
//! ```

mod describe;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use edn::Value;

pub use tree::Node;

use crate::analyse::{self, Warning};
use crate::ast::Query;
use crate::error::{Error, Result};
use crate::exec::{self, Arena, Budget, Measures, Relation, Run};
use crate::input::Input;
use crate::options::QueryOptions;
use crate::plan;
use crate::run::Caller;
use crate::shape::Shaper;
use describe::Describe;

/// What to explain.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExplainOptions {
    /// Runs the query and adds what was measured.
    pub run: bool,
    /// How long it took to parse the query, where that was measured: the first stage.
    pub parsed_in: Option<Duration>,
}

impl ExplainOptions {
    /// Runs the query, too.
    #[must_use]
    pub fn run(mut self, run: bool) -> Self {
        self.run = run;
        self
    }

    /// Says how long parsing took.
    #[must_use]
    pub fn parsed_in(mut self, time: Duration) -> Self {
        self.parsed_in = Some(time);
        self
    }
}

/// How a query is answered.
///
/// Its display is a tree, one line a step, the last step first; [`to_value`](Explanation::to_value) is the same as EDN.
#[derive(Clone, Debug)]
pub struct Explanation {
    stages: Vec<(&'static str, Duration)>,
    root: Node,
    result_rows: Option<usize>,
    warnings: Vec<Warning>,
}

impl Explanation {
    /// The time that each stage took: `parse` if it was measured, `analyse`, `plan`; and if the query ran, `execute` and `shape`:
    /// decoding, grouping, sorting and pulling.
    pub fn stages(&self) -> &[(&'static str, Duration)] {
        &self.stages
    }

    /// The steps.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Rows before aggregation and shaping, if the query ran.
    pub fn result_rows(&self) -> Option<usize> {
        self.result_rows
    }

    /// What looked like a mistake.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The explanation as a map: `:stages` in milliseconds, `:plan`, `:rows` if the query ran, `:warnings`.
    pub fn to_value(&self) -> Value {
        let stages = self.stages.iter().map(|(name, time)| (Value::keyword(name), millis(*time)));
        let mut map = BTreeMap::from([
            (Value::keyword("stages"), Value::Map(stages.collect())),
            (Value::keyword("plan"), self.root.to_value()),
        ]);
        if let Some(rows) = self.result_rows {
            map.insert(Value::keyword("rows"), Value::Int(rows as i64));
        }
        if !self.warnings.is_empty() {
            let warnings = self.warnings.iter().map(|warning| Value::from(warning.to_string()));
            map.insert(Value::keyword("warnings"), Value::Vector(warnings.collect()));
        }
        Value::Map(map)
    }
}

impl Explanation {
    /// The tree with colours for a terminal: operators and estimates stand out, those that were wrong by more than ten
    /// times in yellow. [`Display`](fmt::Display) is the same without colours.
    pub fn painted(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.draw(&mut out, true);
        out
    }

    fn draw(&self, f: &mut dyn fmt::Write, colours: bool) -> fmt::Result {
        self.root.draw(f, colours)?;
        let stages: Vec<String> =
            self.stages.iter().map(|(name, time)| format!("{name} {time:.1?}")).collect();
        let stages = stages.join(" · ");
        match colours {
            true => writeln!(f, "\x1b[2m{stages}\x1b[0m")?,
            false => writeln!(f, "{stages}")?,
        }
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.draw(f, false)
    }
}

/// Milliseconds, to a thousandth.
pub(crate) fn millis(time: Duration) -> Value {
    Value::Float((time.as_secs_f64() * 1e6).round() / 1e3)
}

/// Plans `query` for `inputs` and says how; with [`ExplainOptions::run`] it also runs it.
///
/// ```
/// use factum_query::storage::{Db, DbOptions, Schema};
/// use factum_query::{ExplainOptions, QueryOptions, edn, explain, parse};
///
/// let db = Db::empty(Schema::built_in(), DbOptions::default());
/// let db = db.db_with(&edn::read("[{:name \"Ann\" :age 38} {:name \"Bob\" :age 41}]")?)?;
/// let query = parse("[:find ?n :where [?e :name ?n] [?e :age ?a] [(> ?a 40)]]")?;
/// let explanation =
///     explain(&query, &[db.into()], &QueryOptions::default(), ExplainOptions::default().run(true))?;
/// assert_eq!(explanation.result_rows(), Some(1));
/// assert!(explanation.to_string().contains(":age"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn explain(
    query: &Query,
    inputs: &[Input],
    options: &QueryOptions,
    explain: ExplainOptions,
) -> Result<Explanation> {
    let timeout = query.timeout.map(|timeout| Duration::from_millis(timeout.millis));
    let execution = options.for_execution(timeout);
    let budget = Budget::new(execution.limits.clone());
    let start = Instant::now();
    let analysed = analyse::analyse(query, inputs, options, &budget)?;
    let mut stages: Vec<_> = explain.parsed_in.iter().map(|time| ("parse", *time)).collect();
    stages.push(("analyse", start.elapsed()));
    let caller = Caller::new(&analysed, &analysed.sources, options, &budget);
    let arena = Arena::default();
    let input = match &analysed.rows {
        Some(rows) => {
            Relation::from_values(analysed.logical.inputs.clone(), rows.iter().map(Vec::as_slice), &arena)
        }
        None => Relation::unit(),
    };
    let fail = |error: exec::ExecError| Error::new(error, &analysed.text);
    let start = Instant::now();
    let plan = plan::plan(&analysed.logical, &analysed.sources, &input, &execution.switches).map_err(fail)?;
    stages.push(("plan", start.elapsed()));
    let mut measures = None;
    let mut result_rows = None;
    let mut shaped = Vec::new();
    if explain.run {
        let measured = Measures::new(plan.steps);
        let run = Run { sources: &analysed.sources, arena: &arena, host: &caller };
        let start = Instant::now();
        let relation =
            exec::run_plan(run, &plan, input, &execution, &budget, Some(&measured)).map_err(fail)?;
        stages.push(("execute", start.elapsed()));
        let start = Instant::now();
        let (sources, budget) = (&analysed.sources, &budget);
        let (_, of_pulls) =
            Shaper { query, analysed: &analysed, sources, options, budget }.shape(&relation)?;
        stages.push(("shape", start.elapsed()));
        result_rows = Some(relation.len());
        measures = Some(measured);
        shaped = of_pulls;
    }
    let describe = Describe { analysed: &analysed, plan: &plan, measures: measures.as_ref() };
    let root = describe.plan();
    let mut warnings = analysed.warnings.clone();
    for warning in caller.into_warnings().into_iter().chain(shaped) {
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
    Ok(Explanation { stages, root, result_rows, warnings })
}
