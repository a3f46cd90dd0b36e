//! Calls over the rows of a batch: arguments are decoded, nested calls evaluated inside out.

use edn::Value;

use super::batch::Batch;
use super::context::Context;
use super::error::Result;
use super::host::{CallArg, call_error};
use crate::logical::{Arg, Call, VarId};

/// A call whose variables are resolved to columns.
#[derive(Debug)]
pub struct Evaluator {
    call: Call,
    args: Vec<ArgOf>,
}

#[derive(Debug)]
enum ArgOf {
    Slot(usize),
    Fixed(CallArg),
    Call(Box<Evaluator>),
}

impl Evaluator {
    /// Resolves `call` against a layout, which holds all its variables.
    pub fn new(call: &Call, layout: &[VarId]) -> Self {
        let slot = |var| {
            layout.iter().position(|other| *other == var).expect("calls wait until their variables are bound")
        };
        let args = call
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Var(var) => ArgOf::Slot(slot(*var)),
                Arg::Const(value) => ArgOf::Fixed(CallArg::Value(value.clone())),
                Arg::Source(source) => ArgOf::Fixed(CallArg::Source(*source)),
                Arg::InputFunction(index) => ArgOf::Fixed(CallArg::Function(*index)),
                Arg::Call(call) => ArgOf::Call(Box::new(Self::new(call, layout))),
            })
            .collect();
        Self { call: call.clone(), args }
    }

    /// The result of the call for one row.
    pub fn value(&self, context: &Context<'_, '_>, batch: &Batch<'_>, row: usize) -> Result<Value> {
        let mut args = Vec::with_capacity(self.args.len());
        for arg in &self.args {
            args.push(match arg {
                ArgOf::Slot(slot) => CallArg::Value(batch.columns[*slot].value(row)?),
                ArgOf::Fixed(arg) => arg.clone(),
                ArgOf::Call(call) => CallArg::Value(call.value(context, batch, row)?),
            });
        }
        context.host.call(&self.call.function, &args).map_err(|error| call_error(self.call.span, error))
    }

    /// The rows for which the call is neither nil nor false.
    pub fn truthy_rows(&self, context: &Context<'_, '_>, batch: &Batch<'_>) -> Result<Vec<u32>> {
        let mut rows = Vec::with_capacity(batch.rows);
        for row in 0..batch.rows {
            if self.value(context, batch, row)?.is_truthy() {
                rows.push(row as u32);
            }
        }
        Ok(rows)
    }

    /// Place of the call in the query text.
    pub fn span(&self) -> edn::Span {
        self.call.span
    }
}
