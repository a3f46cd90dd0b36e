//! The end of a plan: whether rows must be made distinct, what is aggregated or counted without rows, step numbers.

use super::Planner;
use super::physical::{Counted, Finish, IndexCount, Op, Pipeline, Plan, StepId};
use super::set::is_set;
use crate::logical::{AggregateKind, Logical};

pub(super) fn finish(
    planner: &Planner<'_>,
    logical: &Logical,
    mut pipeline: Pipeline,
    repeats: bool,
) -> Plan {
    let mut steps = 0;
    number(&mut pipeline, &mut steps);
    let distinct = !planner.switches.distinct || !is_set(planner, &pipeline, &logical.output, repeats);
    let aggregation = logical.aggregation.clone().filter(|_| planner.switches.aggregate);
    let count = if aggregation.is_some() { index_count(logical, &pipeline, distinct) } else { None };
    let limit = if logical.aggregation.is_none() { logical.row_limit } else { None };
    let finish = Finish {
        output: logical.output.clone(),
        distinct,
        aggregation,
        order: logical.order.clone(),
        limit,
        count,
    };
    Plan { pipeline, finish, names: planner.names.clone(), steps }
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

/// A count of all rows of a single scan is known to the index.
fn index_count(logical: &Logical, pipeline: &Pipeline, distinct: bool) -> Option<IndexCount> {
    let aggregation = logical.aggregation.as_ref()?;
    let [step] = &pipeline.steps[..] else { return None };
    let Op::Scan(scan) = &step.op else { return None };
    let counts_rows = |kind| matches!(kind, AggregateKind::Count | AggregateKind::CountDistinct);
    let one = logical.output.len() == 1;
    let counts = aggregation
        .calls
        .iter()
        .all(|call| call.kind == AggregateKind::Count || (one && counts_rows(call.kind)));
    if !aggregation.group.is_empty() || !counts || !pipeline.input.is_empty() || scan.e == scan.v {
        return None;
    }
    let of = match (scan.e, scan.v) {
        (None, Some(v)) if logical.output == [v] => Counted::Values,
        _ if distinct => {
            let v = scan.v.filter(|v| logical.output == [*v])?;
            debug_assert_eq!(logical.output, [v], "only the values leave");
            Counted::Values
        }
        _ => Counted::Datoms,
    };
    Some(IndexCount { source: scan.source, attr: scan.attr, ranges: scan.ranges.clone(), of })
}
