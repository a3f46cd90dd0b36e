//! Planning what runs on the distinct bindings of the outer rows: `not`, `or`, and calls of recursive rules.

use std::collections::HashMap;

use edn::{Span, Symbol};
use storage::EncodedValue;

use super::atom::{Atom, ClauseId, NotAtom, OrAtom, RuleAtom};
use super::cost;
use super::physical::{Nested, Op, Pipeline, RuleStep};
use super::problem::Given;
use super::search::Search;
use super::state::{DraftOp, State};
use crate::exec::{ExecError, Result};
use crate::logical::VarId;

/// What nested bodies were planned for: which clause, which of its variables are bound, to what where that is known,
/// and in about how many rows.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct BodiesKey {
    clause: ClauseId,
    seeds: Vec<(VarId, Option<EncodedValue>)>,
    magnitude: u32,
}

/// The bodies of a clause, or why they cannot be planned.
pub(super) type PlannedBodies = std::result::Result<Vec<Pipeline>, Refusal>;

/// The errors that more bindings would mend, so that other orders are tried.
#[derive(Clone)]
pub(super) enum Refusal {
    Unbound { vars: Vec<Symbol>, span: Span },
    Unindexed { attribute: String, span: Span },
}

impl Refusal {
    fn of(error: ExecError) -> Result<Self> {
        match error {
            ExecError::InsufficientBindings { vars, span } => Ok(Self::Unbound { vars, span }),
            ExecError::Unindexed { attribute, span } => Ok(Self::Unindexed { attribute, span }),
            other => Err(other),
        }
    }
}

impl From<Refusal> for ExecError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unbound { vars, span } => Self::InsufficientBindings { vars, span },
            Refusal::Unindexed { attribute, span } => Self::Unindexed { attribute, span },
        }
    }
}

impl Search<'_, '_> {
    /// The outer variables among `join`, and the relation that they make up.
    fn seeds(&self, state: &State, join: &[VarId]) -> Given {
        let vars: Vec<VarId> = join.iter().copied().filter(|var| state.has(*var)).collect();
        let known: HashMap<_, _> =
            vars.iter().filter_map(|var| Some((*var, self.problem.known.get(var)?.clone()))).collect();
        let unknown = vars.iter().filter(|var| !known.contains_key(var));
        let rows = unknown.map(|var| state.distinct(*var)).product::<f64>().min(state.rows).max(1.0);
        Given { vars, rows, known }
    }

    /// Plans bodies for some outer variables, or says that they need more of them.
    fn bodies(
        &mut self,
        clause: ClauseId,
        bodies: &[Vec<Atom>],
        given: &Given,
        wanted: &[VarId],
    ) -> Result<PlannedBodies> {
        let magnitude = given.rows.log2() as u32 / 2;
        let seeds = given.vars.iter().map(|var| (*var, given.known.get(var).cloned())).collect();
        let key = BodiesKey { clause, seeds, magnitude };
        if let Some(planned) = self.planner.bodies.get(&key) {
            return Ok(planned.clone());
        }
        let each = bodies.iter().map(|body| self.planner.conjunction(body.clone(), given.clone(), wanted));
        let planned = match each.collect() {
            Ok(pipelines) => Ok(pipelines),
            Err(error) => Err(Refusal::of(error)?),
        };
        self.planner.bodies.insert(key, planned.clone());
        Ok(planned)
    }

    pub(super) fn or(&mut self, state: &State, or: &OrAtom) -> Result<Vec<State>> {
        let given = self.seeds(state, &or.join);
        let bodies = match self.bodies(or.clause, &or.branches, &given, &or.join)? {
            Ok(bodies) => bodies,
            Err(refusal) => {
                self.failure = Some(refusal.into());
                return Ok(Vec::new());
            }
        };
        let answers: f64 = bodies.iter().map(|body| body.rows).sum();
        let work: f64 = bodies.iter().map(|body| body.cost + cost::OPEN).sum();
        let rows = state.rows * answers / given.rows;
        let mut next = state.clone();
        for var in or.join.iter().filter(|var| !state.has(**var)) {
            next.bind(*var, answers.max(1.0));
        }
        next.clustered = None;
        let reason = match &given.vars[..] {
            [] => "evaluated on its own".to_owned(),
            seeds => format!("for the distinct values of {}", self.names(seeds)),
        };
        let cost = work + answers * cost::HASH_ROW + state.rows * cost::PROBE + rows * cost::ROW;
        let nested = Nested { seeds: given.vars, answers: or.join.clone(), bodies };
        next.push(DraftOp::Op(Op::Or(nested)), rows, cost, reason);
        Ok(vec![next])
    }

    /// Rows without those for which the body has an answer.
    pub(super) fn not(&mut self, state: &State, not: &NotAtom) -> Result<State> {
        let given = self.seeds(state, &not.join);
        let body = std::slice::from_ref(&not.body);
        let bodies = self.bodies(not.clause, body, &given, &not.join)?.map_err(ExecError::from)?;
        let work: f64 = bodies.iter().map(|body| body.cost + body.rows * cost::HASH_ROW).sum();
        let rows = state.rows * cost::NEGATION;
        let mut next = state.clone();
        let reason = format!("for the distinct values of {}", self.names(&given.vars));
        let cost = work + cost::OPEN + state.rows * cost::PROBE;
        let nested = Nested { seeds: given.vars, answers: not.join.clone(), bodies };
        next.push(DraftOp::Op(Op::Not(nested)), rows, cost, reason);
        Ok(next)
    }

    pub(super) fn rule(&mut self, state: &State, rule: &RuleAtom) -> Result<Vec<State>> {
        let bound: Vec<bool> = rule.args.iter().map(|var| state.has(*var)).collect();
        let program = match self.planner.program(rule.rule, &bound, rule.span) {
            Ok(program) => program,
            Err(error @ (ExecError::InsufficientBindings { .. } | ExecError::Unindexed { .. })) => {
                self.failure = Some(error);
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let given = self.seeds(state, &rule.args);
        let (answers, work) = program.estimate(given.rows);
        let rows = state.rows * answers / given.rows;
        let mut next = state.clone();
        for var in rule.args.iter().filter(|var| !state.has(**var)) {
            next.bind(*var, answers.max(1.0));
        }
        next.clustered = None;
        let reason = match &given.vars[..] {
            [] => "nothing is bound: all answers".to_owned(),
            seeds => format!("asked only for the values of {}", self.names(seeds)),
        };
        let cost = work + answers * cost::HASH_ROW + state.rows * cost::PROBE + rows * cost::ROW;
        let step = RuleStep { program, args: rule.args.clone(), seeds: given.vars };
        next.push(DraftOp::Op(Op::Rule(step)), rows, cost, reason);
        Ok(vec![next])
    }

    fn names(&self, vars: &[VarId]) -> String {
        vars.iter().map(|var| self.planner.name(*var).to_string()).collect::<Vec<_>>().join(", ")
    }
}
