//! Cursors: positions on the pairs of a table.

mod duplicates;
mod skip;
mod visit;

use std::marker::PhantomData;

pub use duplicates::DupChunks;
pub(crate) use duplicates::{Duplicates, duplicates_of};

use crate::error::{Error, Result};
use crate::format::{
    F_BIGDATA, F_DUPDATA, F_SUBDATA, Node, P_OVERFLOW, PAGE_HEADER, number_of, u16_at, u32_at,
};
use crate::map::Pages;
use crate::order::{Lexicographic, Order};
use crate::snapshot::Snapshot;
use crate::table::Table;
use crate::walk::Walk;

/// A key and one of its values, both lying in the file's mapping.
pub type Pair<'s> = (&'s [u8], &'s [u8]);

/// A position in a table, and ways to move it.
///
/// `K` is the order of the keys and `D` that of the duplicates; both must be the table's own. The slices that the
/// cursor yields live as long as the borrow of the snapshot, not of the cursor.
///
/// A cursor is always in one of three places:
///
/// - *nowhere*, when it is new or its table is empty: [`next`](Self::next) goes to the first pair,
///   [`prev`](Self::prev) to the last;
/// - *on a pair*, after an operation that returned one;
/// - *in a gap* between two neighbouring pairs (or before the first, behind the last), after an operation that found
///   nothing: `next` goes to the pair behind the gap, `prev` to the one before it.
///
/// Seeks in sorted order (rising or falling) are much cheaper than random ones, as each begins where the last ended.
#[derive(Clone, Debug)]
pub struct Cursor<'s, K: Order = Lexicographic, D: Order = Lexicographic> {
    pages: &'s Pages,
    keys: Walk<'s>,
    place: Place,
    /// The key on which the cursor stands, kept while it has duplicates.
    key: &'s [u8],
    /// Where the cursor stands among the duplicates of the key on which `keys` stands.
    dups: Walk<'s>,
    dup_place: DupPlace,
    /// Whether the table is one of duplicates.
    sorted_dups: bool,
    orders: PhantomData<(K, D)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    /// On the entry at the leaf's index.
    On,
    /// Before the entry at the leaf's index, or behind the leaf's last entry.
    Gap,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DupPlace {
    /// The key has a single value, in its node.
    Single,
    /// The key has duplicates, of which the first is meant, but `dups` is not on it yet.
    Unopened,
    /// `dups` is on the duplicate.
    Open,
}

impl<'s, K: Order, D: Order> Cursor<'s, K, D> {
    /// A cursor over `table`, standing nowhere.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignTable`] if the table comes from another snapshot; [`Error::WrongOrder`] if the table's flags
    /// contradict `K` or `D`.
    pub fn new(snapshot: &'s Snapshot, table: &Table) -> Result<Self> {
        snapshot.check_table(table)?;
        let flags = table.flags();
        if !K::suits_keys(flags) {
            return Err(Error::WrongOrder { order: K::NAME, part: "keys", flags });
        }
        if !D::suits_duplicates(flags) {
            return Err(Error::WrongOrder { order: D::NAME, part: "duplicates", flags });
        }
        Ok(Self::new_unchecked(snapshot, table))
    }

    #[inline]
    pub(crate) fn new_unchecked(snapshot: &'s Snapshot, table: &Table) -> Self {
        let pages = &snapshot.inner.pages;
        Cursor {
            pages,
            keys: Walk::new(pages, table.record.root, 0),
            place: Place::Nowhere,
            key: &[],
            dups: Walk::new(pages, crate::format::NO_PAGE, 0),
            dup_place: DupPlace::Single,
            sorted_dups: table.has_duplicates(),
            orders: PhantomData,
        }
    }

    /// The (first) value of `key`. Moves like [`seek_exact`](Self::seek_exact).
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`], as for every operation of a cursor, if it meets a damaged page.
    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Result<Option<&'s [u8]>> {
        Ok(self.seek_exact(key)?.map(|(_, value)| value))
    }

    /// Moves to `key` without looking at its values: whether it exists. The cursor then stands on its first value.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Result<bool> {
        self.dup_place = DupPlace::Single;
        let exact = self.seek_place(key)?;
        if exact && self.sorted_dups {
            let node = self.node()?;
            if node.flags & F_DUPDATA != 0 {
                self.dup_place = DupPlace::Unopened;
                self.key = node.key;
            }
        }
        Ok(exact)
    }

    /// Moves to the first pair of the table.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn first(&mut self) -> Result<Option<Pair<'s>>> {
        self.place = Place::Nowhere;
        if self.keys.first()? { self.arrive_first() } else { Ok(None) }
    }

    /// Moves to the last pair of the table.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn last(&mut self) -> Result<Option<Pair<'s>>> {
        self.place = Place::Nowhere;
        if self.keys.last()? { self.arrive_last() } else { Ok(None) }
    }

    /// Moves to the first pair whose key is `key` or greater.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_SET_RANGE")]
    #[inline]
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Pair<'s>>> {
        if self.seek_place(key)? {
            return self.arrive_first();
        }
        self.leave_gap_forward()
    }

    /// Moves to the first pair of `key`, or into the gap where it would be.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_SET_KEY")]
    #[inline]
    pub fn seek_exact(&mut self, key: &[u8]) -> Result<Option<Pair<'s>>> {
        if self.seek_place(key)? { self.arrive_first() } else { Ok(None) }
    }

    /// Moves to the last pair whose key is `key` or less: the last duplicate of the greatest such key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn seek_le(&mut self, key: &[u8]) -> Result<Option<Pair<'s>>> {
        if self.seek_place(key)? {
            return self.arrive_last();
        }
        self.leave_gap_backward()
    }

    /// Moves to the next pair: the next duplicate, or else the first pair of the next key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[expect(clippy::should_implement_trait, reason = "a cursor moves both ways and can fail")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<Pair<'s>>> {
        if self.place == Place::On
            && self.dup_place != DupPlace::Single
            && let Some(value) = self.next_dup()?
        {
            return Ok(Some((self.key, value)));
        }
        self.next_key()
    }

    /// Moves to the previous pair: the previous duplicate, or else the last pair of the previous key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[inline]
    pub fn prev(&mut self) -> Result<Option<Pair<'s>>> {
        if self.place == Place::On
            && self.dup_place != DupPlace::Single
            && let Some(value) = self.prev_dup()?
        {
            return Ok(Some((self.key, value)));
        }
        self.prev_key()
    }

    /// Moves to the first pair of the next key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_NEXT_NODUP")]
    #[inline]
    pub fn next_key(&mut self) -> Result<Option<Pair<'s>>> {
        match self.place {
            Place::On => self.keys.leaf.index += 1,
            Place::Gap => {}
            Place::Nowhere => return self.first(),
        }
        self.leave_gap_forward()
    }

    /// Moves to the last pair of the previous key.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_PREV_NODUP")]
    #[inline]
    pub fn prev_key(&mut self) -> Result<Option<Pair<'s>>> {
        if self.place == Place::Nowhere {
            return self.last();
        }
        self.leave_gap_backward()
    }

    /// The pair on which the cursor stands.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    #[doc(alias = "MDB_GET_CURRENT")]
    pub fn current(&mut self) -> Result<Option<Pair<'s>>> {
        let Some(value) = self.current_value()? else { return Ok(None) };
        Ok(Some((self.node()?.key, value)))
    }

    /// The key on which the cursor stands, without a look at its values.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupted`] on a damaged page.
    pub fn current_key(&self) -> Result<Option<&'s [u8]>> {
        if self.place == Place::On { Ok(Some(self.node()?.key)) } else { Ok(None) }
    }

    /// Goes to where `key` is (true) or would be.
    #[inline(always)]
    fn seek_place(&mut self, key: &[u8]) -> Result<bool> {
        self.place = Place::Nowhere;
        let exact = self.keys.seek::<K>(key)?;
        if self.keys.is_loaded() {
            self.place = if exact { Place::On } else { Place::Gap };
        }
        Ok(exact)
    }

    /// Moves to the first pair at or behind the leaf's index.
    #[inline(always)]
    fn leave_gap_forward(&mut self) -> Result<Option<Pair<'s>>> {
        if self.keys.leaf.index < self.keys.leaf.count {
            return self.arrive_first();
        }
        self.leave_leaf_forward()
    }

    #[cold]
    fn leave_leaf_forward(&mut self) -> Result<Option<Pair<'s>>> {
        self.place = Place::Nowhere;
        if !self.keys.is_loaded() {
            return Ok(None);
        }
        if self.keys.next_leaf::<K>()? {
            return self.arrive_first();
        }
        self.place = Place::Gap;
        Ok(None)
    }

    /// Moves to the last pair before the leaf's index.
    #[inline(always)]
    fn leave_gap_backward(&mut self) -> Result<Option<Pair<'s>>> {
        if self.keys.leaf.index > 0 {
            self.keys.leaf.index -= 1;
            return self.arrive_last();
        }
        self.leave_leaf_backward()
    }

    #[cold]
    fn leave_leaf_backward(&mut self) -> Result<Option<Pair<'s>>> {
        self.place = Place::Nowhere;
        if !self.keys.is_loaded() {
            return Ok(None);
        }
        if self.keys.previous_leaf::<K>()? {
            return self.arrive_last();
        }
        self.place = Place::Gap;
        Ok(None)
    }

    /// Takes the entry at the leaf's index, and its first value.
    #[inline(always)]
    fn arrive_first(&mut self) -> Result<Option<Pair<'s>>> {
        self.place = Place::Nowhere;
        let node = self.node()?;
        let value = if node.flags == 0 {
            self.dup_place = DupPlace::Single;
            node.data(self.keys.leaf.page())?
        } else {
            self.arrive_at_flagged(node, false)?
        };
        self.place = Place::On;
        Ok(Some((node.key, value)))
    }

    /// Takes the entry at the leaf's index, and its last value.
    #[inline(always)]
    fn arrive_last(&mut self) -> Result<Option<Pair<'s>>> {
        self.place = Place::Nowhere;
        let node = self.node()?;
        let value = if node.flags == 0 {
            self.dup_place = DupPlace::Single;
            node.data(self.keys.leaf.page())?
        } else {
            self.arrive_at_flagged(node, true)?
        };
        self.place = Place::On;
        Ok(Some((node.key, value)))
    }

    fn arrive_at_flagged(&mut self, node: Node<'s>, at_end: bool) -> Result<&'s [u8]> {
        if node.flags & F_DUPDATA == 0 {
            self.dup_place = DupPlace::Single;
            return self.single_value(node);
        }
        self.open_dups(node)?;
        self.key = node.key;
        if at_end { self.enter_last_dup() } else { self.enter_first_dup() }
    }

    /// The node on which the cursor stands.
    #[inline(always)]
    fn node(&self) -> Result<Node<'s>> {
        self.keys.leaf.node(self.keys.leaf.index)
    }

    /// The flags of the node on which the cursor stands.
    pub(crate) fn node_flags(&self) -> Result<u16> {
        Ok(self.node()?.flags)
    }

    /// The leaf page on which the cursor stands.
    pub(crate) fn leaf_page(&self) -> u64 {
        self.keys.leaf.page()
    }

    /// The value of a node without duplicates.
    fn single_value(&self, node: Node<'s>) -> Result<&'s [u8]> {
        let page = self.keys.leaf.page();
        match node.flags {
            F_BIGDATA => Ok(overflow_pages_of(self.pages, node.overflow_page(page)?, node.size as usize)?.1),
            0 | F_SUBDATA => node.data(page),
            _ => Err(Error::corrupted(page, "a node has flags that exclude each other")),
        }
    }
}

/// The overflow value of `size` bytes that begins in page `first`, and how many pages it occupies.
pub(crate) fn overflow_pages_of(pages: &Pages, first: u64, size: usize) -> Result<(u64, &[u8])> {
    let wrong = |reason| Error::corrupted(first, reason);
    let outside = || wrong("an overflow page lies outside the snapshot");
    let bytes = pages.get(first).ok_or_else(outside)?;
    let is_overflow = u16_at(bytes, 10).is_some_and(|flags| flags & P_OVERFLOW != 0);
    if !is_overflow || number_of(bytes) != Some(first) {
        return Err(wrong("an overflow page is not marked as one"));
    }
    // A value that was overwritten by a shorter one may have pages to spare.
    let count = u64::from(u32_at(bytes, 12).unwrap_or(0));
    if (PAGE_HEADER + size).div_ceil(pages.page_size()) as u64 > count {
        return Err(wrong("an overflow value is longer than its pages"));
    }
    let run = pages.get_run(first, count).ok_or_else(outside)?;
    Ok((count, run.get(PAGE_HEADER..PAGE_HEADER + size).ok_or_else(outside)?))
}
