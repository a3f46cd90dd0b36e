//! Planning: a logical program becomes a physical plan, by counts and samples from the indexes of its sources.
//!
//! ```text
//! Logical --atoms (rules put in place)--> Problem (stars, links, filters) --search--> steps --lower--> Plan
//!                                             ^ passes in order                ^ costs in rows touched
//! ```
//!
//! Nothing here changes an answer: every optimisation has its switch in [`Switches`], and tests compare the answers
//! with each of them off.

mod atom;
mod cost;
mod early;
mod finish;
mod lower;
mod moves;
mod nested;
mod physical;
mod problem;
mod search;
mod set;
mod state;
mod stats;
mod switches;
mod varset;

use std::collections::HashMap;
use std::sync::Arc;

use edn::{Span, Symbol};
use storage::{AttrId, Attribute, Db};

pub(crate) use atom::{Atom, ClauseId, Renaming, RuleAtom, Scope, TableAtom};
pub use physical::*;
pub(crate) use problem::{Given, each_var};
pub(crate) use stats::facts_in;
pub use switches::Switches;

use crate::exec::{ExecError, Relation, Result, Source};
use crate::logical::{Logical, RuleId, RuleSet, SourceId, VarId};
use crate::rules::RuleProgram;
use nested::{BodiesKey, PlannedBodies};
use problem::Problem;
use search::Search;
use stats::{AttrStats, Stats};

/// How deep plans may nest: bodies in bodies, rules calling rules.
const NESTING_MAX: usize = 64;

/// Plans `logical` for the given sources and input rows.
pub fn plan(
    logical: &Logical,
    sources: &[Source],
    input: &Relation<'_>,
    switches: &Switches,
) -> Result<Plan> {
    let mut planner = Planner::new(logical, sources, switches);
    let mut known = HashMap::new();
    if input.len() == 1 {
        for (column, var) in logical.inputs.iter().enumerate() {
            known.insert(*var, storage::EncodedValue::from_bytes(input.cell(0, column).as_bytes()));
        }
    }
    let given = Given { vars: logical.inputs.clone(), rows: input.len() as f64, known };
    let renaming = Renaming::of_query(&logical.vars);
    let mut scope = Scope { planner: &mut planner, vars: &logical.vars, renaming, depth: 0 };
    let atoms = scope.conjunction(&logical.body);
    let (pipeline, ordered) = planner.top(atoms, given, logical)?;
    Ok(finish::finish(&planner, logical, pipeline, input.len() > 1, ordered))
}

/// What is shared by the planning of all parts of one query.
pub(crate) struct Planner<'q> {
    pub rules: &'q RuleSet,
    pub sources: &'q [Source],
    pub switches: &'q Switches,
    /// Names of all variables of the plan.
    pub names: Vec<Symbol>,
    /// Atoms made so far, to stop rules from growing without bounds.
    pub atoms: usize,
    /// Whether constants were compared with each other.
    pub fixed: bool,
    stats: Stats,
    dice: std::cell::Cell<u64>,
    depth: usize,
    programs: HashMap<(RuleId, Vec<bool>), Arc<RuleProgram>>,
    /// Clauses with nested bodies so far.
    clauses: usize,
    /// Their plans, so that a body in bodies is planned once for all the orders that are tried around it: otherwise
    /// the work doubles with each level.
    bodies: HashMap<BodiesKey, PlannedBodies>,
}

impl<'q> Planner<'q> {
    fn new(logical: &'q Logical, sources: &'q [Source], switches: &'q Switches) -> Self {
        Self {
            rules: &logical.rules,
            sources,
            switches,
            names: logical.vars.names.clone(),
            atoms: 0,
            fixed: false,
            stats: Stats::default(),
            dice: std::cell::Cell::new(switches.dice.unwrap_or(0)),
            depth: 0,
            programs: HashMap::new(),
            clauses: 0,
            bodies: HashMap::new(),
        }
    }

    /// A factor by which costs are falsified: 1, unless plans are chosen at random.
    pub fn noise(&self) -> f64 {
        if self.switches.dice.is_none() {
            return 1.0;
        }
        let next =
            self.dice.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.dice.set(next);
        10_f64.powi((next >> 33) as i32 % 9 - 4)
    }

    /// A new variable, named after another one if that has a name.
    pub fn fresh(&mut self, name: Option<&Symbol>) -> VarId {
        let var = VarId(self.names.len() as u32);
        let name = name.cloned().unwrap_or_else(|| Symbol::from(format!("?#{}", var.0).as_str()));
        self.names.push(name);
        var
    }

    /// A new clause with nested bodies.
    pub fn clause(&mut self) -> ClauseId {
        self.clauses += 1;
        ClauseId(self.clauses)
    }

    /// The name of a variable.
    pub fn name(&self, var: VarId) -> &Symbol {
        &self.names[var.0 as usize]
    }

    /// A database source.
    pub fn db(&self, source: SourceId) -> Result<&'q Db> {
        match self.sources.get(usize::from(source.0)) {
            Some(Source::Db(db)) => Ok(db),
            _ => Err(ExecError::WrongSource { source_id: source.0, expected: "database" }),
        }
    }

    /// The number of tuples of a collection source.
    pub fn tuples(&self, source: SourceId) -> Result<usize> {
        match self.sources.get(usize::from(source.0)) {
            Some(Source::Tuples(tuples)) => Ok(tuples.len()),
            _ => Err(ExecError::WrongSource { source_id: source.0, expected: "collection" }),
        }
    }

    /// An attribute of a database, if its schema has it.
    pub fn attribute(&self, source: SourceId, attr: AttrId) -> Result<Option<&'q Attribute>> {
        Ok(self.db(source)?.schema().by_id(attr).map(std::convert::AsRef::as_ref))
    }

    /// The name of an attribute, for messages and `explain`.
    pub fn ident(&self, source: SourceId, attr: AttrId) -> String {
        self.attribute(source, attr)
            .ok()
            .flatten()
            .map_or_else(|| format!("{attr:?}"), |attr| attr.ident.to_string())
    }

    /// Statistics of an attribute.
    pub fn attr_stats(&mut self, source: SourceId, attr: AttrId) -> Result<AttrStats> {
        let db = self.db(source)?;
        match self.attribute(source, attr)? {
            Some(attribute) => self.stats.attribute(db, source, attribute),
            None => Ok(AttrStats { facts: 0.0, entities: 0.0, values: 0.0 }),
        }
    }

    /// The arguments of a call that the rule wants bound before.
    pub fn required_args(&self, call: &RuleAtom) -> Vec<VarId> {
        let required = self.rules.rules.get(call.rule.0 as usize).map_or(0, |rule| rule.required);
        call.args.iter().take(required).copied().collect()
    }

    /// Plans the query's own conjunction; also says whether rows come in the wanted order.
    fn top(&mut self, atoms: Vec<Atom>, given: Given, logical: &Logical) -> Result<(Pipeline, bool)> {
        let problem = Problem::new(self, atoms, given, &logical.output)?;
        let mut search = Search::new(self, &problem);
        let (state, ordered) = match logical.row_limit.filter(|_| logical.aggregation.is_none()) {
            Some(rows) => search.run_early(&early::Wanted { rows, order: &logical.order })?,
            None => (search.run()?, false),
        };
        Ok((lower::lower(self, &problem, &state, &logical.output), ordered))
    }

    /// Plans one conjunction.
    pub fn conjunction(&mut self, atoms: Vec<Atom>, given: Given, wanted: &[VarId]) -> Result<Pipeline> {
        self.nest(|planner| {
            let problem = Problem::new(planner, atoms, given, wanted)?;
            let state = Search::new(planner, &problem).run()?;
            Ok(lower::lower(planner, &problem, &state, wanted))
        })
    }

    /// The program that answers a rule for calls with these arguments bound.
    pub fn program(&mut self, rule: RuleId, bound: &[bool], span: Span) -> Result<Arc<RuleProgram>> {
        let key = (rule, bound.to_vec());
        if let Some(program) = self.programs.get(&key) {
            return Ok(Arc::clone(program));
        }
        let program = Arc::new(self.nest(|planner| crate::rules::compile(planner, rule, bound, span))?);
        self.programs.insert(key, Arc::clone(&program));
        Ok(program)
    }

    fn nest<T>(&mut self, plan: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING_MAX {
            return Err(ExecError::NestedTooDeeply { max: NESTING_MAX });
        }
        self.depth += 1;
        let planned = plan(self);
        self.depth -= 1;
        planned
    }
}
