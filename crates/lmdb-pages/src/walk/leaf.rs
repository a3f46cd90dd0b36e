//! Leaf pages and sub-pages: entries by index, and the search for a key among them.

use std::cmp::Ordering;

use super::prefetch::LINE;
use crate::error::{Error, Result};
use crate::format::{Header, NO_PAGE, Node, P_LEAF2, PAGE_HEADER, u16_at};
use crate::map::prefetch;
use crate::order::Order;

/// Into how many parts pivots divide a page that is searched.
const PARTS: usize = 16;

/// The leaf page (or sub-page) under the path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf<'s> {
    bytes: &'s [u8],
    /// The page in which the bytes lie, for error messages.
    page: u64,
    /// The entry where the walk stands; equal to `count` behind the last one.
    pub index: usize,
    pub count: usize,
    /// Width of the items of a LEAF2 page; 0 on pages of nodes.
    pub(super) width: usize,
}

impl<'s> Leaf<'s> {
    pub(super) const NONE: Leaf<'static> = Leaf { bytes: &[], page: NO_PAGE, index: 0, count: 0, width: 0 };

    /// The leaf in `bytes`; `width` is the item width of LEAF2 pages as the tree's record tells it.
    #[inline]
    pub fn new(bytes: &'s [u8], page: u64, header: Header, width: usize) -> Result<Leaf<'s>> {
        let count = header.count as usize;
        if header.flags & P_LEAF2 == 0 {
            return Ok(Leaf { bytes, page, index: 0, count, width: 0 });
        }
        if width == 0 || PAGE_HEADER + count * width > bytes.len() {
            return Err(Error::corrupted(page, "the packed items do not fit their page"));
        }
        Ok(Leaf { bytes, page, index: 0, count, width })
    }

    #[inline(always)]
    pub fn key(&self, index: usize) -> Result<&'s [u8]> {
        if self.width == 0 {
            return Node::key_at(self.bytes, self.page, index);
        }
        let at = PAGE_HEADER + index * self.width;
        match self.bytes.get(at..at + self.width) {
            Some(key) => Ok(key),
            None => Err(Error::corrupted(self.page, "a packed item reaches beyond its page")),
        }
    }

    #[inline(always)]
    pub fn node(&self, index: usize) -> Result<Node<'s>> {
        Node::at(self.bytes, self.page, index)
    }

    #[inline(always)]
    pub fn page(&self) -> u64 {
        self.page
    }

    /// Whether the items lie packed.
    #[inline(always)]
    pub fn is_packed(&self) -> bool {
        self.width > 0
    }

    /// The items from `from` on, if they lie packed.
    pub fn packed(&self, from: usize) -> Option<&'s [u8]> {
        (self.width > 0)
            .then(|| self.bytes.get(PAGE_HEADER + from * self.width..PAGE_HEADER + self.count * self.width))?
    }

    /// The first index in `low..high` whose key is not below `key`, and whether that key is equal; all keys
    /// before `low` are below and those from `high` on above.
    #[inline(always)]
    pub fn search<O: Order>(&self, mut low: usize, mut high: usize, key: &[u8]) -> Result<(usize, bool)> {
        while low < high {
            let middle = (low + high) / 2;
            match O::compare(key, self.key(middle)?) {
                Ordering::Greater => low = middle + 1,
                Ordering::Less => high = middle,
                Ordering::Equal => return Ok((middle, true)),
            }
        }
        Ok((low, false))
    }

    /// Asks for the nodes that `search_by_pivots` looks at in its first four steps.
    pub fn ask_for_pivots(&self) {
        for part in 1..PARTS {
            if let Some(node) = u16_at(self.bytes, PAGE_HEADER + 2 * self.pivot(part)) {
                prefetch(self.bytes, node.into());
            }
        }
    }

    #[inline(always)]
    fn pivot(&self, part: usize) -> usize {
        self.count * part / PARTS
    }

    /// Like `search` in a whole page of nodes whose pivots were [asked for](Self::ask_for_pivots).
    pub fn search_by_pivots<O: Order>(&self, key: &[u8]) -> Result<(usize, bool)> {
        let (low, high) = self.between_pivots::<O>(key)?;
        self.search::<O>(low, high, key)
    }

    /// Between which pivots `key` lies.
    #[inline(always)]
    fn between_pivots<O: Order>(&self, key: &[u8]) -> Result<(usize, usize)> {
        let (mut left, mut right) = (0, PARTS);
        while right - left > 1 {
            let part = (left + right) / 2;
            if O::compare(key, self.key(self.pivot(part))?).is_lt() {
                right = part;
            } else {
                left = part;
            }
        }
        Ok((self.pivot(left), self.pivot(right)))
    }

    /// Like `search` in the whole of a packed page that is probably not in the cache: the pivots of the first four
    /// steps are fetched at once, and then all that is left between two of them.
    pub(super) fn search_packed<O: Order>(&self, key: &[u8]) -> Result<(usize, bool)> {
        for part in 1..PARTS {
            prefetch(self.bytes, PAGE_HEADER + self.pivot(part) * self.width);
        }
        let (low, high) = self.between_pivots::<O>(key)?;
        for item in (PAGE_HEADER + low * self.width..PAGE_HEADER + high * self.width).step_by(LINE) {
            prefetch(self.bytes, item);
        }
        self.search::<O>(low, high, key)
    }

    /// Like `search` in `low..count`, expecting the place near `low`.
    #[inline(always)]
    pub(super) fn gallop<O: Order>(&self, mut low: usize, key: &[u8]) -> Result<(usize, bool)> {
        let mut stride = 1;
        let mut probe = low;
        while probe < self.count {
            match O::compare(key, self.key(probe)?) {
                Ordering::Greater => low = probe + 1,
                Ordering::Less => return self.search::<O>(low, probe, key),
                Ordering::Equal => return Ok((probe, true)),
            }
            probe = low + stride - 1;
            stride *= 2;
        }
        self.search::<O>(low, self.count, key)
    }
}
