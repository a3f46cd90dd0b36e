//! AVE lookups of known values: a link followed from the value to the entity, or a join on equal values.
//!
//! ```text
//! incoming rows   v: b a b      distinct, ascending: a b  --AVE, forward only-->  a: [4 9]  b: [2 7 8]
//!                                                                                 rows 1x2, 0x3, 2x3
//! ```

use std::sync::Arc;

use storage::{AttrId, AveCursor};

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::memo::Memo;
use crate::exec::pipeline::Operator;
use crate::plan::{Access, Reverse};

const ROWS_OUT: usize = 4 * BATCH_ROWS;

pub(super) struct Lookup<'s> {
    attr: AttrId,
    slot: usize,
    /// Whether the entities are wanted; if not, one is enough.
    fetch: bool,
    cursor: AveCursor<'s>,
    memo: Option<Arc<Memo<'s>>>,
    shape: Shape,
    pending: Option<Pending<'s>>,
}

/// A batch in work.
struct Pending<'s> {
    batch: Batch<'s>,
    /// Rows by value.
    order: Vec<u32>,
    /// How many of `order` are done.
    at: usize,
    /// The entities of the value at `order[at]`, once looked up.
    entities: Option<Vec<u64>>,
    /// How many of `entities` the row at `order[at]` has been joined with.
    taken: usize,
}

impl<'s> Lookup<'s> {
    pub(super) fn open(plan: &Reverse, shape: Shape, context: &Context<'s, '_>) -> Result<Self> {
        let memo = match plan.access {
            Access::Memo => Some(context.memos.attribute(context, plan.source, plan.attr, false)?),
            Access::Cursor => None,
        };
        Ok(Self {
            attr: plan.attr,
            slot: shape.slot(plan.v),
            fetch: plan.e.is_some_and(|e| shape.adds(e)),
            cursor: context.db(plan.source)?.ave(),
            memo,
            shape,
            pending: None,
        })
    }

    /// Joins rows until there are enough.
    fn fill(&mut self, out: &mut Expansion<'s>, entities_out: &mut Vec<u64>) -> Result<bool> {
        let Some(pending) = &mut self.pending else { return Ok(false) };
        let column = &pending.batch.columns[self.slot];
        while out.from.len() < ROWS_OUT {
            let Some(row) = pending.order.get(pending.at).copied() else { return Ok(false) };
            if let Some(memo) = &self.memo {
                let range = memo.range_of(column, row as usize);
                if self.fetch
                    && let Column::Ints(ints) = &memo.values
                {
                    out.from.extend(std::iter::repeat_n(row, range.len()));
                    entities_out.extend_from_slice(&ints[range]);
                } else if !range.is_empty() {
                    out.from.push(row);
                }
                pending.at += 1;
                continue;
            }
            let value = column.cell(row as usize);
            if !self.fetch {
                let found = self.cursor.count(self.attr, value.as_bytes())? > 0;
                let same = pending.order[pending.at..]
                    .iter()
                    .take_while(|next| column.equal(**next as usize, column, row as usize));
                let same = same.count();
                if found {
                    out.from.extend_from_slice(&pending.order[pending.at..pending.at + same]);
                }
                pending.at += same;
                continue;
            }
            let entities = match &mut pending.entities {
                Some(entities) => entities,
                None => {
                    let mut entities = Vec::new();
                    self.cursor.lookup_into(self.attr, value.as_bytes(), &mut entities)?;
                    pending.entities.insert(entities)
                }
            };
            let chunk = &entities[pending.taken..entities.len().min(pending.taken + ROWS_OUT)];
            out.from.extend(std::iter::repeat_n(row, chunk.len()));
            entities_out.extend_from_slice(chunk);
            pending.taken += chunk.len();
            if pending.taken == entities.len() {
                pending.taken = 0;
                pending.at += 1;
                let next = pending.order.get(pending.at);
                if next.is_none_or(|next| !column.equal(*next as usize, column, row as usize)) {
                    pending.entities = None;
                }
            }
        }
        Ok(true)
    }
}

/// The rows of a column in the order of their values.
fn by_value(column: &Column<'_>) -> Vec<u32> {
    let mut order: Vec<u32> = (0..column.len() as u32).collect();
    if !order.is_sorted_by(|a, b| column.compare(*a as usize, column, *b as usize).is_le()) {
        order.sort_unstable_by(|a, b| column.compare(*a as usize, column, *b as usize));
    }
    order
}

impl<'s> Operator<'s> for Lookup<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        let order = match &self.memo {
            Some(_) => (0..batch.rows as u32).collect(),
            None => by_value(&batch.columns[self.slot]),
        };
        self.pending = Some(Pending { batch, order, at: 0, entities: None, taken: 0 });
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        while self.pending.is_some() {
            let mut out = Expansion::new(&self.shape);
            let mut entities = Vec::new();
            let more = self.fill(&mut out, &mut entities)?;
            let Some(pending) = &self.pending else { break };
            if let Some(column) = out.fresh.first_mut() {
                *column = Column::Ints(entities);
            }
            let batch = out.into_batch(&self.shape, &pending.batch);
            if !more {
                self.pending = None;
            }
            if batch.rows > 0 {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}
