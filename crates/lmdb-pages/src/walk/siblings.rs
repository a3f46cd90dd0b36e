//! Leaves seen from their parent, for counting between keys that lie near each other.
//!
//! Where the ends of a range are is found out down to the branch page above the leaves. So what must be fetched of the
//! leaves is known before any of it is needed, and is asked for at once: waiting for memory takes most of the time.

use std::cmp::Ordering;

use super::Leaf;
use super::prefetch::{prefetch_head, prefetch_head_line};
use crate::error::{Error, Result};
use crate::format::{Header, MAX_DEPTH, Node, P_BRANCH, P_LEAF, PAGE_HEADER, number_of, u16_at};
use crate::map::{Pages, prefetch};
use crate::order::Order;

/// The leaves from one to another one under the same branch page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Siblings<'s> {
    pages: &'s Pages,
    /// The branch page.
    page: u64,
    bytes: &'s [u8],
    first: usize,
    last: usize,
    /// Whether something will be looked for in the first one, and in the last.
    searched: [bool; 2],
}

/// Where a run of neighbouring keys ends, among the leaves under a branch page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunEnd {
    /// The outermost leaf that has keys of the run.
    leaf: usize,
    /// Whether the run ends with this leaf, not inside it.
    pub whole: bool,
}

/// The branch page above the leaves that keys between two of them may be in, and how far it was searched.
///
/// Pages above leaves are too many for the nearer caches, so its search has steps that each ask for what the next one
/// reads: whoever has several to search lets them take turns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'s> {
    pages: &'s Pages,
    page: u64,
    bytes: &'s [u8],
    count: usize,
    /// The separators on either side of the page, as pages above have them: all its keys are not less than the first, and
    /// less than the second. Nothing at the ends of the table.
    bounds: [Option<&'s [u8]>; 2],
    /// The first child that the lower key is before lies from here on,
    low: usize,
    /// and is at most this one.
    high: usize,
}

impl<'s> Parent<'s> {
    /// Children are first compared at the ends of so many parts.
    const PARTS: usize = 16;
    /// So many leaves beside a part may be looked at.
    const BEYOND: usize = 3;

    /// The branch page above the leaf of a key, in a tree of `depth` levels, two at least.
    pub fn of<O: Order>(pages: &'s Pages, root: u64, depth: u16, key: &[u8]) -> Result<Parent<'s>> {
        if usize::from(depth) > MAX_DEPTH {
            return Err(Error::corrupted(root, "the tree is too deep"));
        }
        let mut page = root;
        let mut bounds = [None; 2];
        for _ in 2..depth {
            let (bytes, count) = branch(pages, page)?;
            let above = Parent { pages, page, bytes, count, bounds, low: 1, high: count };
            let next = above.search::<O>(key)?;
            bounds = [above.separator(next - 1)?, above.separator(next)?];
            page = Node::at(bytes, page, next - 1)?.child();
        }
        let bytes = pages.get(page).unwrap_or_default();
        prefetch_head(bytes);
        Ok(Parent { pages, page, bytes, count: 0, bounds, low: 0, high: 0 })
    }

    /// Whether a key, not less than the one that the page was found by, is under it, too.
    pub fn reaches<O: Order>(&self, key: &[u8]) -> bool {
        self.bounds[1].is_none_or(|end| O::compare(key, end).is_lt())
    }

    /// Asks for a few nodes, after the page's head has come.
    pub fn ask_for_parts(&mut self) -> Result<()> {
        (self.bytes, self.count) = branch(self.pages, self.page)?;
        (1..Self::PARTS).for_each(|part| self.fetch(self.part(part)));
        Ok(())
    }

    /// Finds the part that the lower key is in, and asks for its nodes.
    pub fn narrow<O: Order>(&mut self, from: &[u8]) -> Result<()> {
        let (mut left, mut right) = (0, Self::PARTS);
        while right - left > 1 {
            let part = (left + right) / 2;
            if self.is_before::<O>(from, self.part(part))? { right = part } else { left = part }
        }
        (self.low, self.high) = (self.part(left), self.part(right));
        // Some more on either side, where a run that goes on there ends.
        let beyond = self.high.saturating_add(Self::BEYOND).min(self.count);
        (self.low.saturating_sub(Self::BEYOND)..beyond).for_each(|index| self.fetch(index));
        Ok(())
    }

    /// The leaves.
    pub fn children<O: Order>(&self, from: &[u8], to: &[u8]) -> Result<Siblings<'s>> {
        let &Parent { pages, page, bytes, count, .. } = self;
        let first = self.search::<O>(from)? - 1;
        let mut last = first;
        while last + 1 < count && !self.is_before::<O>(to, last + 1)? {
            last += 1;
        }
        Ok(Siblings { pages, page, bytes, first, last, searched: [true; 2] })
    }

    /// The leaf of the key that the page was found by.
    pub fn leaf_of<O: Order>(&self, key: &[u8]) -> Result<usize> {
        Ok(self.search::<O>(key)? - 1)
    }

    /// Where a run begins that has the key of a leaf: at `low`, or with the table. Nothing, if that is not under the page.
    pub fn start_of<O: Order>(&self, mut leaf: usize, low: Option<&[u8]>) -> Result<Option<RunEnd>> {
        loop {
            let whole = match (low, self.separator(leaf)?) {
                (Some(low), Some(first)) => match O::compare(low, first) {
                    Ordering::Less => None,
                    order => Some(order.is_eq()),
                },
                (low, None) => Some(low.is_none()),
                (None, Some(_)) => None,
            };
            match whole {
                Some(whole) => return Ok(Some(RunEnd { leaf, whole })),
                None if leaf == 0 => return Ok(None),
                None => leaf -= 1,
            }
        }
    }

    /// Where it ends: before `high`, or with the table.
    pub fn end_of<O: Order>(&self, mut leaf: usize, high: Option<&[u8]>) -> Result<Option<RunEnd>> {
        loop {
            let whole = match (high, self.separator(leaf + 1)?) {
                (Some(high), Some(next)) => match O::compare(high, next) {
                    Ordering::Greater => None,
                    order => Some(order.is_eq()),
                },
                (high, None) => Some(high.is_none()),
                (None, Some(_)) => None,
            };
            match whole {
                Some(whole) => return Ok(Some(RunEnd { leaf, whole })),
                None if leaf + 1 >= self.count => return Ok(None),
                None => leaf += 1,
            }
        }
    }

    /// The leaves from one, of whose entries one is looked for, to the end of a run on either side of it.
    pub fn leaves_to(&self, leaf: usize, end: RunEnd) -> Siblings<'s> {
        let &Parent { pages, page, bytes, .. } = self;
        let searched = if end.leaf < leaf { [!end.whole, true] } else { [true, !end.whole] };
        let (first, last) = (leaf.min(end.leaf), leaf.max(end.leaf));
        Siblings { pages, page, bytes, first, last, searched }
    }

    /// The key that all keys of a child are not less than, and those of the one before are less than: nothing at the ends of the
    /// table. The first child has no key of its own.
    #[inline]
    fn separator(&self, index: usize) -> Result<Option<&'s [u8]>> {
        if index == 0 || index >= self.count {
            return Ok(self.bounds[usize::from(index > 0)]);
        }
        Ok(Some(Node::key_at(self.bytes, self.page, index)?))
    }

    /// Where a part begins.
    fn part(&self, part: usize) -> usize {
        1 + (self.count - 1) * part / Self::PARTS
    }

    fn fetch(&self, index: usize) {
        if let Some(node) = u16_at(self.bytes, PAGE_HEADER + 2 * index) {
            prefetch(self.bytes, node.into());
        }
    }

    /// The first child but the very first that a key is before.
    fn search<O: Order>(&self, key: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (self.low, self.high);
        while low < high {
            let middle = (low + high) / 2;
            if self.is_before::<O>(key, middle)? { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }

    #[inline(always)]
    fn is_before<O: Order>(&self, key: &[u8], index: usize) -> Result<bool> {
        Ok(O::compare(key, Node::key_at(self.bytes, self.page, index)?).is_lt())
    }
}

impl RunEnd {
    /// How many leaves must be read to get there from a leaf that is read anyway. One that is searched costs more.
    pub fn cost(self, leaf: usize) -> usize {
        let others = self.leaf.abs_diff(leaf);
        others + if others > 0 && !self.whole { 2 } else { 0 }
    }
}

impl<'s> Siblings<'s> {
    /// Whether something will be looked for in a leaf.
    fn is_searched(&self, index: usize) -> bool {
        let [first, last] = self.searched;
        index == self.first && first || index == self.last && last
    }

    /// Asks for the headers of the leaves.
    pub fn ask_for_heads(&self) {
        for index in self.first..=self.last {
            if let Some(bytes) = self.child(index).ok().and_then(|page| self.pages.get(page)) {
                // To search a leaf, the places of its nodes are needed, too.
                if self.is_searched(index) { prefetch_head(bytes) } else { prefetch_head_line(bytes) }
            }
        }
    }

    /// Asks for what the searches in the first and last leaf look at, whose heads have come.
    pub fn ask_for_pivots(&self) -> Result<()> {
        if self.is_searched(self.first) {
            self.leaf(self.first)?.ask_for_pivots();
        }
        if self.last != self.first && self.is_searched(self.last) {
            self.leaf(self.last)?.ask_for_pivots();
        }
        Ok(())
    }

    /// How many entries lie between one of the first leaf and one of the last. The functions find them there.
    pub fn entries(
        &self,
        from: impl FnOnce(&Leaf<'s>) -> Result<usize>,
        to: impl FnOnce(&Leaf<'s>) -> Result<usize>,
    ) -> Result<u64> {
        let first = self.leaf(self.first)?;
        let from = from(&first)?;
        if self.first == self.last {
            return Ok(to(&first)?.saturating_sub(from) as u64);
        }
        let mut entries = first.count - from;
        for index in self.first + 1..self.last {
            entries += self.leaf(index)?.count;
        }
        Ok((entries + to(&self.leaf(self.last)?)?) as u64)
    }

    fn child(&self, index: usize) -> Result<u64> {
        Ok(Node::at(self.bytes, self.page, index)?.child())
    }

    fn leaf(&self, index: usize) -> Result<Leaf<'s>> {
        let page = self.child(index)?;
        let (bytes, header) = load(self.pages, page)?;
        if header.flags & (P_BRANCH | P_LEAF) != P_LEAF {
            return Err(Error::corrupted(page, "the leaves of a tree are not all equally deep"));
        }
        if header.count == 0 {
            return Err(Error::corrupted(page, "a leaf page below a branch page is empty"));
        }
        Leaf::new(bytes, page, header, 0)
    }
}

fn load(pages: &Pages, page: u64) -> Result<(&[u8], Header)> {
    let Some(bytes) = pages.get(page) else {
        return Err(Error::corrupted(page, "a page number lies outside the snapshot"));
    };
    let header = Header::of(bytes, page)?;
    if number_of(bytes) != Some(page) {
        return Err(Error::corrupted(page, "a page bears another page's number"));
    }
    Ok((bytes, header))
}

/// A branch page and the number of its children.
fn branch(pages: &Pages, page: u64) -> Result<(&[u8], usize)> {
    let (bytes, header) = load(pages, page)?;
    match header.flags & (P_BRANCH | P_LEAF) {
        P_BRANCH if header.count == 0 => Err(Error::corrupted(page, "a branch page is empty")),
        P_BRANCH => Ok((bytes, header.count.into())),
        _ => Err(Error::corrupted(page, "the leaves of a tree are not all equally deep")),
    }
}
