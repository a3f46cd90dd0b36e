//! [`AveCursor`]: from an attribute and values to entities.
//!
//! ```text
//! AveCursor --one of--> Ave<BaseAve>      the file alone: packed slices, no merging
//!                       Ave<OverlayAve>   an in-memory database
//!                       Ave<MergedAve>    the file with changes on top
//!
//! Ave: sorts giants that share their index prefix, cuts batches; below it only index forms exist
//! ```

use std::ops::Bound;

use super::Db;
use super::base_ave::BaseAve;
use super::merged_ave::MergedAve;
use super::overlay_ave::OverlayAve;
use crate::datom::{Direction, ValueRange};
use crate::encode::{EncodedValue, INDEX_LEN_MAX, PREFIX_LEN, index_form};
use crate::error::Result;
use crate::ids::AttrId;

/// A cursor over the AVE index. Every value it hands out is a full encoding that lives as long as the borrow of the
/// database; sorted lookups reuse the path of the one before.
///
/// Attributes with `:db/noindex` are not in this index and look empty here.
pub struct AveCursor<'d> {
    side: Side<'d>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "cursors live on the stack of one scan; a box would cost each lookup"
)]
enum Side<'d> {
    Base(Ave<'d, BaseAve<'d>>),
    Merged(Ave<'d, MergedAve<'d>>),
    Overlay(Ave<'d, OverlayAve<'d>>),
}

macro_rules! delegate {
    ($self:expr, $ave:ident => $call:expr) => {
        match &mut $self.side {
            Side::Base($ave) => $call,
            Side::Merged($ave) => $call,
            Side::Overlay($ave) => $call,
        }
    };
}

impl<'d> AveCursor<'d> {
    pub(crate) fn new(db: &'d Db) -> Self {
        Self::over(db, OverlayAve::new(&db.overlay))
    }

    /// For lookups of one attribute only.
    pub(crate) fn of(db: &'d Db, a: AttrId) -> Self {
        Self::over(db, OverlayAve::of(&db.overlay, a))
    }

    fn over(db: &'d Db, changes: OverlayAve<'d>) -> Self {
        Self {
            side: match &db.base {
                None => Side::Overlay(Ave::new(changes)),
                Some(base) if db.overlay.is_empty() => Side::Base(Ave::new(BaseAve::new(base))),
                Some(base) => Side::Merged(Ave::new(MergedAve::new(BaseAve::new(base), changes))),
            },
        }
    }

    /// Starts a scan of the values of `a` that lie in `range`.
    pub fn scan(&mut self, a: AttrId, range: &ValueRange, direction: Direction) -> Result<()> {
        delegate!(self, ave => ave.scan(a, range, direction))
    }

    /// The next distinct value of the scan.
    #[inline]
    pub fn next_value(&mut self) -> Result<Option<&'d [u8]>> {
        delegate!(self, ave => ave.next_value())
    }

    /// Appends the entities of the current value, ascending.
    #[inline]
    pub fn entities_into(&mut self, out: &mut Vec<u64>) -> Result<()> {
        delegate!(self, ave => ave.entities_into(out))
    }

    /// Appends the entities with exactly this value, ascending, and says how many there are. Ends a running scan.
    #[inline]
    pub fn lookup_into(&mut self, a: AttrId, v: &[u8], out: &mut Vec<u64>) -> Result<usize> {
        delegate!(self, ave => ave.lookup_into(a, v, out))
    }

    /// How many entities have this value, without reading them. Ends a running scan.
    #[inline]
    pub fn count(&mut self, a: AttrId, v: &[u8]) -> Result<u64> {
        delegate!(self, ave => ave.with_index_form(v, |raw, v| raw.count(a, v)))
    }

    /// Whether entity `e` has this value. Ends a running scan.
    #[inline]
    pub fn contains(&mut self, a: AttrId, v: &[u8], e: u64) -> Result<bool> {
        delegate!(self, ave => ave.with_index_form(v, |raw, v| raw.contains(a, v, e)))
    }

    /// Appends up to `rows_max` rows of the scan: a value (repeated for each of its entities) and an entity.
    /// Returns whether there may be more.
    pub fn scan_batch(
        &mut self,
        rows_max: usize,
        values: &mut Vec<&'d [u8]>,
        entities: &mut Vec<u64>,
    ) -> Result<bool> {
        delegate!(self, ave => ave.scan_batch(rows_max, values, entities))
    }
}

/// A source of distinct values in index form, with their entities.
pub(crate) trait RawAve<'d> {
    /// Starts a scan; the bounds are index forms that are shorter than a giant's prefix or cut to it.
    fn scan(&mut self, a: AttrId, lo: Bound<&[u8]>, hi: Bound<&[u8]>, direction: Direction) -> Result<()>;
    /// The next value with at least one entity.
    fn next_raw(&mut self) -> Result<Option<&'d [u8]>>;
    /// The full encoding of the current value.
    fn full(&mut self) -> Result<&'d [u8]>;
    /// Appends the current value's entities, ascending.
    fn entities_into(&mut self, out: &mut Vec<u64>) -> Result<()>;
    /// Appends the entities of a value, ascending.
    fn lookup_into(&mut self, a: AttrId, v: &[u8], out: &mut Vec<u64>) -> Result<usize>;
    /// The number of entities of a value.
    fn count(&mut self, a: AttrId, v: &[u8]) -> Result<u64>;
    /// Whether the value belongs to the entity.
    fn contains(&mut self, a: AttrId, v: &[u8], e: u64) -> Result<bool>;
}

/// The part that all sources share: see the module's drawing.
struct Ave<'d, R> {
    raw: R,
    direction: Direction,
    /// Only for ranges with a bound so long that index forms cannot decide.
    exact_range: Option<ValueRange>,
    /// A value that `raw` stands on but that is not handed out yet.
    ahead: Option<&'d [u8]>,
    /// Long values that share their prefix, sorted, the next one last.
    group: Vec<(&'d [u8], Vec<u64>)>,
    /// The current value's entities, where it came from the group.
    group_entities: Option<Vec<u64>>,
    /// Rows of the current value that did not fit the batch before.
    rest: Vec<u64>,
    rest_value: &'d [u8],
    rest_at: usize,
}

impl<'d, R: RawAve<'d>> Ave<'d, R> {
    fn new(raw: R) -> Self {
        Self {
            raw,
            direction: Direction::Forward,
            exact_range: None,
            ahead: None,
            group: Vec::new(),
            group_entities: None,
            rest: Vec::new(),
            rest_value: &[],
            rest_at: 0,
        }
    }

    fn scan(&mut self, a: AttrId, range: &ValueRange, direction: Direction) -> Result<()> {
        self.direction = direction;
        self.ahead = None;
        self.group.clear();
        self.group_entities = None;
        self.rest.clear();
        self.rest_at = 0;
        let is_long = |bound: &Bound<EncodedValue>| matches!(bound, Bound::Included(v) | Bound::Excluded(v) if v.len() >= PREFIX_LEN);
        self.exact_range = (is_long(&range.lo) || is_long(&range.hi)).then(|| range.clone());
        let lo = match &range.lo {
            Bound::Included(v) | Bound::Excluded(v) if v.len() >= PREFIX_LEN => {
                Bound::Included(&v[..PREFIX_LEN])
            }
            other => other.as_ref().map(EncodedValue::as_bytes),
        };
        let after_hi;
        let hi = match &range.hi {
            Bound::Included(v) | Bound::Excluded(v) if v.len() >= PREFIX_LEN => {
                after_hi = successor(&v[..PREFIX_LEN]);
                Bound::Excluded(after_hi.as_slice())
            }
            other => other.as_ref().map(EncodedValue::as_bytes),
        };
        if range.is_empty() {
            // Sources need not cope with ends that have passed each other.
            return self.raw.scan(a, Bound::Included(&[]), Bound::Excluded(&[]), direction);
        }
        self.raw.scan(a, lo, hi, direction)
    }

    #[inline]
    fn next_value(&mut self) -> Result<Option<&'d [u8]>> {
        if self.group.is_empty() && self.ahead.is_none() {
            self.group_entities = None;
            match self.raw.next_raw()? {
                Some(value) if value.len() < PREFIX_LEN => return Ok(Some(value)),
                Some(value) => self.ahead = Some(value),
                None => return Ok(None),
            }
        }
        self.next_slowly()
    }

    /// Values that may share their prefix with others: gathers and sorts each such group.
    #[cold]
    fn next_slowly(&mut self) -> Result<Option<&'d [u8]>> {
        loop {
            if let Some((value, entities)) = self.group.pop() {
                self.group_entities = Some(entities);
                return Ok(Some(value));
            }
            self.group_entities = None;
            let next = match self.ahead.take() {
                Some(value) => Some(value),
                None => self.raw.next_raw()?,
            };
            match next {
                None => return Ok(None),
                Some(value) if value.len() < PREFIX_LEN => return Ok(Some(value)),
                Some(value) => self.gather(value)?,
            }
        }
    }

    fn gather(&mut self, first: &'d [u8]) -> Result<()> {
        let prefix = &first[..PREFIX_LEN];
        let mut next = Some(first);
        while let Some(value) = next
            && value.starts_with(prefix)
        {
            let full = self.raw.full()?;
            if self.exact_range.as_ref().is_none_or(|range| range.contains(full)) {
                let mut entities = Vec::new();
                self.raw.entities_into(&mut entities)?;
                self.group.push((full, entities));
            }
            next = self.raw.next_raw()?;
        }
        self.ahead = next;
        match self.direction {
            Direction::Forward => self.group.sort_unstable_by(|a, b| b.0.cmp(a.0)),
            Direction::Backward => self.group.sort_unstable_by(|a, b| a.0.cmp(b.0)),
        }
        Ok(())
    }

    #[inline]
    fn entities_into(&mut self, out: &mut Vec<u64>) -> Result<()> {
        match &self.group_entities {
            None => self.raw.entities_into(out),
            Some(entities) => {
                out.extend_from_slice(entities);
                Ok(())
            }
        }
    }

    #[inline]
    fn lookup_into(&mut self, a: AttrId, v: &[u8], out: &mut Vec<u64>) -> Result<usize> {
        self.with_index_form(v, |raw, v| raw.lookup_into(a, v, out))
    }

    #[inline]
    fn with_index_form<T>(&mut self, v: &[u8], f: impl FnOnce(&mut R, &[u8]) -> T) -> T {
        f(&mut self.raw, index_form(v, &mut [0; INDEX_LEN_MAX]))
    }

    fn scan_batch(
        &mut self,
        rows_max: usize,
        values: &mut Vec<&'d [u8]>,
        entities: &mut Vec<u64>,
    ) -> Result<bool> {
        let mut room = rows_max;
        loop {
            let rest = &self.rest[self.rest_at..];
            let taken = rest.len().min(room);
            entities.extend_from_slice(&rest[..taken]);
            values.resize(values.len() + taken, self.rest_value);
            self.rest_at += taken;
            room -= taken;
            if room == 0 {
                return Ok(true);
            }
            let Some(value) = self.next_value()? else { return Ok(false) };
            let mut rest = std::mem::take(&mut self.rest);
            rest.clear();
            self.entities_into(&mut rest)?;
            (self.rest, self.rest_value, self.rest_at) = (rest, value, 0);
        }
    }
}

/// The smallest byte string above everything that starts with `prefix`; type tags are below FF, so there is one.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xFF).map_or(0, |at| at + 1);
    let mut out = prefix[..kept].to_vec();
    if let Some(last) = out.last_mut() {
        *last += 1;
    }
    out
}
