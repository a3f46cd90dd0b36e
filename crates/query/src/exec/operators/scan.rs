//! AVE range scan: the facts of one attribute whose values lie in ranges, by value.

use std::collections::VecDeque;

use storage::{AveCursor, Direction, ValueRange};

use super::Shape;
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::cell::Cell;
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::pipeline::Operator;
use crate::plan::{Ranges, Scan};

/// Rows of the first batch.
const ROWS_FIRST: usize = 64;

/// Scans once per incoming row; there is one, except in plans without any shared variable.
pub(super) struct ScanRange<'s> {
    plan: Scan,
    ranges: Ranges,
    shape: Shape,
    cursor: AveCursor<'s>,
    incoming: Batch<'s>,
    row: usize,
    /// Ranges still to be scanned for the current row.
    todo: VecDeque<ValueRange>,
    scanning: bool,
    value: Option<Cell<'s>>,
    entities: Vec<u64>,
    /// How many of `entities` have been handed on.
    taken: usize,
    /// Rows of the next batch: few at first, for queries that want few.
    rows_next: usize,
}

impl<'s> ScanRange<'s> {
    pub(super) fn open(plan: &Scan, shape: Shape, context: &Context<'s, '_>) -> Result<Self> {
        Ok(Self {
            plan: plan.clone(),
            ranges: plan.ranges.clone(),
            shape,
            cursor: context.db(plan.source)?.ave(),
            incoming: Batch::default(),
            row: 0,
            todo: VecDeque::new(),
            scanning: false,
            value: None,
            entities: Vec::new(),
            taken: 0,
            rows_next: ROWS_FIRST,
        })
    }

    fn direction(&self) -> Direction {
        if self.plan.backward { Direction::Backward } else { Direction::Forward }
    }

    fn all_ranges(&self) -> VecDeque<ValueRange> {
        let ranges = self.ranges.iter().cloned();
        if self.plan.backward { ranges.rev().collect() } else { ranges.collect() }
    }

    /// Moves to the next value of the scan; false at the end of the current row's ranges.
    fn advance(&mut self) -> Result<bool> {
        loop {
            if !self.scanning {
                let Some(range) = self.todo.pop_front() else { return Ok(false) };
                self.cursor.scan(self.plan.attr, &range, self.direction())?;
                self.scanning = true;
            }
            match self.cursor.next_value()? {
                Some(value) => {
                    self.value = Some(Cell::new(value));
                    self.entities.clear();
                    self.taken = 0;
                    if self.plan.e.is_some() {
                        self.cursor.entities_into(&mut self.entities)?;
                    } else {
                        self.entities.push(0);
                    }
                    return Ok(true);
                }
                None => self.scanning = false,
            }
        }
    }

    /// Takes entities of the current value into the outgoing columns.
    fn emit(&mut self, out: &mut Out<'s>) {
        let end = (self.taken + self.rows_next - out.entities.len()).min(self.entities.len());
        let chunk = &self.entities[self.taken..end];
        self.taken = end;
        let Some(value) = self.value else { return };
        if self.plan.e.is_some() && self.plan.e == self.plan.v {
            // `[?e :attr ?e]`
            let own = crate::exec::integer::decode(value.as_bytes());
            let matching = chunk.iter().copied().filter(|entity| Some(*entity) == own);
            out.entities.extend(matching);
            return;
        }
        out.entities.extend_from_slice(chunk);
        if out.wants_value {
            out.values.push_repeated(value, chunk.len());
        }
    }
}

struct Out<'s> {
    entities: Vec<u64>,
    values: Column<'s>,
    wants_value: bool,
}

impl<'s> Operator<'s> for ScanRange<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.incoming = batch;
        self.row = 0;
        self.todo = self.all_ranges();
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let wants_value = self.plan.v != self.plan.e && self.plan.v.is_some_and(|v| self.shape.adds(v));
        while self.row < self.incoming.rows {
            let mut out = Out { entities: Vec::new(), values: Column::default(), wants_value };
            let mut more = true;
            while out.entities.len() < self.rows_next {
                if self.taken < self.entities.len() {
                    self.emit(&mut out);
                } else if !self.advance()? {
                    more = false;
                    break;
                }
                if self.plan.e.is_none() && self.plan.v.is_none() && !out.entities.is_empty() {
                    break;
                }
            }
            let row = self.row;
            // With two blanks one fact is as good as all.
            let found = self.plan.e.is_none() && self.plan.v.is_none() && !out.entities.is_empty();
            if found {
                out.entities.truncate(1);
                (self.scanning, more) = (false, false);
                self.taken = self.entities.len();
            }
            if !more {
                self.row += 1;
                self.todo = self.all_ranges();
            }
            let rows = out.entities.len();
            if rows > 0 {
                self.rows_next = (2 * self.rows_next).min(BATCH_ROWS);
                let mut columns = self.incoming.take(&self.shape.keep, &vec![row as u32; rows]);
                let Out { entities, values, .. } = out;
                let mut entities = Some(Column::Ints(entities));
                let mut values = Some(values);
                for var in &self.shape.fresh {
                    let column = if Some(*var) == self.plan.e { entities.take() } else { values.take() };
                    columns.push(column.unwrap_or_default());
                }
                return Ok(Some(Batch::new(rows, columns)));
            }
        }
        Ok(None)
    }
}
