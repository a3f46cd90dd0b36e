//! Calls over the rows of a batch: arguments are decoded, nested calls evaluated inside out.

use edn::Value;

use super::batch::Batch;
use super::column::Column;
use super::context::Context;
use super::error::Result;
use super::host::{CallArg, call_error};
use crate::functions::Operator;
use crate::logical::{Arg, Call, Callee, VarId};

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
        if let Some(rows) = self.compare_ints(batch) {
            return Ok(rows);
        }
        let mut rows = Vec::with_capacity(batch.rows);
        for row in 0..batch.rows {
            if self.value(context, batch, row)?.is_truthy() {
                rows.push(row as u32);
            }
        }
        Ok(rows)
    }

    /// Comparisons of integers need neither decoding nor a call.
    fn compare_ints(&self, batch: &Batch<'_>) -> Option<Vec<u32>> {
        let Callee::Function(function) = &self.call.function else { return None };
        let operator = function.operator()?;
        let [left, right] = &self.args[..] else { return None };
        let (left, right) = (left.ints(batch)?, right.ints(batch)?);
        let holds: fn(i64, i64) -> bool = match operator {
            Operator::Less => |a, b| a < b,
            Operator::LessEq => |a, b| a <= b,
            Operator::Greater => |a, b| a > b,
            Operator::GreaterEq => |a, b| a >= b,
            Operator::Equal | Operator::NumericEqual => |a, b| a == b,
            Operator::NotEqual => |a, b| a != b,
            _ => return None,
        };
        let rows = 0..batch.rows as u32;
        Some(rows.filter(|row| holds(left.get(*row as usize), right.get(*row as usize))).collect())
    }

    /// Place of the call in the query text.
    pub fn span(&self) -> edn::Span {
        self.call.span
    }
}

/// An argument that is an integer in every row.
enum Ints<'b> {
    Column(&'b [u64]),
    Fixed(i64),
}

impl Ints<'_> {
    #[inline]
    fn get(&self, row: usize) -> i64 {
        match self {
            Self::Column(ints) => ints[row] as i64,
            Self::Fixed(int) => *int,
        }
    }
}

impl ArgOf {
    fn ints<'b>(&self, batch: &'b Batch<'_>) -> Option<Ints<'b>> {
        match self {
            Self::Slot(slot) => match &batch.columns[*slot] {
                Column::Ints(ints) => Some(Ints::Column(ints)),
                Column::Cells(_) => None,
            },
            Self::Fixed(CallArg::Value(Value::Int(int))) => Some(Ints::Fixed(*int)),
            Self::Fixed(_) | Self::Call(_) => None,
        }
    }
}
