//! Whether a pipeline's rows can repeat: if every variable that was dropped follows from one that was kept, they
//! cannot, and the search for repeated rows at the end is left out.

use std::collections::HashSet;

use super::Planner;
use super::physical::{Op, OpenTerm, Operand, Pipeline, Start};
use crate::logical::{SourceId, VarId};
use storage::AttrId;

/// What is known about the rows that a pipeline makes before columns are dropped.
#[derive(Default)]
struct Facts {
    bound: HashSet<VarId>,
    /// `(a, b)`: rows that agree on `a` agree on `b`.
    follows: Vec<(VarId, VarId)>,
    /// Variables with one value.
    fixed: Vec<VarId>,
    /// Something that has no variable may make rows repeat.
    hidden: bool,
}

/// Whether the rows of `pipeline`, cut down to `wanted`, are surely all different.
pub(super) fn is_set(planner: &Planner<'_>, pipeline: &Pipeline, wanted: &[VarId], repeats: bool) -> bool {
    let mut facts = Facts::default();
    facts.pipeline(planner, pipeline, repeats);
    if facts.hidden {
        return false;
    }
    let mut known: HashSet<VarId> = wanted.iter().copied().chain(facts.fixed).collect();
    loop {
        let more: Vec<VarId> = facts
            .follows
            .iter()
            .filter(|(a, b)| known.contains(a) && !known.contains(b))
            .map(|(_, b)| *b)
            .collect();
        if more.is_empty() {
            return facts.bound.is_subset(&known);
        }
        known.extend(more);
    }
}

impl Facts {
    fn pipeline(&mut self, planner: &Planner<'_>, pipeline: &Pipeline, repeats: bool) {
        if pipeline.start == Start::Input {
            self.bound.extend(&pipeline.input);
            self.hidden |= repeats;
        }
        for step in &pipeline.steps {
            self.step(planner, &step.op, repeats);
        }
    }

    fn step(&mut self, planner: &Planner<'_>, op: &Op, repeats: bool) {
        self.bound.extend(super::lower::binds(op));
        match op {
            Op::Constants(constants) => self.fixed.extend(constants.iter().map(|(var, _)| *var)),
            Op::Scan(scan) => {
                let point = scan.ranges.len() == 1 && scan.ranges[0].as_point().is_some();
                if point {
                    self.fixed.extend(scan.v);
                    if self.is_unique(planner, scan.source, scan.attr) {
                        self.fixed.extend(scan.e);
                    }
                }
                match (scan.e, scan.v) {
                    (Some(e), Some(v)) => self.pair(planner, scan.source, scan.attr, e, v),
                    // Without the value, an entity with several values comes up several times.
                    (Some(_), None) if !point => self.hidden |= self.is_many(planner, scan.source, scan.attr),
                    _ => {}
                }
            }
            Op::Star(star) => {
                for attr in &star.attrs {
                    match (&star.e, attr.out) {
                        (Operand::Var(e), Some(v)) => self.pair(planner, star.source, attr.attr, *e, v),
                        (Operand::Const(_), Some(v)) if !self.is_many(planner, star.source, attr.attr) => {
                            self.fixed.push(v);
                        }
                        _ => {}
                    }
                }
            }
            Op::Reverse(reverse) => {
                if let Some(e) = reverse.e {
                    self.pair(planner, reverse.source, reverse.attr, e, reverse.v);
                }
            }
            Op::Open(open) => {
                let [e, a, v] = &open.terms;
                let hides = |term: &OpenTerm| *term == OpenTerm::Blank;
                self.hidden |= hides(e) || hides(v) || (open.attr.is_none() && hides(a));
            }
            Op::Tuples(_) => self.hidden = true,
            Op::Apply(apply) => match &apply.binding {
                crate::logical::Binding::Scalar(var) => match &apply.call.needs[..] {
                    [] => self.fixed.push(*var),
                    [need] => self.follows.push((*need, *var)),
                    _ => {}
                },
                crate::logical::Binding::Blank => {}
                _ => self.hidden = true,
            },
            Op::HashJoin(join) => self.pipeline(planner, &join.build, repeats),
            Op::Product(build) => self.pipeline(planner, build, repeats),
            Op::Intersect(_)
            | Op::Table(_)
            | Op::SemiJoin(_)
            | Op::Filter(_)
            | Op::InRanges(_)
            | Op::Equal(..)
            | Op::Not(_)
            | Op::Or(_)
            | Op::Rule(_)
            | Op::Distinct
            | Op::Nothing(_) => {}
        }
    }

    fn pair(&mut self, planner: &Planner<'_>, source: SourceId, attr: AttrId, e: VarId, v: VarId) {
        let Ok(Some(attr)) = planner.attribute(source, attr) else { return };
        if !attr.is_many() {
            self.follows.push((e, v));
        }
        if attr.is_unique() {
            self.follows.push((v, e));
        }
    }

    fn is_unique(&self, planner: &Planner<'_>, source: SourceId, attr: AttrId) -> bool {
        planner.attribute(source, attr).ok().flatten().is_some_and(|attr| attr.is_unique())
    }

    fn is_many(&self, planner: &Planner<'_>, source: SourceId, attr: AttrId) -> bool {
        planner.attribute(source, attr).ok().flatten().is_none_or(|attr| attr.is_many())
    }
}
