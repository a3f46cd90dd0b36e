//! Rows that pass a test: a predicate call, a range, the equality of two variables.

use super::Shape;
use crate::exec::batch::Batch;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::evaluate::Evaluator;
use crate::exec::pipeline::Operator;
use crate::exec::ranges::in_ranges;
use crate::logical::{Call, VarId};
use crate::plan::{InRanges, Ranges};

pub(super) struct Filter<'s> {
    test: Test,
    shape: Shape,
    ready: Option<Batch<'s>>,
}

enum Test {
    Call(Evaluator),
    Ranges(usize, Ranges),
    Equal(usize, usize),
}

impl Filter<'_> {
    pub(super) fn call(call: &Call, shape: Shape) -> Self {
        Self { test: Test::Call(Evaluator::new(call, &shape.incoming)), shape, ready: None }
    }

    pub(super) fn ranges(plan: &InRanges, shape: Shape) -> Self {
        Self { test: Test::Ranges(shape.slot(plan.var), plan.ranges.clone()), shape, ready: None }
    }

    pub(super) fn equal(a: VarId, b: VarId, shape: Shape) -> Self {
        Self { test: Test::Equal(shape.slot(a), shape.slot(b)), shape, ready: None }
    }
}

impl<'s> Operator<'s> for Filter<'s> {
    fn push(&mut self, context: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        let rows = 0..batch.rows as u32;
        let passing: Vec<u32> = match &mut self.test {
            Test::Call(evaluator) => evaluator.truthy_rows(context, &batch)?,
            Test::Ranges(slot, ranges) => {
                let column = &batch.columns[*slot];
                rows.filter(|row| in_ranges(ranges, column.cell(*row as usize).as_bytes())).collect()
            }
            Test::Equal(a, b) => {
                let (a, b) = (&batch.columns[*a], &batch.columns[*b]);
                rows.filter(|row| a.equal(*row as usize, b, *row as usize)).collect()
            }
        };
        self.ready = Some(batch.filter(&passing).project(&self.shape.keep));
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        Ok(self.ready.take())
    }
}
