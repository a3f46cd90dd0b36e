//! Visiting many pairs in a row.
//!
//! Going from pair to pair, a cursor asks each time where it stands. Here that is asked once a leaf, and so is where
//! the range ends: one comparison tells whether the whole leaf lies inside.

use std::ops::{Bound, ControlFlow};

use super::{Cursor, DupPlace, Pair, Place};
use crate::error::Result;
use crate::order::Order;
use crate::walk::Leaf;

impl<'s, K: Order, D: Order> Cursor<'s, K, D> {
    /// Calls `visit` with the pairs that repeated [`next`](Self::next) would give, until it breaks, or until a key lies
    /// beyond `end`. The cursor then stands on the pair at which it stopped, or in the gap behind the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`](crate::Error::Corrupted) on a damaged page.
    #[inline]
    pub fn visit_next<B>(
        &mut self,
        end: Bound<&[u8]>,
        visit: impl FnMut(Pair<'s>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.visit::<false, B>(end, visit)
    }

    /// As [`visit_next`](Self::visit_next) in the other direction: the pairs that repeated [`prev`](Self::prev) would give,
    /// until a key lies before `start`.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`](crate::Error::Corrupted) on a damaged page.
    #[inline]
    pub fn visit_prev<B>(
        &mut self,
        start: Bound<&[u8]>,
        visit: impl FnMut(Pair<'s>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        self.visit::<true, B>(start, visit)
    }

    #[inline(always)]
    fn visit<const BACK: bool, B>(
        &mut self,
        end: Bound<&[u8]>,
        mut visit: impl FnMut(Pair<'s>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        let mut last: &[u8] = &[];
        while let Some((key, value)) = if BACK { self.prev()? } else { self.next()? } {
            let is_beyond = if BACK { is_below::<K> } else { is_above::<K> };
            // The values of one key share its bytes, so those are looked at once.
            if !std::ptr::eq(last, key) && is_beyond(key, end) {
                break;
            }
            last = key;
            if let ControlFlow::Break(broken) = visit((key, value)) {
                return Ok(ControlFlow::Break(broken));
            }
            if self.dup_place != DupPlace::Single {
                continue;
            }
            let leaf = self.keys.leaf;
            let mut rest = if BACK {
                guard(&mut self.place, first_not_below::<K>(&leaf, leaf.index, end))?..leaf.index
            } else {
                let from = leaf.index + 1;
                from..guard(&mut self.place, first_above::<K>(&leaf, from, end))?
            };
            while let Some(index) = if BACK { rest.next_back() } else { rest.next() } {
                let Some(pair) = guard(&mut self.place, plain_pair(&leaf, index))? else { break };
                self.keys.leaf.index = index;
                if let ControlFlow::Break(broken) = visit(pair) {
                    return Ok(ControlFlow::Break(broken));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// After an error the cursor stands nowhere.
#[inline(always)]
fn guard<T>(place: &mut Place, result: Result<T>) -> Result<T> {
    if result.is_err() {
        *place = Place::Nowhere;
    }
    result
}

/// The pair of an entry with a single value in its node; nothing for others.
#[inline(always)]
fn plain_pair<'s>(leaf: &Leaf<'s>, index: usize) -> Result<Option<Pair<'s>>> {
    let node = leaf.node(index)?;
    if node.flags != 0 {
        return Ok(None);
    }
    Ok(Some((node.key, node.data(leaf.page())?)))
}

/// The first entry from `from` on whose key lies above `end`, or the number of entries.
#[inline]
fn first_above<K: Order>(leaf: &Leaf<'_>, from: usize, end: Bound<&[u8]>) -> Result<usize> {
    let (Bound::Included(bound) | Bound::Excluded(bound)) = end else { return Ok(leaf.count) };
    if from >= leaf.count || !is_above::<K>(leaf.key(leaf.count - 1)?, end) {
        return Ok(leaf.count);
    }
    let (index, exact) = leaf.search::<K>(from, leaf.count - 1, bound)?;
    Ok(index + usize::from(exact && matches!(end, Bound::Included(_))))
}

/// The first entry before `to` whose key does not lie below `start`, or `to`.
#[inline]
fn first_not_below<K: Order>(leaf: &Leaf<'_>, to: usize, start: Bound<&[u8]>) -> Result<usize> {
    let (Bound::Included(bound) | Bound::Excluded(bound)) = start else { return Ok(0) };
    if to == 0 || !is_below::<K>(leaf.key(0)?, start) {
        return Ok(0);
    }
    let (index, exact) = leaf.search::<K>(1, to, bound)?;
    Ok(index + usize::from(exact && matches!(start, Bound::Excluded(_))))
}

#[inline]
fn is_above<K: Order>(key: &[u8], end: Bound<&[u8]>) -> bool {
    match end {
        Bound::Unbounded => false,
        Bound::Included(end) => K::compare(key, end).is_gt(),
        Bound::Excluded(end) => K::compare(key, end).is_ge(),
    }
}

#[inline]
fn is_below<K: Order>(key: &[u8], start: Bound<&[u8]>) -> bool {
    match start {
        Bound::Unbounded => false,
        Bound::Included(start) => K::compare(key, start).is_lt(),
        Bound::Excluded(start) => K::compare(key, start).is_le(),
    }
}
