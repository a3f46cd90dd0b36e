//! The AVE index of a file with changes on top.

use std::cmp::Ordering;
use std::ops::Bound;

use super::ave::RawAve;
use super::base_ave::BaseAve;
use super::overlay_ave::OverlayAve;
use crate::datom::Direction;
use crate::error::Result;
use crate::ids::AttrId;

/// Values and entities of a file and an overlay, merged value by value.
pub(crate) struct MergedAve<'d> {
    base: BaseAve<'d>,
    changes: OverlayAve<'d>,
    direction: Direction,
    /// The value on which `base` stands.
    base_at: Option<&'d [u8]>,
    /// Whether `base` must move before it is looked at.
    base_used: bool,
    current: Current,
    added: Vec<u64>,
    retracted: Vec<u64>,
}

/// Where the current value's entities come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Current {
    Base,
    Changes,
    Both,
}

impl<'d> MergedAve<'d> {
    pub(crate) fn new(base: BaseAve<'d>, changes: OverlayAve<'d>) -> Self {
        Self {
            base,
            changes,
            direction: Direction::Forward,
            base_at: None,
            base_used: true,
            current: Current::Base,
            added: Vec::new(),
            retracted: Vec::new(),
        }
    }

    /// Which of the two has the next value.
    fn turn(&mut self) -> Result<Option<(Current, &'d [u8])>> {
        if self.base_used {
            self.base_at = self.base.next_raw()?;
            self.base_used = false;
        }
        let changed = self.changes.peek();
        Ok(match (self.base_at, changed) {
            (None, None) => None,
            (Some(value), None) => Some((Current::Base, value)),
            (None, Some(value)) => Some((Current::Changes, value)),
            (Some(stored), Some(changed)) => {
                let order = match self.direction {
                    Direction::Forward => stored.cmp(changed),
                    Direction::Backward => changed.cmp(stored),
                };
                Some(match order {
                    Ordering::Less => (Current::Base, stored),
                    Ordering::Greater => (Current::Changes, changed),
                    Ordering::Equal => (Current::Both, stored),
                })
            }
        })
    }
}

impl<'d> RawAve<'d> for MergedAve<'d> {
    fn scan(&mut self, a: AttrId, lo: Bound<&[u8]>, hi: Bound<&[u8]>, direction: Direction) -> Result<()> {
        self.direction = direction;
        self.base_at = None;
        self.base_used = true;
        self.base.scan(a, lo, hi, direction)?;
        self.changes.scan(a, lo, hi, direction)
    }

    fn next_raw(&mut self) -> Result<Option<&'d [u8]>> {
        loop {
            let Some((turn, value)) = self.turn()? else { return Ok(None) };
            self.current = turn;
            self.added.clear();
            self.retracted.clear();
            if turn != Current::Base {
                self.changes.advance();
                self.changes.changes(&mut self.added, &mut self.retracted);
            }
            self.base_used = turn != Current::Changes;
            let is_left = match turn {
                Current::Base => true,
                Current::Changes => !self.added.is_empty(),
                Current::Both => {
                    !self.added.is_empty() || (self.retracted.len() as u64) < self.base.count_of_current()?
                }
            };
            if is_left {
                return Ok(Some(value));
            }
        }
    }

    fn full(&mut self) -> Result<&'d [u8]> {
        match self.current {
            Current::Base | Current::Both => self.base.full(),
            // A giant that was put into AVE afterwards is the file's.
            Current::Changes => match (self.changes.full_of_current(), self.changes.current_index()) {
                (Some(full), _) => Ok(full),
                (None, index) => self.base.giant(index),
            },
        }
    }

    fn entities_into(&mut self, out: &mut Vec<u64>) -> Result<()> {
        match self.current {
            Current::Base => self.base.entities_into(out),
            Current::Changes => {
                out.extend_from_slice(&self.added);
                Ok(())
            }
            Current::Both => {
                let at = out.len();
                self.base.entities_into(out)?;
                apply(out, at, &self.added, &self.retracted);
                Ok(())
            }
        }
    }

    fn lookup_into(&mut self, a: AttrId, v: &[u8], out: &mut Vec<u64>) -> Result<usize> {
        let at = out.len();
        self.base.lookup_into(a, v, out)?;
        self.added.clear();
        self.retracted.clear();
        for row in self.changes.rows_of(a, v) {
            if row.added { self.added.push(row.e) } else { self.retracted.push(row.e) }
        }
        apply(out, at, &self.added, &self.retracted);
        Ok(out.len() - at)
    }

    fn count(&mut self, a: AttrId, v: &[u8]) -> Result<u64> {
        let stored = self.base.count(a, v)?;
        let (mut added, mut retracted) = (0, 0);
        for row in self.changes.rows_of(a, v) {
            if row.added { added += 1 } else { retracted += 1 }
        }
        Ok((stored + added).saturating_sub(retracted))
    }

    fn contains(&mut self, a: AttrId, v: &[u8], e: u64) -> Result<bool> {
        match self.changes.state(a, v, e) {
            Some(added) => Ok(added),
            None => self.base.contains(a, v, e),
        }
    }
}

/// Applies changes to the ascending entities from `at` on.
fn apply(out: &mut Vec<u64>, at: usize, added: &[u64], retracted: &[u64]) {
    if !retracted.is_empty() {
        let mut gone = retracted.iter().peekable();
        let mut keep = at;
        for read in at..out.len() {
            while gone.next_if(|e| **e < out[read]).is_some() {}
            if gone.peek() != Some(&&out[read]) {
                out[keep] = out[read];
                keep += 1;
            }
        }
        out.truncate(keep);
    }
    if !added.is_empty() {
        out.extend_from_slice(added);
        // Two ascending runs: the sort merges them.
        out[at..].sort();
    }
}
