//! A position in one B+tree of the file, and how it moves.
//!
//! The path from the root is kept: branch pages as `(page number, child index)` in a fixed array, the leaf as a
//! slice. A seek first asks whether the sought key lies near: it climbs from the leaf only as far as the
//! separators demand, gallops there, and descends again. Sorted seeks therefore cost a few comparisons each.
//!
//! ```text
//! branches[0]   root    [ . | k1 | k2* | k3 ]          seek(k) with k beyond the leaf:
//! branches[1]           [ . | k21* | k22 | k23 ]         k < k22 ?  no  -> k < k3 ?  yes
//! leaf                  [ a  b  c*  d ]                  gallop right of k21, descend from there
//! ```
//!
//! A damaged tree cannot trap the walk: a path has at most [`MAX_DEPTH`] levels, and a step to a neighbouring leaf
//! must find greater (going back: smaller) keys there.

mod find;
mod heads;
mod leaf;
mod prefetch;
mod siblings;

use std::cmp::Ordering;

use crate::error::{Error, Result};
use crate::format::{Header, MAX_DEPTH, NO_PAGE, Node, P_BRANCH, P_LEAF, number_of};
use crate::map::Pages;
use crate::order::Order;
pub(crate) use find::find;
pub(crate) use leaf::Leaf;
use prefetch::{prefetch_contents, prefetch_for_search, prefetch_head};
pub(crate) use siblings::{Parent, Siblings};

/// From how many branch levels on a leaf is presumed not to lie in the processor's caches.
const COLD_HEIGHT: usize = 2;

/// A branch page on the path.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    page: u64,
    index: u16,
    count: u16,
}

/// A position in one tree.
#[derive(Clone, Debug)]
pub(crate) struct Walk<'s> {
    pages: &'s Pages,
    root: u64,
    width: usize,
    /// Whether the path below is whole.
    loaded: bool,
    /// How many branch pages lie above the leaf.
    height: usize,
    branches: [Step; MAX_DEPTH],
    pub leaf: Leaf<'s>,
}

impl<'s> Walk<'s> {
    /// A walk over the tree at page `root` ([`NO_PAGE`]: empty), whose LEAF2 items are `width` bytes wide.
    #[inline]
    pub fn new(pages: &'s Pages, root: u64, width: usize) -> Walk<'s> {
        let branches = [Step::default(); MAX_DEPTH];
        Walk { pages, root, width, loaded: false, height: 0, branches, leaf: Leaf::NONE }
    }

    /// Turns to another tree.
    #[inline]
    pub fn reset(&mut self, root: u64, width: usize) {
        (self.root, self.width, self.loaded) = (root, width, false);
    }

    /// Turns to a tree that is a single leaf outside the page structure: a sub-page.
    #[inline]
    pub fn reset_to_leaf(&mut self, leaf: Leaf<'s>) {
        (self.root, self.height, self.leaf) = (NO_PAGE, 0, leaf);
        self.loaded = leaf.count > 0;
    }

    /// Moves to the first entry; false in an empty tree.
    pub fn first(&mut self) -> Result<bool> {
        if self.enter()? && self.height > 0 {
            self.branches[0].index = 0;
            self.descend_first(1)?;
        }
        self.leaf.index = 0;
        Ok(self.loaded)
    }

    /// Moves to the last entry; false in an empty tree.
    pub fn last(&mut self) -> Result<bool> {
        if self.enter()? && self.height > 0 {
            self.branches[0].index = self.branches[0].count - 1;
            self.descend_last(1)?;
        }
        self.leaf.index = self.leaf.count.saturating_sub(1);
        Ok(self.loaded)
    }

    /// Moves to where `key` is (true) or would be inserted (false); in the latter case the leaf's index may be its
    /// count. An empty tree leaves the walk unloaded.
    #[inline]
    pub fn seek<O: Order>(&mut self, key: &[u8]) -> Result<bool> {
        if self.loaded { self.seek_near::<O>(key) } else { self.seek_from_root::<O>(key) }
    }

    /// Whether the walk stands in a leaf.
    #[inline(always)]
    pub fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Moves to the first entry of the next leaf; false (and unmoved) in the last leaf.
    pub fn next_leaf<O: Order>(&mut self) -> Result<bool> {
        for level in (0..self.height).rev() {
            let step = &mut self.branches[level];
            if step.index + 1 < step.count {
                step.index += 1;
                let before = self.leaf;
                self.descend_first(level + 1)?;
                self.prefetch_neighbours(true);
                return self.check_order::<O>(before, self.leaf, true);
            }
        }
        Ok(false)
    }

    /// Moves to the last entry of the previous leaf; false (and unmoved) in the first leaf.
    pub fn previous_leaf<O: Order>(&mut self) -> Result<bool> {
        for level in (0..self.height).rev() {
            let step = &mut self.branches[level];
            if step.index > 0 {
                step.index -= 1;
                let after = self.leaf;
                self.descend_last(level + 1)?;
                self.prefetch_neighbours(false);
                return self.check_order::<O>(self.leaf, after, false);
            }
        }
        Ok(false)
    }

    /// Moves to the first entry of the next leaf without looking at its keys; false (and unmoved) in the last leaf.
    /// The caller must bound the number of steps.
    pub fn next_leaf_unchecked(&mut self) -> Result<bool> {
        if let Some(bytes) = self.sibling(8) {
            prefetch_head(bytes);
        }
        for level in (0..self.height).rev() {
            let step = &mut self.branches[level];
            if step.index + 1 < step.count {
                step.index += 1;
                self.descend_first(level + 1)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The share of the tree that lies before the walk, from 0 to 1, as if all children of a page were equally large.
    pub fn rank(&self) -> f64 {
        let (mut rank, mut size) = (0.0, 1.0);
        for step in &self.branches[..self.height] {
            size /= f64::from(step.count);
            rank += size * f64::from(step.index);
        }
        rank + size * self.leaf.index as f64 / self.leaf.count.max(1) as f64
    }

    /// Fetches the leaf beside the present one into the cache, and the header of the one behind that, as far as they
    /// have the same parent.
    #[inline]
    fn prefetch_neighbours(&self, forward: bool) {
        let signed = |distance: i32| if forward { distance } else { -distance };
        if let Some(bytes) = self.sibling(signed(2)) {
            prefetch_head(bytes);
        }
        if let Some(bytes) = self.sibling(signed(1)) {
            prefetch_contents(bytes);
        }
    }

    /// The page so many places beside the present leaf, under the same parent.
    #[inline]
    fn sibling(&self, distance: i32) -> Option<&'s [u8]> {
        let step = self.branches[..self.height].last()?;
        let index = i32::from(step.index) + distance;
        let inside = (0..i32::from(step.count)).contains(&index);
        self.pages.get(inside.then(|| self.branch_node(step.page, index as usize))?.ok()?.child())
    }

    /// Demands that the keys of the leaf on the left lie before those of the leaf on the right, of which one is the
    /// present leaf. Comparing like ends of the leaves with each other, too, makes sure that no leaf is ever visited
    /// twice in a row of steps, so that scans end.
    #[inline]
    fn check_order<O: Order>(&mut self, left: Leaf<'s>, right: Leaf<'s>, forward: bool) -> Result<bool> {
        let (left_last, right_first) = (left.key(left.count - 1)?, right.key(0)?);
        let progress = if forward {
            O::compare(left.key(0)?, right_first)
        } else {
            O::compare(left_last, right.key(right.count - 1)?)
        };
        if O::compare(left_last, right_first).is_lt() && progress.is_lt() {
            return Ok(true);
        }
        self.loaded = false;
        Err(Error::corrupted(self.leaf.page(), "the keys of neighbouring leaves are out of order"))
    }

    /// Goes to the root; afterwards either the root is the leaf, or it is `branches[0]` and the path must be
    /// completed from there. False in an empty tree.
    fn enter(&mut self) -> Result<bool> {
        if self.root == NO_PAGE {
            // Either the tree is empty, or it is a sub-page, whose leaf stays where it is.
            return Ok(self.loaded);
        }
        self.loaded = false;
        self.height = 0;
        let is_leaf = self.load(self.root)?;
        // Only an empty tree may have an empty leaf, as its root.
        self.loaded = is_leaf && self.leaf.count > 0;
        Ok(!is_leaf || self.loaded)
    }

    /// Takes page `page` as the path's next level: a leaf (true), or a branch page (false).
    #[inline]
    fn load(&mut self, page: u64) -> Result<bool> {
        let Some(bytes) = self.pages.get(page) else {
            return Err(Error::corrupted(page, "a page number lies outside the snapshot"));
        };
        let header = Header::of(bytes, page)?;
        if number_of(bytes) != Some(page) {
            return Err(Error::corrupted(page, "a page bears another page's number"));
        }
        match header.flags & (P_BRANCH | P_LEAF) {
            P_LEAF => {
                self.leaf = Leaf::new(bytes, page, header, self.width)?;
                Ok(true)
            }
            P_BRANCH if self.height == MAX_DEPTH => Err(Error::corrupted(page, "the tree is too deep")),
            P_BRANCH if header.count == 0 => Err(Error::corrupted(page, "a branch page is empty")),
            P_BRANCH => {
                self.branches[self.height] = Step { page, index: 0, count: header.count };
                self.height += 1;
                Ok(false)
            }
            _ => Err(Error::corrupted(page, "a page of a tree is neither a branch nor a leaf page")),
        }
    }

    /// The child of the path's lowest branch page at the step's index.
    #[inline]
    fn child(&self) -> Result<u64> {
        let step = &self.branches[self.height - 1];
        Ok(self.branch_node(step.page, step.index as usize)?.child())
    }

    /// Loads the child of the path's lowest branch page at the step's index.
    #[inline]
    fn load_child(&mut self) -> Result<bool> {
        self.load_page_below(self.child()?)
    }

    #[inline]
    fn load_page_below(&mut self, child: u64) -> Result<bool> {
        let is_leaf = self.load(child)?;
        if is_leaf && self.leaf.count == 0 {
            return Err(Error::corrupted(child, "a leaf page below a branch page is empty"));
        }
        Ok(is_leaf)
    }

    #[inline(always)]
    fn branch_node(&self, page: u64, index: usize) -> Result<Node<'s>> {
        match self.pages.get(page) {
            Some(bytes) => Node::at(bytes, page, index),
            None => Err(Error::corrupted(page, "a page number lies outside the snapshot")),
        }
    }

    /// Keeps `height` branch pages of the path and goes down to the first entry below them.
    fn descend_first(&mut self, height: usize) -> Result<()> {
        (self.loaded, self.height) = (false, height);
        while !self.load_child()? {}
        self.loaded = true;
        Ok(())
    }

    /// Keeps `height` branch pages of the path and goes down to the last entry below them.
    fn descend_last(&mut self, height: usize) -> Result<()> {
        (self.loaded, self.height) = (false, height);
        while !self.load_child()? {
            let step = &mut self.branches[self.height - 1];
            step.index = step.count - 1;
        }
        self.leaf.index = self.leaf.count - 1;
        self.loaded = true;
        Ok(())
    }

    fn seek_from_root<O: Order>(&mut self, key: &[u8]) -> Result<bool> {
        if !self.enter()? {
            self.leaf = Leaf::NONE;
            return Ok(false);
        }
        if self.height > 0 {
            let count = self.branches[0].count as usize;
            self.choose_child::<O>(1, count, key)?;
            self.descend::<O>(key)?;
        }
        self.search_leaf::<O>(key)
    }

    /// Goes down to the leaf that may hold `key`, the lowest branch page's index being set already.
    #[inline]
    fn descend<O: Order>(&mut self, key: &[u8]) -> Result<()> {
        loop {
            let child = self.child()?;
            if self.height >= COLD_HEIGHT
                && let Some(bytes) = self.pages.get(child)
            {
                if self.width == 0 { prefetch_for_search(bytes) } else { prefetch_head(bytes) }
            }
            if self.load_page_below(child)? {
                break;
            }
            let count = self.branches[self.height - 1].count as usize;
            self.choose_child::<O>(1, count, key)?;
        }
        self.loaded = true;
        Ok(())
    }

    #[inline]
    fn search_leaf<O: Order>(&mut self, key: &[u8]) -> Result<bool> {
        let (index, exact) = if self.height >= COLD_HEIGHT && self.leaf.width > 0 {
            self.leaf.search_packed::<O>(key)?
        } else {
            self.leaf.search::<O>(0, self.leaf.count, key)?
        };
        self.leaf.index = index;
        Ok(exact)
    }

    /// Points the lowest branch page at the child that may hold `key`; children before `low - 1` and from `high` on
    /// are ruled out already. (The first child's separator is void, so `low` is at least 1.)
    #[inline]
    fn choose_child<O: Order>(&mut self, mut low: usize, mut high: usize, key: &[u8]) -> Result<()> {
        let page = self.branches[self.height - 1].page;
        while low < high {
            let middle = (low + high) / 2;
            if O::compare(key, self.branch_node(page, middle)?.key).is_lt() {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.branches[self.height - 1].index = (low - 1) as u16;
        Ok(())
    }

    /// Seeks from the present leaf.
    fn seek_near<O: Order>(&mut self, key: &[u8]) -> Result<bool> {
        let anchor = self.leaf.index.min(self.leaf.count - 1);
        match O::compare(key, self.leaf.key(anchor)?) {
            Ordering::Equal => {
                self.leaf.index = anchor;
                Ok(true)
            }
            Ordering::Greater => {
                let level = self.climb_right::<O>(key)?;
                if level == self.height {
                    let (index, exact) = self.leaf.gallop::<O>(anchor + 1, key)?;
                    self.leaf.index = index;
                    return Ok(exact);
                }
                let lowest = level + 1 == self.height;
                (self.loaded, self.height) = (false, level + 1);
                let before = self.branches[level].index;
                self.gallop_child::<O>(key)?;
                let sequential = lowest && self.branches[level].index == before + 1;
                self.descend::<O>(key)?;
                if sequential {
                    self.prefetch_neighbours(true);
                }
                self.search_leaf::<O>(key)
            }
            Ordering::Less => {
                let level = self.climb_left::<O>(key)?;
                if level == self.height {
                    let (index, exact) = self.leaf.search::<O>(0, anchor, key)?;
                    self.leaf.index = index;
                    return Ok(exact);
                }
                (self.loaded, self.height) = (false, level + 1);
                let high = self.branches[level].index as usize;
                self.choose_child::<O>(1, high, key)?;
                self.descend::<O>(key)?;
                self.search_leaf::<O>(key)
            }
        }
    }

    /// The lowest level of the path whose page can hold `key`, which is greater than the present entry's key.
    fn climb_right<O: Order>(&self, key: &[u8]) -> Result<usize> {
        let mut target = self.height;
        for level in (0..self.height).rev() {
            let step = &self.branches[level];
            if step.index + 1 < step.count {
                let bound = self.branch_node(step.page, step.index as usize + 1)?.key;
                if O::compare(key, bound).is_lt() {
                    break;
                }
                target = level;
            }
        }
        Ok(target)
    }

    /// The lowest level of the path whose page can hold `key`, which is less than the present entry's key.
    fn climb_left<O: Order>(&self, key: &[u8]) -> Result<usize> {
        let mut target = self.height;
        for level in (0..self.height).rev() {
            let step = &self.branches[level];
            if step.index > 0 {
                let bound = self.branch_node(step.page, step.index as usize)?.key;
                if O::compare(key, bound).is_ge() {
                    break;
                }
                target = level;
            }
        }
        Ok(target)
    }

    /// Points the lowest branch page at the child right of the present one that may hold `key`.
    fn gallop_child<O: Order>(&mut self, key: &[u8]) -> Result<()> {
        let step = self.branches[self.height - 1];
        let count = step.count as usize;
        // `climb_right` found the separator of the next child not above the key.
        let mut low = step.index as usize + 2;
        let mut stride = 1;
        let mut probe = low;
        while probe < count {
            if O::compare(key, self.branch_node(step.page, probe)?.key).is_lt() {
                return self.choose_child::<O>(low, probe, key);
            }
            low = probe + 1;
            probe = low + stride - 1;
            stride *= 2;
        }
        self.choose_child::<O>(low, count, key)
    }
}
