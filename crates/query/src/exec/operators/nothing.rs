//! No rows: what an unknown attribute gives.

use crate::exec::batch::Batch;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::pipeline::Operator;

pub(super) struct Nothing;

impl<'s> Operator<'s> for Nothing {
    fn push(&mut self, _: &Context<'s, '_>, _: Batch<'s>) -> Result<()> {
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        Ok(None)
    }
}
