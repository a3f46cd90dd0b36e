//! Aggregates over columns: rows are grouped by hash, and each aggregate folds its column group by group.
//!
//! Only what is exact and cheap here is done here; anything else (a sum over doubles, an overflow) is left to the
//! caller, who has the full semantics.

use super::batch::{Batch, Relation};
use super::column::Column;
use super::join_table::RowSet;
use crate::logical::{AggregateCall, AggregateKind, Aggregation, VarId};

/// The aggregates of distinct `rows`, or `None` if the caller must compute them.
pub(super) fn aggregate<'s>(
    rows: &Batch<'s>,
    output: &[VarId],
    aggregation: &Aggregation,
) -> Option<Relation<'s>> {
    let slot = |var: &VarId| output.iter().position(|other| other == var);
    let group: Vec<usize> = aggregation.group.iter().map(slot).collect::<Option<_>>()?;
    let Groups { of, keys, count } = Groups::of(rows, &group);
    let mut columns = keys;
    for call in &aggregation.calls {
        columns.push(fold(call, &rows.columns[slot(&call.var)?], &of, count)?);
    }
    Some(Relation { vars: aggregation.group.clone(), rows: Batch::new(count, columns), aggregated: true })
}

struct Groups<'s> {
    /// The group of each row; empty if there is only one.
    of: Vec<u32>,
    keys: Vec<Column<'s>>,
    count: usize,
}

impl<'s> Groups<'s> {
    fn of(rows: &Batch<'s>, group: &[usize]) -> Self {
        if group.is_empty() {
            return Self { of: Vec::new(), keys: Vec::new(), count: usize::from(rows.rows > 0) };
        }
        let mut keys = RowSet::default();
        let columns = group.iter().map(|slot| rows.columns[*slot].clone()).collect();
        let of = keys.insert_numbered(&Batch::new(rows.rows, columns));
        let count = keys.len();
        Self { of, keys: keys.rows.columns, count }
    }
}

fn fold<'s>(call: &AggregateCall, column: &Column<'s>, groups: &[u32], count: usize) -> Option<Column<'s>> {
    let group = |row: usize| groups.get(row).map_or(0, |group| *group as usize);
    if count == 0 {
        return Some(Column::default());
    }
    match call.kind {
        AggregateKind::Count => {
            let mut counts = vec![0_u64; count];
            if groups.is_empty() {
                counts[0] = column.len() as u64;
            } else {
                groups.iter().for_each(|group| counts[*group as usize] += 1);
            }
            Some(Column::Ints(counts))
        }
        AggregateKind::CountDistinct => {
            let mut counts = vec![0_u64; count];
            let mut seen = RowSet::default();
            let mut columns = vec![column.clone()];
            if !groups.is_empty() {
                columns.push(Column::Ints(groups.iter().map(|group| u64::from(*group)).collect()));
            }
            for row in seen.insert(&Batch::new(column.len(), columns)) {
                counts[group(row as usize)] += 1;
            }
            Some(Column::Ints(counts))
        }
        AggregateKind::Sum => {
            let sums = sums(column, group, count)?;
            Some(Column::Ints(sums.into_iter().map(|(sum, _)| sum as u64).collect()))
        }
        AggregateKind::Avg => {
            let mut averages = Column::default();
            for (sum, rows) in sums(column, group, count)? {
                let average = storage::EncodedValue::float(sum as f64 / rows as f64);
                averages.push(super::Cell::try_inline(&average)?);
            }
            Some(averages)
        }
        AggregateKind::Min | AggregateKind::Max => {
            let mut best: Vec<Option<u32>> = vec![None; count];
            for row in 0..column.len() {
                let best = &mut best[group(row)];
                let better = best.is_none_or(|best| {
                    let order = column.compare(row, column, best as usize);
                    if call.kind == AggregateKind::Min { order.is_lt() } else { order.is_gt() }
                });
                if better {
                    *best = Some(row as u32);
                }
            }
            Some(column.take(&best.into_iter().collect::<Option<Vec<_>>>()?))
        }
    }
}

/// Sum and number of rows per group, if all values are integers and no sum overflows.
fn sums(column: &Column<'_>, group: impl Fn(usize) -> usize, count: usize) -> Option<Vec<(i64, u64)>> {
    let Column::Ints(ints) = column else { return None };
    let mut sums = vec![(0_i64, 0_u64); count];
    for (row, int) in ints.iter().enumerate() {
        let (sum, rows) = &mut sums[group(row)];
        *sum = sum.checked_add(*int as i64)?;
        *rows += 1;
    }
    Some(sums)
}
