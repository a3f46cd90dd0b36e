//! Function application: a call per row, its result taken apart as the binding says. Variables that the rows already
//! bind are compared, never overwritten.

use edn::{Span, Value, shorten};

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::encode_cell;
use crate::exec::error::{ExecError, Result};
use crate::exec::evaluate::Evaluator;
use crate::exec::pipeline::Operator;
use crate::logical::{Binding, VarId};
use crate::plan::Apply;

pub(super) struct Application<'s> {
    evaluator: Evaluator,
    binding: Binding,
    /// The binding's variables, distinct.
    vars: Vec<VarId>,
    /// For each of them the column it must equal, if the rows bind it, and its place among the added columns.
    bound: Vec<Option<usize>>,
    fresh: Vec<Option<usize>>,
    shape: Shape,
    pending: Option<(Batch<'s>, usize)>,
}

/// One way of matching a value with a binding: a value for each variable of the binding.
type Match<'v> = Vec<Option<std::borrow::Cow<'v, Value>>>;

impl Application<'_> {
    pub(super) fn open(plan: &Apply, shape: Shape) -> Self {
        let mut vars = Vec::new();
        plan.binding.each_var(&mut |var| {
            if !vars.contains(&var) {
                vars.push(var);
            }
        });
        Self {
            evaluator: Evaluator::new(&plan.call, &shape.incoming),
            binding: plan.binding.clone(),
            bound: vars.iter().map(|var| shape.find(*var)).collect(),
            fresh: vars.iter().map(|var| shape.fresh.iter().position(|other| other == var)).collect(),
            vars,
            shape,
            pending: None,
        }
    }

    fn apply<'s>(
        &self,
        context: &Context<'s, '_>,
        batch: &Batch<'s>,
        row: usize,
        out: &mut Expansion<'s>,
    ) -> Result<()> {
        let value = self.evaluator.value(context, batch, row)?;
        if value.is_nil() {
            return Ok(());
        }
        for found in matches(&self.binding, &value, &self.vars, self.evaluator.span())? {
            let agrees =
                |(slot, value): (&Option<usize>, &Option<std::borrow::Cow<'_, Value>>)| match (slot, value) {
                    (Some(slot), Some(value)) => {
                        let cell = encode_cell(value, context.arena);
                        batch.columns[*slot].cell(row) == cell
                    }
                    _ => true,
                };
            if self.bound.iter().zip(&found).all(agrees) {
                out.from.push(row as u32);
                for (place, value) in self.fresh.iter().zip(&found) {
                    if let (Some(place), Some(value)) = (place, value) {
                        context.push_value(&mut out.fresh[*place], value);
                    }
                }
            }
        }
        Ok(())
    }
}

/// All ways of matching `value` with `binding`.
fn matches<'v>(binding: &Binding, value: &'v Value, vars: &[VarId], span: Span) -> Result<Vec<Match<'v>>> {
    let mut found = vec![vec![None; vars.len()]];
    extend(&mut found, binding, std::borrow::Cow::Borrowed(value), vars, span)?;
    Ok(found)
}

/// Extends every partial match by the ways in which `value` matches `binding`. Nesting is that of the query's text.
fn extend<'v>(
    found: &mut Vec<Match<'v>>,
    binding: &Binding,
    value: std::borrow::Cow<'v, Value>,
    vars: &[VarId],
    span: Span,
) -> Result<()> {
    match binding {
        Binding::Blank => {}
        Binding::Scalar(var) => {
            let place =
                vars.iter().position(|other| other == var).expect("vars are all variables of the binding");
            found.retain_mut(|partial| match &partial[place] {
                Some(before) => *before == value,
                None => {
                    partial[place] = Some(value.clone());
                    true
                }
            });
        }
        Binding::Tuple(parts) => {
            let items = elements(value).map_err(|got| shape_error(span, "a tuple", &got))?;
            if items.len() < parts.len() {
                let items = Value::Vector(items.into_iter().map(std::borrow::Cow::into_owned).collect());
                return Err(ExecError::BindingArity { span, wanted: parts.len(), got: shorten(&items) });
            }
            for (part, item) in parts.iter().zip(items) {
                extend(found, part, item, vars, span)?;
            }
        }
        Binding::Collection(each) => {
            if value.is_nil() {
                found.clear();
                return Ok(());
            }
            let items = elements(value).map_err(|got| shape_error(span, "a collection", &got))?;
            let before = std::mem::take(found);
            for item in items {
                let mut with_item = before.clone();
                extend(&mut with_item, each, item, vars, span)?;
                found.extend(with_item);
            }
        }
    }
    Ok(())
}

/// The elements of a sequence, a set or a map (as pairs); anything else is handed back.
fn elements(value: std::borrow::Cow<'_, Value>) -> Result<Vec<std::borrow::Cow<'_, Value>>, Value> {
    use std::borrow::Cow;
    let pair = |(key, value): (Value, Value)| Value::Vector(vec![key, value]);
    match value {
        Cow::Borrowed(Value::List(items) | Value::Vector(items)) => {
            Ok(items.iter().map(Cow::Borrowed).collect())
        }
        Cow::Borrowed(Value::Set(items)) => Ok(items.iter().map(Cow::Borrowed).collect()),
        other => match other.into_owned() {
            Value::List(items) | Value::Vector(items) => Ok(items.into_iter().map(Cow::Owned).collect()),
            Value::Set(items) => Ok(items.into_iter().map(Cow::Owned).collect()),
            Value::Map(entries) => Ok(entries.into_iter().map(|entry| Cow::Owned(pair(entry))).collect()),
            other => Err(other),
        },
    }
}

fn shape_error(span: Span, expected: &'static str, got: &Value) -> ExecError {
    ExecError::Binding { span, expected, got: shorten(got) }
}

impl<'s> Operator<'s> for Application<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.pending = Some((batch, 0));
        Ok(())
    }

    fn pull(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let Some((batch, mut row)) = self.pending.take() else { return Ok(None) };
        let mut out = Expansion::new(&self.shape);
        while row < batch.rows && out.from.len() < BATCH_ROWS {
            self.apply(context, &batch, row, &mut out)?;
            row += 1;
        }
        for column in &mut out.fresh {
            if column.is_empty() {
                *column = Column::default();
            }
        }
        let result = out.into_batch(&self.shape, &batch);
        if row < batch.rows {
            self.pending = Some((batch, row));
        }
        Ok(Some(result))
    }
}
