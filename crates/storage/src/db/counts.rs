//! How many datoms there are: exact, and estimated for the planner.

use std::ops::{Bound, ControlFlow};

use super::Db;
use super::ave::RawAve;
use super::overlay_ave::OverlayAve;
use crate::datom::{Direction, ValueRange};
use crate::encode::{INDEX_LEN_MAX, index_form};
use crate::error::Result;
use crate::ids::{AttrId, EntityId};

impl Db {
    /// How many datoms match; `None` matches anything, `v` is a full encoding.
    ///
    /// Constant time for (a), for (a, v) and for everything; the datoms of one entity are counted by reading them;
    /// an attribute with `:db/noindex` is counted by reading the whole database.
    pub fn count(&self, e: Option<EntityId>, a: Option<AttrId>, v: Option<&[u8]>) -> Result<u64> {
        let is_indexed = |a: AttrId| self.schema().by_id(a).is_none_or(|attribute| !attribute.no_index);
        match (e, a, v) {
            (None, None, None) => Ok(self.overlay.delta_all().apply(0)),
            (None, Some(a), None) => Ok(self.overlay.delta(a).apply(0)),
            (None, Some(a), Some(v)) if is_indexed(a) => self.ave().count(a, v),
            (None, None, Some(v)) => {
                let ids: Vec<AttrId> = self.schema().iter().map(|attribute| attribute.id).collect();
                ids.into_iter().try_fold(0, |sum, a| Ok(sum + self.count(None, Some(a), Some(v))?))
            }
            (Some(e), None, None) => self.eav().count(e.0),
            (Some(e), Some(a), Some(v)) => Ok(u64::from(self.contains(e, a, v)?)),
            (Some(e), a, v) => self.count_entity(e, a, v),
            (None, Some(a), Some(v)) => {
                let mut found = 0;
                for datom in self.datoms_all() {
                    let datom = datom?;
                    found += u64::from(datom.1 == a && datom.2 == v);
                }
                Ok(found)
            }
        }
    }

    fn count_entity(&self, e: EntityId, a: Option<AttrId>, v: Option<&[u8]>) -> Result<u64> {
        let mut found = 0;
        self.eav().entity(e.0, &mut |attr, value| {
            let matches = a.is_none_or(|a| a == attr) && v.is_none_or(|v| v == value);
            found += u64::from(matches);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// How many datoms of `a` have a value in `range`; exact.
    pub fn count_range(&self, a: AttrId, range: &ValueRange) -> Result<u64> {
        if range.is_empty() {
            return Ok(0);
        }
        if range.is_all() {
            return self.count(None, Some(a), None);
        }
        if let Some(v) = range.as_point() {
            return self.count(None, Some(a), Some(v));
        }
        let mut cursor = self.ave();
        cursor.scan(a, range, Direction::Forward)?;
        let (mut found, mut entities) = (0, Vec::new());
        while cursor.next_value()?.is_some() {
            entities.clear();
            cursor.entities_into(&mut entities)?;
            found += entities.len() as u64;
        }
        Ok(found)
    }

    /// About how many datoms of `a` have a value in `range`; cheap whatever the width.
    pub fn estimate_range(&self, a: AttrId, range: &ValueRange) -> Result<u64> {
        /// Rows of an overlay that are read before the rest is guessed.
        const ROWS_MAX: usize = 512;
        if range.is_empty() {
            return Ok(0);
        }
        if range.is_all() || range.as_point().is_some() {
            return self.count_range(a, range);
        }
        let (mut lo, mut hi) = ([0; INDEX_LEN_MAX], [0; INDEX_LEN_MAX]);
        let lo = match &range.lo {
            Bound::Included(v) => Bound::Included(index_form(v, &mut lo)),
            Bound::Excluded(v) => Bound::Excluded(index_form(v, &mut lo)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let hi = match &range.hi {
            Bound::Included(v) => Bound::Included(index_form(v, &mut hi)),
            Bound::Excluded(v) => Bound::Excluded(index_form(v, &mut hi)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let mut rows = OverlayAve::new(&self.overlay);
        rows.scan(a, lo, hi, Direction::Forward)?;
        let (mut added, mut retracted) = (Vec::new(), Vec::new());
        while added.len() + retracted.len() < ROWS_MAX && rows.advance().is_some() {
            rows.changes(&mut added, &mut retracted);
        }
        let found = added.len() as u64;
        let all = self.overlay.delta(a).added;
        Ok(if found < ROWS_MAX as u64 { found } else { found.max(all / 3) })
    }

    /// How many distinct values `a` has.
    pub fn cardinality(&self, a: AttrId) -> Result<u64> {
        self.require_indexed(a)?;
        let mut cursor = self.ave();
        cursor.scan(a, &ValueRange::ALL, Direction::Forward)?;
        let mut found = 0;
        while cursor.next_value()?.is_some() {
            found += 1;
        }
        Ok(found)
    }
}
