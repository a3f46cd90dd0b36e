//! [`KeyRange`]: which keys, or values, and in which direction.

use std::cmp::Ordering;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use lmdb_pages::OrderKind;
use smallvec::SmallVec;

use crate::codec::{Buffer, Codec, CodecError};

/// The bytes of a bound.
pub(crate) type KeyBytes = SmallVec<[u8; 40]>;

/// A range of keys or of values, with a direction.
///
/// Rust's own ranges convert into it: `5..10`, `..=7`, `..`. The named forms take their arguments in the order of
/// the walk, so backward two-sided ones begin with the greater: `closed_back(5, 3)` is 5, 4, 3, and
/// `closed_open_back(5, 3)` is 5, 4. [`KeyRange::rev`] turns any range round and keeps its set.
///
/// ```
/// use factum_kv::KeyRange;
///
/// assert_eq!(KeyRange::closed_open_back(5, 3), KeyRange::open_closed(3, 5).rev());
/// assert_eq!(KeyRange::from(3..5), KeyRange::closed_open(3, 5));
/// ```
///
/// A range whose bounds are in the wrong order is empty. Bounds need not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRange<T> {
    low: Bound<T>,
    high: Bound<T>,
    back: bool,
}

impl<T> KeyRange<T> {
    /// Between two bounds, ascending.
    pub fn new(low: Bound<T>, high: Bound<T>) -> Self {
        Self { low, high, back: false }
    }

    /// Everything.
    pub fn all() -> Self {
        Self::new(Bound::Unbounded, Bound::Unbounded)
    }

    /// Everything, from the greatest.
    pub fn all_back() -> Self {
        Self::all().rev()
    }

    /// `bound` and greater.
    pub fn at_least(bound: T) -> Self {
        Self::new(Bound::Included(bound), Bound::Unbounded)
    }

    /// `bound` and greater, from the greatest.
    pub fn at_least_back(bound: T) -> Self {
        Self::at_least(bound).rev()
    }

    /// `bound` and less.
    pub fn at_most(bound: T) -> Self {
        Self::new(Bound::Unbounded, Bound::Included(bound))
    }

    /// `bound` and less, from the greatest.
    pub fn at_most_back(bound: T) -> Self {
        Self::at_most(bound).rev()
    }

    /// Greater than `bound`.
    pub fn greater_than(bound: T) -> Self {
        Self::new(Bound::Excluded(bound), Bound::Unbounded)
    }

    /// Greater than `bound`, from the greatest.
    pub fn greater_than_back(bound: T) -> Self {
        Self::greater_than(bound).rev()
    }

    /// Less than `bound`.
    pub fn less_than(bound: T) -> Self {
        Self::new(Bound::Unbounded, Bound::Excluded(bound))
    }

    /// Less than `bound`, from the greatest.
    pub fn less_than_back(bound: T) -> Self {
        Self::less_than(bound).rev()
    }

    /// From `start` to `stop`, both included.
    pub fn closed(start: T, stop: T) -> Self {
        Self::new(Bound::Included(start), Bound::Included(stop))
    }

    /// From `start` down to `stop`, both included.
    pub fn closed_back(start: T, stop: T) -> Self {
        Self::closed(stop, start).rev()
    }

    /// From `start` to `stop`, which is left out.
    pub fn closed_open(start: T, stop: T) -> Self {
        Self::new(Bound::Included(start), Bound::Excluded(stop))
    }

    /// From `start` down to `stop`, which is left out.
    pub fn closed_open_back(start: T, stop: T) -> Self {
        Self::open_closed(stop, start).rev()
    }

    /// From `start`, which is left out, to `stop`.
    pub fn open_closed(start: T, stop: T) -> Self {
        Self::new(Bound::Excluded(start), Bound::Included(stop))
    }

    /// From `start`, which is left out, down to `stop`.
    pub fn open_closed_back(start: T, stop: T) -> Self {
        Self::closed_open(stop, start).rev()
    }

    /// Between `start` and `stop`, both left out.
    pub fn open(start: T, stop: T) -> Self {
        Self::new(Bound::Excluded(start), Bound::Excluded(stop))
    }

    /// Between `start` and, below it, `stop`, both left out.
    pub fn open_back(start: T, stop: T) -> Self {
        Self::open(stop, start).rev()
    }

    /// The same set in the other direction.
    #[must_use]
    pub fn rev(mut self) -> Self {
        self.back = !self.back;
        self
    }

    /// Whether the walk begins with the greatest.
    pub fn is_back(&self) -> bool {
        self.back
    }

    /// The lower and the upper bound.
    pub fn bounds(&self) -> (Bound<&T>, Bound<&T>) {
        (self.low.as_ref(), self.high.as_ref())
    }

    /// The range of the bounds' images.
    pub fn map<U>(self, f: impl Fn(T) -> U) -> KeyRange<U> {
        KeyRange { low: self.low.map(&f), high: self.high.map(&f), back: self.back }
    }
}

impl<T> From<RangeFull> for KeyRange<T> {
    fn from(_: RangeFull) -> Self {
        Self::all()
    }
}

impl<T> From<Range<T>> for KeyRange<T> {
    fn from(range: Range<T>) -> Self {
        Self::closed_open(range.start, range.end)
    }
}

impl<T> From<RangeInclusive<T>> for KeyRange<T> {
    fn from(range: RangeInclusive<T>) -> Self {
        let (start, end) = range.into_inner();
        Self::closed(start, end)
    }
}

impl<T> From<RangeFrom<T>> for KeyRange<T> {
    fn from(range: RangeFrom<T>) -> Self {
        Self::at_least(range.start)
    }
}

impl<T> From<RangeTo<T>> for KeyRange<T> {
    fn from(range: RangeTo<T>) -> Self {
        Self::less_than(range.end)
    }
}

impl<T> From<RangeToInclusive<T>> for KeyRange<T> {
    fn from(range: RangeToInclusive<T>) -> Self {
        Self::at_most(range.end)
    }
}

/// A range over bytes.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) low: Bound<KeyBytes>,
    pub(crate) high: Bound<KeyBytes>,
    pub(crate) back: bool,
}

impl Span {
    pub(crate) fn all() -> Self {
        Self { low: Bound::Unbounded, high: Bound::Unbounded, back: false }
    }

    pub(crate) fn of_bounds(low: Bound<&[u8]>, high: Bound<&[u8]>) -> Self {
        Self { low: low.map(KeyBytes::from_slice), high: high.map(KeyBytes::from_slice), back: false }
    }

    pub(crate) fn encode<C: Codec>(codec: &C, range: KeyRange<C::In<'_>>) -> Result<Self, CodecError> {
        let (mut low, mut high) = (Buffer::new(), Buffer::new());
        let bounds = (codec.lower_bound(range.low, &mut low)?, codec.upper_bound(range.high, &mut high)?);
        Ok(Self { back: range.back, ..Self::of_bounds(bounds.0, bounds.1) })
    }

    pub(crate) fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.low.as_ref().map(SmallVec::as_slice), self.high.as_ref().map(SmallVec::as_slice))
    }

    /// Where the walk ends.
    pub(crate) fn end(&self) -> Bound<&[u8]> {
        let (low, high) = self.bounds();
        if self.back { low } else { high }
    }

    /// Whether a key, which is not before the start of the walk, is not behind its end either.
    #[inline]
    pub(crate) fn reaches(&self, key: &[u8], order: OrderKind) -> bool {
        if self.back { !is_below(key, &self.low, order) } else { !is_above(key, &self.high, order) }
    }

    /// Whether the bounds exclude everything, so that nothing need be sought.
    pub(crate) fn is_empty(&self, order: OrderKind) -> bool {
        let (Bound::Included(low) | Bound::Excluded(low)) = &self.low else { return false };
        is_above(low, &self.high, order)
    }
}

/// Whether a key lies behind the end of a walk, which is its lower bound when it goes back.
#[inline]
pub(crate) fn is_beyond(key: &[u8], end: Bound<&[u8]>, back: bool, order: OrderKind) -> bool {
    let (Bound::Included(bound) | Bound::Excluded(bound)) = end else { return false };
    let ordering = order.compare(key, bound);
    let beyond = if back { ordering.is_lt() } else { ordering.is_gt() };
    beyond || ordering.is_eq() && matches!(end, Bound::Excluded(_))
}

#[inline]
fn is_below(key: &[u8], low: &Bound<KeyBytes>, order: OrderKind) -> bool {
    match low {
        Bound::Unbounded => false,
        Bound::Included(low) => order.compare(key, low) == Ordering::Less,
        Bound::Excluded(low) => order.compare(key, low) != Ordering::Greater,
    }
}

#[inline]
fn is_above(key: &[u8], high: &Bound<KeyBytes>, order: OrderKind) -> bool {
    match high {
        Bound::Unbounded => false,
        Bound::Included(high) => order.compare(key, high) == Ordering::Greater,
        Bound::Excluded(high) => order.compare(key, high) != Ordering::Less,
    }
}
