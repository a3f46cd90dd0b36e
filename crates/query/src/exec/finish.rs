//! The end of a plan: rows become distinct, or are counted, aggregated, or cut to the first few.

use super::aggregate;
use super::batch::{Batch, Relation};
use super::column::Column;
use super::context::{Context, Scope};
use super::error::Result;
use super::join_table::RowSet;
use super::pipeline::Runner;
use crate::logical::{Aggregation, VarId};
use crate::plan::{Counted, IndexCount, Plan};

/// Runs a plan to its end.
pub(super) fn run<'s>(plan: &Plan, context: &Context<'s, '_>, scope: &Scope<'s>) -> Result<Relation<'s>> {
    if let (Some(count), Some(aggregation)) = (&plan.finish.count, &plan.finish.aggregation) {
        return index_count(count, aggregation, context);
    }
    let mut runner = Runner::open(&plan.pipeline, context, scope)?;
    let layout = plan.pipeline.output();
    let output = &plan.finish.output;
    let order: Vec<usize> = output
        .iter()
        .map(|var| {
            layout.iter().position(|other| other == var).expect("the plan's last layout has all outputs")
        })
        .collect();
    let mut rows = Sink::new(plan, output);
    let mut held = 0;
    while let Some(batch) = runner.next(context)? {
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

/// Where the last rows go.
struct Sink<'s> {
    limit: usize,
    rows: Rows<'s>,
}

enum Rows<'s> {
    /// Rows that are known to be distinct.
    Plain(Batch<'s>),
    Distinct(RowSet<'s>),
}

impl<'s> Sink<'s> {
    fn new(plan: &Plan, output: &[VarId]) -> Self {
        let finish = &plan.finish;
        let limit = if finish.order.is_empty() { finish.limit } else { None };
        let limit = if output.is_empty() { Some(1) } else { limit };
        let rows =
            if finish.distinct { Rows::Distinct(RowSet::default()) } else { Rows::Plain(Batch::default()) };
        Self { limit: limit.unwrap_or(usize::MAX), rows }
    }

    fn take(&mut self, batch: Batch<'s>) {
        match &mut self.rows {
            Rows::Plain(rows) if rows.rows == 0 => *rows = batch,
            Rows::Plain(rows) => rows.append(&batch),
            Rows::Distinct(rows) => {
                rows.insert(&batch);
            }
        }
    }

    fn rows(&self) -> &Batch<'s> {
        match &self.rows {
            Rows::Plain(rows) => rows,
            Rows::Distinct(rows) => &rows.rows,
        }
    }

    fn is_full(&self) -> bool {
        self.rows().rows >= self.limit
    }

    fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Plain(rows) => rows.bytes(),
            Rows::Distinct(rows) => rows.bytes(),
        }
    }

    fn into_rows(self, columns: usize) -> Batch<'s> {
        let limit = self.limit;
        let mut rows = match self.rows {
            Rows::Plain(rows) => rows,
            Rows::Distinct(rows) => rows.rows,
        };
        if rows.rows == 0 {
            rows.columns = vec![Column::default(); columns];
        }
        if rows.rows > limit {
            rows.rows = limit;
            rows.columns.iter_mut().for_each(|column| column.truncate(limit));
        }
        rows
    }
}

/// A count that the index knows, as the one row of an aggregation.
fn index_count<'s>(
    count: &IndexCount,
    aggregation: &Aggregation,
    context: &Context<'s, '_>,
) -> Result<Relation<'s>> {
    let db = context.db(count.source)?;
    let mut found = 0;
    for range in count.ranges.iter() {
        found += match count.of {
            Counted::Datoms => db.count_range(count.attr, range)?,
            Counted::Values if range.is_all() => db.cardinality(count.attr)?,
            Counted::Values => count_values(db, count, range)?,
        };
    }
    let rows = usize::from(found > 0);
    let columns = aggregation.calls.iter().map(|_| Column::Ints(vec![found; rows])).collect();
    Ok(Relation { vars: Vec::new(), rows: Batch::new(rows, columns), aggregated: true })
}

fn count_values(db: &storage::Db, count: &IndexCount, range: &storage::ValueRange) -> Result<u64> {
    let mut cursor = db.ave();
    cursor.scan(count.attr, range, storage::Direction::Forward)?;
    let mut found = 0;
    while cursor.next_value()?.is_some() {
        found += 1;
    }
    Ok(found)
}
