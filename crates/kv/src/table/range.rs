//! Ranges of typed tables.
//!
//! [`Table::range`] and [`Table::list_range`](Table::list_range) give [`Entries`]: an iterator of decoded pairs that
//! reads as it goes, with shorter ways to do what is often done. Its predicates see decoded items; where the bytes
//! are enough, the `_raw` forms spare the decoding.

use std::convert::Infallible;
use std::ops::ControlFlow;

use super::Table;
use crate::codec::Codec;
use crate::error::Result;
use crate::read::{KeyRange, Keys, Pairs, Read, Span, Sum};

/// The pairs of a range, decoded one by one.
///
/// It borrows what is read, and so keeps it alive; a range that nobody iterates costs one search.
#[derive(Debug)]
pub struct Entries<'t, 'r, K, V> {
    pub(super) table: &'t Table<K, V>,
    pub(super) pairs: Pairs<'r>,
}

/// The keys of a range, each once, decoded one by one.
#[derive(Debug)]
pub struct TypedKeys<'t, 'r, K, V> {
    table: &'t Table<K, V>,
    keys: Keys<'r>,
}

impl<K: Codec, V: Codec> Table<K, V> {
    /// The pairs of a range of keys.
    ///
    /// In a list table every pair comes, the values of each key in ascending order whatever the direction of the
    /// keys; [`Table::list_range`] chooses both.
    ///
    /// # Errors
    ///
    /// [`Error::Unencodable`](crate::Error::Unencodable) if a bound has no bytes.
    #[doc(alias = "get-range")]
    #[doc(alias = "range-seq")]
    pub fn range<'t, 'r, 'k>(
        &'t self,
        read: &'r impl Read,
        range: impl Into<KeyRange<K::In<'k>>>,
    ) -> Result<Entries<'t, 'r, K, V>> {
        let span = self.key_span(range.into())?;
        let pairs = Pairs::new(read.cursor(&self.dbi)?, span, None, &self.dbi);
        Ok(Entries { table: self, pairs })
    }

    pub(super) fn entries_of<'t, 'r>(&'t self, pairs: Pairs<'r>) -> Entries<'t, 'r, K, V> {
        Entries { table: self, pairs }
    }

    pub(super) fn key_span(&self, range: KeyRange<K::In<'_>>) -> Result<Span> {
        Span::encode(&self.keys, range).map_err(|source| self.unencodable(source))
    }

    pub(super) fn value_span(&self, range: KeyRange<V::In<'_>>) -> Result<Span> {
        Span::encode(&self.values, range).map_err(|source| self.unencodable(source))
    }

    /// The keys of a range, each once.
    ///
    /// # Errors
    ///
    /// As [`Table::range`].
    #[doc(alias = "key-range")]
    pub fn keys<'t, 'r, 'k>(
        &'t self,
        read: &'r impl Read,
        range: impl Into<KeyRange<K::In<'k>>>,
    ) -> Result<TypedKeys<'t, 'r, K, V>> {
        Ok(TypedKeys { table: self, keys: self.range(read, range)?.pairs.into_keys() })
    }

    /// How many keys lie in a range.
    ///
    /// # Errors
    ///
    /// As [`Table::range`].
    #[doc(alias = "key-range-count")]
    pub fn key_count<'k>(&self, read: &impl Read, range: impl Into<KeyRange<K::In<'k>>>) -> Result<u64> {
        let span = self.key_span(range.into())?;
        let (low, high) = span.bounds();
        Ok(read.count(&self.dbi, low, high)?.keys)
    }

    /// How many pairs lie in a range of keys: in a plain table, as many as keys.
    ///
    /// # Errors
    ///
    /// As [`Table::range`].
    #[doc(alias = "range-count")]
    pub fn range_count<'k>(&self, read: &impl Read, range: impl Into<KeyRange<K::In<'k>>>) -> Result<u64> {
        let span = self.key_span(range.into())?;
        let (low, high) = span.bounds();
        Ok(read.count(&self.dbi, low, high)?.pairs)
    }

    /// The first pair of a range.
    ///
    /// # Errors
    ///
    /// As [`Table::range`].
    #[doc(alias = "get-first")]
    pub fn first<'r, 'k>(
        &self,
        read: &'r impl Read,
        range: impl Into<KeyRange<K::In<'k>>>,
    ) -> Result<Option<(K::Out<'r>, V::Out<'r>)>> {
        self.range(read, range)?.next().transpose()
    }

    /// The first `n` pairs of a range.
    ///
    /// # Errors
    ///
    /// As [`Table::range`].
    #[doc(alias = "get-first-n")]
    pub fn first_n<'r, 'k>(
        &self,
        read: &'r impl Read,
        n: usize,
        range: impl Into<KeyRange<K::In<'k>>>,
    ) -> Result<Vec<(K::Out<'r>, V::Out<'r>)>> {
        self.range(read, range)?.take(n).collect()
    }
}

impl<'r, K: Codec, V: Codec> Entries<'_, 'r, K, V> {
    /// The bytes of the pairs instead.
    pub fn raw(self) -> Pairs<'r> {
        self.pairs
    }

    /// Calls the visitor with every pair, until it breaks, and returns what it broke with.
    #[inline]
    fn walk<B>(self, mut visitor: impl FnMut(K::Out<'r>, V::Out<'r>) -> ControlFlow<B>) -> Result<Option<B>> {
        let Self { table, mut pairs } = self;
        let stop = pairs.visit_on(|key, value| match table.try_decoded(key, value) {
            Some((key, value)) => visitor(key, value).map_break(Some),
            None => ControlFlow::Break(None),
        })?;
        match stop {
            None => Ok(None),
            Some(Some(broken)) => Ok(Some(broken)),
            Some(None) => Err(table.why_undecodable(&mut pairs)),
        }
    }

    /// Calls the visitor with every pair.
    #[inline]
    fn all(self, mut visitor: impl FnMut(K::Out<'r>, V::Out<'r>)) -> Result<()> {
        let all = self.walk(|key, value| {
            visitor(key, value);
            ControlFlow::<Infallible>::Continue(())
        });
        all.map(|_| ())
    }

    /// Calls the visitor with the bytes of every pair.
    #[inline]
    fn all_raw(self, mut visitor: impl FnMut(&'r [u8], &'r [u8])) -> Result<()> {
        let all = self.pairs.visit(|key, value| {
            visitor(key, value);
            ControlFlow::<Infallible>::Continue(())
        });
        all.map(|_| ())
    }

    /// The first pair that satisfies the predicate.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`](crate::Error::Undecodable), [`Error::Pages`](crate::Error::Pages), as for all that
    /// follow.
    #[doc(alias = "get-some")]
    pub fn find_entry(
        self,
        mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool,
    ) -> Result<Option<(K::Out<'r>, V::Out<'r>)>> {
        self.walk(|key, value| {
            if predicate(&key, &value) { ControlFlow::Break((key, value)) } else { ControlFlow::Continue(()) }
        })
    }

    /// The first pair whose bytes satisfy the predicate; no other is decoded.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    pub fn find_raw(
        self,
        mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool,
    ) -> Result<Option<(K::Out<'r>, V::Out<'r>)>> {
        let Self { table, pairs } = self;
        let found = pairs.visit(|key, value| {
            if predicate(key, value) { ControlFlow::Break((key, value)) } else { ControlFlow::Continue(()) }
        })?;
        found.map(|(key, value)| table.decoded(key, value)).transpose()
    }

    /// All pairs that satisfy the predicate.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-filter")]
    #[doc(alias = "list-range-filter")]
    pub fn filter_entries(
        self,
        mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool,
    ) -> Result<Vec<(K::Out<'r>, V::Out<'r>)>> {
        let mut kept = Vec::new();
        self.all(|key, value| {
            if predicate(&key, &value) {
                kept.push((key, value));
            }
        })?;
        Ok(kept)
    }

    /// All pairs whose bytes satisfy the predicate; no other is decoded.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    pub fn filter_raw(
        self,
        mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool,
    ) -> Result<Vec<(K::Out<'r>, V::Out<'r>)>> {
        let Self { table, pairs } = self;
        let mut kept = Vec::new();
        let broken = pairs.visit(|key, value| {
            if predicate(key, value) {
                match table.decoded(key, value) {
                    Ok(pair) => kept.push(pair),
                    Err(error) => return ControlFlow::Break(error),
                }
            }
            ControlFlow::Continue(())
        })?;
        broken.map_or(Ok(kept), Err)
    }

    /// What the function makes of each pair, where it makes something.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-keep")]
    #[doc(alias = "list-range-keep")]
    pub fn keep<T>(self, mut f: impl FnMut(K::Out<'r>, V::Out<'r>) -> Option<T>) -> Result<Vec<T>> {
        let mut kept = Vec::new();
        self.all(|key, value| kept.extend(f(key, value)))?;
        Ok(kept)
    }

    /// What the function makes of the bytes of each pair, where it makes something; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn keep_raw<T>(self, mut f: impl FnMut(&'r [u8], &'r [u8]) -> Option<T>) -> Result<Vec<T>> {
        let mut kept = Vec::new();
        self.all_raw(|key, value| kept.extend(f(key, value)))?;
        Ok(kept)
    }

    /// The first thing that the function makes of the bytes of a pair; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn some_raw<T>(self, mut f: impl FnMut(&'r [u8], &'r [u8]) -> Option<T>) -> Result<Option<T>> {
        self.pairs.visit(|key, value| f(key, value).map_or(ControlFlow::Continue(()), ControlFlow::Break))
    }

    /// How many pairs have bytes that satisfy the predicate; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn count_raw(self, mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool) -> Result<u64> {
        let mut count = 0;
        self.all_raw(|key, value| count += u64::from(predicate(key, value)))?;
        Ok(count)
    }

    /// The first thing that the function makes of a pair.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-some")]
    #[doc(alias = "list-range-some")]
    pub fn some<T>(self, mut f: impl FnMut(K::Out<'r>, V::Out<'r>) -> Option<T>) -> Result<Option<T>> {
        self.walk(|key, value| f(key, value).map_or(ControlFlow::Continue(()), ControlFlow::Break))
    }

    /// How many pairs satisfy the predicate.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-filter-count")]
    #[doc(alias = "list-range-filter-count")]
    pub fn count_entries(self, mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool) -> Result<u64> {
        let mut count = 0;
        self.all(|key, value| count += u64::from(predicate(&key, &value)))?;
        Ok(count)
    }

    /// Calls the visitor with every pair, until it breaks.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "visit-kv")]
    #[doc(alias = "visit-list-range")]
    pub fn visit(self, visitor: impl FnMut(K::Out<'r>, V::Out<'r>) -> ControlFlow<()>) -> Result<()> {
        self.walk(visitor).map(|_| ())
    }

    /// Calls the visitor with the bytes of every pair, until it breaks.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn visit_raw(self, visitor: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<()>) -> Result<()> {
        self.pairs.visit(visitor).map(|_| ())
    }
}

impl<'r, K: Codec, V: Codec> Iterator for Entries<'_, 'r, K, V> {
    type Item = Result<(K::Out<'r>, V::Out<'r>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.pairs.step() {
            Ok(Some((key, value))) => Some(self.table.decoded(key, value)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }

    #[inline]
    fn fold<A, F: FnMut(A, Self::Item) -> A>(self, init: A, mut f: F) -> A {
        let Self { table, mut pairs } = self;
        let mut sum = Sum(Some(init));
        loop {
            // Errors are made outside, so that the loop over a leaf is nearly as short as one over bytes.
            let stop = pairs.visit_on(|key, value| match table.try_decoded(key, value) {
                Some(pair) => {
                    sum.add(|sum| f(sum, Ok(pair)));
                    ControlFlow::Continue(())
                }
                None => ControlFlow::Break(()),
            });
            let error = match stop {
                Ok(None) => return sum.total(),
                Ok(Some(())) => table.why_undecodable(&mut pairs),
                Err(error) => {
                    sum.add(|sum| f(sum, Err(error)));
                    return sum.total();
                }
            };
            sum.add(|sum| f(sum, Err(error)));
        }
    }
}

impl<'r, K: Codec, V: Codec> TypedKeys<'_, 'r, K, V> {
    /// The bytes of the keys instead.
    pub fn raw(self) -> Keys<'r> {
        self.keys
    }

    /// Calls the visitor with every key, until it breaks.
    ///
    /// # Errors
    ///
    /// As the iterator's.
    #[doc(alias = "visit-key-range")]
    pub fn visit(self, mut visitor: impl FnMut(K::Out<'r>) -> ControlFlow<()>) -> Result<()> {
        for key in self {
            if visitor(key?).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl<'r, K: Codec, V: Codec> Iterator for TypedKeys<'_, 'r, K, V> {
    type Item = Result<K::Out<'r>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let key = self.keys.next()?;
        Some(key.and_then(|key| self.table.decoded_key(key)))
    }
}
