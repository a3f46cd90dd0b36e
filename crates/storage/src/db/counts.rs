//! How many datoms there are: exact, and estimated for the planner.

use std::ops::{Bound, ControlFlow};

use lmdb_pages::Lexicographic;

use super::Db;
use super::ave::RawAve;
use super::base::AttrBytes;
use super::base_ave::BaseAve;
use super::overlay_ave::OverlayAve;
use crate::datom::{Direction, ValueRange};
use crate::encode::{EncodedValue, PREFIX_LEN};
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
            (None, None, None) => {
                let stored = self.base.as_ref().map_or(0, |base| base.eav.entries());
                Ok(self.overlay.delta_all().apply(stored))
            }
            (None, Some(a), None) => {
                let stored =
                    self.base.as_ref().map_or(Ok(0), |base| base.counts(a).map(|counts| counts.datoms))?;
                Ok(self.overlay.delta(a).apply(stored))
            }
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
        if !is_long(&range.lo) && !is_long(&range.hi) {
            return self.count_short_range(a, range);
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

    /// A range whose bounds are index forms: the file is counted by its leaves, the changes one by one.
    fn count_short_range(&self, a: AttrId, range: &ValueRange) -> Result<u64> {
        let mut changes = OverlayAve::new(&self.overlay);
        changes.scan(a, range.lo.as_ref().map(cut), range.hi.as_ref().map(cut), Direction::Forward)?;
        let (mut added, mut retracted) = (Vec::new(), Vec::new());
        let mut count = self.stored_in_range(a, range)?;
        while changes.advance().is_some() {
            added.clear();
            retracted.clear();
            changes.changes(&mut added, &mut retracted);
            count = (count + added.len() as u64).saturating_sub(retracted.len() as u64);
        }
        Ok(count)
    }

    /// How many datoms of `a` the file has in a range whose bounds are index forms.
    pub(super) fn stored_in_range(&self, a: AttrId, range: &ValueRange) -> Result<u64> {
        let Some(base) = &self.base else { return Ok(0) };
        if range.is_all() {
            return Ok(base.counts(a)?.datoms);
        }
        let (lo, hi) = key_bounds(a, range);
        let (lo, hi) = (lo.as_ref().map(Vec::as_slice), hi.as_ref().map(Vec::as_slice));
        Ok(lmdb_pages::count_range::<Lexicographic>(&base.snapshot, &base.ave, lo, hi)?.pairs)
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
        let stored = match &self.base {
            None => 0,
            Some(base) => {
                let (lo, hi) = key_bounds(a, range);
                let (lo, hi) = (lo.as_ref().map(Vec::as_slice), hi.as_ref().map(Vec::as_slice));
                lmdb_pages::estimate_range::<Lexicographic>(&base.snapshot, &base.ave, lo, hi)?
            }
        };
        let (lo, hi) = (range.lo.as_ref().map(cut), range.hi.as_ref().map(cut));
        let mut rows = OverlayAve::new(&self.overlay);
        rows.scan(a, lo, hi, Direction::Forward)?;
        let (mut added, mut retracted) = (Vec::new(), Vec::new());
        while added.len() + retracted.len() < ROWS_MAX && rows.advance().is_some() {
            rows.changes(&mut added, &mut retracted);
        }
        let (added, retracted) = (added.len() as u64, retracted.len() as u64);
        let delta = self.overlay.delta(a);
        let guess = |found: u64, all: u64| if found < ROWS_MAX as u64 { found } else { found.max(all / 3) };
        Ok((stored + guess(added, delta.added)).saturating_sub(guess(retracted, delta.retracted)))
    }

    /// How many distinct values `a` has. Constant time without staged changes, else in the number of those of `a`.
    pub fn cardinality(&self, a: AttrId) -> Result<u64> {
        self.require_indexed(a)?;
        let mut found = match &self.base {
            Some(base) => base.counts(a)?.values,
            None => 0,
        };
        let mut stored = self.base.as_deref().map(BaseAve::new);
        let mut changes = OverlayAve::new(&self.overlay);
        changes.scan(a, Bound::Unbounded, Bound::Unbounded, Direction::Forward)?;
        let (mut added, mut retracted) = (Vec::new(), Vec::new());
        while let Some(value) = changes.advance() {
            added.clear();
            retracted.clear();
            changes.changes(&mut added, &mut retracted);
            let before = stored.as_mut().map_or(Ok(0), |stored| stored.count(a, value))?;
            let after = (before + added.len() as u64).saturating_sub(retracted.len() as u64);
            found = (found + u64::from(after > 0)).saturating_sub(u64::from(before > 0));
        }
        Ok(found)
    }
}

/// Whether index forms cannot decide on which side of the bound a value lies.
pub(super) fn is_long(bound: &Bound<EncodedValue>) -> bool {
    matches!(bound, Bound::Included(v) | Bound::Excluded(v) if v.len() >= PREFIX_LEN)
}

/// What of a bound an index form can be compared with.
pub(super) fn cut(v: &EncodedValue) -> &[u8] {
    &v[..v.len().min(PREFIX_LEN)]
}

/// The keys of the `ave` table between which a range of values lies.
pub(super) fn key_bounds(a: AttrId, range: &ValueRange) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let (attr, after) = (AttrBytes::new(a), AttrBytes::new(AttrId(a.0 + 1)));
    let whole = |v: &EncodedValue| [attr.as_slice(), cut(v)].concat();
    let lo = match &range.lo {
        Bound::Unbounded => Bound::Included(attr.as_slice().to_vec()),
        Bound::Included(v) => Bound::Included(whole(v)),
        Bound::Excluded(v) => Bound::Excluded(whole(v)),
    };
    let hi = match &range.hi {
        Bound::Unbounded => Bound::Excluded(after.as_slice().to_vec()),
        Bound::Included(v) => Bound::Included(whole(v)),
        Bound::Excluded(v) => Bound::Excluded(whole(v)),
    };
    (lo, hi)
}
