//! [`EavCursor`]: from entities to their attributes and values.
//!
//! ```text
//! EavCursor --one of--> BaseEav     the file alone
//!                       OverlayEav  an in-memory database
//!                       MergedEav   the file with changes on top
//! ```

use std::ops::{Bound, ControlFlow};

use super::Db;
use super::base_eav::BaseEav;
use super::merged_eav::MergedEav;
use super::overlay_eav::OverlayEav;
use crate::datom::Direction;
use crate::encode::{INDEX_LEN_MAX, decode_int, index_form};
use crate::error::{Error, Result};
use crate::ids::AttrId;

/// A cursor over the EAV index. Every value it hands out is a full encoding that lives as long as the borrow of the
/// database; calls with ascending entities reuse the path of the one before.
pub struct EavCursor<'d> {
    side: Side<'d>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "cursors live on the stack of one scan; a box would cost each lookup"
)]
enum Side<'d> {
    Base(BaseEav<'d>),
    Overlay(OverlayEav<'d>),
    Merged(MergedEav<'d>),
}

macro_rules! delegate {
    ($self:expr, $eav:ident => $call:expr) => {
        match &mut $self.side {
            Side::Base($eav) => $call,
            Side::Overlay($eav) => $call,
            Side::Merged($eav) => $call,
        }
    };
}

/// What a visit of an entity's facts calls: attribute and full encoding.
pub(crate) type Visit<'v, 'd> = &'v mut dyn FnMut(AttrId, &'d [u8]) -> ControlFlow<()>;

/// What [`EavCursor::merge_scan`] calls: index of the entity, index of the attribute, full encoding.
pub(crate) type VisitMerged<'v, 'd> = &'v mut dyn FnMut(usize, usize, &'d [u8]);

/// A source of one entity's facts.
pub(crate) trait RawEav<'d> {
    /// Appends the values of an attribute, in order.
    fn values_into(&mut self, e: u64, a: AttrId, out: &mut Vec<&'d [u8]>) -> Result<usize>;
    /// Whether the fact holds; `v` is an index form.
    fn contains(&mut self, e: u64, a: AttrId, v: &[u8]) -> Result<bool>;
    /// Visits all facts of an entity in attribute order.
    fn entity(&mut self, e: u64, f: Visit<'_, 'd>) -> Result<()>;
    /// Visits the facts of many entities with certain attributes.
    fn merge_scan(&mut self, entities: &[u64], attrs: &[AttrId], f: VisitMerged<'_, 'd>) -> Result<()>;
    /// Appends the targets of a reference attribute, ascending.
    fn refs_into(&mut self, e: u64, a: AttrId, out: &mut Vec<u64>) -> Result<usize>;
    /// How many facts an entity has.
    fn count(&mut self, e: u64) -> Result<u64>;
    /// The nearest entity in the direction of travel that has facts.
    fn next_entity(&mut self, from: Bound<u64>, direction: Direction) -> Result<Option<u64>>;
}

impl<'d> EavCursor<'d> {
    pub(crate) fn new(db: &'d Db) -> Self {
        let changes = OverlayEav::new(&db.overlay);
        Self {
            side: match &db.base {
                None => Side::Overlay(changes),
                Some(base) if db.overlay.is_empty() => Side::Base(BaseEav::new(base)),
                Some(base) => Side::Merged(MergedEav::new(BaseEav::new(base), changes)),
            },
        }
    }

    /// Appends the values that `e` has for `a`, ascending, and says how many there are.
    #[inline]
    pub fn values_into(&mut self, e: u64, a: AttrId, out: &mut Vec<&'d [u8]>) -> Result<usize> {
        delegate!(self, eav => eav.values_into(e, a, out))
    }

    /// Whether `e` has the value `v` (a full encoding) for `a`.
    #[inline]
    pub fn contains(&mut self, e: u64, a: AttrId, v: &[u8]) -> Result<bool> {
        let mut buffer = [0; INDEX_LEN_MAX];
        let v = index_form(v, &mut buffer);
        delegate!(self, eav => eav.contains(e, a, v))
    }

    /// Visits all facts of `e` in attribute order, until `f` breaks off.
    pub fn entity(&mut self, e: u64, f: &mut dyn FnMut(AttrId, &'d [u8]) -> ControlFlow<()>) -> Result<()> {
        delegate!(self, eav => eav.entity(e, f))
    }

    /// Visits, in one pass, the facts of `entities` (ascending) that have one of `attrs` (ascending): `f` gets the
    /// index of the entity, the index of the attribute and the value.
    pub fn merge_scan(
        &mut self,
        entities: &[u64],
        attrs: &[AttrId],
        f: &mut dyn FnMut(usize, usize, &'d [u8]),
    ) -> Result<()> {
        delegate!(self, eav => eav.merge_scan(entities, attrs, f))
    }

    /// Appends the entities that `e` refers to by `a`, ascending, and says how many there are.
    #[inline]
    pub fn refs_into(&mut self, e: u64, a: AttrId, out: &mut Vec<u64>) -> Result<usize> {
        delegate!(self, eav => eav.refs_into(e, a, out))
    }

    /// How many facts `e` has.
    pub fn count(&mut self, e: u64) -> Result<u64> {
        delegate!(self, eav => eav.count(e))
    }

    /// The first entity with facts from `from` on, in the direction of travel: upwards or downwards.
    pub fn next_entity(&mut self, from: Bound<u64>, direction: Direction) -> Result<Option<u64>> {
        delegate!(self, eav => eav.next_entity(from, direction))
    }
}

/// Entity ids of encoded references.
pub(crate) fn decode_refs(values: &[&[u8]], out: &mut Vec<u64>) -> Result<usize> {
    for value in values {
        let target = decode_int(value).and_then(|target| u64::try_from(target).ok());
        out.push(target.ok_or_else(|| not_a_reference(value))?);
    }
    Ok(values.len())
}

#[cold]
pub(crate) fn not_a_reference(value: &[u8]) -> Error {
    Error::CorruptedValue { reason: "not a reference", bytes: value[..value.len().min(64)].into() }
}
