//! From the chosen chain of steps to a pipeline: neighbouring stars are fused, columns that nobody reads any more are
//! dropped, repetitions that dropping makes are removed where that pays.

use std::collections::HashSet;

use super::Planner;
use super::physical::{HashJoin, Op, OpenTerm, Pipeline, Star, Start, Step, StepId, Test};
use super::problem::Problem;
use super::state::{DraftOp, DraftStep, State};
use crate::logical::VarId;

/// Rows below which an early removal of repetitions is not worth its while.
const DISTINCT_ROWS_MIN: f64 = 2000.0;
/// How many times rows must be expected to repeat.
const DISTINCT_FACTOR: f64 = 3.0;

type Vars = HashSet<VarId>;

/// The pipeline of a state, with `wanted` (where it binds them) as the columns at its end.
pub(super) fn lower(planner: &Planner<'_>, problem: &Problem, state: &State, wanted: &[VarId]) -> Pipeline {
    let input = if state.start == Start::Input { problem.given.vars.clone() } else { Vec::new() };
    let steps = fuse(planner, state.steps());
    let flow = Flow::new(&steps, &input, wanted);
    let mut layout = input.clone();
    let mut lowered: Vec<Step> = Vec::with_capacity(steps.len());
    let last = steps.len();
    for (at, step) in steps.into_iter().enumerate() {
        let live = &flow.live[at + 1];
        let op = match step.op {
            DraftOp::Op(op) => op,
            DraftOp::HashJoin { build, on } => {
                let wanted = build_wanted(&build, &on, live);
                Op::HashJoin(HashJoin { build: Box::new(lower(planner, problem, &build, &wanted)), on })
            }
            DraftOp::Product { build } => {
                let wanted = build_wanted(&build, &[], live);
                Op::Product(Box::new(lower(planner, problem, &build, &wanted)))
            }
        };
        let kept: Vec<VarId> = layout.iter().copied().filter(|var| live.contains(var)).collect();
        let mut next = kept.clone();
        for var in binds(&op) {
            if live.contains(&var) && !layout.contains(&var) && !next.contains(&var) {
                next.push(var);
            }
        }
        if matches!(op, Op::Constants(_)) && next == layout {
            continue;
        }
        layout = next;
        let (rows, cost) = (step.rows, step.cost);
        lowered.push(Step { id: StepId(0), op, layout: layout.clone(), rows, cost, reason: step.reason });
        let dropped = flow.bound[at + 1].iter().any(|var| !layout.contains(var));
        if planner.switches.distinct && dropped && at + 1 < last {
            lowered.extend(distinct(state, &layout, rows * planner.noise().powi(2)));
        }
    }
    Pipeline { start: state.start, input, steps: lowered, rows: state.rows, cost: state.cost }
}

/// What a build side must hand over.
fn build_wanted(build: &State, on: &[VarId], live: &Vars) -> Vec<VarId> {
    let others = live.iter().copied().filter(|var| build.has(*var) && !on.contains(var));
    let mut wanted: Vec<VarId> = on.iter().copied().chain(others).collect();
    wanted.sort_unstable();
    wanted
}

/// A step that removes repetitions, if many are to be expected.
fn distinct(state: &State, layout: &[VarId], rows: f64) -> Option<Step> {
    let combinations: f64 = layout
        .iter()
        .map(|var| {
            state.distinct.iter().find(|(other, _)| other == var).map_or(f64::MAX, |(_, distinct)| *distinct)
        })
        .product();
    let pays = rows > DISTINCT_ROWS_MIN && combinations * DISTINCT_FACTOR < rows;
    pays.then(|| Step {
        id: StepId(0),
        op: Op::Distinct,
        layout: layout.to_vec(),
        rows: combinations,
        cost: rows * super::cost::HASH_ROW,
        reason: "dropped columns leave many equal rows".to_owned(),
    })
}

/// Which variables are bound, and which are still read, between the steps.
struct Flow {
    bound: Vec<Vars>,
    live: Vec<Vars>,
}

impl Flow {
    fn new(steps: &[DraftStep], input: &[VarId], wanted: &[VarId]) -> Self {
        let mut bound: Vec<Vars> = vec![input.iter().copied().collect()];
        for step in steps {
            let mut next = bound.last().cloned().unwrap_or_default();
            match &step.op {
                DraftOp::Op(op) => next.extend(binds(op)),
                DraftOp::HashJoin { build, .. } | DraftOp::Product { build } => {
                    next.extend(build.vars.iter().map(|var| VarId(var as u32)));
                }
            }
            bound.push(next);
        }
        let mut live: Vec<Vars> = vec![wanted.iter().copied().collect()];
        for (at, step) in steps.iter().enumerate().rev() {
            let mut before: Vars = live.last().cloned().unwrap_or_default();
            before.retain(|var| bound[at].contains(var));
            match &step.op {
                DraftOp::Op(op) => before.extend(reads(op).into_iter().filter(|var| bound[at].contains(var))),
                DraftOp::HashJoin { on, .. } => before.extend(on),
                DraftOp::Product { .. } => {}
            }
            live.push(before);
        }
        live.reverse();
        Self { bound, live }
    }
}

/// Neighbouring stars on the same entities become one pass.
fn fuse(planner: &Planner<'_>, steps: Vec<DraftStep>) -> Vec<DraftStep> {
    let mut fused: Vec<DraftStep> = Vec::with_capacity(steps.len());
    for step in steps {
        if planner.switches.merge_scan
            && let DraftOp::Op(Op::Star(star)) = &step.op
            && let Some(DraftStep { op: DraftOp::Op(Op::Star(last)), rows, cost, .. }) = fused.last_mut()
            && last.source == star.source
            && last.e == star.e
            && last.access == star.access
            && multiplying(planner, last) + multiplying(planner, star) <= 1
        {
            last.attrs.extend(star.attrs.iter().cloned());
            *rows = step.rows;
            *cost += step.cost;
            continue;
        }
        fused.push(step);
    }
    fused
}

/// How many attributes of a star can give several rows per row.
fn multiplying(planner: &Planner<'_>, star: &Star) -> usize {
    let many = |attr| planner.attribute(star.source, attr).ok().flatten().is_some_and(|attr| attr.is_many());
    star.attrs.iter().filter(|attr| attr.out.is_some() && many(attr.attr)).count()
}

/// The variables that an operator may take from incoming rows.
pub(super) fn reads(op: &Op) -> Vec<VarId> {
    let bound = |terms: &[OpenTerm]| {
        terms
            .iter()
            .filter_map(|term| if let OpenTerm::Bound(var) = term { Some(*var) } else { None })
            .collect()
    };
    match op {
        Op::Constants(_) | Op::Scan(_) | Op::Product(_) | Op::Distinct | Op::Nothing(_) => Vec::new(),
        Op::Star(star) => {
            let tested = star
                .attrs
                .iter()
                .filter_map(|attr| if let Test::Var(var) = attr.test { Some(var) } else { None });
            star.e.var().into_iter().chain(tested).collect()
        }
        Op::Reverse(reverse) => vec![reverse.v],
        Op::Intersect(intersect) => intersect.edges.iter().map(|edge| edge.from).collect(),
        Op::Open(open) => bound(&open.terms),
        Op::Tuples(tuples) => bound(&tuples.terms),
        Op::Table(table) => bound(&table.terms),
        Op::SemiJoin(semi) => vec![semi.e],
        Op::HashJoin(join) => join.on.clone(),
        Op::Filter(call) => call.needs.clone(),
        Op::InRanges(test) => vec![test.var],
        Op::Equal(a, b) => vec![*a, *b],
        Op::Apply(apply) => {
            let mut vars = apply.call.needs.clone();
            apply.binding.each_var(&mut |var| vars.push(var));
            vars
        }
        Op::Not(nested) | Op::Or(nested) => nested.seeds.clone(),
        Op::Rule(rule) => rule.seeds.clone(),
    }
}

/// The variables that an operator can add to rows.
pub(super) fn binds(op: &Op) -> Vec<VarId> {
    let new = |terms: &[OpenTerm]| {
        terms
            .iter()
            .filter_map(|term| if let OpenTerm::New(var) = term { Some(*var) } else { None })
            .collect()
    };
    match op {
        Op::Constants(constants) => constants.iter().map(|(var, _)| *var).collect(),
        Op::Scan(scan) => scan.e.into_iter().chain(scan.v).collect(),
        Op::Star(star) => star.attrs.iter().filter_map(|attr| attr.out).collect(),
        Op::Reverse(reverse) => reverse.e.into_iter().collect(),
        Op::Intersect(intersect) => vec![intersect.var],
        Op::Open(open) => new(&open.terms),
        Op::Tuples(tuples) => new(&tuples.terms),
        Op::Table(table) => new(&table.terms),
        Op::HashJoin(join) => join.build.output().to_vec(),
        Op::Product(build) => build.output().to_vec(),
        Op::Apply(apply) => {
            let mut vars = Vec::new();
            apply.binding.each_var(&mut |var| vars.push(var));
            vars
        }
        Op::Or(nested) => nested.answers.clone(),
        Op::Rule(rule) => rule.args.clone(),
        Op::Nothing(vars) => vars.clone(),
        Op::SemiJoin(_) | Op::Filter(_) | Op::InRanges(_) | Op::Equal(..) | Op::Not(_) | Op::Distinct => {
            Vec::new()
        }
    }
}
