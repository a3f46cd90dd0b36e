//! The EAV side of an overlay: an in-memory database by itself, or the changes to merge with a file.

use std::ops::{Bound, ControlFlow};

use super::eav::{RawEav, Visit, VisitMerged, not_a_reference};
use crate::datom::Direction;
use crate::encode::{PREFIX_LEN, decode_int, is_giant_index};
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::overlay::{EavChanges, EavPlace, EavRow, Overlay};

/// Rows of an overlay by entity.
pub(crate) struct OverlayEav<'d> {
    overlay: &'d Overlay,
    /// Keeps its path between calls.
    changes: EavChanges<'d>,
}

impl<'d> OverlayEav<'d> {
    pub(crate) fn new(overlay: &'d Overlay) -> Self {
        Self { overlay, changes: overlay.eav_cursor() }
    }

    pub(crate) fn overlay(&self) -> &'d Overlay {
        self.overlay
    }

    /// What the overlay says about a datom.
    #[inline]
    pub(crate) fn state(&self, e: u64, a: AttrId, v: &[u8]) -> Option<bool> {
        self.overlay.state(e, a, v)
    }

    /// The changes of one entity and attribute.
    #[inline]
    pub(crate) fn rows_of(&mut self, e: u64, a: AttrId) -> impl Iterator<Item = &'d EavRow> {
        let changes = &mut self.changes;
        changes.seek(&EavPlace(e, a, &[]), false);
        std::iter::from_fn(move || {
            changes.peek().filter(|row| row.e == e && row.a == a).inspect(|_| _ = changes.next())
        })
    }

    /// The changes of one entity.
    #[inline]
    pub(crate) fn rows_of_entity(&mut self, e: u64) -> impl Iterator<Item = &'d EavRow> {
        let changes = &mut self.changes;
        changes.seek(&EavPlace(e, AttrId(0), &[]), false);
        std::iter::from_fn(move || changes.peek().filter(|row| row.e == e).inspect(|_| _ = changes.next()))
    }
}

/// The full encoding of an added row.
#[inline]
pub(crate) fn full<'d>(overlay: &'d Overlay, row: &'d EavRow) -> Result<&'d [u8]> {
    if !is_giant_index(&row.v) {
        return Ok(row.v.as_bytes());
    }
    overlay.giant(&row.v).map(|full| &**full).ok_or_else(|| Error::Corrupted {
        table: "overlay",
        reason: "a giant without its full encoding".into(),
    })
}

/// Puts values of one attribute in order where index forms do not decide it.
pub(crate) fn sort_long(values: &mut [&[u8]]) {
    if values.len() > 1 && values.iter().any(|value| value.len() >= PREFIX_LEN) {
        values.sort_unstable();
    }
}

impl<'d> RawEav<'d> for OverlayEav<'d> {
    #[inline]
    fn values_into(&mut self, e: u64, a: AttrId, out: &mut Vec<&'d [u8]>) -> Result<usize> {
        let before = out.len();
        let overlay = self.overlay;
        for row in self.rows_of(e, a) {
            out.push(full(overlay, row)?);
        }
        sort_long(&mut out[before..]);
        Ok(out.len() - before)
    }

    #[inline]
    fn contains(&mut self, e: u64, a: AttrId, v: &[u8]) -> Result<bool> {
        Ok(self.overlay.state(e, a, v) == Some(true))
    }

    fn entity(&mut self, e: u64, f: Visit<'_, 'd>) -> Result<()> {
        let overlay = self.overlay;
        for row in self.rows_of_entity(e) {
            if let ControlFlow::Break(()) = f(row.a, full(overlay, row)?) {
                break;
            }
        }
        Ok(())
    }

    fn merge_scan(&mut self, entities: &[u64], attrs: &[AttrId], f: VisitMerged<'_, 'd>) -> Result<()> {
        let Some(first) = attrs.first() else { return Ok(()) };
        for (at, e) in entities.iter().enumerate() {
            self.changes.seek(&EavPlace(*e, *first, &[]), false);
            let mut attr = 0;
            while let Some(row) = self.changes.peek().filter(|row| row.e == *e) {
                while attr < attrs.len() && attrs[attr] < row.a {
                    attr += 1;
                }
                if attr == attrs.len() {
                    break;
                }
                if attrs[attr] == row.a {
                    f(at, attr, full(self.overlay, row)?);
                }
                self.changes.next();
            }
        }
        Ok(())
    }

    fn refs_into(&mut self, e: u64, a: AttrId, out: &mut Vec<u64>) -> Result<usize> {
        let before = out.len();
        for row in self.rows_of(e, a) {
            let target = decode_int(&row.v).and_then(|target| u64::try_from(target).ok());
            out.push(target.ok_or_else(|| not_a_reference(&row.v))?);
        }
        Ok(out.len() - before)
    }

    fn count(&mut self, e: u64) -> Result<u64> {
        Ok(self.rows_of_entity(e).count() as u64)
    }

    fn next_entity(&mut self, from: Bound<u64>, direction: Direction) -> Result<Option<u64>> {
        let changes = &mut self.changes;
        let row = match (from, direction) {
            (Bound::Unbounded, Direction::Forward) => {
                changes.first();
                changes.next()
            }
            (Bound::Unbounded, Direction::Backward) => {
                changes.end();
                changes.prev()
            }
            (Bound::Included(e), Direction::Forward) => {
                changes.seek(&EavPlace(e, AttrId(0), &[]), false);
                changes.next()
            }
            (Bound::Excluded(e), Direction::Forward) => {
                changes.seek(&EavPlace(e, AttrId(u32::MAX), &[]), false);
                changes.next()
            }
            (Bound::Included(e), Direction::Backward) => {
                changes.seek(&EavPlace(e, AttrId(u32::MAX), &[]), false);
                changes.prev()
            }
            (Bound::Excluded(e), Direction::Backward) => {
                changes.seek(&EavPlace(e, AttrId(0), &[]), false);
                changes.prev()
            }
        };
        Ok(row.map(|row| row.e))
    }
}
