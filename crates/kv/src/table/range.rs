//! Ranges of typed tables.
//!
//! [`Table::range`] and [`Table::list_range`](Table::list_range) give [`Entries`]: an iterator of decoded pairs that
//! reads as it goes, with shorter ways to do what is often done. Its predicates see decoded items; where the bytes
//! are enough, the `_raw` forms spare the decoding.

use std::ops::ControlFlow;

use super::Table;
use crate::codec::Codec;
use crate::error::Result;
use crate::read::{KeyRange, Keys, Pairs, Read, Span};

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

    #[inline]
    fn decode(&self, (key, value): (&'r [u8], &'r [u8])) -> Result<(K::Out<'r>, V::Out<'r>)> {
        Ok((self.table.decoded_key(key)?, self.table.decoded_value(value)?))
    }

    /// The first pair that satisfies the predicate.
    ///
    /// # Errors
    ///
    /// [`Error::Undecodable`](crate::Error::Undecodable), [`Error::Pages`](crate::Error::Pages), as for all that
    /// follow.
    #[doc(alias = "get-some")]
    pub fn find_entry(
        mut self,
        mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool,
    ) -> Result<Option<(K::Out<'r>, V::Out<'r>)>> {
        while let Some(pair) = self.pairs.step()? {
            let (key, value) = self.decode(pair)?;
            if predicate(&key, &value) {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }

    /// The first pair whose bytes satisfy the predicate; no other is decoded.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    pub fn find_raw(
        mut self,
        mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool,
    ) -> Result<Option<(K::Out<'r>, V::Out<'r>)>> {
        while let Some((key, value)) = self.pairs.step()? {
            if predicate(key, value) {
                return self.decode((key, value)).map(Some);
            }
        }
        Ok(None)
    }

    /// All pairs that satisfy the predicate.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-filter")]
    #[doc(alias = "list-range-filter")]
    pub fn filter_entries(
        mut self,
        mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool,
    ) -> Result<Vec<(K::Out<'r>, V::Out<'r>)>> {
        let mut kept = Vec::new();
        while let Some(pair) = self.pairs.step()? {
            let (key, value) = self.decode(pair)?;
            if predicate(&key, &value) {
                kept.push((key, value));
            }
        }
        Ok(kept)
    }

    /// All pairs whose bytes satisfy the predicate; no other is decoded.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    pub fn filter_raw(
        mut self,
        mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool,
    ) -> Result<Vec<(K::Out<'r>, V::Out<'r>)>> {
        let mut kept = Vec::new();
        while let Some((key, value)) = self.pairs.step()? {
            if predicate(key, value) {
                kept.push(self.decode((key, value))?);
            }
        }
        Ok(kept)
    }

    /// What the function makes of each pair, where it makes something.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-keep")]
    #[doc(alias = "list-range-keep")]
    pub fn keep<T>(mut self, mut f: impl FnMut(K::Out<'r>, V::Out<'r>) -> Option<T>) -> Result<Vec<T>> {
        let mut kept = Vec::new();
        while let Some(pair) = self.pairs.step()? {
            let (key, value) = self.decode(pair)?;
            kept.extend(f(key, value));
        }
        Ok(kept)
    }

    /// What the function makes of the bytes of each pair, where it makes something; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn keep_raw<T>(mut self, mut f: impl FnMut(&'r [u8], &'r [u8]) -> Option<T>) -> Result<Vec<T>> {
        let mut kept = Vec::new();
        while let Some((key, value)) = self.pairs.step()? {
            kept.extend(f(key, value));
        }
        Ok(kept)
    }

    /// The first thing that the function makes of the bytes of a pair; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn some_raw<T>(mut self, mut f: impl FnMut(&'r [u8], &'r [u8]) -> Option<T>) -> Result<Option<T>> {
        while let Some((key, value)) = self.pairs.step()? {
            if let Some(made) = f(key, value) {
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    /// How many pairs have bytes that satisfy the predicate; nothing is decoded.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn count_raw(mut self, mut predicate: impl FnMut(&'r [u8], &'r [u8]) -> bool) -> Result<u64> {
        let mut count = 0;
        while let Some((key, value)) = self.pairs.step()? {
            count += u64::from(predicate(key, value));
        }
        Ok(count)
    }

    /// The first thing that the function makes of a pair.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-some")]
    #[doc(alias = "list-range-some")]
    pub fn some<T>(mut self, mut f: impl FnMut(K::Out<'r>, V::Out<'r>) -> Option<T>) -> Result<Option<T>> {
        while let Some(pair) = self.pairs.step()? {
            let (key, value) = self.decode(pair)?;
            if let Some(made) = f(key, value) {
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    /// How many pairs satisfy the predicate.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "range-filter-count")]
    #[doc(alias = "list-range-filter-count")]
    pub fn count_entries(
        mut self,
        mut predicate: impl FnMut(&K::Out<'r>, &V::Out<'r>) -> bool,
    ) -> Result<u64> {
        let mut count = 0;
        while let Some(pair) = self.pairs.step()? {
            let (key, value) = self.decode(pair)?;
            count += u64::from(predicate(&key, &value));
        }
        Ok(count)
    }

    /// Calls the visitor with every pair, until it breaks.
    ///
    /// # Errors
    ///
    /// As [`Entries::find_entry`].
    #[doc(alias = "visit-kv")]
    #[doc(alias = "visit-list-range")]
    pub fn visit(mut self, mut visitor: impl FnMut(K::Out<'r>, V::Out<'r>) -> ControlFlow<()>) -> Result<()> {
        while let Some(pair) = self.pairs.step()? {
            let (key, value) = self.decode(pair)?;
            if visitor(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Calls the visitor with the bytes of every pair, until it breaks.
    ///
    /// # Errors
    ///
    /// [`Error::Pages`](crate::Error::Pages).
    pub fn visit_raw(mut self, mut visitor: impl FnMut(&'r [u8], &'r [u8]) -> ControlFlow<()>) -> Result<()> {
        while let Some((key, value)) = self.pairs.step()? {
            if visitor(key, value).is_break() {
                break;
            }
        }
        Ok(())
    }
}

impl<'r, K: Codec, V: Codec> Iterator for Entries<'_, 'r, K, V> {
    type Item = Result<(K::Out<'r>, V::Out<'r>)>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let pair = self.pairs.step().transpose()?;
        Some(pair.and_then(|pair| self.decode(pair)))
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
