//! [`State`]: a partial plan during the search: which units are joined, what is bound, how many rows and what cost.

use std::rc::Rc;

use super::physical::{Op, Start};
use super::varset::BitSet;
use crate::logical::VarId;

/// A partial plan. Cloning shares its steps.
#[derive(Clone, Debug)]
pub(super) struct State {
    /// Units that are joined.
    pub done: BitSet,
    /// Filters that are applied.
    pub filters: BitSet,
    /// Variables that are bound.
    pub vars: BitSet,
    /// Rows expected.
    pub rows: f64,
    /// Cost so far, in rows touched.
    pub cost: f64,
    /// The variable by which rows come grouped, if they do.
    pub clustered: Option<VarId>,
    /// Expected number of distinct values of variables.
    pub distinct: Vec<(VarId, f64)>,
    /// The last step.
    pub tail: Tail,
    /// Where its rows come from.
    pub start: Start,
}

/// A chain of steps, last one first.
pub(super) type Tail = Option<Rc<Link>>;

#[derive(Debug)]
pub(super) struct Link {
    pub before: Tail,
    pub step: DraftStep,
}

/// A step before layouts are known.
#[derive(Clone, Debug)]
pub(super) struct DraftStep {
    pub op: DraftOp,
    pub rows: f64,
    pub cost: f64,
    pub reason: String,
}

#[derive(Clone, Debug)]
pub(super) enum DraftOp {
    Op(Op),
    HashJoin { build: Box<State>, on: Vec<VarId> },
    Product { build: Box<State> },
}

impl State {
    /// The expected number of distinct values of `var`.
    pub fn distinct(&self, var: VarId) -> f64 {
        let known = self.distinct.iter().find(|(other, _)| *other == var);
        known.map_or(self.rows, |(_, distinct)| distinct.min(self.rows)).max(1.0)
    }

    /// Notes that `var` is bound, with about so many distinct values.
    pub fn bind(&mut self, var: VarId, distinct: f64) {
        self.vars.insert(var.0 as usize);
        self.limit_distinct(var, distinct);
    }

    /// Notes that `var` has at most about so many distinct values.
    pub fn limit_distinct(&mut self, var: VarId, distinct: f64) {
        match self.distinct.iter_mut().find(|(other, _)| *other == var) {
            Some((_, known)) => *known = known.min(distinct),
            None => self.distinct.push((var, distinct)),
        }
    }

    /// Whether `var` is bound.
    pub fn has(&self, var: VarId) -> bool {
        self.vars.contains(var.0 as usize)
    }

    /// Appends a step: its cost, the rows after it.
    pub fn push(&mut self, op: DraftOp, rows: f64, cost: f64, reason: String) {
        self.rows = rows;
        self.cost += cost;
        let step = DraftStep { op, rows, cost, reason };
        self.tail = Some(Rc::new(Link { before: self.tail.take(), step }));
    }

    /// The steps, first one first.
    pub fn steps(&self) -> Vec<DraftStep> {
        let mut steps = Vec::new();
        let mut link = &self.tail;
        while let Some(this) = link {
            steps.push(this.step.clone());
            link = &this.before;
        }
        steps.reverse();
        steps
    }
}

impl Drop for Link {
    /// Long chains are taken apart in a loop, not by recursion.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(link) = next {
            match Rc::try_unwrap(link) {
                Ok(mut link) => next = link.before.take(),
                Err(_) => break,
            }
        }
    }
}
