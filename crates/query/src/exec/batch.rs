//! [`Batch`]: some rows, column by column; what operators hand to each other. [`Relation`]: all rows of a result.

use edn::Value;

use super::cell::{Cell, mix};
use super::column::Column;
use crate::logical::VarId;

/// Rows an operator aims to hand on at a time.
pub const BATCH_ROWS: usize = 1024;

/// Some rows. Which variable a column holds is known from the plan.
#[derive(Clone, Debug, Default)]
pub struct Batch<'s> {
    /// Number of rows; told apart from the columns because a batch may have none of them.
    pub rows: usize,
    /// One column per variable of the layout.
    pub columns: Vec<Column<'s>>,
}

impl<'s> Batch<'s> {
    /// `rows` rows without columns: the start of a pipeline without inputs has one of them.
    pub fn unit(rows: usize) -> Self {
        Self { rows, columns: Vec::new() }
    }

    /// A batch of `columns`, all of the same length; `rows` counts where there is no column.
    pub fn new(rows: usize, columns: Vec<Column<'s>>) -> Self {
        debug_assert!(columns.iter().all(|column| column.len() == rows), "columns of one length");
        Self { rows, columns }
    }

    /// The rows that `selection` names, of the columns in `keep`.
    pub fn take(&self, keep: &[usize], selection: &[u32]) -> Vec<Column<'s>> {
        keep.iter().map(|slot| self.columns[*slot].take(selection)).collect()
    }

    /// The columns in `keep`, moved out where they are used once.
    pub fn project(mut self, keep: &[usize]) -> Self {
        if keep.len() == self.columns.len() && keep.iter().enumerate().all(|(to, from)| to == *from) {
            return self;
        }
        let distinct = keep.iter().all(|slot| keep.iter().filter(|other| *other == slot).count() == 1);
        let columns = keep
            .iter()
            .map(|slot| {
                if distinct { std::mem::take(&mut self.columns[*slot]) } else { self.columns[*slot].clone() }
            })
            .collect();
        Self { rows: self.rows, columns }
    }

    /// Keeps only the rows `selection` names; free where that is all of them.
    pub fn filter(self, selection: &[u32]) -> Self {
        if selection.len() == self.rows {
            return self;
        }
        let columns = self.columns.iter().map(|column| column.take(selection)).collect();
        Self { rows: selection.len(), columns }
    }

    /// Appends the rows of `other`, column by column.
    pub fn append(&mut self, other: &Batch<'s>) {
        if self.rows == 0 && self.columns.is_empty() {
            *self = other.clone();
            return;
        }
        for (to, from) in self.columns.iter_mut().zip(&other.columns) {
            to.append(from);
        }
        self.rows += other.rows;
    }

    /// A hash per row over the columns in `slots`.
    pub fn hashes(&self, slots: &[usize]) -> Vec<u64> {
        let mut hashes = vec![0; self.rows];
        if self.rows == 0 {
            return hashes;
        }
        for slot in slots {
            self.columns[*slot].hash_into(&mut hashes);
        }
        hashes
    }

    /// The hash of one row over the columns in `slots`.
    pub fn hash(&self, row: usize, slots: &[usize]) -> u64 {
        slots.iter().fold(0, |hash, slot| mix(hash, self.columns[*slot].hash(row)))
    }

    /// Bytes of memory, for the budget.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }
}

/// All rows of a result, with the variables that its columns hold.
#[derive(Clone, Debug, Default)]
pub struct Relation<'s> {
    /// The variable of each column.
    pub vars: Vec<VarId>,
    /// The rows.
    pub rows: Batch<'s>,
    /// Whether the rows are the answer of [`crate::logical::Aggregation`] rather than rows to aggregate: then the
    /// columns are the grouping variables followed by one column per aggregate.
    pub aggregated: bool,
}

impl<'s> Relation<'s> {
    /// One row without columns: the input of a query that has no bound variables.
    pub fn unit() -> Self {
        Self { vars: Vec::new(), rows: Batch::unit(1), aggregated: false }
    }

    /// A relation of decoded rows, such as the inputs of a query. Values are encoded into `arena`.
    pub fn from_values<'v>(
        vars: Vec<VarId>,
        rows: impl IntoIterator<Item = &'v [Value]>,
        arena: &'s super::Arena,
    ) -> Self {
        let mut columns = vec![Column::default(); vars.len()];
        let mut count = 0;
        for row in rows {
            count += 1;
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(super::encode_cell(value, arena));
            }
        }
        Self { vars, rows: Batch::new(count, columns), aggregated: false }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.rows == 0
    }

    /// The decoded value of one field.
    pub fn value(&self, row: usize, column: usize) -> Result<Value, storage::Error> {
        self.rows.columns[column].value(row)
    }

    /// The encoded value of one field.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'s> {
        self.rows.columns[column].cell(row)
    }
}
