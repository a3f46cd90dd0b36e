//! Semi-join by a roaring bitmap: the entities that satisfy a condition are collected from the AVE index once, and
//! rows are tested against the set without touching EAV.

use std::sync::Arc;

use super::Shape;
use crate::exec::batch::Batch;
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::memo::EntitySet;
use crate::exec::pipeline::Operator;
use crate::plan::{SemiJoin, StepId};

pub(super) struct InSet<'s> {
    slot: usize,
    set: Arc<EntitySet>,
    shape: Shape,
    ready: Option<Batch<'s>>,
}

impl<'s> InSet<'s> {
    pub(super) fn open(
        step: StepId,
        plan: &SemiJoin,
        shape: Shape,
        context: &Context<'s, '_>,
    ) -> Result<Self> {
        let set = context.memos.set(context, step, plan.source, plan.attr, &plan.ranges)?;
        Ok(Self { slot: shape.slot(plan.e), set, shape, ready: None })
    }
}

impl<'s> Operator<'s> for InSet<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        let column = &batch.columns[self.slot];
        let member = |row: &u32| column.int(*row as usize).is_some_and(|entity| self.set.contains(entity));
        let rows: Vec<u32> = match column {
            Column::Ints(ints) => {
                (0_u32..).zip(ints).filter(|(_, e)| self.set.contains(**e)).map(|(row, _)| row).collect()
            }
            Column::Cells(_) => (0..batch.rows as u32).filter(member).collect(),
        };
        self.ready = Some(batch.filter(&rows).project(&self.shape.keep));
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        Ok(self.ready.take())
    }
}
