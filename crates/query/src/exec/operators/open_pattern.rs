//! Patterns whose attribute is a variable or blank, or is of a registered type.
//!
//! | known | way |
//! |---|---|
//! | entity | all facts of the entity, or those of the attribute |
//! | attribute | AVE, by value, in a range of order keys, or all of it |
//! | value only | AVE of every attribute |
//! | nothing | EAV from the first entity to the last |
//!
//! What an attribute of a registered type stores begins with an order key. Here it is left off and put in front again, so that everywhere else
//! equal values have equal bytes.

use std::borrow::Cow;
use std::ops::{Bound, ControlFlow};

use storage::{AttrId, AveCursor, Db, Direction, EavCursor, EncodedValue, ValueRange};

use super::{Expansion, Shape};
use crate::exec::arena::Arena;
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::cell::Cell;
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::integer;
use crate::exec::pipeline::Operator;
use crate::exec::ranges::in_ranges;
use crate::exec::store_cell;
use crate::plan::{OpenPattern, OpenTerm, Ranges};

pub(super) struct OpenScan<'s> {
    facts: Facts<'s>,
    cursors: Cursors<'s>,
    pending: Option<Pending<'s>>,
}

struct Cursors<'s> {
    eav: EavCursor<'s>,
    ave: AveCursor<'s>,
}

/// What is looked for.
struct Facts<'s> {
    db: &'s Db,
    arena: &'s Arena,
    /// The attribute, where it is one of a registered type, and where its stored values may lie.
    attr: Option<AttrId>,
    within: Ranges,
    terms: [OpenTerm; 3],
    /// The cells of those terms that are constants.
    constants: [Option<Cell<'s>>; 3],
    /// Indexed by attribute id: the keyword.
    idents: Vec<Option<Cell<'s>>>,
    shape: Shape,
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
        let (arena, attr, within) = (context.arena, plan.attr, plan.within.clone());
        let constants = [0, 1, 2].map(|at| match &plan.terms[at] {
            OpenTerm::Const(value) => Some(store_cell(value, arena)),
            _ => None,
        });
        let terms = plan.terms.clone();
        let facts = Facts { db, arena, attr, within, terms, constants, idents, shape };
        Ok(Self { facts, cursors: Cursors { eav: db.eav(), ave: db.ave() }, pending: None })
    }
}

impl<'s> Facts<'s> {
    fn known(&self, position: usize, batch: &Batch<'s>, row: usize) -> Option<Cell<'s>> {
        match &self.terms[position] {
            OpenTerm::Bound(var) => Some(batch.columns[self.shape.slot(*var)].cell(row)),
            OpenTerm::Const(_) => self.constants[position],
            OpenTerm::New(_) | OpenTerm::Blank => None,
        }
    }

    /// The value itself, of what attribute `a` stores.
    fn plain(&self, a: AttrId, stored: &'s [u8]) -> Result<Cell<'s>> {
        Ok(match self.db.schema().plain(a, stored)? {
            Cow::Borrowed(plain) => Cell::new(plain),
            Cow::Owned(plain) => store_cell(&plain, self.arena),
        })
    }

    /// What attribute `a` stores for a value; nothing if its type cannot take it, and so no fact has it.
    fn stored(&self, a: AttrId, v: &Cell<'s>) -> Result<Option<EncodedValue>> {
        let attribute = self.db.schema().by_id(a);
        match attribute.and_then(|attribute| attribute.registered.as_ref()) {
            None => Ok(Some(EncodedValue::from_bytes(v.as_bytes()))),
            Some(registered) => match registered.encode(&storage::decode(v.as_bytes())?) {
                Ok(stored) => Ok(Some(stored)),
                Err(error) if error.is_about_value() => Ok(None),
                Err(error) => Err(storage::Error::from(error).into()),
            },
        }
    }

    fn attribute(&self, cell: &Cell<'s>) -> Option<AttrId> {
        let keyword = storage::decode(cell.as_bytes()).ok()?;
        self.db.schema().attribute(keyword.as_keyword()?).map(|attribute| attribute.id)
    }

    /// Adds the matches of one row; false if it is not done with the row.
    fn row(
        &self,
        cursors: &mut Cursors<'s>,
        pending: &mut Pending<'s>,
        out: &mut Expansion<'s>,
    ) -> Result<bool> {
        let row = pending.row;
        let (e, a, v) = (
            self.known(0, &pending.batch, row),
            self.known(1, &pending.batch, row),
            self.known(2, &pending.batch, row),
        );
        let known = Known {
            e: e.map(|cell| integer::decode(cell.as_bytes())),
            a: self.attr.map(Some).or_else(|| a.map(|cell| self.attribute(&cell))),
            v: v.as_ref(),
        };
        let mut add = |e: u64, a: AttrId, v: Cell<'s>| self.add(row, e, a, v, out);
        match known {
            Known { e: Some(None), .. } | Known { a: Some(None), .. } => {}
            Known { e: Some(Some(e)), a, v } => self.entity(cursors, e, a.flatten(), v, &mut add)?,
            Known { a: Some(Some(a)), v, .. } => self.attribute_facts(cursors, a, v, &mut add)?,
            Known { v: Some(v), .. } => {
                for attribute in self.db.schema().iter() {
                    self.attribute_facts(cursors, attribute.id, Some(v), &mut add)?;
                }
            }
            Known { .. } => {
                let from = pending.from.unwrap_or(Bound::Unbounded);
                let Some(entity) = cursors.eav.next_entity(from, Direction::Forward)? else {
                    pending.from = None;
                    return Ok(true);
                };
                self.entity(cursors, entity, None, None, &mut add)?;
                pending.from = Some(Bound::Excluded(entity));
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn entity(
        &self,
        cursors: &mut Cursors<'s>,
        e: u64,
        a: Option<AttrId>,
        v: Option<&Cell<'s>>,
        add: &mut dyn FnMut(u64, AttrId, Cell<'s>),
    ) -> Result<()> {
        let mut found: Vec<(AttrId, &'s [u8])> = Vec::new();
        match a {
            Some(a) => {
                let mut values = Vec::new();
                cursors.eav.values_into(e, a, &mut values)?;
                found.extend(values.into_iter().map(|value| (a, value)));
            }
            None => cursors.eav.entity(e, &mut |attr, value| {
                found.push((attr, value));
                ControlFlow::Continue(())
            })?,
        }
        for (attr, stored) in found {
            if !in_ranges(&self.within, stored) {
                continue;
            }
            let value = self.plain(attr, stored)?;
            if v.is_none_or(|v| *v == value) {
                add(e, attr, value);
            }
        }
        Ok(())
    }

    fn attribute_facts(
        &self,
        cursors: &mut Cursors<'s>,
        a: AttrId,
        v: Option<&Cell<'s>>,
        add: &mut dyn FnMut(u64, AttrId, Cell<'s>),
    ) -> Result<()> {
        let cursor = &mut cursors.ave;
        let mut entities = Vec::new();
        let within = self.within.first().unwrap_or(&ValueRange::ALL);
        let range = match v {
            Some(v) => match self.stored(a, v)?.filter(|stored| within.contains(stored)) {
                Some(stored) => ValueRange::exactly(stored),
                None => return Ok(()),
            },
            None => within.clone(),
        };
        cursor.scan(a, &range, Direction::Forward)?;
        while let Some(stored) = cursor.next_value()? {
            entities.clear();
            cursor.entities_into(&mut entities)?;
            let value = self.plain(a, stored)?;
            entities.iter().for_each(|e| add(*e, a, value));
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
        let mut out = Expansion::new(&self.facts.shape);
        while pending.row < pending.batch.rows && out.from.len() < BATCH_ROWS {
            if self.facts.row(&mut self.cursors, &mut pending, &mut out)? {
                pending.row += 1;
            }
        }
        for column in &mut out.fresh {
            if column.is_empty() {
                *column = Column::default();
            }
        }
        let batch = out.into_batch(&self.facts.shape, &pending.batch);
        if pending.row < pending.batch.rows {
            self.pending = Some(pending);
        }
        Ok(Some(batch))
    }
}
