//! [`Table`]: the growing set of rows of one rule, with indexes that grow along.
//!
//! ```text
//! rows     | known before the last round | found by the last round | (found by this round: kept apart until it ends)
//!          0                       delta_start                  len
//! index    key hash -> last row with the key -> row before it -> ..   newest first, so a walk over the last round's
//!                                                                      rows stops early
//! ```

use std::sync::{PoisonError, RwLock};

use hashbrown::HashTable;

use crate::exec::cell::{Cell, mix};
use crate::exec::join_table::RowSet;
use crate::exec::{Batch, Column};

const END: u32 = u32::MAX;

/// The tables of one evaluation. Pipelines read them; between rounds new rows are added.
#[derive(Debug, Default)]
pub struct Tables<'s> {
    tables: Vec<RwLock<Table<'s>>>,
}

impl<'s> Tables<'s> {
    /// `count` tables without rows.
    pub fn new(count: usize) -> Self {
        Self { tables: (0..count).map(|_| RwLock::default()).collect() }
    }

    /// Looks at a table.
    pub fn read<T>(&self, table: usize, look: impl FnOnce(&Table<'s>) -> T) -> T {
        look(&self.tables[table].read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes a table.
    pub fn write<T>(&self, table: usize, change: impl FnOnce(&mut Table<'s>) -> T) -> T {
        change(&mut self.tables[table].write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes sure that a table can be asked by `columns`.
    pub fn index(&self, table: usize, columns: &[usize]) {
        let known = columns.is_empty() || self.read(table, |table| table.find_index(columns).is_some());
        if !known {
            self.write(table, |table| table.add_index(columns));
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        (0..self.tables.len()).map(|table| self.read(table, Table::bytes)).sum()
    }
}

/// A growing set of rows.
#[derive(Debug, Default)]
pub struct Table<'s> {
    set: RowSet<'s>,
    delta_start: usize,
    /// Rows before this are visible; those after it belong to the round in progress.
    visible: usize,
    indexes: Vec<Index>,
}

#[derive(Debug)]
struct Index {
    columns: Vec<usize>,
    heads: HashTable<u32>,
    before: Vec<u32>,
}

impl<'s> Table<'s> {
    /// The rows, visible or not.
    pub fn rows(&self) -> &Batch<'s> {
        &self.set.rows
    }

    /// Adds rows, to become visible at the end of the round. Says how many were new.
    pub fn insert(&mut self, rows: &Batch<'s>) -> usize {
        self.set.insert(rows).len()
    }

    /// Ends a round: what was added becomes the rows of the last round. Says how many those are.
    pub fn advance(&mut self) -> usize {
        self.delta_start = self.visible;
        self.visible = self.set.len();
        let (rows, visible) = (&self.set.rows, self.visible);
        self.indexes.iter_mut().for_each(|index| index.extend(rows, visible));
        self.visible - self.delta_start
    }

    /// How many rows the last round added.
    pub fn delta_len(&self) -> usize {
        self.visible - self.delta_start
    }

    /// Calls `found` for each visible row (of the last round, if `delta`) whose `columns` equal `key`.
    pub fn matches(&self, columns: &[usize], key: &[Cell<'s>], delta: bool, mut found: impl FnMut(u32)) {
        let start = if delta { self.delta_start as u32 } else { 0 };
        if columns.is_empty() {
            (start..self.visible as u32).for_each(found);
            return;
        }
        let Some(index) = self.find_index(columns) else { return };
        let index = &self.indexes[index];
        let mut key_columns: Vec<Column<'s>> = Vec::with_capacity(key.len());
        for cell in key {
            let mut column = Column::default();
            column.push(*cell);
            key_columns.push(column);
        }
        let hash = key_columns.iter().fold(0, |hash, column| mix(hash, column.hash(0)));
        let rows = &self.set.rows.columns;
        let equal = |row: u32| {
            columns.iter().zip(&key_columns).all(|(at, key)| rows[*at].equal(row as usize, key, 0))
        };
        let mut next = index.heads.find(hash, |row| equal(*row)).copied();
        while let Some(row) = next.filter(|row| *row >= start) {
            found(row);
            next = Some(index.before[row as usize]).filter(|row| *row != END);
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let indexes = self.indexes.iter();
        self.set.bytes() + indexes.map(|i| i.heads.allocation_size() + i.before.capacity() * 4).sum::<usize>()
    }

    fn find_index(&self, columns: &[usize]) -> Option<usize> {
        self.indexes.iter().position(|index| index.columns == columns)
    }

    fn add_index(&mut self, columns: &[usize]) {
        let mut index = Index { columns: columns.to_vec(), heads: HashTable::new(), before: Vec::new() };
        index.extend(&self.set.rows, self.visible);
        self.indexes.push(index);
    }
}

impl Index {
    fn extend(&mut self, rows: &Batch<'_>, visible: usize) {
        let Self { columns, heads, before } = self;
        for row in before.len()..visible {
            let equal = |other: &u32| {
                columns.iter().all(|at| rows.columns[*at].equal(row, &rows.columns[*at], *other as usize))
            };
            let hash = rows.hash(row, columns);
            match heads.entry(hash, equal, |other| rows.hash(*other as usize, columns)) {
                hashbrown::hash_table::Entry::Occupied(mut head) => {
                    before.push(std::mem::replace(head.get_mut(), row as u32));
                }
                hashbrown::hash_table::Entry::Vacant(place) => {
                    place.insert(row as u32);
                    before.push(END);
                }
            }
        }
    }
}
