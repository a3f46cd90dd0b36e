//! The oracle: a table as sorted sets, and a cursor that is an index into the list of all pairs.

use std::collections::{BTreeMap, BTreeSet};

use lmdb_pages::TableFlags;

pub type Pair = (Vec<u8>, Vec<u8>);

/// Bytes whose plain order is the order of `bytes` under the flags; doing it twice gives the bytes back.
fn sort_bytes(bytes: &[u8], integer: bool, reverse: bool) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if integer && cfg!(target_endian = "little") || reverse {
        bytes.reverse();
    }
    bytes
}

/// A table in memory.
#[derive(Clone, Debug)]
pub struct Model {
    flags: TableFlags,
    map: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

impl Model {
    pub fn new(flags: TableFlags) -> Model {
        Model { flags, map: BTreeMap::new() }
    }

    fn dups(&self) -> bool {
        self.flags.contains(TableFlags::DUP_SORT)
    }

    fn key(&self, key: &[u8]) -> Vec<u8> {
        let reverse = self.flags.contains(TableFlags::REVERSE_KEY);
        sort_bytes(key, self.flags.contains(TableFlags::INTEGER_KEY) && !reverse, reverse)
    }

    fn value(&self, value: &[u8]) -> Vec<u8> {
        if !self.dups() {
            return value.to_vec();
        }
        let integer = self.flags.contains(TableFlags::INTEGER_DUP);
        sort_bytes(value, integer, self.flags.contains(TableFlags::REVERSE_DUP) && !integer)
    }

    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let (sort_key, value) = (self.key(key), self.value(value));
        let dups = self.dups();
        let values = self.map.entry(sort_key).or_default();
        if !dups {
            values.clear();
        }
        values.insert(value);
    }

    pub fn delete(&mut self, key: &[u8]) -> bool {
        self.map.remove(&self.key(key)).is_some()
    }

    pub fn delete_dup(&mut self, key: &[u8], value: &[u8]) -> bool {
        let (key, value) = (self.key(key), self.value(value));
        let Some(values) = self.map.get_mut(&key) else { return false };
        let removed = values.remove(&value);
        if values.is_empty() {
            self.map.remove(&key);
        }
        removed
    }

    pub fn clear(&mut self) {
        self.map.clear();
    }

    /// All pairs in order, as they went in.
    pub fn pairs(&self) -> Vec<Pair> {
        let pairs = self.map.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        pairs.map(|(key, value)| (self.key(key), self.value(value))).collect()
    }

    pub fn cursor(&self) -> NaiveCursor {
        NaiveCursor { model: self.clone(), pairs: self.pairs(), at: At::Nowhere }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Nowhere,
    On(usize),
    /// Before the pair of that index.
    Gap(usize),
}

/// What a cursor should do, by linear search.
pub struct NaiveCursor {
    model: Model,
    pub pairs: Vec<Pair>,
    at: At,
}

impl NaiveCursor {
    fn land(&mut self, index: Option<usize>, gap: usize) -> Option<Pair> {
        self.at = match index {
            Some(index) => At::On(index),
            None if self.pairs.is_empty() => At::Nowhere,
            None => At::Gap(gap),
        };
        self.current()
    }

    fn below(&self, key: &[u8]) -> usize {
        let key = self.model.key(key);
        self.pairs.partition_point(|pair| self.model.key(&pair.0) < key)
    }

    /// The indices of the pairs of `key`.
    fn range(&self, key: &[u8]) -> std::ops::Range<usize> {
        let from = self.below(key);
        from..from + self.pairs[from..].iter().take_while(|pair| pair.0 == key).count()
    }

    pub fn current(&self) -> Option<Pair> {
        match self.at {
            At::On(index) => Some(self.pairs[index].clone()),
            _ => None,
        }
    }

    pub fn first(&mut self) -> Option<Pair> {
        self.land((!self.pairs.is_empty()).then_some(0), 0)
    }

    pub fn last(&mut self) -> Option<Pair> {
        self.land(self.pairs.len().checked_sub(1), 0)
    }

    pub fn seek(&mut self, key: &[u8]) -> Option<Pair> {
        let from = self.below(key);
        self.land((from < self.pairs.len()).then_some(from), from)
    }

    pub fn seek_exact(&mut self, key: &[u8]) -> Option<Pair> {
        let range = self.range(key);
        self.land((!range.is_empty()).then_some(range.start), range.start)
    }

    pub fn seek_le(&mut self, key: &[u8]) -> Option<Pair> {
        self.land(self.range(key).end.checked_sub(1), 0)
    }

    fn step_forward(&mut self, to: usize) -> Option<Pair> {
        self.land((to < self.pairs.len()).then_some(to), self.pairs.len())
    }

    pub fn next(&mut self) -> Option<Pair> {
        match self.at {
            At::Nowhere => self.first(),
            At::On(index) => self.step_forward(index + 1),
            At::Gap(index) => self.step_forward(index),
        }
    }

    pub fn prev(&mut self) -> Option<Pair> {
        match self.at {
            At::Nowhere => self.last(),
            At::On(index) | At::Gap(index) => self.land(index.checked_sub(1), 0),
        }
    }

    pub fn next_key(&mut self) -> Option<Pair> {
        match self.at {
            At::On(index) => self.step_forward(self.range(&self.pairs[index].0).end),
            _ => self.next(),
        }
    }

    pub fn prev_key(&mut self) -> Option<Pair> {
        match self.at {
            At::On(index) => self.land(self.range(&self.pairs[index].0).start.checked_sub(1), 0),
            _ => self.prev(),
        }
    }

    /// The indices of the pairs of the current key.
    fn here(&self) -> Option<std::ops::Range<usize>> {
        match self.at {
            At::On(index) => Some(self.range(&self.pairs[index].0)),
            _ => None,
        }
    }

    pub fn first_dup(&mut self) -> Option<Vec<u8>> {
        let here = self.here()?;
        self.land(Some(here.start), 0).map(|pair| pair.1)
    }

    pub fn last_dup(&mut self) -> Option<Vec<u8>> {
        let here = self.here()?;
        self.land(Some(here.end - 1), 0).map(|pair| pair.1)
    }

    pub fn next_dup(&mut self) -> Option<Vec<u8>> {
        let here = self.here()?;
        let At::On(index) = self.at else { return None };
        (index + 1 < here.end).then(|| self.land(Some(index + 1), 0).map(|pair| pair.1))?
    }

    pub fn prev_dup(&mut self) -> Option<Vec<u8>> {
        let here = self.here()?;
        let At::On(index) = self.at else { return None };
        (index > here.start).then(|| self.land(Some(index - 1), 0).map(|pair| pair.1))?
    }

    pub fn seek_dup(&mut self, key: &[u8], value: &[u8]) -> Option<Pair> {
        let range = self.range(key);
        let sought = self.model.value(value);
        let found = range.clone().find(|index| self.model.value(&self.pairs[*index].1) >= sought);
        self.land(found, range.end)
    }

    pub fn seek_dup_in_key(&mut self, value: &[u8]) -> Option<Vec<u8>> {
        let key = self.pairs[self.here()?.start].0.clone();
        self.seek_dup(&key, value).map(|pair| pair.1)
    }

    pub fn dup_count(&self) -> u64 {
        self.here().map_or(0, |here| here.len() as u64)
    }

    /// All values of the current key.
    pub fn dups(&mut self) -> Vec<u8> {
        let Some(here) = self.here() else { return Vec::new() };
        self.land(Some(here.start), 0);
        here.flat_map(|index| self.pairs[index].1.clone()).collect()
    }

    /// What repeated `next` or `prev` give, until a key lies beyond the end or there are `count`.
    pub fn visit(&mut self, back: bool, end: std::ops::Bound<&[u8]>, count: usize) -> Vec<Pair> {
        use std::ops::{Bound, RangeBounds};
        let end = end.map(|key| self.model.key(key));
        let inside = if back { (end, Bound::Unbounded) } else { (Bound::Unbounded, end) };
        let mut visited = Vec::new();
        while visited.len() < count
            && let Some(pair) = if back { self.prev() } else { self.next() }
            && inside.contains(&self.model.key(&pair.0))
        {
            visited.push(pair);
        }
        visited
    }

    pub fn count(&self, low: std::ops::Bound<&[u8]>, high: std::ops::Bound<&[u8]>) -> (u64, u64) {
        use std::ops::RangeBounds;
        let sorted = |bound: std::ops::Bound<&[u8]>| bound.map(|key| self.model.key(key));
        let range = (sorted(low), sorted(high));
        let inside: Vec<_> =
            self.pairs.iter().filter(|pair| range.contains(&self.model.key(&pair.0))).collect();
        let keys: BTreeSet<_> = inside.iter().map(|pair| &pair.0).collect();
        (keys.len() as u64, inside.len() as u64)
    }
}
