//! Patterns over a collection of tuples: the collection is encoded and hashed once by the positions that are known.

use std::sync::Arc;

use edn::Value;

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::encode_cell;
use crate::exec::error::{ExecError, Result};
use crate::exec::join_table::JoinTable;
use crate::exec::pipeline::Operator;
use crate::plan::{OpenTerm, StepId, Tuples};

const ROWS_OUT: usize = 4 * BATCH_ROWS;

pub(super) struct TupleJoin<'s> {
    /// Columns: the known positions, then the added ones.
    table: Arc<JoinTable<'s>>,
    on: Vec<usize>,
    shape: Shape,
    pending: Option<Pending<'s>>,
}

struct Pending<'s> {
    batch: Batch<'s>,
    hashes: Vec<u64>,
    row: usize,
}

impl<'s> TupleJoin<'s> {
    pub(super) fn open(step: StepId, plan: &Tuples, shape: Shape, context: &Context<'s, '_>) -> Result<Self> {
        let bound =
            |term: &OpenTerm| if let OpenTerm::Bound(var) = term { Some(shape.slot(*var)) } else { None };
        let on: Vec<usize> = plan.terms.iter().filter_map(bound).collect();
        let table = context.memos.join(step, || {
            let table = JoinTable::build(read(plan, &shape, context)?, (0..on.len()).collect());
            context.budget.hold(table.bytes())?;
            Ok(table)
        })?;
        Ok(Self { table, on, shape, pending: None })
    }
}

/// The matching tuples: columns of the known positions, then of the added variables.
fn read<'s>(plan: &Tuples, shape: &Shape, context: &Context<'s, '_>) -> Result<Batch<'s>> {
    let known: Vec<usize> =
        (0..plan.terms.len()).filter(|at| matches!(plan.terms[*at], OpenTerm::Bound(_))).collect();
    let added: Vec<usize> = shape
        .fresh
        .iter()
        .filter_map(|var| plan.terms.iter().position(|term| *term == OpenTerm::New(*var)))
        .collect();
    let wanted: Vec<usize> = known.into_iter().chain(added).collect();
    let mut columns = vec![Column::default(); wanted.len()];
    let mut rows = 0;
    for tuple in context.tuples(plan.source)? {
        if tuple.len() < plan.terms.len() {
            return Err(ExecError::TupleWidth {
                span: plan.span,
                positions: plan.terms.len(),
                width: tuple.len(),
            });
        }
        if matches(&plan.terms, tuple, context) {
            rows += 1;
            for (column, at) in columns.iter_mut().zip(&wanted) {
                context.push_value(column, &tuple[*at]);
            }
        }
    }
    Ok(Batch::new(rows, columns))
}

/// Whether constants agree and positions of one variable are equal.
fn matches(terms: &[OpenTerm], tuple: &[Value], context: &Context<'_, '_>) -> bool {
    terms.iter().zip(tuple).enumerate().all(|(at, (term, value))| match term {
        OpenTerm::Const(wanted) => encode_cell(value, context.arena).as_bytes() == wanted.as_bytes(),
        OpenTerm::New(_) => match terms[..at].iter().position(|other| other == term) {
            Some(first) => tuple[first] == *value,
            None => true,
        },
        OpenTerm::Bound(_) | OpenTerm::Blank => true,
    })
}

impl<'s> Operator<'s> for TupleJoin<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.pending = Some(Pending { hashes: batch.hashes(&self.on), batch, row: 0 });
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
        for (place, column) in out.fresh.iter_mut().enumerate() {
            *column = self.table.rows.columns[self.on.len() + place].take(&partners);
        }
        let batch = out.into_batch(&self.shape, &pending.batch);
        if pending.row == pending.batch.rows {
            self.pending = None;
        }
        Ok(Some(batch))
    }
}
