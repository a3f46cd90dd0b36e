//! [`Pairs`] and [`Keys`]: the walk over a range, as iterators over bytes.

use std::convert::Infallible;
use std::ops::{Bound, ControlFlow};

use lmdb_pages::OrderKind;

use super::cursor::{Cursor, Pair};
use super::range::Span;
use crate::dbi::Dbi;
use crate::error::Result;

/// The pairs of a range of keys and, in list tables, of a range of their values.
///
/// Keys come in the direction of their range, the values of each in the direction of theirs.
#[derive(Debug)]
pub struct Pairs<'r> {
    cursor: Cursor<'r>,
    keys: Span,
    values: Span,
    key_order: OrderKind,
    value_order: OrderKind,
    state: State<'r>,
    /// Every pair in between belongs to the range, in the order of the table.
    straight: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State<'r> {
    Start,
    /// On a value of this key.
    In(&'r [u8]),
    /// On a pair behind which all others belong to the range, in the order of the table.
    ToEnd,
    Done,
}

impl<'r> Pairs<'r> {
    pub(crate) fn new(cursor: Cursor<'r>, keys: Span, values: Option<Span>, dbi: &Dbi) -> Self {
        let list = dbi.is_list();
        let unbounded = |span: &Span| matches!((&span.low, &span.high), (Bound::Unbounded, Bound::Unbounded));
        let straight =
            !list || !keys.back && values.as_ref().is_none_or(|values| unbounded(values) && !values.back);
        let values = values.unwrap_or_else(Span::all);
        let (key_order, value_order) = (dbi.flags.key_order(), dbi.flags.value_order());
        let empty = keys.is_empty(key_order) || values.is_empty(value_order);
        let state = if empty { State::Done } else { State::Start };
        Self { cursor, keys, values, key_order, value_order, state, straight }
    }

    /// Only the keys of the range, each once.
    pub(crate) fn into_keys(self) -> Keys<'r> {
        Keys {
            cursor: self.cursor,
            span: self.keys,
            order: self.key_order,
            started: false,
            done: self.state == State::Done,
        }
    }

    /// How many pairs are left, without looking at more than is needed.
    pub(crate) fn count_rest(self) -> Result<u64> {
        let mut count = 0;
        self.visit(|_, _| {
            count += 1;
            ControlFlow::<()>::Continue(())
        })?;
        Ok(count)
    }

    /// Calls the visitor with all pairs that are left, until it breaks, and returns what it broke with. Where the range
    /// ends is asked once a page, so this is faster than going step by step.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages) if the file is damaged.
    #[inline]
    pub fn visit<B>(
        mut self,
        visitor: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        self.visit_on(visitor)
    }

    /// As [`Pairs::visit`]; called again, it goes on behind the pair at which the visitor broke.
    #[inline]
    pub(crate) fn visit_on<B>(
        &mut self,
        mut visitor: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<B>,
    ) -> Result<Option<B>> {
        while let Some((key, value)) = self.step()? {
            if let ControlFlow::Break(broken) = visitor(key, value) {
                return Ok(Some(broken));
            }
            if self.straight {
                let Self { cursor, keys, .. } = self;
                return Ok(cursor.visit_on(keys.back, keys.end(), visitor)?.break_value());
            }
        }
        Ok(None)
    }

    /// The pair that a visitor broke at.
    pub(crate) fn current(&mut self) -> Result<Option<Pair<'r>>> {
        self.cursor.current()
    }

    /// The next pair.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages) if the file is damaged; the walk is over then.
    #[inline]
    pub fn step(&mut self) -> Result<Option<Pair<'r>>> {
        if let State::ToEnd = self.state {
            let found = if self.keys.back { self.cursor.prev() } else { self.cursor.next() };
            if !matches!(found, Ok(Some(_))) {
                self.state = State::Done;
            }
            return found;
        }
        if self.straight
            && let State::In(last) = self.state
        {
            let found = if self.keys.back { self.cursor.prev() } else { self.cursor.next() };
            // The values of one key share its bytes, so those are looked at once.
            if let Ok(Some((key, value))) = found
                && (std::ptr::eq(last, key) || self.keys.reaches(key, self.key_order))
            {
                self.state = State::In(key);
                return Ok(Some((key, value)));
            }
            self.state = State::Done;
            return found.map(|_| None);
        }
        self.step_aside()
    }

    /// The first step, and every step that does not just go on to the next pair.
    #[inline(never)]
    fn step_aside(&mut self) -> Result<Option<Pair<'r>>> {
        if self.state == State::Done {
            return Ok(None);
        }
        let found = self.step_by_keys();
        let end = if self.keys.back { &self.keys.low } else { &self.keys.high };
        if !matches!(found, Ok(Some(_))) {
            self.state = State::Done;
        } else if self.straight && matches!(end, Bound::Unbounded) {
            self.state = State::ToEnd;
        }
        found
    }

    fn step_by_keys(&mut self) -> Result<Option<Pair<'r>>> {
        let mut pair = match self.state {
            State::Start => seek_start(&mut self.cursor, &self.keys, self.key_order)?,
            State::In(key) => {
                if let Some(value) = self.next_value()? {
                    return Ok(Some((key, value)));
                }
                next_key(&mut self.cursor, self.keys.back)?
            }
            State::ToEnd | State::Done => return Ok(None),
        };
        while let Some((key, _)) = pair {
            if !self.keys.reaches(key, self.key_order) {
                return Ok(None);
            }
            if let Some(value) = self.first_value()? {
                self.state = State::In(key);
                return Ok(Some((key, value)));
            }
            pair = next_key(&mut self.cursor, self.keys.back)?;
        }
        Ok(None)
    }

    /// The first value of the current key that belongs to the range.
    fn first_value(&mut self) -> Result<Option<&'r [u8]>> {
        let key = self.cursor.current()?.map(|(key, _)| key);
        let start = if self.values.back { &self.values.high } else { &self.values.low };
        let value = match (start, self.values.back) {
            (Bound::Unbounded, false) => self.cursor.first_dup()?,
            (Bound::Unbounded, true) => self.cursor.last_dup()?,
            (Bound::Included(start), false) => self.cursor.seek_dup_in_key(start)?,
            (Bound::Excluded(start), false) => match self.cursor.seek_dup_in_key(start)? {
                Some(value) if value == start.as_slice() => self.cursor.next_dup()?,
                other => other,
            },
            (Bound::Included(start), true) => match self.cursor.seek_dup_in_key(start)? {
                Some(value) if value == start.as_slice() => Some(value),
                Some(_) => self.cursor.prev_dup()?,
                None => self.back_to(key)?,
            },
            (Bound::Excluded(start), true) => match self.cursor.seek_dup_in_key(start)? {
                Some(_) => self.cursor.prev_dup()?,
                None => self.back_to(key)?,
            },
        };
        let value = value.filter(|value| self.values.reaches(value, self.value_order));
        if value.is_none() {
            // The search may have left the key; go on from it.
            self.back_to(key)?;
        }
        Ok(value)
    }

    /// Back to the last value of a key that a search has left.
    fn back_to(&mut self, key: Option<&'r [u8]>) -> Result<Option<&'r [u8]>> {
        match key {
            Some(key) if self.cursor.seek_exact(key)?.is_some() => self.cursor.last_dup(),
            _ => Ok(None),
        }
    }

    fn next_value(&mut self) -> Result<Option<&'r [u8]>> {
        let value = if self.values.back { self.cursor.prev_dup()? } else { self.cursor.next_dup()? };
        Ok(value.filter(|value| self.values.reaches(value, self.value_order)))
    }
}

impl<'r> Iterator for Pairs<'r> {
    type Item = Result<Pair<'r>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }

    #[inline]
    fn fold<A, F: FnMut(A, Self::Item) -> A>(self, init: A, mut f: F) -> A {
        let mut sum = Sum(Some(init));
        let result = self.visit(|key, value| {
            sum.add(|sum| f(sum, Ok((key, value))));
            ControlFlow::<Infallible>::Continue(())
        });
        if let Err(error) = result {
            sum.add(|sum| f(sum, Err(error)));
        }
        sum.total()
    }
}

/// What a visitor folds into: given to each step by value.
pub(crate) struct Sum<A>(pub(crate) Option<A>);

impl<A> Sum<A> {
    #[inline]
    pub(crate) fn add(&mut self, step: impl FnOnce(A) -> A) {
        self.0 = self.0.take().map(step);
    }

    /// Everything that was added.
    #[inline]
    pub(crate) fn total(self) -> A {
        self.0.expect("every step puts back what it takes")
    }
}

/// The keys of a range, each once.
#[derive(Debug)]
pub struct Keys<'r> {
    cursor: Cursor<'r>,
    span: Span,
    order: OrderKind,
    started: bool,
    done: bool,
}

impl<'r> Keys<'r> {
    pub(crate) fn new(cursor: Cursor<'r>, span: Span, dbi: &Dbi) -> Self {
        Pairs::new(cursor, span, None, dbi).into_keys()
    }

    /// How many values the key has that was returned last.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn dup_count(&mut self) -> Result<u64> {
        self.cursor.dup_count()
    }

    #[inline]
    fn step(&mut self) -> Result<Option<&'r [u8]>> {
        if self.done {
            return Ok(None);
        }
        let pair = if std::mem::replace(&mut self.started, true) {
            next_key(&mut self.cursor, self.span.back)?
        } else {
            seek_start(&mut self.cursor, &self.span, self.order)?
        };
        Ok(pair.map(|(key, _)| key).filter(|key| self.span.reaches(key, self.order)))
    }
}

impl<'r> Iterator for Keys<'r> {
    type Item = Result<&'r [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step();
        self.done = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

/// Moves onto the first key of the walk, if there is one before the table's end.
fn seek_start<'r>(cursor: &mut Cursor<'r>, span: &Span, order: OrderKind) -> Result<Option<Pair<'r>>> {
    let is = |found: &[u8], bound: &[u8]| order.compare(found, bound).is_eq();
    if span.back {
        return match &span.high {
            Bound::Unbounded => cursor.last(),
            Bound::Included(high) => cursor.seek_le(high),
            Bound::Excluded(high) => match cursor.seek_le(high)? {
                Some((key, _)) if is(key, high) => cursor.prev_key(),
                other => Ok(other),
            },
        };
    }
    match &span.low {
        Bound::Unbounded => cursor.first(),
        Bound::Included(low) => cursor.seek(low),
        Bound::Excluded(low) => match cursor.seek(low)? {
            Some((key, _)) if is(key, low) => cursor.next_key(),
            other => Ok(other),
        },
    }
}

#[inline]
fn next_key<'r>(cursor: &mut Cursor<'r>, back: bool) -> Result<Option<Pair<'r>>> {
    if back { cursor.prev_key() } else { cursor.next_key() }
}
