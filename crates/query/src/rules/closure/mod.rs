//! Transitive closure: rules that only follow paths are walked breadth-first instead of joined round by round.
//!
//! ```text
//! r(x y) <- B(x y)                       r = B
//! r(x y) <- E(x z), r(z y)               r = E* then B        from x: walk E, then one step of B
//! r(x y) <- r(x z), E(z y)               r = B then E*        from y: walk E backwards, then one step of B
//! r(x y) <- r(x z), r(z y)               r = B at least once
//! ```
//!
//! B and E may be any bodies. A body that is a single reference attribute is walked on the index itself, or on a copy
//! of it once many nodes have been looked up; the neighbours of other bodies are found by their pipelines, each node
//! once, and kept.

mod detect;
mod direct;
mod interned;
mod seen;

pub(super) use detect::{Body, detect};

use storage::AttrId;

use crate::exec::{Batch, Column, Context, Result, Scope};
use crate::logical::{SourceId, VarId};
use crate::plan::Pipeline;

/// A rule as a walk.
#[derive(Clone, Debug)]
pub struct Closure {
    /// What is walked, in the direction from the first argument to the second.
    pub phases: Vec<Phase>,
}

/// A part of a walk: both directions of the same steps.
#[derive(Clone, Debug)]
pub struct Phase {
    /// How often the steps are taken.
    pub times: Times,
    /// The alternatives of one step.
    pub steps: Vec<PathStep>,
}

/// How often the steps of a [`Phase`] are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Exactly once.
    Once,
    /// Any number of times, none included.
    Any,
    /// At least once.
    Some,
}

/// One alternative of a step.
#[derive(Clone, Debug)]
pub enum PathStep {
    /// A reference attribute in the AVE index, from entity to value if `forward`.
    Attribute {
        /// Which database.
        source: SourceId,
        /// Which attribute.
        attr: AttrId,
        /// From the entity to the value.
        forward: bool,
    },
    /// A body, planned for either end being known.
    Body {
        /// The first end.
        from: VarId,
        /// The second end.
        to: VarId,
        /// Gives rows of both ends for known first ends.
        forward: Box<Pipeline>,
        /// Gives rows of both ends for known second ends.
        backward: Box<Pipeline>,
    },
}

/// Which ends a call knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    First,
    Second,
    Both,
    None,
}

impl Ends {
    pub(super) fn of(bound: &[bool]) -> Self {
        match bound {
            [true, true] => Self::Both,
            [true, _] => Self::First,
            [_, true] => Self::Second,
            _ => Self::None,
        }
    }
}

impl Closure {
    /// Whether all steps are attributes.
    fn is_direct(&self) -> bool {
        let steps = self.phases.iter().flat_map(|phase| &phase.steps);
        steps.into_iter().all(|step| matches!(step, PathStep::Attribute { .. }))
    }

    /// Whether the closure can answer calls that know these ends.
    pub(super) fn answers(&self, bound: &[bool]) -> bool {
        Ends::of(bound) != Ends::None || self.is_direct()
    }

    /// The pairs of the closure for the demanded ends, the columns of `demand`.
    pub(super) fn evaluate<'s>(
        &self,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
        bound: &[bool],
        demand: &Batch<'s>,
    ) -> Result<Batch<'s>> {
        let ends = Ends::of(bound);
        let (backward, starts) = match ends {
            Ends::First => (false, demand.columns.first()),
            Ends::Second => (true, demand.columns.first()),
            // Two ends known: from the side that has fewer, and then only the pairs that were asked for.
            Ends::Both => {
                let backward = distinct(&demand.columns[1]) < distinct(&demand.columns[0]);
                (backward, demand.columns.get(usize::from(backward)))
            }
            Ends::None => (false, None),
        };
        let (starts, found) = if self.is_direct() {
            direct::walk(self, context, backward, starts)?
        } else {
            interned::walk(self, context, scope, backward, starts)?
        };
        let rows = starts.len();
        let columns = if backward { vec![found, starts] } else { vec![starts, found] };
        Ok(Batch::new(rows, columns))
    }

    /// Calls `f` for every pipeline.
    pub(super) fn each_pipeline(&mut self, f: &mut dyn FnMut(&mut Pipeline)) {
        for step in self.phases.iter_mut().flat_map(|phase| &mut phase.steps) {
            if let PathStep::Body { forward, backward, .. } = step {
                f(forward);
                f(backward);
            }
        }
    }

    /// Calls `f` for every pipeline, to be read only.
    pub(super) fn each_pipeline_ref(&self, f: &mut dyn FnMut(&Pipeline)) {
        for step in self.phases.iter().flat_map(|phase| &phase.steps) {
            if let PathStep::Body { forward, backward, .. } = step {
                f(forward);
                f(backward);
            }
        }
    }

    /// The phases in the direction of a walk.
    fn ordered(&self, backward: bool) -> Vec<&Phase> {
        if backward { self.phases.iter().rev().collect() } else { self.phases.iter().collect() }
    }
}

fn distinct(column: &Column<'_>) -> usize {
    let mut hashes: Vec<u64> = (0..column.len()).map(|row| column.hash(row)).collect();
    hashes.sort_unstable();
    hashes.dedup();
    hashes.len()
}
