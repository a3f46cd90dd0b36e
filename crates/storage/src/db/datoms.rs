//! [`Datoms`]: reading an index as datoms, lazily.
//!
//! ```text
//! datoms  (components fix a prefix)      seek  (components say where to start)      index_range  (two values)
//!      \--------------------- EavWalk: entity after entity; AveWalk: value after value ----------------/
//! ```

use std::ops::{Bound, ControlFlow};

use edn::Value;

use super::{AveCursor, Db, EavCursor};
use crate::datom::{Datom, Direction, Index, ValueRange};
use crate::encode::EncodedValue;
use crate::error::{Error, Result};
use crate::ids::{AttrId, EntityId};
use crate::schema::{Attribute, Schema};

/// A row of an index: entity, attribute, full encoding.
pub(crate) type Row<'d> = (u64, AttrId, &'d [u8]);

/// An iterator over the datoms of an index; after an error it ends.
pub struct Datoms<'d> {
    rows: Rows<'d>,
    schema: &'d Schema,
    left: usize,
}

/// The rows behind [`Datoms`].
pub(crate) struct Rows<'d> {
    walk: Walk<'d>,
}

enum Walk<'d> {
    Done,
    Eav(Box<EavWalk<'d>>),
    Ave(Box<AveWalk<'d>>),
}

/// Components of a call, resolved; `None` where they were absent or nil.
#[derive(Default)]
struct Components {
    e: Option<u64>,
    a: Option<AttrId>,
    v: Option<EncodedValue>,
    /// The value is one of any attribute, not encoded for a certain one.
    v_of_any: bool,
    /// The attribute is one that the schema does not know: nothing can match.
    unknown: bool,
}

impl Db {
    /// The datoms whose first components (in the order of the index) are these; `nil` matches anything. Entities and
    /// references may be idents and lookup refs. A fourth component limits the number of datoms.
    pub fn datoms(&self, index: Index, components: &[Value]) -> Result<Datoms<'_>> {
        let (components, limit) = self.components(index, components)?;
        let rows = if components.unknown { Rows::none() } else { self.matching(index, components)? };
        Ok(Datoms { rows, schema: self.schema(), left: limit })
    }

    /// The datoms from the given point on, forward. In AVE with an attribute given the walk stays within it.
    pub fn seek_datoms(&self, index: Index, components: &[Value]) -> Result<Datoms<'_>> {
        self.seek(index, components, Direction::Forward)
    }

    /// The datoms from the given point on, backward. In AVE with an attribute given the walk stays within it.
    pub fn rseek_datoms(&self, index: Index, components: &[Value]) -> Result<Datoms<'_>> {
        self.seek(index, components, Direction::Backward)
    }

    /// The datoms of `a` with values from `lo` to `hi`, both inclusive, `nil` for an open end, in order of value.
    pub fn index_range(&self, a: &Attribute, lo: &Value, hi: &Value) -> Result<Datoms<'_>> {
        self.require_indexed(a.id)?;
        let given = |bound: &Value| (!bound.is_nil()).then(|| bound.clone());
        let range = self.range_for(a, given(lo).as_ref(), given(hi).as_ref())?;
        let walk = AveWalk::new(self, vec![a.id], range, Direction::Forward);
        let rows = Rows { walk: Walk::Ave(Box::new(walk)) };
        Ok(Datoms { rows, schema: self.schema(), left: usize::MAX })
    }

    /// Every row, by entity.
    pub(crate) fn datoms_all(&self) -> Rows<'_> {
        Rows { walk: Walk::Eav(Box::new(EavWalk::new(self, Direction::Forward, Components::default()))) }
    }

    fn matching(&self, index: Index, components: Components) -> Result<Rows<'_>> {
        let walk = match index {
            Index::Eav => Walk::Eav(Box::new(EavWalk::new(self, Direction::Forward, components))),
            Index::Ave => {
                let attrs = self.ave_attributes(components.a, Direction::Forward)?;
                let range = components.v.map_or(ValueRange::ALL, ValueRange::exactly);
                let mut walk = AveWalk::new(self, attrs, range, Direction::Forward);
                walk.of_any = components.v_of_any.then(|| self.schema().as_ref());
                walk.e = components.e;
                Walk::Ave(Box::new(walk))
            }
        };
        Ok(Rows { walk })
    }

    fn seek(&self, index: Index, components: &[Value], direction: Direction) -> Result<Datoms<'_>> {
        let (components, left) = self.components(index, components)?;
        if components.unknown {
            return Ok(Datoms { rows: Rows::none(), schema: self.schema(), left: 0 });
        }
        let walk = match index {
            Index::Eav => {
                let mut walk = EavWalk::new(self, direction, Components::default());
                if let Some(e) = components.e {
                    walk.next = Bound::Included(e);
                    walk.start = Some((e, components.a, components.v));
                }
                Walk::Eav(Box::new(walk))
            }
            Index::Ave => {
                let attrs = self.ave_attributes(components.a, direction)?;
                let registered = components.a.and_then(|a| self.schema().by_id(a)?.registered.as_ref());
                // Without an entity, the walk begins with all values that have the same order key.
                let same_key = match (registered, &components.v, components.e) {
                    (Some(registered), Some(v), None) => Some(registered.same_key(&registered.decode(v)?)?),
                    _ => None,
                };
                let range = match (&components.v, direction) {
                    (None, _) => ValueRange::ALL,
                    (Some(_), _) if same_key.is_some() => {
                        let mut range = same_key.unwrap_or(ValueRange::ALL);
                        match direction {
                            Direction::Forward => range.hi = Bound::Unbounded,
                            Direction::Backward => range.lo = Bound::Unbounded,
                        }
                        range
                    }
                    (Some(v), Direction::Forward) => {
                        ValueRange { lo: Bound::Included(v.clone()), hi: Bound::Unbounded }
                    }
                    (Some(v), Direction::Backward) => {
                        ValueRange { lo: Bound::Unbounded, hi: Bound::Included(v.clone()) }
                    }
                };
                let mut walk = AveWalk::new(self, attrs, range, direction);
                walk.start = components.v.zip(components.e);
                Walk::Ave(Box::new(walk))
            }
        };
        Ok(Datoms { rows: Rows { walk }, schema: self.schema(), left })
    }

    /// The attributes that an AVE walk goes through.
    fn ave_attributes(&self, a: Option<AttrId>, direction: Direction) -> Result<Vec<AttrId>> {
        if let Some(a) = a {
            self.require_indexed(a)?;
            return Ok(vec![a]);
        }
        let mut attrs: Vec<AttrId> = self.schema().iter().map(|attribute| attribute.id).collect();
        if direction == Direction::Backward {
            attrs.reverse();
        }
        Ok(attrs)
    }

    /// Components in the order of the index, and the limit.
    fn components(&self, index: Index, given: &[Value]) -> Result<(Components, usize)> {
        let at = |at: usize| given.get(at).filter(|value| !value.is_nil());
        let (e, a, v) = match index {
            Index::Eav => (at(0), at(1), at(2)),
            Index::Ave => (at(2), at(0), at(1)),
        };
        let limit =
            at(3).and_then(Value::as_int).map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(0));
        let mut out = Components {
            e: e.map(|e| self.require_entid(e)).transpose()?.map(|e| e.0),
            ..Default::default()
        };
        let Some(a) = a else {
            out.v = v.map(crate::encode::encode);
            out.v_of_any = v.is_some();
            return Ok((out, limit));
        };
        let ident = a.as_keyword().ok_or_else(|| Error::EntityIdSyntax { given: a.clone() })?;
        let Some(attribute) = self.schema().attribute(ident) else {
            return Ok((Components { unknown: true, ..out }, limit));
        };
        out.a = Some(attribute.id);
        out.v = v.map(|v| self.encode_for(attribute, v)).transpose()?;
        Ok((out, limit))
    }
}

impl Iterator for Datoms<'_> {
    type Item = Result<Datom>;

    fn next(&mut self) -> Option<Result<Datom>> {
        self.left = self.left.checked_sub(1)?;
        let (e, a, v) = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let value = self.schema.decode(a, v);
        Some(value.map(|v| Datom::new(EntityId(e), a, v)).inspect_err(|_| self.left = 0))
    }
}

impl Rows<'_> {
    fn none() -> Self {
        Rows { walk: Walk::Done }
    }
}

impl<'d> Iterator for Rows<'d> {
    type Item = Result<Row<'d>>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = match &mut self.walk {
            Walk::Done => return None,
            Walk::Eav(walk) => walk.next(),
            Walk::Ave(walk) => walk.next(),
        };
        if !matches!(row, Ok(Some(_))) {
            self.walk = Walk::Done;
        }
        row.transpose()
    }
}

/// Entity after entity; the facts of one are read at once.
struct EavWalk<'d> {
    cursor: EavCursor<'d>,
    schema: &'d Schema,
    direction: Direction,
    /// Where the next entity is looked for.
    next: Bound<u64>,
    filter: Components,
    /// Where a seek starts within its first entity.
    start: Option<(u64, Option<AttrId>, Option<EncodedValue>)>,
    e: u64,
    facts: std::vec::IntoIter<(AttrId, &'d [u8])>,
}

impl<'d> EavWalk<'d> {
    fn new(db: &'d Db, direction: Direction, filter: Components) -> Self {
        let next = filter.e.map_or(Bound::Unbounded, Bound::Included);
        let (cursor, schema) = (db.eav(), db.schema().as_ref());
        Self { cursor, schema, direction, next, filter, start: None, e: 0, facts: Vec::new().into_iter() }
    }

    fn next(&mut self) -> Result<Option<Row<'d>>> {
        loop {
            if let Some((a, v)) = self.facts.next() {
                return Ok(Some((self.e, a, v)));
            }
            let Some(e) = self.cursor.next_entity(self.next, self.direction)? else { return Ok(None) };
            if self.filter.e.is_some_and(|only| only != e) {
                return Ok(None);
            }
            self.next = Bound::Excluded(e);
            self.e = e;
            self.read_facts()?;
        }
    }

    fn read_facts(&mut self) -> Result<()> {
        let mut facts = Vec::new();
        let (filter, schema) = (&self.filter, self.schema);
        let has_value = |a: AttrId, v: &[u8]| match &filter.v {
            None => true,
            Some(only) if !filter.v_of_any => only.as_bytes() == v,
            Some(only) => schema.plain(a, v).is_ok_and(|plain| *plain == **only),
        };
        self.cursor.entity(self.e, &mut |a, v| {
            if filter.a.is_none_or(|only| only == a) && has_value(a, v) {
                facts.push((a, v));
            }
            ControlFlow::Continue(())
        })?;
        if let Some((e, a, v)) = &self.start
            && *e == self.e
        {
            let start = (a.unwrap_or(AttrId(0)), v.as_ref().map_or(&[][..], |v| v.as_bytes()));
            match (self.direction, a, v) {
                (Direction::Forward, ..) => facts.retain(|fact| *fact >= start),
                (Direction::Backward, None, _) => {}
                (Direction::Backward, Some(a), None) => facts.retain(|fact| fact.0 <= *a),
                (Direction::Backward, Some(_), Some(_)) => facts.retain(|fact| *fact <= start),
            }
        }
        if self.direction == Direction::Backward {
            facts.reverse();
        }
        self.facts = facts.into_iter();
        Ok(())
    }
}

/// A single value as an attribute of a registered type stores it; nothing for other attributes, or where it does not fit.
fn fitted(schema: &Schema, a: AttrId, range: &ValueRange) -> Option<ValueRange> {
    let registered = schema.by_id(a)?.registered.as_ref()?;
    let value = range.as_point()?.decode().ok()?;
    registered.encode(&value).ok().map(ValueRange::exactly)
}

/// Value after value; the entities of one are read at once.
struct AveWalk<'d> {
    cursor: AveCursor<'d>,
    attrs: std::vec::IntoIter<AttrId>,
    range: ValueRange,
    direction: Direction,
    /// The schema, where the value is one of any attribute.
    of_any: Option<&'d Schema>,
    /// Only this entity.
    e: Option<u64>,
    /// Where a seek starts within its first value.
    start: Option<(EncodedValue, u64)>,
    a: Option<AttrId>,
    v: &'d [u8],
    entities: std::vec::IntoIter<u64>,
}

impl<'d> AveWalk<'d> {
    fn new(db: &'d Db, attrs: Vec<AttrId>, range: ValueRange, direction: Direction) -> Self {
        Self {
            cursor: db.ave(),
            attrs: attrs.into_iter(),
            range,
            direction,
            of_any: None,
            e: None,
            start: None,
            a: None,
            v: &[],
            entities: Vec::new().into_iter(),
        }
    }

    fn next(&mut self) -> Result<Option<Row<'d>>> {
        loop {
            if let (Some(e), Some(a)) = (self.entities.next(), self.a) {
                return Ok(Some((e, a, self.v)));
            }
            let value = match self.a {
                Some(_) => self.cursor.next_value()?,
                None => None,
            };
            match value {
                Some(value) => {
                    self.v = value;
                    self.read_entities()?;
                }
                None => {
                    let Some(a) = self.attrs.next() else { return Ok(None) };
                    if self.range.is_empty() {
                        return Ok(None);
                    }
                    let fitted = self.of_any.and_then(|schema| fitted(schema, a, &self.range));
                    self.cursor.scan(a, fitted.as_ref().unwrap_or(&self.range), self.direction)?;
                    self.a = Some(a);
                }
            }
        }
    }

    fn read_entities(&mut self) -> Result<()> {
        let mut entities = Vec::new();
        self.cursor.entities_into(&mut entities)?;
        if let Some(only) = self.e {
            entities.retain(|e| *e == only);
        }
        if let Some((v, start)) = &self.start
            && v.as_bytes() == self.v
        {
            match self.direction {
                Direction::Forward => entities.retain(|e| e >= start),
                Direction::Backward => entities.retain(|e| e <= start),
            }
        }
        if self.direction == Direction::Backward {
            entities.reverse();
        }
        self.entities = entities.into_iter();
        Ok(())
    }
}
