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

mod tree;

use self::tree::{Cursor, Place, Range, Tree};
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

impl Place<EavKey> for EavPlace<'_> {
    #[inline]
    fn compare(&self, key: &EavKey) -> Ordering {
        self.0.cmp(&key.e).then_with(|| self.1.cmp(&key.a)).then_with(|| self.2.cmp(key.v.as_bytes()))
    }
}

impl Place<EavKey> for EavKey {
    #[inline]
    fn compare(&self, key: &EavKey) -> Ordering {
        self.cmp(key)
    }
}

impl Place<AveKey> for AvePlace<'_> {
    #[inline]
    fn compare(&self, key: &AveKey) -> Ordering {
        self.0.cmp(&key.a).then_with(|| self.1.cmp(key.v.as_bytes())).then_with(|| self.2.cmp(&key.e))
    }
}

impl Place<AveKey> for AveKey {
    #[inline]
    fn compare(&self, key: &AveKey) -> Ordering {
        self.cmp(key)
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
    eav: Tree<EavKey, Entry>,
    ave: Tree<AveKey, Entry>,
    /// Sorted by attribute.
    deltas: Arc<Vec<(AttrId, Delta)>>,
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

    /// Notes a change unless there is one for the datom already; says whether there was none. The caller keeps the
    /// invariants. `indexed` says whether the attribute is in AVE.
    pub fn insert(&mut self, key: EavKey, entry: Entry, indexed: bool) -> bool {
        let in_ave = indexed.then(|| AveKey { a: key.a, v: key.v.clone(), e: key.e });
        let (a, added) = (key.a, entry.added);
        if self.eav.insert_new(key, entry.clone()).is_some() {
            return false;
        }
        if let Some(key) = in_ave {
            self.change_ave(key, entry);
        }
        self.note(a, added, 1);
        true
    }

    /// Forgets a change, so that the base shows through; `giant` is the full encoding where the value is a giant.
    pub fn remove(&mut self, key: &EavKey, giant: Option<Arc<[u8]>>, indexed: bool) {
        if let Some(entry) = self.eav.remove(key) {
            if indexed {
                let key = AveKey { a: key.a, v: key.v.clone(), e: key.e };
                self.change_ave(key, Entry { added: !entry.added, giant });
            }
            self.note(key.a, entry.added, -1);
        }
    }

    /// Puts a datom that EAV has into AVE only: its attribute was not indexed so far.
    pub fn index(&mut self, key: EavKey, giant: Option<Arc<[u8]>>) {
        self.change_ave(AveKey { a: key.a, v: key.v, e: key.e }, Entry { added: true, giant });
    }

    /// A change in AVE takes an opposite one back. It does not always mirror EAV: what was put into AVE afterwards is
    /// in the base's EAV but not in the base's AVE.
    fn change_ave(&mut self, key: AveKey, entry: Entry) {
        let (again, added) = (key.clone(), entry.added);
        if let Some(before) = self.ave.insert_new(key, entry)
            && before.added != added
        {
            self.ave.remove(&again);
        }
    }

    fn note(&mut self, a: AttrId, added: bool, by: i64) {
        let deltas = Arc::make_mut(&mut self.deltas);
        match deltas.binary_search_by_key(&a, |(a, _)| *a) {
            Ok(at) => {
                deltas[at].1.note(added, by);
                if deltas[at].1 == Delta::default() {
                    deltas.remove(at);
                }
            }
            Err(at) => {
                let mut delta = Delta::default();
                delta.note(added, by);
                deltas.insert(at, (a, delta));
            }
        }
    }

    /// The change in the number of datoms of an attribute.
    pub fn delta(&self, a: AttrId) -> Delta {
        let found = self.deltas.binary_search_by_key(&a, |(a, _)| *a);
        found.map(|at| self.deltas[at].1).unwrap_or_default()
    }

    /// The change in the number of all datoms.
    pub fn delta_all(&self) -> Delta {
        self.deltas().fold(Delta::default(), |sum, (_, delta)| Delta {
            added: sum.added + delta.added,
            retracted: sum.retracted + delta.retracted,
        })
    }

    /// The change in the number of datoms of each attribute that changes.
    pub fn deltas(&self) -> impl Iterator<Item = (AttrId, Delta)> {
        self.deltas.iter().copied()
    }

    /// All changes in EAV order.
    pub fn eav_iter(&self) -> Range<'_, EavKey, Entry> {
        self.eav.iter()
    }

    /// All changes of indexed attributes in AVE order.
    pub fn ave_iter(&self) -> Range<'_, AveKey, Entry> {
        self.ave.iter()
    }

    pub fn eav_cursor(&self) -> EavChanges<'_> {
        self.eav.cursor()
    }

    pub fn ave_cursor(&self) -> AveChanges<'_> {
        self.ave.cursor()
    }

    pub fn ave_range(&self, lo: Bound<AvePlace<'_>>, hi: Bound<AvePlace<'_>>) -> Range<'_, AveKey, Entry> {
        self.ave.range(lo, hi)
    }
}

/// A position among the changes in EAV order.
pub(crate) type EavChanges<'o> = Cursor<'o, EavKey, Entry>;
/// A position among the changes in AVE order.
pub(crate) type AveChanges<'o> = Cursor<'o, AveKey, Entry>;
/// Changes in AVE order.
pub(crate) type AveRange<'o> = Range<'o, AveKey, Entry>;
