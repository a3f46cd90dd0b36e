//! Hash join: the rows of another pipeline are read once and hashed; incoming rows look for their partners.

use std::sync::Arc;

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::context::{Context, Scope};
use crate::exec::error::Result;
use crate::exec::join_table::JoinTable;
use crate::exec::pipeline::{self, Operator};
use crate::plan::{HashJoin, StepId};

const ROWS_OUT: usize = 4 * BATCH_ROWS;

pub(super) struct Probe<'s> {
    table: Arc<JoinTable<'s>>,
    on: Vec<usize>,
    /// The columns of the table that are added.
    added: Vec<usize>,
    shape: Shape,
    pending: Option<Pending<'s>>,
}

struct Pending<'s> {
    batch: Batch<'s>,
    hashes: Vec<u64>,
    row: usize,
}

impl<'s> Probe<'s> {
    pub(super) fn open(
        step: StepId,
        plan: &HashJoin,
        shape: Shape,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
    ) -> Result<Self> {
        let output = plan.build.output();
        let slot = |var| {
            output.iter().position(|other| *other == var).expect("the build side has the joined variables")
        };
        let keys: Vec<usize> = plan.on.iter().map(|var| slot(*var)).collect();
        let build = || -> Result<JoinTable<'s>> {
            let rows = pipeline::run(&plan.build, context, scope)?;
            let table = JoinTable::build(rows, keys.clone());
            context.budget.hold(table.bytes())?;
            Ok(table)
        };
        // A build side that does not depend on the outer rows is made once for all threads and rounds.
        let shared = !plan.build.reads_input() && !plan.build.reads_tables();
        let table = if shared { context.memos.join(step, build)? } else { Arc::new(build()?) };
        Ok(Self {
            table,
            on: plan.on.iter().map(|var| shape.slot(*var)).collect(),
            added: shape.fresh.iter().map(|var| slot(*var)).collect(),
            shape,
            pending: None,
        })
    }
}

impl<'s> Operator<'s> for Probe<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        if self.table.rows.rows > 0 {
            self.pending = Some(Pending { hashes: batch.hashes(&self.on), batch, row: 0 });
        }
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        let mut out = Expansion::new(&self.shape);
        let mut partners: Vec<u32> = Vec::new();
        while pending.row < pending.batch.rows && partners.len() < ROWS_OUT {
            let row = pending.row;
            partners.extend(self.table.matches(pending.hashes[row], &pending.batch, &self.on, row));
            out.from.resize(partners.len(), row as u32);
            pending.row += 1;
        }
        for (column, slot) in out.fresh.iter_mut().zip(&self.added) {
            *column = self.table.rows.columns[*slot].take(&partners);
        }
        let batch = out.into_batch(&self.shape, &pending.batch);
        if pending.row == pending.batch.rows {
            self.pending = None;
        }
        Ok(Some(batch))
    }
}
