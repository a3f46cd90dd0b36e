//! The AVE index of a file alone: no merging, entities copied from packed pages.

use std::ops::Bound;

use super::ave::RawAve;
use super::base::{AttrBytes, AveTableCursor, Base, KeyBuffer};
use crate::datom::Direction;
use crate::encode::is_giant_index;
use crate::error::{Error, Result};
use crate::ids::AttrId;
use crate::store::tables;

/// Values and entities of a file.
pub(crate) struct BaseAve<'d> {
    base: &'d Base,
    cursor: AveTableCursor<'d>,
    key: KeyBuffer,
    /// How many bytes of a key the scanned attribute takes.
    attr_len: usize,
    /// The end of the scan in its direction.
    end: Bound<Vec<u8>>,
    direction: Direction,
    state: State,
    /// The key on which a scan stands.
    current: &'d [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The scan's first key is to be sought: `key` or the one after it in the direction of the scan.
    Start { skip_equal: bool },
    /// On a key of the scan.
    On,
    /// No scan, or at its end.
    Done,
}

impl<'d> BaseAve<'d> {
    pub(crate) fn new(base: &'d Base) -> Self {
        Self {
            base,
            cursor: base.ave_cursor(),
            key: KeyBuffer::new(),
            attr_len: 0,
            end: Bound::Unbounded,
            direction: Direction::Forward,
            state: State::Done,
            current: &[],
        }
    }

    /// The full encoding of a giant of the file.
    pub(crate) fn giant(&self, index: &[u8]) -> Result<&'d [u8]> {
        self.base.giant(index)
    }

    /// How many entities the current value has.
    #[inline]
    pub(crate) fn count_of_current(&self) -> Result<u64> {
        Ok(self.cursor.dup_count()?)
    }

    /// The first key of the scan.
    #[cold]
    fn start(&mut self, skip_equal: bool) -> Result<Option<&'d [u8]>> {
        let key = self.key.as_slice();
        let found = match self.direction {
            Direction::Forward => self.cursor.seek(key)?,
            Direction::Backward => self.cursor.seek_le(key)?,
        };
        match (found, self.direction) {
            (Some((at, _)), Direction::Forward) if skip_equal && at == key => {
                Ok(self.cursor.next_key()?.map(|(key, _)| key))
            }
            (Some((at, _)), Direction::Backward) if skip_equal && at == key => {
                Ok(self.cursor.prev_key()?.map(|(key, _)| key))
            }
            (found, _) => Ok(found.map(|(key, _)| key)),
        }
    }
}

impl<'d> RawAve<'d> for BaseAve<'d> {
    fn scan(&mut self, a: AttrId, lo: Bound<&[u8]>, hi: Bound<&[u8]>, direction: Direction) -> Result<()> {
        let attr = AttrBytes::new(a);
        let after = AttrBytes::new(AttrId(a.0 + 1));
        self.attr_len = attr.as_slice().len();
        self.direction = direction;
        // Keys are longer than their attribute, so the bare attribute lies before all of its keys.
        let (from, to, unbounded_end) = match direction {
            Direction::Forward => (lo, hi, Bound::Excluded(after.as_slice().to_vec())),
            Direction::Backward => (hi, lo, Bound::Excluded(attr.as_slice().to_vec())),
        };
        let skip_equal = matches!(from, Bound::Excluded(_));
        match (from, direction) {
            (Bound::Included(v) | Bound::Excluded(v), _) => self.key.set(a, v),
            (Bound::Unbounded, Direction::Forward) => self.key.set(a, &[]),
            (Bound::Unbounded, Direction::Backward) => self.key.set(AttrId(a.0 + 1), &[]),
        };
        let whole = |v: &[u8]| [attr.as_slice(), v].concat();
        self.end = match to {
            Bound::Included(v) => Bound::Included(whole(v)),
            Bound::Excluded(v) => Bound::Excluded(whole(v)),
            Bound::Unbounded => unbounded_end,
        };
        self.state = State::Start { skip_equal };
        Ok(())
    }

    #[inline]
    fn next_raw(&mut self) -> Result<Option<&'d [u8]>> {
        let key = match self.state {
            State::On if self.direction == Direction::Forward => self.cursor.next_key()?.map(|(key, _)| key),
            State::On => self.cursor.prev_key()?.map(|(key, _)| key),
            State::Start { skip_equal } => self.start(skip_equal)?,
            State::Done => None,
        };
        let inside = key.filter(|key| match (&self.end, self.direction) {
            (Bound::Included(end), Direction::Forward) => *key <= end.as_slice(),
            (Bound::Excluded(end), Direction::Forward) => *key < end.as_slice(),
            (Bound::Included(end), Direction::Backward) => *key >= end.as_slice(),
            (Bound::Excluded(end), Direction::Backward) => *key > end.as_slice(),
            (Bound::Unbounded, _) => true,
        });
        match inside {
            Some(key) => {
                self.state = State::On;
                self.current = key;
                Ok(key.get(self.attr_len..))
            }
            None => {
                self.state = State::Done;
                Ok(None)
            }
        }
    }

    fn full(&mut self) -> Result<&'d [u8]> {
        let value = self.current.get(self.attr_len..).unwrap_or_default();
        if is_giant_index(value) { self.base.giant(value) } else { Ok(value) }
    }

    #[inline]
    fn entities_into(&mut self, out: &mut Vec<u64>) -> Result<()> {
        for chunk in self.cursor.dup_chunks()? {
            let (entities, rest) = chunk?.as_chunks::<8>();
            if !rest.is_empty() {
                return Err(odd_entity());
            }
            out.extend(entities.iter().map(|e| u64::from_ne_bytes(*e)));
        }
        Ok(())
    }

    #[inline]
    fn lookup_into(&mut self, a: AttrId, v: &[u8], out: &mut Vec<u64>) -> Result<usize> {
        self.state = State::Done;
        if !self.cursor.find(self.key.set(a, v))? {
            return Ok(0);
        }
        let before = out.len();
        self.entities_into(out)?;
        Ok(out.len() - before)
    }

    #[inline]
    fn count(&mut self, a: AttrId, v: &[u8]) -> Result<u64> {
        self.state = State::Done;
        if !self.cursor.find(self.key.set(a, v))? {
            return Ok(0);
        }
        Ok(self.cursor.dup_count()?)
    }

    #[inline]
    fn contains(&mut self, a: AttrId, v: &[u8], e: u64) -> Result<bool> {
        self.state = State::Done;
        let e = e.to_ne_bytes();
        let found = self.cursor.seek_dup(self.key.set(a, v), &e)?;
        Ok(found.is_some_and(|(_, found)| found == e))
    }
}

#[cold]
fn odd_entity() -> Error {
    Error::Corrupted { table: tables::AVE, reason: "an entity id is not 8 bytes long".into() }
}
