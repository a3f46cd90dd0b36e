//! The end of a plan: whether rows must be made distinct, what is aggregated or counted without rows, step numbers.

use super::Planner;
use super::physical::{Finish, IndexAnswer, IndexCall, Op, Pipeline, Plan, Start, StepId};
use super::set::is_set;
use crate::logical::{AggregateCall, AggregateKind, Aggregation, Logical};

pub(super) fn finish(
    planner: &Planner<'_>,
    logical: &Logical,
    mut pipeline: Pipeline,
    repeats: bool,
    ordered: bool,
) -> Plan {
    let mut steps = 0;
    number(&mut pipeline, &mut steps);
    let distinct = !planner.switches.distinct || !is_set(planner, &pipeline, &logical.output, repeats);
    let aggregation = logical.aggregation.clone().filter(|_| planner.switches.aggregate);
    let index = aggregation
        .as_ref()
        .and_then(|aggregation| index_answer(aggregation, logical, &pipeline, distinct, planner));
    let limit = if logical.aggregation.is_none() { logical.row_limit } else { None };
    let split = if planner.switches.parallel && limit.is_none() { split(planner, &pipeline) } else { None };
    let finish = Finish {
        output: logical.output.clone(),
        distinct,
        aggregation,
        order: logical.order.clone(),
        limit,
        index,
        split,
        ordered: ordered && limit.is_some(),
    };
    Plan { pipeline, finish, names: planner.names.clone(), steps, fixed: planner.fixed }
}

/// Rows expected after a step that make it worth splitting the rest.
const SPLIT_ROWS_MIN: f64 = 16_384.0;
/// Cost of the remaining steps that makes it worth starting threads.
const SPLIT_COST_MIN: f64 = 1_000_000.0;

/// From which step on several threads pay: after the first one that gives many rows, if what follows costs enough.
/// Steps that see all rows at once (they gather or remove repetitions) stay with one thread.
fn split(planner: &Planner<'_>, pipeline: &Pipeline) -> Option<usize> {
    if pipeline.start != Start::Unit {
        return None;
    }
    let noise = planner.noise();
    let at = 1 + pipeline.steps.iter().position(|step| step.rows * noise >= SPLIT_ROWS_MIN)?;
    let rest = &pipeline.steps[at..];
    let alone = |op: &Op| match op {
        Op::Distinct | Op::Not(_) | Op::Or(_) | Op::Rule(_) | Op::Table(_) => true,
        Op::HashJoin(join) => join.build.reads_input(),
        Op::Product(build) => build.reads_input(),
        _ => false,
    };
    let cost: f64 = rest.iter().map(|step| step.cost * noise.powi(2)).sum();
    (cost >= SPLIT_COST_MIN && !rest.iter().any(|step| alone(&step.op))).then_some(at)
}

/// Gives every step its number.
fn number(pipeline: &mut Pipeline, next: &mut u32) {
    for step in &mut pipeline.steps {
        step.id = StepId(*next);
        *next += 1;
        match &mut step.op {
            Op::HashJoin(join) => number(&mut join.build, next),
            Op::Product(build) => number(build, next),
            Op::Not(nested) | Op::Or(nested) => nested.bodies.iter_mut().for_each(|body| number(body, next)),
            Op::Rule(rule) => {
                // Programs are shared between the calls they were planned for; numbering makes a copy for this one.
                let program = std::sync::Arc::make_mut(&mut rule.program);
                program.each_pipeline(&mut |pipeline| number(pipeline, next));
            }
            _ => {}
        }
    }
}

/// What the index knows of the facts of a single scan need not be found by reading them.
fn index_answer(
    aggregation: &Aggregation,
    logical: &Logical,
    pipeline: &Pipeline,
    distinct: bool,
    planner: &Planner<'_>,
) -> Option<IndexAnswer> {
    let [step] = &pipeline.steps[..] else { return None };
    let Op::Scan(scan) = &step.op else { return None };
    if !pipeline.input.is_empty() || scan.e == scan.v || distinct {
        return None;
    }
    let many = planner.attribute(scan.source, scan.attr).ok().flatten().is_none_or(|attr| attr.is_many());
    let by_value = match aggregation.group[..] {
        [] => false,
        // Rows of a group are the entities of a value, if the entity is part of the row.
        [var] if Some(var) == scan.v && scan.e.is_some_and(|e| logical.output.contains(&e)) => true,
        _ => return None,
    };
    let answer = |call: &AggregateCall| {
        let of_value = Some(call.var) == scan.v;
        Some(match call.kind {
            AggregateKind::Count if scan.e.is_some() => IndexCall::Datoms,
            AggregateKind::Count => IndexCall::Values,
            AggregateKind::CountDistinct if by_value && !of_value => IndexCall::Datoms,
            AggregateKind::CountDistinct if by_value => return None,
            AggregateKind::CountDistinct if of_value => IndexCall::Values,
            AggregateKind::CountDistinct if !many => IndexCall::Datoms,
            AggregateKind::Min if of_value => IndexCall::First,
            AggregateKind::Max if of_value => IndexCall::Last,
            _ => return None,
        })
    };
    let calls = aggregation.calls.iter().map(answer).collect::<Option<Vec<_>>>()?;
    Some(IndexAnswer { source: scan.source, attr: scan.attr, ranges: scan.ranges.clone(), by_value, calls })
}
