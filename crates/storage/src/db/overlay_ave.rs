//! The AVE side of an overlay: an in-memory database by itself, or the changes to merge with a file.

use std::ops::Bound;

use super::ave::RawAve;
use crate::datom::Direction;
use crate::encode::is_giant_index;
use crate::error::Result;
use crate::ids::AttrId;
use crate::overlay::{AveChanges, AvePlace, AveRange, AveRow, Overlay};

/// Rows of an overlay, value by value.
pub(crate) struct OverlayAve<'d> {
    overlay: &'d Overlay,
    /// For lookups; keeps its path between them.
    lookup: AveChanges<'d>,
    rows: Option<AveRange<'d>>,
    direction: Direction,
    /// The first row of the value to come.
    next: Option<&'d AveRow>,
    /// A row of the current value.
    current: Option<&'d AveRow>,
    /// Whether the rows of the current value that follow its first are still in `rows`.
    unread: bool,
}

impl<'d> OverlayAve<'d> {
    pub(crate) fn new(overlay: &'d Overlay) -> Self {
        Self::with_lookup(overlay, overlay.ave_cursor())
    }

    /// For lookups of one attribute only.
    pub(crate) fn of(overlay: &'d Overlay, a: AttrId) -> Self {
        Self::with_lookup(overlay, overlay.ave_cursor_of(a))
    }

    fn with_lookup(overlay: &'d Overlay, lookup: AveChanges<'d>) -> Self {
        Self {
            overlay,
            lookup,
            rows: None,
            direction: Direction::Forward,
            next: None,
            current: None,
            unread: false,
        }
    }

    #[inline]
    fn pull(&mut self) -> Option<&'d AveRow> {
        let rows = self.rows.as_mut()?;
        match self.direction {
            Direction::Forward => rows.next(),
            Direction::Backward => rows.next_back(),
        }
    }

    /// The value to come, without going there.
    pub(crate) fn peek(&mut self) -> Option<&'d [u8]> {
        self.pass_current();
        self.next.map(|row| row.v.as_bytes())
    }

    /// Goes to the next value that has changes at all, retractions included.
    pub(crate) fn advance(&mut self) -> Option<&'d [u8]> {
        self.pass_current();
        self.current = self.next;
        self.unread = self.current.is_some();
        self.next = None;
        self.current.map(|row| row.v.as_bytes())
    }

    /// Leaves the rows of the current value behind.
    fn pass_current(&mut self) {
        if self.unread {
            self.each_row(|_| {});
        } else if self.next.is_none() {
            self.next = self.pull();
        }
    }

    /// Visits the rows of the current value once, in scan order.
    fn each_row(&mut self, mut f: impl FnMut(&'d AveRow)) {
        let Some(first) = self.current else { return };
        if !self.unread {
            return;
        }
        self.unread = false;
        f(first);
        loop {
            match self.pull() {
                Some(row) if row.v == first.v => f(row),
                row => {
                    self.next = row;
                    return;
                }
            }
        }
    }

    /// Sorts the current value's entities into those added and those retracted, each ascending.
    pub(crate) fn changes(&mut self, added: &mut Vec<u64>, retracted: &mut Vec<u64>) {
        let (added_at, retracted_at) = (added.len(), retracted.len());
        self.each_row(|row| if row.added { added.push(row.e) } else { retracted.push(row.e) });
        if self.direction == Direction::Backward {
            added[added_at..].reverse();
            retracted[retracted_at..].reverse();
        }
    }

    /// The full encoding of the current value, if this overlay has it.
    pub(crate) fn full_of_current(&self) -> Option<&'d [u8]> {
        let row = self.current?;
        if is_giant_index(&row.v) { self.overlay.giant(&row.v).map(|full| &**full) } else { Some(&row.v) }
    }

    /// The index form of the current value.
    pub(crate) fn current_index(&self) -> &'d [u8] {
        self.current.map_or(&[], |row| &row.v)
    }

    /// What the overlay says about a datom.
    #[inline]
    pub(crate) fn state(&self, a: AttrId, v: &[u8], e: u64) -> Option<bool> {
        self.overlay.state_in_ave(a, v, e)
    }

    /// The changes of one value.
    #[inline]
    pub(crate) fn rows_of(&mut self, a: AttrId, v: &[u8]) -> impl Iterator<Item = &'d AveRow> {
        let lookup = &mut self.lookup;
        lookup.seek(&AvePlace(a, v, 0), false);
        std::iter::from_fn(move || {
            lookup.peek().filter(|row| row.a == a && *row.v == *v).inspect(|_| _ = lookup.next())
        })
    }
}

impl<'d> RawAve<'d> for OverlayAve<'d> {
    fn scan(&mut self, a: AttrId, lo: Bound<&[u8]>, hi: Bound<&[u8]>, direction: Direction) -> Result<()> {
        let lo = match lo {
            Bound::Unbounded => Bound::Included(AvePlace(a, &[], 0)),
            Bound::Included(v) => Bound::Included(AvePlace(a, v, 0)),
            Bound::Excluded(v) => Bound::Excluded(AvePlace(a, v, u64::MAX)),
        };
        let hi = match hi {
            Bound::Unbounded => Bound::Excluded(AvePlace(AttrId(a.0 + 1), &[], 0)),
            Bound::Included(v) => Bound::Included(AvePlace(a, v, u64::MAX)),
            Bound::Excluded(v) => Bound::Excluded(AvePlace(a, v, 0)),
        };
        self.rows = Some(self.overlay.ave_range(lo, hi));
        self.direction = direction;
        self.next = None;
        self.current = None;
        self.unread = false;
        Ok(())
    }

    #[inline]
    fn next_raw(&mut self) -> Result<Option<&'d [u8]>> {
        Ok(self.advance())
    }

    fn full(&mut self) -> Result<&'d [u8]> {
        self.full_of_current().ok_or_else(|| crate::Error::Corrupted {
            table: "overlay",
            reason: "a giant without its full encoding".into(),
        })
    }

    #[inline]
    fn entities_into(&mut self, out: &mut Vec<u64>) -> Result<()> {
        let at = out.len();
        if self.unread {
            self.each_row(|row| out.push(row.e));
            if self.direction == Direction::Backward {
                out[at..].reverse();
            }
        } else if let Some(row) = self.current {
            out.extend(self.rows_of(row.a, &row.v).map(|row| row.e));
        }
        Ok(())
    }

    #[inline]
    fn lookup_into(&mut self, a: AttrId, v: &[u8], out: &mut Vec<u64>) -> Result<usize> {
        let before = out.len();
        out.extend(self.rows_of(a, v).map(|row| row.e));
        Ok(out.len() - before)
    }

    fn count(&mut self, a: AttrId, v: &[u8]) -> Result<u64> {
        Ok(self.rows_of(a, v).count() as u64)
    }

    #[inline]
    fn contains(&mut self, a: AttrId, v: &[u8], e: u64) -> Result<bool> {
        Ok(self.overlay.state_in_ave(a, v, e) == Some(true))
    }
}
