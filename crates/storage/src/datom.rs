//! Datoms, indexes and ranges: what is stored and how it is asked for.

use std::fmt;
use std::ops::Bound;

use edn::Value;

use crate::encode::EncodedValue;
use crate::error::{Error, Result};
use crate::ids::{AttrId, EntityId};

/// A fact: entity, attribute, value; in reports also whether it was added or retracted.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Datom {
    /// The entity.
    pub e: EntityId,
    /// The attribute.
    pub a: AttrId,
    /// The value.
    pub v: Value,
    /// Whether it holds (stored datoms do) or was retracted.
    pub added: bool,
}

impl Datom {
    /// A fact that holds.
    pub fn new(e: EntityId, a: AttrId, v: Value) -> Self {
        Self { e, a, v, added: true }
    }
}

impl fmt::Debug for Datom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.added { "" } else { " retracted" };
        write!(f, "[{:?} {:?} {:?}{sign}]", self.e, self.a, self.v)
    }
}

/// The two orders in which datoms are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Index {
    /// By entity, attribute, value: all of an entity lies together.
    Eav,
    /// By attribute, value, entity: all of a value lies together. Attributes with `:db/noindex` are not in it.
    Ave,
}

impl Index {
    /// The index that `:eav` or `:ave` names; the names of four-part indexes (`:eavt`, `:avet`) are understood too.
    pub fn from_name(name: &str) -> Result<Self> {
        match name.strip_prefix(':').unwrap_or(name) {
            "eav" | "eavt" => Ok(Index::Eav),
            "ave" | "avet" => Ok(Index::Ave),
            _ => Err(Error::UnknownIndex { name: name.to_owned() }),
        }
    }
}

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From small to large.
    #[default]
    Forward,
    /// From large to small.
    Backward,
}

/// A range of encoded values.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueRange {
    /// The lower end.
    pub lo: Bound<EncodedValue>,
    /// The upper end.
    pub hi: Bound<EncodedValue>,
}

impl ValueRange {
    /// Every value.
    pub const ALL: ValueRange = ValueRange { lo: Bound::Unbounded, hi: Bound::Unbounded };

    /// One value.
    pub fn exactly(value: EncodedValue) -> Self {
        Self { lo: Bound::Included(value.clone()), hi: Bound::Included(value) }
    }

    /// Whether it is every value.
    pub fn is_all(&self) -> bool {
        self.lo == Bound::Unbounded && self.hi == Bound::Unbounded
    }

    /// The value, if the range holds just one.
    pub fn as_point(&self) -> Option<&EncodedValue> {
        match (&self.lo, &self.hi) {
            (Bound::Included(lo), Bound::Included(hi)) if lo == hi => Some(lo),
            _ => None,
        }
    }

    /// Whether no value can lie in it.
    pub fn is_empty(&self) -> bool {
        match (&self.lo, &self.hi) {
            (Bound::Included(lo), Bound::Included(hi)) => lo > hi,
            (Bound::Included(lo) | Bound::Excluded(lo), Bound::Included(hi) | Bound::Excluded(hi)) => {
                lo >= hi
            }
            _ => false,
        }
    }

    /// Whether the encoded `value` lies in it.
    pub fn contains(&self, value: &[u8]) -> bool {
        self.above_lo(value) && self.below_hi(value)
    }

    /// Whether the encoded `value` is not below the range.
    #[inline]
    pub fn above_lo(&self, value: &[u8]) -> bool {
        match &self.lo {
            Bound::Unbounded => true,
            Bound::Included(lo) => value >= lo.as_bytes(),
            Bound::Excluded(lo) => value > lo.as_bytes(),
        }
    }

    /// Whether the encoded `value` is not above the range.
    #[inline]
    pub fn below_hi(&self, value: &[u8]) -> bool {
        match &self.hi {
            Bound::Unbounded => true,
            Bound::Included(hi) => value <= hi.as_bytes(),
            Bound::Excluded(hi) => value < hi.as_bytes(),
        }
    }
}
