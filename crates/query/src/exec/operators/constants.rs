//! Columns that hold one value for all rows.

use storage::EncodedValue;

use super::Shape;
use crate::exec::batch::Batch;
use crate::exec::cell::Cell;
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::pipeline::Operator;
use crate::exec::store_cell;
use crate::logical::VarId;

pub(super) struct Constants<'s> {
    shape: Shape,
    cells: Vec<Cell<'s>>,
    ready: Option<Batch<'s>>,
}

impl<'s> Constants<'s> {
    pub(super) fn open(plan: &[(VarId, EncodedValue)], shape: Shape, context: &Context<'s, '_>) -> Self {
        let cells = shape
            .fresh
            .iter()
            .filter_map(|var| plan.iter().find(|(other, _)| other == var))
            .map(|(_, value)| store_cell(value.as_bytes(), context.arena))
            .collect();
        Self { shape, cells, ready: None }
    }
}

impl<'s> Operator<'s> for Constants<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        let rows = batch.rows;
        let mut batch = batch.project(&self.shape.keep);
        batch.columns.extend(self.cells.iter().map(|cell| {
            let mut column = Column::default();
            column.push_repeated(*cell, rows);
            column
        }));
        self.ready = Some(batch);
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        Ok(self.ready.take())
    }
}
