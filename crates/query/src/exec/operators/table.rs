//! Join with a table of the rule evaluation in progress.

use std::sync::Arc;

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::cell::Cell;
use crate::exec::context::{Context, Scope};
use crate::exec::error::Result;
use crate::exec::pipeline::Operator;
use crate::exec::store_cell;
use crate::plan::{OpenTerm, TableStep};
use crate::rules::Tables;

const ROWS_OUT: usize = 4 * BATCH_ROWS;

pub(super) struct TableJoin<'s> {
    tables: Arc<Tables<'s>>,
    table: usize,
    delta: bool,
    /// For each column of the table that is known: the column, and the slot of the incoming variable or a constant.
    known: Vec<(usize, Known<'s>)>,
    /// Pairs of columns that must be equal because they hold the same new variable.
    equal: Vec<(usize, usize)>,
    /// The table's column of each added variable.
    added: Vec<usize>,
    shape: Shape,
    pending: Option<(Batch<'s>, usize)>,
}

enum Known<'s> {
    Slot(usize),
    Const(Cell<'s>),
}

impl<'s> TableJoin<'s> {
    pub(super) fn open(
        plan: &TableStep,
        shape: Shape,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
    ) -> Result<Self> {
        let tables = scope.tables.clone().unwrap_or_default();
        let mut known = Vec::new();
        let mut equal = Vec::new();
        for (at, term) in plan.terms.iter().enumerate() {
            match term {
                OpenTerm::Bound(var) => known.push((at, Known::Slot(shape.slot(*var)))),
                OpenTerm::Const(value) => known.push((at, Known::Const(store_cell(value, context.arena)))),
                OpenTerm::New(_) => {
                    equal.extend(
                        plan.terms[..at].iter().position(|other| other == term).map(|first| (first, at)),
                    );
                }
                OpenTerm::Blank => {}
            }
        }
        let added = shape
            .fresh
            .iter()
            .filter_map(|var| plan.terms.iter().position(|term| *term == OpenTerm::New(*var)));
        let added = added.collect();
        let columns: Vec<usize> = known.iter().map(|(at, _)| *at).collect();
        tables.index(plan.table, &columns);
        Ok(Self { tables, table: plan.table, delta: plan.delta, known, equal, added, shape, pending: None })
    }

    /// The key of a row, as a batch of one row for the index to compare with.
    fn fill(&self, batch: &Batch<'s>, row: &mut usize, from: &mut Vec<u32>, partners: &mut Vec<u32>) {
        let columns: Vec<usize> = self.known.iter().map(|(at, _)| *at).collect();
        self.tables.read(self.table, |table| {
            while *row < batch.rows && from.len() < ROWS_OUT {
                let key: Vec<Cell<'s>> = self
                    .known
                    .iter()
                    .map(|(_, known)| match known {
                        Known::Slot(slot) => batch.columns[*slot].cell(*row),
                        Known::Const(cell) => *cell,
                    })
                    .collect();
                table.matches(&columns, &key, self.delta, |partner| {
                    let rows = &table.rows().columns;
                    let agrees = |(a, b): &(usize, usize)| {
                        rows[*a].equal(partner as usize, &rows[*b], partner as usize)
                    };
                    if self.equal.iter().all(agrees) {
                        from.push(*row as u32);
                        partners.push(partner);
                    }
                });
                *row += 1;
            }
        });
    }
}

impl<'s> Operator<'s> for TableJoin<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.pending = Some((batch, 0));
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let Some((batch, mut row)) = self.pending.take() else { return Ok(None) };
        let mut out = Expansion::new(&self.shape);
        let mut partners = Vec::new();
        self.fill(&batch, &mut row, &mut out.from, &mut partners);
        self.tables.read(self.table, |table| {
            for (column, at) in out.fresh.iter_mut().zip(&self.added) {
                if !partners.is_empty() {
                    *column = table.rows().columns[*at].take(&partners);
                }
            }
        });
        let result = out.into_batch(&self.shape, &batch);
        if row < batch.rows {
            self.pending = Some((batch, row));
        }
        Ok(Some(result))
    }
}
