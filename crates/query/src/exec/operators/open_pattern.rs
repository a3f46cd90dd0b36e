//! Patterns whose attribute is a variable or blank.
//!
//! | known | way |
//! |---|---|
//! | entity | all facts of the entity |
//! | attribute | AVE, by value or all of it |
//! | value only | AVE of every attribute |
//! | nothing | EAV from the first entity to the last |

use std::ops::{Bound, ControlFlow};

use storage::{AttrId, Db, Direction, EncodedValue, ValueRange};

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::cell::Cell;
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::integer;
use crate::exec::pipeline::Operator;
use crate::exec::store_cell;
use crate::plan::{OpenPattern, OpenTerm};

pub(super) struct OpenScan<'s> {
    db: &'s Db,
    terms: [OpenTerm; 3],
    /// Indexed by attribute id: the keyword.
    idents: Vec<Option<Cell<'s>>>,
    shape: Shape,
    pending: Option<Pending<'s>>,
}

struct Pending<'s> {
    batch: Batch<'s>,
    row: usize,
    /// Where a scan over all entities goes on for the current row.
    from: Option<Bound<u64>>,
}

/// What a row knows of the three positions.
#[derive(Clone, Copy)]
struct Known<'a, 's> {
    e: Option<Option<u64>>,
    a: Option<Option<AttrId>>,
    v: Option<&'a Cell<'s>>,
}

impl<'s> OpenScan<'s> {
    pub(super) fn open(plan: &OpenPattern, shape: Shape, context: &Context<'s, '_>) -> Result<Self> {
        let db = context.db(plan.source)?;
        let mut idents: Vec<Option<Cell<'s>>> = Vec::new();
        for attribute in db.schema().iter() {
            let at = attribute.id.0 as usize;
            if idents.len() <= at {
                idents.resize(at + 1, None);
            }
            let ident = storage::encode(&edn::Value::Keyword(attribute.ident.clone()));
            idents[at] = Some(store_cell(&ident, context.arena));
        }
        Ok(Self { db, terms: plan.terms.clone(), idents, shape, pending: None })
    }

    fn known(&self, position: usize, batch: &Batch<'s>, row: usize) -> Option<Cell<'s>> {
        match &self.terms[position] {
            OpenTerm::Bound(var) => Some(batch.columns[self.shape.slot(*var)].cell(row)),
            OpenTerm::Const(value) => {
                Some(Cell::try_inline(value).unwrap_or_else(|| self.long_constant(value)))
            }
            OpenTerm::New(_) | OpenTerm::Blank => None,
        }
    }

    /// Constants that do not fit a cell are compared through the cell of an equal stored value, if there is one.
    fn long_constant(&self, value: &EncodedValue) -> Cell<'s> {
        let mut cursor = self.db.ave();
        for attribute in self.db.schema().iter() {
            let range = ValueRange::exactly(value.clone());
            if cursor.scan(attribute.id, &range, Direction::Forward).is_ok()
                && let Ok(Some(stored)) = cursor.next_value()
            {
                return Cell::new(stored);
            }
        }
        Cell::new(&[])
    }

    fn attribute(&self, cell: &Cell<'s>) -> Option<AttrId> {
        let keyword = storage::decode(cell.as_bytes()).ok()?;
        self.db.schema().attribute(keyword.as_keyword()?).map(|attribute| attribute.id)
    }

    /// Adds the matches of one row; false if it is not done with the row.
    fn row(&self, pending: &mut Pending<'s>, out: &mut Expansion<'s>) -> Result<bool> {
        let row = pending.row;
        let (e, a, v) = (
            self.known(0, &pending.batch, row),
            self.known(1, &pending.batch, row),
            self.known(2, &pending.batch, row),
        );
        let known = Known {
            e: e.map(|cell| integer::decode(cell.as_bytes())),
            a: a.map(|cell| self.attribute(&cell)),
            v: v.as_ref(),
        };
        let mut add = |e: u64, a: AttrId, v: Cell<'s>| self.add(row, e, a, v, out);
        match known {
            Known { e: Some(None), .. } | Known { a: Some(None), .. } => {}
            Known { e: Some(Some(e)), a, v } => self.entity(e, a.flatten(), v, &mut add)?,
            Known { a: Some(Some(a)), v, .. } => self.attribute_facts(a, v, &mut add)?,
            Known { v: Some(v), .. } => {
                for attribute in self.db.schema().iter() {
                    self.attribute_facts(attribute.id, Some(v), &mut add)?;
                }
            }
            Known { .. } => {
                let from = pending.from.unwrap_or(Bound::Unbounded);
                let Some(entity) = self.db.eav().next_entity(from, Direction::Forward)? else {
                    pending.from = None;
                    return Ok(true);
                };
                self.entity(entity, None, None, &mut add)?;
                pending.from = Some(Bound::Excluded(entity));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn entity(
        &self,
        e: u64,
        a: Option<AttrId>,
        v: Option<&Cell<'s>>,
        add: &mut dyn FnMut(u64, AttrId, Cell<'s>),
    ) -> Result<()> {
        self.db.eav().entity(e, &mut |attr, value| {
            let value = Cell::new(value);
            if a.is_none_or(|a| a == attr) && v.is_none_or(|v| *v == value) {
                add(e, attr, value);
            }
            ControlFlow::Continue(())
        })?;
        Ok(())
    }

    fn attribute_facts(
        &self,
        a: AttrId,
        v: Option<&Cell<'s>>,
        add: &mut dyn FnMut(u64, AttrId, Cell<'s>),
    ) -> Result<()> {
        let mut cursor = self.db.ave();
        let mut entities = Vec::new();
        let range = match v {
            Some(v) => ValueRange::exactly(EncodedValue::from_bytes(v.as_bytes())),
            None => ValueRange::ALL,
        };
        cursor.scan(a, &range, Direction::Forward)?;
        while let Some(value) = cursor.next_value()? {
            entities.clear();
            cursor.entities_into(&mut entities)?;
            entities.iter().for_each(|e| add(*e, a, Cell::new(value)));
        }
        Ok(())
    }

    /// Adds one fact, if positions of the same variable agree.
    fn add(&self, row: usize, e: u64, a: AttrId, v: Cell<'s>, out: &mut Expansion<'s>) {
        let ident = self.idents.get(a.0 as usize).copied().flatten();
        let Some(ident) = ident else { return };
        let fact = [integer::cell(e), ident, v];
        for (at, term) in self.terms.iter().enumerate() {
            if let OpenTerm::New(_) = term
                && let Some(first) = self.terms[..at].iter().position(|other| other == term)
                && fact[first] != fact[at]
            {
                return;
            }
        }
        out.from.push(row as u32);
        for (column, var) in out.fresh.iter_mut().zip(&self.shape.fresh) {
            if let Some(at) = self.terms.iter().position(|term| *term == OpenTerm::New(*var)) {
                column.push(fact[at]);
            }
        }
    }
}

impl<'s> Operator<'s> for OpenScan<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.pending = Some(Pending { batch, row: 0, from: None });
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let Some(mut pending) = self.pending.take() else { return Ok(None) };
        let mut out = Expansion::new(&self.shape);
        while pending.row < pending.batch.rows && out.from.len() < BATCH_ROWS {
            if self.row(&mut pending, &mut out)? {
                pending.row += 1;
            }
        }
        for column in &mut out.fresh {
            if column.is_empty() {
                *column = Column::default();
            }
        }
        let batch = out.into_batch(&self.shape, &pending.batch);
        if pending.row < pending.batch.rows {
            self.pending = Some(pending);
        }
        Ok(Some(batch))
    }
}
