//! The end of a plan: rows become distinct, or are counted, aggregated, or cut to the first few.

use super::aggregate;
use super::batch::Relation;
use super::context::{Context, Scope};
use super::error::Result;
use super::index_answer;
use super::parallel::Source;
use super::sink::Sink;
use crate::plan::Plan;

/// Runs a plan to its end.
pub(super) fn run<'s>(plan: &Plan, context: &Context<'s, '_>, scope: &Scope<'s>) -> Result<Relation<'s>> {
    if let Some(answer) = &plan.finish.index {
        return index_answer::answer(answer, plan.finish.aggregation.as_ref(), context);
    }
    let output = &plan.finish.output;
    let order = plan.output_columns();
    let mut source = Source::open(&plan.pipeline, plan.finish.split, context, scope)?;
    let mut rows = Sink::new(&plan.finish);
    let mut held = 0;
    while let Some(batch) = source.next(context)? {
        rows.take(batch.project(&order));
        let bytes = rows.bytes();
        context.budget.hold(bytes.saturating_sub(held))?;
        held = held.max(bytes);
        if rows.is_full() {
            break;
        }
    }
    let rows = rows.into_rows(output.len());
    if let Some(aggregation) = &plan.finish.aggregation
        && let Some(relation) = aggregate::aggregate(&rows, output, aggregation)
    {
        return Ok(relation);
    }
    Ok(Relation { vars: output.clone(), rows, aggregated: false })
}
