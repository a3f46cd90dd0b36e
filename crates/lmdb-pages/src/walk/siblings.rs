//! Leaves seen from their parent, for counting between keys that lie near each other.
//!
//! Where the ends of a range are is found out down to the branch page above the leaves. So what must be fetched of the
//! leaves is known before any of it is needed, and is asked for at once: waiting for memory takes most of the time.

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
}

impl<'s> Siblings<'s> {
    /// The leaves that may hold the keys from one to another one, which is not less, of a tree of `depth` levels; nothing
    /// if they do not have one parent.
    pub fn of<O: Order>(
        pages: &'s Pages,
        root: u64,
        depth: u16,
        from: &[u8],
        to: &[u8],
    ) -> Result<Option<Siblings<'s>>> {
        let mut page = root;
        for level in 1..usize::from(depth).min(MAX_DEPTH) {
            let (bytes, count) = branch(pages, page)?;
            let is_before = |key: &[u8], index| {
                Ok::<_, Error>(O::compare(key, Node::at(bytes, page, index)?.key).is_lt())
            };
            let above_leaves = level + 1 == usize::from(depth);
            let (mut low, mut high) = (1, count);
            if above_leaves {
                (low, high) = narrowed(bytes, count, |index| is_before(from, index))?;
            }
            while low < high {
                let middle = (low + high) / 2;
                if is_before(from, middle)? { high = middle } else { low = middle + 1 }
            }
            let first = low - 1;
            if above_leaves {
                let mut last = first;
                while last + 1 < count && !is_before(to, last + 1)? {
                    last += 1;
                }
                return Ok(Some(Siblings { pages, page, bytes, first, last }));
            }
            if low < count && !is_before(to, low)? {
                return Ok(None);
            }
            page = Node::at(bytes, page, first)?.child();
        }
        Err(Error::corrupted(page, "the tree is too deep"))
    }

    /// Asks for the headers of the leaves.
    pub fn ask_for_heads(&self) {
        for index in self.first..=self.last {
            if let Some(bytes) = self.child(index).ok().and_then(|page| self.pages.get(page)) {
                // The ends will be searched, for which the places of their nodes are needed, too.
                let end = index == self.first || index == self.last;
                if end { prefetch_head(bytes) } else { prefetch_head_line(bytes) }
            }
        }
    }

    /// Asks for what the searches in the first and last leaf look at, whose heads have come.
    pub fn ask_for_pivots(&self) -> Result<()> {
        self.leaf(self.first)?.ask_for_pivots();
        if self.last != self.first {
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

/// The part of a branch page's children, of which the first that the key is before is sought. The pages above leaves are
/// too many for the nearer caches: so a few of the nodes are fetched at once, and then all between two of them.
fn narrowed(bytes: &[u8], count: usize, is_before: impl Fn(usize) -> Result<bool>) -> Result<(usize, usize)> {
    const PARTS: usize = 16;
    let fetch = |index: usize| {
        if let Some(node) = u16_at(bytes, PAGE_HEADER + 2 * index) {
            prefetch(bytes, node.into());
        }
    };
    let pivot = |part: usize| 1 + (count - 1) * part / PARTS;
    (1..PARTS).map(pivot).for_each(fetch);
    let (mut left, mut right) = (0, PARTS);
    while right - left > 1 {
        let part = (left + right) / 2;
        if is_before(pivot(part))? { right = part } else { left = part }
    }
    (pivot(left)..pivot(right)).for_each(fetch);
    Ok((pivot(left), pivot(right)))
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
