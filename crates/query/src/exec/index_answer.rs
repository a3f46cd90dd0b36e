//! Aggregations that the AVE index answers: counts without reading entities, smallest and largest values by looking at
//! either end.

use storage::{AveCursor, Direction};

use super::batch::{Batch, Relation};
use super::cell::Cell;
use super::column::Column;
use super::context::Context;
use super::error::Result;
use crate::logical::Aggregation;
use crate::plan::{IndexAnswer, IndexCall};

/// The groups of an aggregation.
pub(super) fn answer<'s>(
    plan: &IndexAnswer,
    aggregation: Option<&Aggregation>,
    context: &Context<'s, '_>,
) -> Result<Relation<'s>> {
    let vars = aggregation.map_or_else(Vec::new, |aggregation| aggregation.group.clone());
    let rows = if plan.by_value { by_value(plan, context)? } else { together(plan, context)? };
    Ok(Relation { vars, rows, aggregated: true })
}

/// All facts as one group; no group if there are none.
fn together<'s>(plan: &IndexAnswer, context: &Context<'s, '_>) -> Result<Batch<'s>> {
    let db = context.db(plan.source)?;
    let mut columns = Vec::with_capacity(plan.calls.len());
    for call in &plan.calls {
        let mut column = Column::default();
        match call {
            IndexCall::Datoms => {
                let counts = plan.ranges.iter().map(|range| db.count_range(plan.attr, range));
                let found = counts.sum::<Result<u64, _>>()?;
                column = Column::Ints(vec![found; usize::from(found > 0)]);
            }
            IndexCall::Values => {
                let found = count_values(plan, context)?;
                column = Column::Ints(vec![found; usize::from(found > 0)]);
            }
            IndexCall::First | IndexCall::Last => {
                if let Some(value) = end(plan, *call == IndexCall::Last, context)? {
                    column.push(value);
                }
            }
        }
        columns.push(column);
    }
    let rows = columns.first().map_or(0, Column::len);
    Ok(Batch::new(rows, columns))
}

fn count_values(plan: &IndexAnswer, context: &Context<'_, '_>) -> Result<u64> {
    let db = context.db(plan.source)?;
    let mut found = 0;
    for range in plan.ranges.iter() {
        if range.is_all() {
            found += db.cardinality(plan.attr)?;
            continue;
        }
        let mut cursor = db.ave();
        cursor.scan(plan.attr, range, Direction::Forward)?;
        while cursor.next_value()?.is_some() {
            found += 1;
        }
    }
    Ok(found)
}

/// The smallest or largest value.
fn end<'s>(plan: &IndexAnswer, last: bool, context: &Context<'s, '_>) -> Result<Option<Cell<'s>>> {
    let mut cursor = context.db(plan.source)?.ave();
    let direction = if last { Direction::Backward } else { Direction::Forward };
    let mut ranges: Vec<_> = plan.ranges.iter().collect();
    if last {
        ranges.reverse();
    }
    for range in ranges {
        cursor.scan(plan.attr, range, direction)?;
        if let Some(value) = cursor.next_value()? {
            return Ok(Some(Cell::new(value)));
        }
    }
    Ok(None)
}

/// A group for each value.
fn by_value<'s>(plan: &IndexAnswer, context: &Context<'s, '_>) -> Result<Batch<'s>> {
    let mut cursor: AveCursor<'s> = context.db(plan.source)?.ave();
    let (mut values, mut counts, mut entities) = (Column::default(), Vec::new(), Vec::new());
    for range in plan.ranges.iter() {
        cursor.scan(plan.attr, range, Direction::Forward)?;
        while let Some(value) = cursor.next_value()? {
            entities.clear();
            cursor.entities_into(&mut entities)?;
            values.push(Cell::new(value));
            counts.push(entities.len() as u64);
        }
        context.budget.poll(counts.len())?;
    }
    let mut columns = vec![values.clone()];
    for call in &plan.calls {
        columns.push(match call {
            IndexCall::Datoms => Column::Ints(counts.clone()),
            IndexCall::Values => Column::Ints(vec![1; counts.len()]),
            IndexCall::First | IndexCall::Last => values.clone(),
        });
    }
    Ok(Batch::new(counts.len(), columns))
}
