//! Plans for queries that want only the first rows: reading in the wanted order, or at least without preparations, so
//! that stopping early spares most of the work.

use super::physical::{Access, Op};
use super::problem::UnitKind;
use super::search::Search;
use super::state::{DraftOp, State};
use crate::exec::Result;
use crate::logical::{OrderKey, Term, VarId};

/// What a query wants of its rows.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'q> {
    pub rows: usize,
    pub order: &'q [OrderKey],
}

/// Estimates of early ends are shaky, so they must promise this much.
const GAIN: f64 = 2.0;

impl Search<'_, '_> {
    /// The best plan for all rows, or a better one for the first few; and whether that gives them in order.
    pub fn run_early(&mut self, wanted: &Wanted<'_>) -> Result<(State, bool)> {
        let best = self.run()?;
        let share = |state: &State| (wanted.rows as f64 / state.rows.max(1.0)).min(1.0);
        if share(&best) >= 1.0 || !self.planner.switches.reorder {
            return Ok((best, false));
        }
        self.lean = true;
        let early = match wanted.order {
            [] => Some(self.run()?),
            [first, ..] => self.ordered(first.var, first.descending)?,
        };
        self.lean = false;
        let noise = self.planner.noise();
        let pays = |early: &State| {
            let whole = if wanted.order.is_empty() { best.cost * share(&best) } else { best.cost };
            early.cost * share(early) * GAIN * noise < whole
        };
        match early.filter(pays) {
            Some(early) => Ok((early, !wanted.order.is_empty())),
            None => Ok((best, false)),
        }
    }

    /// The cheapest plan that reads an attribute in the order of `key` and keeps that order.
    fn ordered(&mut self, key: VarId, descending: bool) -> Result<Option<State>> {
        let mut best: Option<State> = None;
        let base = self.base()?;
        for (number, unit) in self.problem.units.iter().enumerate() {
            let UnitKind::Star(star) = &unit.kind else { continue };
            // Facts of one known entity are few, and a walk through the index would not keep to them.
            let is_known = match &star.e {
                Term::Const(_) => true,
                Term::Var(entity) => base.has(*entity),
                Term::Blank => false,
            };
            if is_known {
                continue;
            }
            let mut keys =
                star.attrs.iter().enumerate().filter(|(_, attr)| attr.indexed && attr.v == Term::Var(key));
            let Some((place, _)) = keys.next() else { continue };
            self.backward = descending;
            let started = self.drive_by(&base, star, place);
            self.backward = false;
            let Some(mut state) = started? else { continue };
            state.done.insert(number);
            let state = self.settle(state)?;
            if let Some(state) = self.complete_in_order(state)?
                && best.as_ref().is_none_or(|best| state.cost < best.cost)
            {
                best = Some(state);
            }
        }
        Ok(best)
    }

    /// Joins all other units row by row, without changing the order of rows.
    fn complete_in_order(&mut self, mut state: State) -> Result<Option<State>> {
        let steps = state.steps().len();
        loop {
            let left: Vec<usize> =
                self.numbers().into_iter().filter(|number| !state.done.contains(*number)).collect();
            if left.is_empty() {
                let complete = self.check_complete(&state).is_ok();
                let kept = state.steps()[steps.min(1)..].iter().all(|step| keeps_order(&step.op));
                return Ok(Some(state).filter(|_| complete && kept));
            }
            let mut next: Option<State> = None;
            for number in left {
                if !self.is_connected(&state, number) {
                    continue;
                }
                for extended in self.extend(&state, number)? {
                    if next.as_ref().is_none_or(|next| extended.cost + extended.rows < next.cost + next.rows)
                    {
                        next = Some(extended);
                    }
                }
            }
            match next {
                Some(next) => state = next,
                None => return Ok(None),
            }
        }
    }
}

/// Whether rows leave an operator in the order in which they came.
fn keeps_order(op: &DraftOp) -> bool {
    match op {
        DraftOp::Op(Op::Reverse(reverse)) => reverse.access == Access::Memo,
        _ => true,
    }
}
