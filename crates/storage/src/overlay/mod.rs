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
//! `eav`. Values are kept in index form; the full encodings of giants stand apart. Changes may wait for their place in
//! AVE until somebody looks ([`by_value`]); no reader can tell.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

mod by_value;
mod tree;

use self::by_value::AveRows;
use self::tree::{Cursor, Place, Range, Tree};
use crate::encode::{EncodedValue, is_giant_index};
use crate::ids::AttrId;
use crate::schema::Attribute;

/// A change of a datom, in EAV order.
#[derive(Clone, Debug)]
pub(crate) struct EavRow {
    pub e: u64,
    /// In index form.
    pub v: EncodedValue,
    pub a: AttrId,
    /// Added, or else retracted.
    pub added: bool,
}

/// A change of a datom, in AVE order.
#[derive(Clone, Debug)]
pub(crate) struct AveRow {
    pub e: u64,
    /// In index form.
    pub v: EncodedValue,
    pub a: AttrId,
    /// Added, or else retracted.
    pub added: bool,
}

impl EavRow {
    fn place(&self) -> EavPlace<'_> {
        EavPlace(self.e, self.a, &self.v)
    }

    fn in_ave(&self) -> AveRow {
        AveRow { e: self.e, v: self.v.clone(), a: self.a, added: self.added }
    }
}

impl AveRow {
    fn place(&self) -> AvePlace<'_> {
        AvePlace(self.a, &self.v, self.e)
    }
}

/// A place in EAV order, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EavPlace<'v>(pub u64, pub AttrId, pub &'v [u8]);

/// A place in AVE order, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AvePlace<'v>(pub AttrId, pub &'v [u8], pub u64);

impl Place<EavRow> for EavPlace<'_> {
    #[inline]
    fn compare(&self, row: &EavRow) -> Ordering {
        self.0.cmp(&row.e).then_with(|| self.1.cmp(&row.a)).then_with(|| self.2.cmp(row.v.as_bytes()))
    }

    #[inline]
    fn head(&self) -> u64 {
        self.0
    }
}

impl Place<EavRow> for EavRow {
    #[inline]
    fn compare(&self, row: &EavRow) -> Ordering {
        self.place().compare(row)
    }

    #[inline]
    fn head(&self) -> u64 {
        self.e
    }
}

/// As much of attribute and value as fits a number: two bytes and six.
#[inline]
fn ave_head(a: AttrId, v: &[u8]) -> u64 {
    let mut head = [0; 8];
    head[..2].copy_from_slice(&(a.0.min(0xFFFF) as u16).to_be_bytes());
    // Beyond the largest number attributes tie, and their values must not be compared.
    if a.0 < 0xFFFF {
        match v.first_chunk::<6>() {
            Some(start) => head[2..].copy_from_slice(start),
            None => head[2..2 + v.len()].copy_from_slice(v),
        }
    }
    u64::from_be_bytes(head)
}

impl Place<AveRow> for AvePlace<'_> {
    #[inline]
    fn compare(&self, row: &AveRow) -> Ordering {
        self.0.cmp(&row.a).then_with(|| self.1.cmp(row.v.as_bytes())).then_with(|| self.2.cmp(&row.e))
    }

    #[inline]
    fn head(&self) -> u64 {
        ave_head(self.0, self.1)
    }
}

impl Place<AveRow> for AveRow {
    #[inline]
    fn compare(&self, row: &AveRow) -> Ordering {
        self.place().compare(row)
    }

    #[inline]
    fn head(&self) -> u64 {
        self.place().head()
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

/// Whether facts of an attribute are in AVE, and when they have to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InAve {
    /// It has `:db/noindex`.
    No,
    /// When somebody asks for its values.
    Later,
    /// Its values are unique, so each is asked for before the next.
    AtOnce,
}

impl InAve {
    pub fn of(attribute: &Attribute) -> Self {
        match (attribute.no_index, attribute.is_unique()) {
            (true, _) => Self::No,
            (false, false) => Self::Later,
            (false, true) => Self::AtOnce,
        }
    }
}

/// A giant among the changes.
#[derive(Clone, Debug)]
struct Giant {
    full: Arc<[u8]>,
    /// How many rows of `eav` add it.
    uses: u64,
}

/// A sorted set of changes; cloning it copies a few pointers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    eav: Tree<EavRow>,
    ave: AveRows,
    /// Sorted by attribute.
    deltas: Arc<Vec<(AttrId, Delta)>>,
    /// The full encodings of added giants, by index form.
    giants: Arc<BTreeMap<EncodedValue, Giant>>,
}

impl Overlay {
    pub fn is_empty(&self) -> bool {
        self.eav.is_empty() && self.ave.is_empty()
    }

    /// How many datoms change.
    pub fn len(&self) -> usize {
        self.eav.len()
    }

    /// Says what is known of a datom: added, retracted, or nothing.
    #[inline]
    pub fn state(&self, e: u64, a: AttrId, v: &[u8]) -> Option<bool> {
        self.eav.get(&EavPlace(e, a, v)).map(|row| row.added)
    }

    /// Says what is known of a datom in AVE, where attributes with `:db/noindex` are not.
    #[inline]
    pub fn state_in_ave(&self, a: AttrId, v: &[u8], e: u64) -> Option<bool> {
        self.ave.tree_of(a).get(&AvePlace(a, v, e)).map(|row| row.added)
    }

    /// The full encoding of a giant that is added here.
    #[cold]
    pub fn giant(&self, index: &[u8]) -> Option<&Arc<[u8]>> {
        self.giants.get(index).map(|giant| &giant.full)
    }

    /// Notes a change unless there is one for the datom already; says whether there was none. The caller keeps the
    /// invariants. `giant` is the full encoding where the value is a giant.
    pub fn insert(&mut self, row: EavRow, giant: Option<Arc<[u8]>>, ave: InAve) -> bool {
        let in_ave = (ave != InAve::No).then(|| row.in_ave());
        let (a, added) = (row.a, row.added);
        let giant = giant.filter(|_| added).map(|giant| (row.v.clone(), giant));
        if self.eav.insert_new(row).is_some() {
            return false;
        }
        if let Some(row) = in_ave {
            self.ave.change(row, ave == InAve::AtOnce);
        }
        if let Some((index, full)) = giant {
            Arc::make_mut(&mut self.giants).entry(index).or_insert(Giant { full, uses: 0 }).uses += 1;
        }
        self.note(a, added, 1);
        true
    }

    /// Forgets a change, so that the base shows through.
    pub fn remove(&mut self, row: &EavRow, ave: InAve) {
        let Some(row) = self.eav.remove(row) else { return };
        if ave != InAve::No {
            self.ave.change(AveRow { added: !row.added, ..row.in_ave() }, ave == InAve::AtOnce);
        }
        if row.added && is_giant_index(&row.v) {
            let giants = Arc::make_mut(&mut self.giants);
            if let Some(giant) = giants.get_mut(&row.v) {
                giant.uses -= 1;
                if giant.uses == 0 {
                    giants.remove(&row.v);
                }
            }
        }
        self.note(row.a, row.added, -1);
    }

    /// Puts a datom that EAV has into AVE only: its attribute was not indexed so far. So AVE does not always mirror
    /// EAV: what was put into AVE afterwards is in the base's EAV but not in the base's AVE.
    pub fn index(&mut self, row: &EavRow) {
        self.ave.change(row.in_ave(), false);
    }

    /// Puts changes that wait for it in the order of AVE, before many look at them in turns with further changes.
    pub fn settle(&mut self) {
        self.ave.settle();
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

    /// As [`settle`](Self::settle), for who only borrows, on a thread of its own.
    pub fn order_values(&self) {
        self.ave.tree();
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
    pub fn eav_iter(&self) -> Range<'_, EavRow> {
        self.eav.iter()
    }

    /// All changes of indexed attributes in AVE order.
    pub fn ave_iter(&self) -> Range<'_, AveRow> {
        self.ave.tree().iter()
    }

    pub fn eav_cursor(&self) -> EavChanges<'_> {
        self.eav.cursor()
    }

    pub fn ave_cursor(&self) -> AveChanges<'_> {
        self.ave.tree().cursor()
    }

    /// For the values of one attribute.
    pub fn ave_cursor_of(&self, a: AttrId) -> AveChanges<'_> {
        self.ave.tree_of(a).cursor()
    }

    pub fn ave_range(&self, lo: Bound<AvePlace<'_>>, hi: Bound<AvePlace<'_>>) -> Range<'_, AveRow> {
        self.ave.tree().range(lo, hi)
    }
}

/// A position among the changes in EAV order.
pub(crate) type EavChanges<'o> = Cursor<'o, EavRow>;
/// A position among the changes in AVE order.
pub(crate) type AveChanges<'o> = Cursor<'o, AveRow>;
/// Changes in AVE order.
pub(crate) type AveRange<'o> = Range<'o, AveRow>;
