//! The EAV index of a file with changes on top.

use std::ops::{Bound, ControlFlow};

use super::base_eav::BaseEav;
use super::eav::{RawEav, Visit, VisitMerged};
use super::overlay_eav::{OverlayEav, full, sort_long};
use crate::datom::Direction;
use crate::error::Result;
use crate::ids::AttrId;
use crate::overlay::{EavRow, Overlay};

/// Facts of a file and an overlay, merged entity by entity. Entities without changes are read from the file alone.
pub(crate) struct MergedEav<'d> {
    base: BaseEav<'d>,
    changes: OverlayEav<'d>,
    /// Entities `gap.0 <= e < gap.1` are known to have no changes.
    gap: (u64, u64),
    /// Facts of the entity at hand, in index form, as the file has them.
    stored: Vec<(AttrId, &'d [u8])>,
}

impl<'d> MergedEav<'d> {
    pub(crate) fn new(base: BaseEav<'d>, changes: OverlayEav<'d>) -> Self {
        Self { base, changes, gap: (0, 0), stored: Vec::new() }
    }

    /// Whether the entity has changes.
    #[inline]
    fn is_changed(&mut self, e: u64) -> Result<bool> {
        if self.gap.0 <= e && e < self.gap.1 {
            return Ok(false);
        }
        let next = self.changes.next_entity(Bound::Included(e), Direction::Forward)?;
        self.gap = (e, next.unwrap_or(u64::MAX));
        Ok(next == Some(e))
    }

    fn read_entity(&mut self, e: u64) -> Result<()> {
        self.stored.clear();
        let stored = &mut self.stored;
        self.base.each_fact(e, |a, value| {
            stored.push((a, value));
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// Merges facts of a file with changes and visits those that hold.
fn merge<'d>(
    base: &BaseEav<'d>,
    stored: &[(AttrId, &'d [u8])],
    overlay: &'d Overlay,
    changes: impl Iterator<Item = &'d EavRow>,
    mut f: impl FnMut(AttrId, &'d [u8]) -> ControlFlow<()>,
) -> Result<()> {
    let mut rest = stored.iter().peekable();
    for row in changes {
        let place = (row.a, row.v.as_bytes());
        while let Some((a, value)) = rest.next_if(|fact| **fact < place) {
            if f(*a, base.full(value)?).is_break() {
                return Ok(());
            }
        }
        if row.added {
            if f(row.a, full(overlay, row)?).is_break() {
                return Ok(());
            }
        } else {
            rest.next_if(|fact| **fact == place);
        }
    }
    for (a, value) in rest {
        if f(*a, base.full(value)?).is_break() {
            return Ok(());
        }
    }
    Ok(())
}

impl<'d> RawEav<'d> for MergedEav<'d> {
    fn values_into(&mut self, e: u64, a: AttrId, out: &mut Vec<&'d [u8]>) -> Result<usize> {
        if !self.is_changed(e)? {
            return self.base.values_into(e, a, out);
        }
        let before = out.len();
        self.stored.clear();
        let stored = &mut self.stored;
        self.base.each_value(e, a, |value| {
            stored.push((a, value));
            Ok(())
        })?;
        merge(&self.base, &self.stored, self.changes.overlay(), self.changes.rows_of(e, a), |_, value| {
            out.push(value);
            ControlFlow::Continue(())
        })?;
        sort_long(&mut out[before..]);
        Ok(out.len() - before)
    }

    fn contains(&mut self, e: u64, a: AttrId, v: &[u8]) -> Result<bool> {
        match self.changes.state(e, a, v) {
            Some(added) => Ok(added),
            None => self.base.contains(e, a, v),
        }
    }

    fn entity(&mut self, e: u64, f: Visit<'_, 'd>) -> Result<()> {
        if !self.is_changed(e)? {
            return self.base.entity(e, f);
        }
        self.read_entity(e)?;
        merge(&self.base, &self.stored, self.changes.overlay(), self.changes.rows_of_entity(e), f)
    }

    fn merge_scan(&mut self, entities: &[u64], attrs: &[AttrId], f: VisitMerged<'_, 'd>) -> Result<()> {
        for (at, e) in entities.iter().enumerate() {
            if !self.is_changed(*e)? {
                self.base.each_wanted(*e, attrs, |attr, value| f(at, attr, value))?;
                continue;
            }
            self.read_entity(*e)?;
            merge(
                &self.base,
                &self.stored,
                self.changes.overlay(),
                self.changes.rows_of_entity(*e),
                |a, value| {
                    if let Ok(attr) = attrs.binary_search(&a) {
                        f(at, attr, value);
                    }
                    ControlFlow::Continue(())
                },
            )?;
        }
        Ok(())
    }

    fn refs_into(&mut self, e: u64, a: AttrId, out: &mut Vec<u64>) -> Result<usize> {
        if !self.is_changed(e)? {
            return self.base.refs_into(e, a, out);
        }
        let mut values = Vec::new();
        self.values_into(e, a, &mut values)?;
        super::eav::decode_refs(&values, out)
    }

    fn count(&mut self, e: u64) -> Result<u64> {
        let mut count = self.base.count(e)?;
        if self.is_changed(e)? {
            for row in self.changes.rows_of_entity(e) {
                count = if row.added { count + 1 } else { count.saturating_sub(1) };
            }
        }
        Ok(count)
    }

    fn next_entity(&mut self, mut from: Bound<u64>, direction: Direction) -> Result<Option<u64>> {
        loop {
            let stored = self.base.next_entity(from, direction)?;
            let changed = self.changes.next_entity(from, direction)?;
            let nearest = match (stored, changed, direction) {
                (Some(stored), Some(changed), Direction::Forward) => stored.min(changed),
                (Some(stored), Some(changed), Direction::Backward) => stored.max(changed),
                (Some(e), None, _) | (None, Some(e), _) => e,
                (None, None, _) => return Ok(None),
            };
            // All facts of a changed entity may have been retracted.
            if changed != Some(nearest) || self.count(nearest)? > 0 {
                return Ok(Some(nearest));
            }
            from = Bound::Excluded(nearest);
        }
    }
}
