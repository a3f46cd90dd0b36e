//! The distinct entities of a batch, ascending, so that cursors only move forward.

use crate::exec::column::Column;

/// Marks rows whose value is not an entity.
pub(super) const NONE: u32 = u32::MAX;

/// Distinct entities and which of them each row has.
#[derive(Debug)]
pub(super) struct Entities {
    /// Ascending.
    pub distinct: Vec<u64>,
    /// For each row an index into `distinct`, or [`NONE`].
    pub index: Vec<u32>,
}

impl Entities {
    /// The entities in a column. Values that are not integers, or negative, are none.
    pub fn of(column: &Column<'_>) -> Self {
        match column {
            Column::Ints(ints)
                if ints.is_sorted() && ints.last().is_none_or(|last| *last <= i64::MAX as u64) =>
            {
                Self::of_sorted(ints)
            }
            column => Self::of_any(column),
        }
    }

    /// One entry per row, for look-ups whose order does not matter.
    pub fn by_row(column: &Column<'_>) -> Self {
        let mut entities =
            Self { distinct: Vec::with_capacity(column.len()), index: Vec::with_capacity(column.len()) };
        for row in 0..column.len() {
            let entity = column.int(row).filter(|int| *int <= i64::MAX as u64);
            entities.distinct.push(entity.unwrap_or(0));
            entities.index.push(if entity.is_some() { row as u32 } else { NONE });
        }
        entities
    }

    /// The same entity, or none, for all rows.
    pub fn constant(entity: Option<u64>, rows: usize) -> Self {
        let index = if entity.is_some() { 0 } else { NONE };
        Self { distinct: entity.into_iter().collect(), index: vec![index; rows] }
    }

    fn of_sorted(ints: &[u64]) -> Self {
        let (mut distinct, mut index) = (Vec::with_capacity(ints.len()), Vec::with_capacity(ints.len()));
        for int in ints {
            if distinct.last() != Some(int) {
                distinct.push(*int);
            }
            index.push(distinct.len() as u32 - 1);
        }
        Self { distinct, index }
    }

    fn of_any(column: &Column<'_>) -> Self {
        let mut keyed: Vec<(u64, u32)> = (0..column.len() as u32)
            .filter_map(|row| Some((column.int(row as usize).filter(|int| *int <= i64::MAX as u64)?, row)))
            .collect();
        keyed.sort_unstable();
        let (mut distinct, mut index) = (Vec::new(), vec![NONE; column.len()]);
        for (entity, row) in keyed {
            if distinct.last() != Some(&entity) {
                distinct.push(entity);
            }
            index[row as usize] = distinct.len() as u32 - 1;
        }
        Self { distinct, index }
    }

    /// The rows that have an entity, by entity.
    pub fn rows_by_entity(&self) -> Vec<u32> {
        let mut rows: Vec<u32> =
            (0_u32..).zip(&self.index).filter(|(_, index)| **index != NONE).map(|(row, _)| row).collect();
        if !rows.is_sorted_by_key(|row| self.index[*row as usize]) {
            rows.sort_unstable_by_key(|row| self.index[*row as usize]);
        }
        rows
    }
}
