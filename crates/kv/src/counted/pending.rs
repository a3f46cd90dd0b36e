//! What a transaction has changed in a counted table since its tree of counts was last brought up to date.
//!
//! Most changes are remembered as (key, change) and sorted when they are brought in. Pairs that are appended behind
//! all others need neither: they fill blocks in order, so only where a block begins is remembered.

use lmdb_pages::OrderKind;

use super::node::Child;
use super::{Change, Tally};
use crate::order::prefix;
use crate::read::KeyBytes;

/// So many changes are brought in at once at most, to bound memory.
const CHANGES_MAX: usize = 1 << 16;
/// Where an appended block ends, with room for keys that come between later: with the first leaf after so many keys,
const APPENDED_MIN: u64 = 160;
/// and after so many at the latest.
const APPENDED_MAX: u64 = 224;

#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    changes: Vec<Entry>,
    /// New blocks behind those of the tree.
    appended: Vec<Child>,
    /// The last block, appended or not; unknown until the first append.
    last_block: Option<LastBlock>,
    /// The greatest key was deleted: a block that began behind what is the greatest now could begin before keys
    /// that were counted in an earlier block and then deleted, and would get their deletions.
    greatest_deleted: bool,
    /// What was appended to the last block that the tree has already, under its first new key.
    appended_to_tree: Option<(KeyBytes, Change)>,
}

/// The last block of a table: all keys from its separator on.
#[derive(Debug)]
pub(crate) struct LastBlock {
    pub(crate) separator: KeyBytes,
    pub(crate) keys: u64,
}

/// A change at a key.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The key's first bytes, ordered as the keys are, so that most comparisons need not look at the key.
    prefix: u64,
    start: u32,
    len: u16,
    change: Change,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.appended.is_empty() && self.appended_to_tree.is_none()
    }

    /// Whether it is time to bring the changes in.
    pub(crate) fn is_full(&self) -> bool {
        self.changes.len() >= CHANGES_MAX || self.appended.len() >= CHANGES_MAX / 16
    }

    /// Whether appends need to know how large the last block is.
    pub(crate) fn wants_last_block(&self) -> bool {
        // Below a few changes, looking costs more than it saves.
        self.last_block.is_none() && !self.greatest_deleted && self.changes.len() >= 32
    }

    pub(crate) fn set_last_block(&mut self, last: LastBlock) {
        self.last_block = Some(last);
    }

    /// To be called when the greatest key is deleted.
    pub(crate) fn note_greatest_deleted(&mut self) {
        self.greatest_deleted = true;
    }

    /// Remembers a change at a key.
    #[inline]
    pub(crate) fn change(&mut self, key: &[u8], order: OrderKind, change: Change) {
        if change == Change::default() {
            return;
        }
        // Changes of one key, such as the values of its list, become one.
        if let Some(last) = self.changes.last_mut()
            && &self.bytes[last.start as usize..] == key
        {
            last.change += change;
            return;
        }
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        self.changes.push(Entry { prefix: prefix(key, order), start, len: key.len() as u16, change });
    }

    /// Whether a block may end soon, so that it is worth while to watch where leaves begin.
    #[inline]
    pub(crate) fn wants_leaf_starts(&self) -> bool {
        self.last_block.as_ref().is_some_and(|last| last.keys + 1 >= APPENDED_MIN)
    }

    /// Remembers new pairs of a key behind all others; `before` is the key that was the greatest until now. `keys` is 0 if that is
    /// this one. `starts_leaf` says whether the key is the first of a leaf, as far as it is known.
    #[inline]
    pub(crate) fn append(
        &mut self,
        key: &[u8],
        before: &[u8],
        Tally { keys, pairs }: Tally,
        starts_leaf: bool,
        order: OrderKind,
    ) {
        let change = Change { keys: keys as i64, pairs: pairs as i64 };
        let Some(last) = self.last_block.as_mut() else {
            return self.change(key, order, change);
        };
        if self.greatest_deleted || !last.separator.is_empty() && order.compare(key, &last.separator).is_lt()
        {
            return self.change(key, order, change);
        }
        if keys > 0 && (last.keys >= APPENDED_MIN && starts_leaf || last.keys >= APPENDED_MAX) {
            last.separator = separator(before, key, starts_leaf, order);
            last.keys = 1;
            let tally = Tally { keys: 1, pairs };
            return self.appended.push(Child { separator: last.separator.clone(), node: 0, tally });
        }
        last.keys += keys;
        if let Some(block) = self.appended.last_mut() {
            block.tally = block.tally + Tally { keys, pairs };
            return;
        }
        match &mut self.appended_to_tree {
            Some((_, sum)) => *sum += change,
            None => self.appended_to_tree = Some((KeyBytes::from_slice(key), change)),
        }
    }

    /// The appended blocks.
    pub(super) fn take_appended(&mut self) -> Vec<Child> {
        std::mem::take(&mut self.appended)
    }

    /// Sorts the changes by key.
    pub(super) fn sort(&mut self, order: OrderKind) {
        if let Some((key, change)) = self.appended_to_tree.take() {
            self.change(&key, order, change);
        }
        let bytes = &self.bytes;
        self.changes.sort_unstable_by(|a, b| {
            a.prefix.cmp(&b.prefix).then_with(|| order.compare(key_of(bytes, a), key_of(bytes, b)))
        });
    }

    pub(super) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(super) fn key(&self, index: usize) -> &[u8] {
        key_of(&self.bytes, &self.changes[index])
    }

    pub(super) fn change_at(&self, index: usize) -> Change {
        self.changes[index].change
    }

    /// Forgets everything, after it was brought in or the table was cleared.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.changes.clear();
        self.appended.clear();
        self.last_block = None;
        self.appended_to_tree = None;
        self.greatest_deleted = false;
    }
}

fn key_of<'b>(bytes: &'b [u8], entry: &Entry) -> &'b [u8] {
    &bytes[entry.start as usize..entry.start as usize + usize::from(entry.len)]
}

/// The longest key that is kept whole as a separator.
const WHOLE_MAX: usize = 32;

/// Bytes above `before` and not above `key`, as few as the order allows.
///
/// A key that begins a leaf is kept whole, unless it is long: LMDB has it in the branch page above, too, so that whoever looks
/// for the beginning of the block need not look into the leaf.
pub(super) fn separator(before: &[u8], key: &[u8], starts_leaf: bool, order: OrderKind) -> KeyBytes {
    if order != OrderKind::Lexicographic || starts_leaf && key.len() <= WHOLE_MAX {
        return KeyBytes::from_slice(key);
    }
    let shared = before.iter().zip(key).take_while(|(a, b)| a == b).count();
    KeyBytes::from_slice(&key[..(shared + 1).min(key.len())])
}

/// Notices where a walk over a table's keys comes to another leaf, by where LMDB has them in memory: those of one leaf lie
/// within a page. What it says is good for choosing where blocks begin, and nothing depends on it.
#[derive(Debug)]
pub(crate) struct LeafStarts {
    page_size: usize,
    /// From where to where the keys of the present leaf lie.
    from: usize,
    to: usize,
}

impl LeafStarts {
    pub(crate) fn new(page_size: usize) -> Self {
        Self { page_size, from: usize::MAX, to: 0 }
    }

    /// Whether the next key is the first of its leaf.
    pub(crate) fn is_start(&mut self, key: &[u8]) -> bool {
        let place = key.as_ptr().addr();
        let (from, to) = (self.from.min(place), self.to.max(place + key.len()));
        let starts = to - from > self.page_size;
        (self.from, self.to) = if starts { (place, place + key.len()) } else { (from, to) };
        starts
    }
}
