//! The search for a join order: dynamic programming over connected sets of units, greedy where there are too many.
//!
//! ```text
//! base ──extend──> {a} {b} {c}        one state per unit, by its best access path
//!                  {a b} {b c} ..     extended row by row, or two states joined by hashing
//!                  {a b c}            the cheapest state per set survives
//! ```
//!
//! Units without a common variable are planned apart and multiplied at the end, the smallest first.

use std::collections::HashMap;

use super::Planner;
use super::cost;
use super::physical::{InRanges, Op, Start};
use super::problem::{Filter, Problem, set};
use super::state::{DraftOp, State};
use super::varset::BitSet;
use crate::exec::{ExecError, Result};
use crate::logical::{FunctionClause, VarId};

/// More units than this are ordered greedily.
const DP_UNITS_MAX: usize = 9;
/// With more units than this, only single units are joined by hashing, not sets of them.
const BUSHY_UNITS_MAX: usize = 6;

pub(super) struct Search<'s, 'q> {
    pub planner: &'s mut Planner<'q>,
    pub problem: &'s Problem,
    /// Why something could not be joined: the error to report if nothing else works.
    pub failure: Option<ExecError>,
    /// Do without preparations that only pay if all rows are read.
    pub lean: bool,
    /// Scan from the largest value down.
    pub backward: bool,
}

impl<'s, 'q> Search<'s, 'q> {
    pub fn new(planner: &'s mut Planner<'q>, problem: &'s Problem) -> Self {
        Self { planner, problem, failure: None, lean: false, backward: false }
    }

    /// The best plan that joins all units and applies all filters.
    pub fn run(&mut self) -> Result<State> {
        let base = self.base()?;
        let mut plan =
            if self.planner.switches.reorder { self.by_cost(&base)? } else { self.by_text(&base)? };
        plan = self.settle(plan)?;
        self.check_complete(&plan)?;
        Ok(plan)
    }

    /// The number of the given relation as a unit.
    fn input_number(&self) -> usize {
        self.problem.units.len()
    }

    /// Whether nothing is joined yet.
    pub fn is_base(&self, state: &State) -> bool {
        state.done.is_empty()
    }

    pub(super) fn base(&mut self) -> Result<State> {
        let given = &self.problem.given;
        let with_input = !given.vars.is_empty() && !self.problem.input_is_unit();
        let mut base = State {
            done: BitSet::default(),
            filters: BitSet::default(),
            vars: if with_input { set(given.vars.iter().copied()) } else { BitSet::default() },
            rows: 1.0,
            cost: 0.0,
            clustered: None,
            distinct: Vec::new(),
            tail: None,
            start: if with_input { Start::Input } else { Start::Unit },
        };
        if !self.problem.constants.is_empty() {
            for (var, _) in &self.problem.constants {
                base.bind(*var, 1.0);
            }
            let op = Op::Constants(self.problem.constants.clone());
            base.push(DraftOp::Op(op), 1.0, 0.0, "known values".to_owned());
        }
        self.settle(base)
    }

    /// The given relation as the start of a pipeline.
    fn input(&mut self, base: &State) -> Result<State> {
        let given = &self.problem.given;
        let mut state = State { start: Start::Input, rows: given.rows.max(1.0), ..base.clone() };
        state.vars = state.vars.union(&set(given.vars.iter().copied()));
        state.done.insert(self.input_number());
        state.cost += state.rows * cost::ROW;
        self.settle(state)
    }

    /// All units as numbers, the given relation last.
    pub(super) fn numbers(&self) -> Vec<usize> {
        (0..self.problem.units.len() + usize::from(self.problem.input_is_unit())).collect()
    }

    fn vars_of(&self, number: usize) -> BitSet {
        match self.problem.units.get(number) {
            Some(unit) => unit.vars.clone(),
            None => set(self.problem.given.vars.iter().copied()),
        }
    }

    /// The states that join one unit to nothing, best first.
    fn solos(&mut self, base: &State, number: usize) -> Result<Vec<State>> {
        let mut solos =
            if number == self.input_number() { vec![self.input(base)?] } else { self.extend(base, number)? };
        solos.sort_by(|a, b| a.cost.total_cmp(&b.cost));
        Ok(solos)
    }

    /// Units in the order of the text, each as soon as it can be joined.
    fn by_text(&mut self, base: &State) -> Result<State> {
        let mut left = self.numbers();
        let mut state = base.clone();
        if self.problem.input_is_unit() {
            state = self.input(base)?;
            left.pop();
        }
        while !left.is_empty() {
            let mut next = None;
            for number in &left {
                let connected = self.is_base(&state) || self.is_connected(&state, *number);
                let extended = if connected { self.extend(&state, *number)? } else { Vec::new() };
                if let Some(extended) = extended.into_iter().next() {
                    next = Some(extended);
                    break;
                }
            }
            if next.is_none() {
                next = self.cheapest_product(base, &state, &left, false)?;
            }
            let Some(next) = next else { return Err(self.stuck(&state, &left)) };
            left.retain(|number| !next.done.contains(*number));
            state = next;
        }
        Ok(state)
    }

    fn by_cost(&mut self, base: &State) -> Result<State> {
        let mut parts = Vec::new();
        for component in self.components() {
            parts.push(self.component(base, &component)?);
        }
        parts.sort_by(|a, b| a.rows.total_cmp(&b.rows));
        let mut parts = parts.into_iter();
        let Some(mut plan) = parts.next() else { return Ok(base.clone()) };
        for part in parts {
            plan = self.product(&plan, &part)?;
        }
        Ok(plan)
    }

    /// Units that share variables, directly, through others, or through a function from one to the other.
    fn components(&self) -> Vec<Vec<usize>> {
        let mut components: Vec<(Vec<usize>, BitSet)> = Vec::new();
        let units = self.numbers().into_iter().map(|number| (vec![number], self.vars_of(number)));
        let links = self.problem.filters.iter().filter_map(|filter| match filter {
            Filter::Function(function) => {
                let mut vars = filter.needs();
                function.binding.each_var(&mut |var| vars.insert(var.0 as usize));
                Some((Vec::new(), vars))
            }
            _ => None,
        });
        for (mut units, mut vars) in units.chain(links) {
            components.retain(|(other, other_vars)| {
                let apart = other_vars.is_disjoint(&vars);
                if !apart {
                    units.extend(other);
                    vars = vars.union(other_vars);
                }
                apart
            });
            units.sort_unstable();
            components.push((units, vars));
        }
        components.into_iter().map(|(units, _)| units).filter(|units| !units.is_empty()).collect()
    }

    fn component(&mut self, base: &State, units: &[usize]) -> Result<State> {
        if units.len() <= DP_UNITS_MAX
            && let Some(state) = self.dynamic(base, units)?
        {
            return Ok(state);
        }
        self.greedy(base, units)
    }

    /// The cheapest plan for every connected set of units, from small sets to large ones.
    fn dynamic(&mut self, base: &State, units: &[usize]) -> Result<Option<State>> {
        let mut best = Best::default();
        for number in units {
            for solo in self.solos(base, *number)? {
                best.offer(solo, self.planner.noise());
            }
        }
        for size in 1..units.len() {
            for state in best.of_size(size) {
                for number in units {
                    if !state.done.contains(*number) && self.is_connected(&state, *number) {
                        for next in self.extend(&state, *number)? {
                            best.offer(next, self.planner.noise());
                        }
                    }
                }
            }
            if self.planner.switches.hash_join && !self.lean {
                self.bushy(&mut best, size + 1, units.len() <= BUSHY_UNITS_MAX)?;
            }
        }
        let all: BitSet = units.iter().copied().collect();
        Ok(best.states.remove(&all))
    }

    /// Offers hash joins of disjoint sets that together have `size` units.
    fn bushy(&mut self, best: &mut Best, size: usize, sets: bool) -> Result<()> {
        for left in (size.div_ceil(2)..size).rev() {
            let right = size - left;
            if !sets && right > 1 {
                continue;
            }
            for a in best.of_size(left) {
                for b in best.of_size(right) {
                    if a.done.is_disjoint(&b.done)
                        && let Some(joined) = self.hash_join(&a, &b)?
                    {
                        best.offer(joined, self.planner.noise());
                    }
                }
            }
        }
        Ok(())
    }

    fn greedy(&mut self, base: &State, units: &[usize]) -> Result<State> {
        let mut solos = Vec::new();
        for number in units {
            solos.extend(self.solos(base, *number)?);
        }
        let rank = |state: &State| state.cost + 4.0 * state.rows;
        solos.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
        let Some(mut state) = solos.first().cloned() else { return Err(self.stuck(base, units)) };
        let mut left = units.to_vec();
        loop {
            left.retain(|number| !state.done.contains(*number));
            if left.is_empty() {
                return Ok(state);
            }
            let mut candidates = Vec::new();
            for number in &left {
                if self.is_connected(&state, *number) {
                    candidates.extend(self.extend(&state, *number)?);
                }
            }
            if self.planner.switches.hash_join && !self.lean {
                for solo in solos.iter().filter(|solo| solo.done.is_disjoint(&state.done)) {
                    candidates.extend(self.hash_join(&state, solo)?);
                }
            }
            let next = candidates.into_iter().min_by(|a, b| rank(a).total_cmp(&rank(b)));
            let next = match next {
                Some(next) => Some(next),
                None => self.cheapest_product(base, &state, &left, true)?,
            };
            let Some(next) = next else { return Err(self.stuck(&state, &left)) };
            state = next;
        }
    }

    /// Whether a unit shares a variable with a state, or has none that could be shared.
    pub(super) fn is_connected(&self, state: &State, number: usize) -> bool {
        let vars = self.vars_of(number);
        vars.is_empty() || !vars.is_disjoint(&state.vars)
    }

    /// The state multiplied with one of the units that are left; the first in the text unless `by_cost`.
    fn cheapest_product(
        &mut self,
        base: &State,
        state: &State,
        left: &[usize],
        by_cost: bool,
    ) -> Result<Option<State>> {
        let mut best: Option<State> = None;
        for number in left {
            for solo in self.solos(base, *number)? {
                let product = self.product(state, &solo)?;
                if best.as_ref().is_none_or(|best| by_cost && product.rows < best.rows) {
                    best = Some(product);
                }
            }
        }
        Ok(best)
    }

    /// All combinations of two states' rows; those that agree, where they have variables in common.
    fn product(&mut self, a: &State, b: &State) -> Result<State> {
        if let Some(joined) = self.joined(a, b)? {
            return Ok(joined);
        }
        let (outer, inner) = if a.start == Start::Input || b.start == Start::Unit { (a, b) } else { (b, a) };
        let mut next = outer.clone();
        next.done = outer.done.union(&inner.done);
        next.filters = outer.filters.union(&inner.filters);
        next.vars = outer.vars.union(&inner.vars);
        inner.distinct.iter().for_each(|(var, distinct)| next.limit_distinct(*var, *distinct));
        let rows = outer.rows * inner.rows;
        let op = DraftOp::Product { build: Box::new(inner.clone()) };
        next.push(op, rows, inner.cost + rows * cost::ROW, "no variable in common".to_owned());
        self.settle(next)
    }

    /// Two states joined on their common variables, unless both have applied the same function, which is rarely worth its work.
    fn hash_join(&mut self, a: &State, b: &State) -> Result<Option<State>> {
        let twice = a.filters.intersection(&b.filters);
        let is_function = |filter| matches!(self.problem.filters[filter], Filter::Function(_));
        if twice.iter().any(is_function) { Ok(None) } else { self.joined(a, b) }
    }

    /// The variables that two states have in common and that must agree.
    ///
    /// What a function gave that both have applied need not, where its arguments agree: it follows from them, or, if the function is one of
    /// chance, has two values, of which one counts.
    fn join_variables(&self, a: &State, b: &State) -> Vec<VarId> {
        let twice: Vec<&FunctionClause> = a
            .filters
            .intersection(&b.filters)
            .iter()
            .filter_map(|filter| match &self.problem.filters[filter] {
                Filter::Function(function) => Some(function),
                _ => None,
            })
            .collect();
        let mut results = BitSet::default();
        twice
            .iter()
            .for_each(|function| function.binding.each_var(&mut |var| results.insert(var.0 as usize)));
        let shared = a.vars.intersection(&b.vars);
        let (last, first): (Vec<usize>, Vec<usize>) = shared
            .iter()
            .filter(|var| !self.problem.is_known(VarId(*var as u32)))
            .partition(|var| results.contains(*var));
        let (mut on, mut agree) = (Vec::new(), BitSet::default());
        self.follow(&twice, &mut agree);
        // Functions may give each other's arguments, or their own: then one of them is joined on.
        for var in first.into_iter().chain(last) {
            if !agree.contains(var) {
                on.push(VarId(var as u32));
                agree.insert(var);
                self.follow(&twice, &mut agree);
            }
        }
        on
    }

    /// Adds what functions make of variables that agree.
    fn follow(&self, functions: &[&FunctionClause], agree: &mut BitSet) {
        let is_settled =
            |agree: &BitSet, var: &VarId| agree.contains(var.0 as usize) || self.problem.is_known(*var);
        let mut left = functions.to_vec();
        loop {
            let before = left.len();
            left.retain(|function| {
                let follows = function.call.needs.iter().all(|var| is_settled(agree, var));
                if follows {
                    function.binding.each_var(&mut |var| agree.insert(var.0 as usize));
                }
                !follows
            });
            if left.len() == before {
                return;
            }
        }
    }

    /// Two states joined on their common variables by hashing the smaller one; nothing, if they have none.
    fn joined(&mut self, a: &State, b: &State) -> Result<Option<State>> {
        let on = self.join_variables(a, b);
        if on.is_empty() {
            return Ok(None);
        }
        let (probe, build) = if a.rows >= b.rows { (a, b) } else { (b, a) };
        let mut rows = probe.rows * build.rows;
        for var in &on {
            rows /= probe.distinct(*var).max(build.distinct(*var));
        }
        let mut next = probe.clone();
        next.done = probe.done.union(&build.done);
        next.filters = probe.filters.union(&build.filters);
        next.vars = probe.vars.union(&build.vars);
        build.distinct.iter().for_each(|(var, distinct)| next.limit_distinct(*var, *distinct));
        let names: Vec<String> = on.iter().map(|var| self.planner.name(*var).to_string()).collect();
        let reason = format!("both sides are read once and meet on {}", names.join(", "));
        let cost = build.cost + build.rows * cost::HASH_ROW + probe.rows * cost::PROBE + rows * cost::ROW;
        next.push(DraftOp::HashJoin { build: Box::new(build.clone()), on }, rows, cost, reason);
        Ok(Some(self.settle(next)?))
    }

    /// Applies every filter whose variables are bound: cheap ones first, negations last.
    pub fn settle(&mut self, mut state: State) -> Result<State> {
        loop {
            let ready = |(place, filter): &(usize, &Filter)| {
                !state.filters.contains(*place) && filter.needs().is_subset(&state.vars)
            };
            let rank = |(place, filter): &(usize, &Filter)| {
                let kind = match filter {
                    Filter::Range(_) => 0,
                    Filter::Equal(..) => 1,
                    Filter::Predicate(_) => 2,
                    Filter::Function(_) => 3,
                    Filter::Not(_) => 4,
                };
                (kind, *place)
            };
            let Some((place, filter)) =
                self.problem.filters.iter().enumerate().filter(ready).min_by_key(rank)
            else {
                return Ok(state);
            };
            state.filters.insert(place);
            state = self.filter(state, filter)?;
        }
    }

    fn filter(&mut self, mut state: State, filter: &Filter) -> Result<State> {
        let rows = state.rows;
        let bound = "its variables are bound".to_owned();
        match filter {
            Filter::Range(var) => {
                let Some((ranges, text)) = self.problem.ranges.get(var) else { return Ok(state) };
                let test = InRanges { var: *var, ranges: ranges.clone(), text: text.clone() };
                state.push(
                    DraftOp::Op(Op::InRanges(test)),
                    rows * cost::PREDICATE,
                    rows * cost::VALUE,
                    bound,
                );
            }
            Filter::Equal(a, b) => {
                state.push(DraftOp::Op(Op::Equal(*a, *b)), rows * cost::EQUALITY, rows * cost::ROW, bound);
            }
            Filter::Predicate(call) => {
                let op = Op::Filter(call.clone());
                state.push(DraftOp::Op(op), rows * cost::PREDICATE, rows * cost::CALL, bound);
            }
            Filter::Function(function) => state = self.function(&state, function),
            Filter::Not(not) => state = self.not(&state, not)?,
        }
        Ok(state)
    }

    /// The error if some filter could not be applied or some wanted variable is not bound.
    pub(super) fn check_complete(&mut self, plan: &State) -> Result<()> {
        for (place, filter) in self.problem.filters.iter().enumerate() {
            if !plan.filters.contains(place) {
                return Err(self.unbound(filter.needs(), &plan.vars, filter.span()));
            }
        }
        let wanted = set(self.problem.wanted.iter().copied());
        if !wanted.is_subset(&plan.vars) {
            return Err(self.unbound(wanted, &plan.vars, edn::Span::default()));
        }
        Ok(())
    }

    /// The error if none of the units that are left can be joined.
    fn stuck(&mut self, state: &State, left: &[usize]) -> ExecError {
        if let Some(failure) = self.failure.take() {
            return failure;
        }
        let units = left.iter().filter_map(|number| self.problem.units.get(*number));
        match units.filter(|unit| !unit.needs.is_subset(&state.vars)).min_by_key(|unit| unit.span.start) {
            Some(unit) => self.unbound(unit.needs.clone(), &state.vars, unit.span),
            None => self.unbound(BitSet::default(), &state.vars, edn::Span::default()),
        }
    }

    fn unbound(&self, needs: BitSet, bound: &BitSet, span: edn::Span) -> ExecError {
        let missing = needs.iter().filter(|var| !bound.contains(*var));
        let vars = missing.map(|var| self.planner.name(VarId(var as u32)).clone()).collect();
        ExecError::InsufficientBindings { vars, span }
    }
}

/// The cheapest state of each set of units.
#[derive(Default)]
struct Best {
    states: HashMap<BitSet, State>,
}

impl Best {
    fn offer(&mut self, state: State, noise: f64) {
        match self.states.get_mut(&state.done) {
            Some(best) if best.cost <= state.cost * noise => {}
            Some(best) => *best = state,
            None => {
                self.states.insert(state.done.clone(), state);
            }
        }
    }

    /// The states with that many units, in a stable order.
    fn of_size(&self, size: usize) -> Vec<State> {
        let mut states: Vec<State> =
            self.states.values().filter(|state| state.done.len() == size).cloned().collect();
        states.sort_by(|a, b| a.done.iter().cmp(b.done.iter()));
        states
    }
}
