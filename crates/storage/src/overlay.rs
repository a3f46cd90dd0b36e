//! The overlay: datoms added and retracted relative to a base, sorted both ways, shared between clones.
//!
//! ```text
//! base (snapshot of the file, or nothing)   [1 :name "A"]  [2 :name "B"]
//! overlay                                                 -[2 :name "B"]  +[2 :name "C"]
//! what a Db shows                           [1 :name "A"]                  [2 :name "C"]
//! ```
//!
//! Invariants: an entry is *added* only where the base has no such datom and *retracted* only where it has one, so
//! that counts are sums and merging never has to look twice. Entries of attributes with `:db/noindex` are only in
//! `eav`. Values are kept in index form (giants shortened), beside their full encoding.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use equivalent::{Comparable, Equivalent};
use imbl::OrdMap;
use imbl::ordmap::RangedIter;

use crate::encode::EncodedValue;
use crate::ids::AttrId;

/// What an overlay says about a datom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Added, or else retracted.
    pub added: bool,
    /// The full encoding of an added giant, whose key holds only the index form.
    pub giant: Option<Arc<[u8]>>,
}

/// A datom in EAV order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EavKey {
    pub e: u64,
    pub a: AttrId,
    pub v: EncodedValue,
}

/// A datom in AVE order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AveKey {
    pub a: AttrId,
    pub v: EncodedValue,
    pub e: u64,
}

/// A place in EAV order, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EavPlace<'v>(pub u64, pub AttrId, pub &'v [u8]);

/// A place in AVE order, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AvePlace<'v>(pub AttrId, pub &'v [u8], pub u64);

impl Equivalent<EavKey> for EavPlace<'_> {
    fn equivalent(&self, key: &EavKey) -> bool {
        self.compare(key) == Ordering::Equal
    }
}

impl Comparable<EavKey> for EavPlace<'_> {
    #[inline]
    fn compare(&self, key: &EavKey) -> Ordering {
        self.0.cmp(&key.e).then_with(|| self.1.cmp(&key.a)).then_with(|| self.2.cmp(key.v.as_bytes()))
    }
}

impl Equivalent<AveKey> for AvePlace<'_> {
    fn equivalent(&self, key: &AveKey) -> bool {
        self.compare(key) == Ordering::Equal
    }
}

impl Comparable<AveKey> for AvePlace<'_> {
    #[inline]
    fn compare(&self, key: &AveKey) -> Ordering {
        self.0.cmp(&key.a).then_with(|| self.1.cmp(key.v.as_bytes())).then_with(|| self.2.cmp(&key.e))
    }
}

/// How many datoms of an attribute an overlay adds and retracts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delta {
    pub added: u64,
    pub retracted: u64,
}

impl Delta {
    fn note(&mut self, added: bool, by: i64) {
        let side = if added { &mut self.added } else { &mut self.retracted };
        *side = side.wrapping_add_signed(by);
    }

    /// The number of datoms where the base has `base`.
    pub fn apply(self, base: u64) -> u64 {
        (base + self.added).saturating_sub(self.retracted)
    }
}

/// A sorted set of changes; cloning it copies a few pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    eav: OrdMap<EavKey, Entry>,
    ave: OrdMap<AveKey, Entry>,
    deltas: OrdMap<AttrId, Delta>,
}

impl Overlay {
    pub fn is_empty(&self) -> bool {
        self.eav.is_empty() && self.ave.is_empty()
    }

    /// Says what is known of a datom: added, retracted, or nothing.
    #[inline]
    pub fn state(&self, e: u64, a: AttrId, v: &[u8]) -> Option<bool> {
        self.eav.get(&EavPlace(e, a, v)).map(|entry| entry.added)
    }

    /// Says what is known of a datom in AVE, where attributes with `:db/noindex` are not.
    #[inline]
    pub fn state_in_ave(&self, a: AttrId, v: &[u8], e: u64) -> Option<bool> {
        self.ave.get(&AvePlace(a, v, e)).map(|entry| entry.added)
    }

    /// Notes a change; the caller keeps the invariants. `indexed` says whether the attribute is in AVE.
    pub fn insert(&mut self, key: EavKey, entry: Entry, indexed: bool) {
        if indexed {
            self.change_ave(&key, entry.clone());
        }
        let (a, added) = (key.a, entry.added);
        let before = self.eav.insert(key, entry);
        debug_assert!(before.is_none(), "a datom is staged once");
        self.note(a, added, 1);
    }

    /// Forgets a change, so that the base shows through; `giant` is the full encoding where the value is a giant.
    pub fn remove(&mut self, key: &EavKey, giant: Option<Arc<[u8]>>, indexed: bool) {
        if let Some(entry) = self.eav.remove(key) {
            if indexed {
                self.change_ave(key, Entry { added: !entry.added, giant });
            }
            self.note(key.a, entry.added, -1);
        }
    }

    /// Puts a datom that EAV has into AVE only: its attribute was not indexed so far.
    pub fn index(&mut self, key: &EavKey, giant: Option<Arc<[u8]>>) {
        self.change_ave(key, Entry { added: true, giant });
    }

    /// A change in AVE takes an opposite one back. It does not always mirror EAV: what was put into AVE afterwards is
    /// in the base's EAV but not in the base's AVE.
    fn change_ave(&mut self, key: &EavKey, entry: Entry) {
        let place = AvePlace(key.a, key.v.as_bytes(), key.e);
        match self.ave.get(&place) {
            Some(before) if before.added == entry.added => {}
            Some(_) => drop(self.ave.remove(&place)),
            None => drop(self.ave.insert(AveKey { a: key.a, v: key.v.clone(), e: key.e }, entry)),
        }
    }

    fn note(&mut self, a: AttrId, added: bool, by: i64) {
        match self.deltas.get_mut(&a) {
            Some(delta) => {
                delta.note(added, by);
                if *delta == Delta::default() {
                    self.deltas.remove(&a);
                }
            }
            None => {
                let mut delta = Delta::default();
                delta.note(added, by);
                self.deltas.insert(a, delta);
            }
        }
    }

    /// The change in the number of datoms of an attribute.
    pub fn delta(&self, a: AttrId) -> Delta {
        self.deltas.get(&a).copied().unwrap_or_default()
    }

    /// The change in the number of all datoms.
    pub fn delta_all(&self) -> Delta {
        self.deltas.values().fold(Delta::default(), |sum, delta| Delta {
            added: sum.added + delta.added,
            retracted: sum.retracted + delta.retracted,
        })
    }

    /// The change in the number of datoms of each attribute that changes.
    pub fn deltas(&self) -> impl Iterator<Item = (AttrId, Delta)> {
        self.deltas.iter().map(|(a, delta)| (*a, *delta))
    }

    /// All changes in EAV order.
    pub fn eav_iter(&self) -> impl Iterator<Item = (&EavKey, &Entry)> {
        self.eav.iter()
    }

    /// All changes of indexed attributes in AVE order.
    pub fn ave_iter(&self) -> impl Iterator<Item = (&AveKey, &Entry)> {
        self.ave.iter()
    }

    #[inline]
    pub fn eav_range(&self, lo: Bound<EavPlace<'_>>, hi: Bound<EavPlace<'_>>) -> EavRange<'_> {
        self.eav.range((lo, hi))
    }

    #[inline]
    pub fn ave_range(&self, lo: Bound<AvePlace<'_>>, hi: Bound<AvePlace<'_>>) -> AveRange<'_> {
        self.ave.range((lo, hi))
    }
}

pub(crate) type EavRange<'o> = RangedIter<'o, EavKey, Entry, imbl::shared_ptr::DefaultSharedPtr>;
pub(crate) type AveRange<'o> = RangedIter<'o, AveKey, Entry, imbl::shared_ptr::DefaultSharedPtr>;
