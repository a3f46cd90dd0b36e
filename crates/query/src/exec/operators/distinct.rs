//! Rows without repetitions over the columns that are handed on.

use super::Shape;
use crate::exec::batch::Batch;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::join_table::RowSet;
use crate::exec::pipeline::Operator;

pub(super) struct Distinct<'s> {
    shape: Shape,
    seen: RowSet<'s>,
    held: usize,
    ready: Option<Batch<'s>>,
}

impl Distinct<'_> {
    pub(super) fn open(shape: Shape) -> Self {
        Self { shape, seen: RowSet::default(), held: 0, ready: None }
    }
}

impl<'s> Operator<'s> for Distinct<'s> {
    fn push(&mut self, context: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        let batch = batch.project(&self.shape.keep);
        let fresh = self.seen.insert(&batch);
        let bytes = self.seen.bytes();
        context.budget.hold(bytes.saturating_sub(self.held))?;
        self.held = bytes;
        self.ready = Some(batch.filter(&fresh));
        Ok(())
    }

    fn pull(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let ready = self.ready.take();
        if ready.is_none() && self.held > 0 && self.seen.is_empty() {
            context.budget.release(self.held);
        }
        Ok(ready)
    }
}
