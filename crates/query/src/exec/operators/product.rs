//! All combinations of incoming rows with the rows of another pipeline.

use std::sync::Arc;

use super::Shape;
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::context::{Context, Scope};
use crate::exec::error::Result;
use crate::exec::pipeline::{self, Operator};
use crate::plan::{Pipeline, StepId};

pub(super) struct Product<'s> {
    rows: Arc<Batch<'s>>,
    added: Vec<usize>,
    shape: Shape,
    incoming: Batch<'s>,
    /// The next combination: row of the incoming batch, row of the other side.
    at: (usize, usize),
}

impl<'s> Product<'s> {
    pub(super) fn open(
        step: StepId,
        plan: &Pipeline,
        shape: Shape,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
    ) -> Result<Self> {
        let build = || -> Result<Batch<'s>> {
            let rows = pipeline::run(plan, context, scope)?;
            context.budget.hold(rows.bytes())?;
            Ok(rows)
        };
        let shared = !plan.reads_input() && !plan.reads_tables();
        let rows = if shared { context.memos.batch(step, build)? } else { Arc::new(build()?) };
        let output = plan.output();
        let slot = |var| {
            output.iter().position(|other| *other == var).expect("the other side has the added variables")
        };
        let added = shape.fresh.iter().map(|var| slot(*var)).collect();
        Ok(Self { rows, added, shape, incoming: Batch::default(), at: (0, 0) })
    }
}

impl<'s> Operator<'s> for Product<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.incoming = batch;
        self.at = (0, 0);
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let (mut from, mut partners) = (Vec::new(), Vec::new());
        while self.at.0 < self.incoming.rows && from.len() < BATCH_ROWS {
            let end = self.rows.rows.min(self.at.1 + BATCH_ROWS - from.len());
            partners.extend(self.at.1 as u32..end as u32);
            from.resize(partners.len(), self.at.0 as u32);
            self.at = if end == self.rows.rows { (self.at.0 + 1, 0) } else { (self.at.0, end) };
        }
        if from.is_empty() {
            return Ok(None);
        }
        let mut columns = self.incoming.take(&self.shape.keep, &from);
        columns.extend(self.added.iter().map(|slot| self.rows.columns[*slot].take(&partners)));
        Ok(Some(Batch::new(from.len(), columns)))
    }
}
