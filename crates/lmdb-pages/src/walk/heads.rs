//! Passing over leaves by their headers alone.
//!
//! The leaves under one branch page are visited from there, without a descent for each, and the headers of those that
//! come next are asked for in advance: what remains is one line of memory a leaf.

use super::Walk;
use super::prefetch::prefetch_head_line;
use crate::error::{Error, Result};
use crate::format::{Header, Node, P_LEAF, number_of};

/// How many leaves ahead a header is asked for.
const AHEAD: u16 = 8;

impl Walk<'_> {
    /// How many entries lie from where the walk stands to the beginning of the leaf at page `end`, which is another
    /// leaf than the present one and lies behind it.
    pub fn entries_to_leaf(mut self, end: u64) -> Result<u64> {
        let mut sum = (self.leaf.count - self.leaf.index) as u64;
        for _ in 0..self.pages.end() {
            let found = self.pass_siblings(|page, entries| {
                let stop = page == end;
                sum += if stop { 0 } else { entries };
                stop
            })?;
            if found.is_some() {
                return Ok(sum);
            }
            if !self.next_leaf_unchecked()? {
                break;
            }
            if self.leaf.page() == end {
                return Ok(sum);
            }
            sum += self.leaf.count as u64;
        }
        Err(Error::corrupted(end, "the leaves of a tree do not form a row"))
    }

    /// Moves behind the present leaf and over whole leaves, taking their entries off `left` for as long as it is not
    /// less, to the beginning of the leaf after those; false, and behind the last entry, if there is none.
    pub fn pass_leaves(&mut self, left: &mut u64) -> Result<bool> {
        for _ in 0..self.pages.end() {
            let found = self.pass_siblings(|_, entries| {
                let stop = *left < entries;
                *left -= if stop { 0 } else { entries };
                stop
            })?;
            if let Some(index) = found {
                self.turn_to_sibling(index)?;
                return Ok(true);
            }
            if !self.next_leaf_unchecked()? {
                if let Some(step) = self.branches[..self.height].last() {
                    self.turn_to_sibling(step.count - 1)?;
                }
                self.leaf.index = self.leaf.count;
                return Ok(false);
            }
            let entries = self.leaf.count as u64;
            if *left < entries {
                return Ok(true);
            }
            *left -= entries;
        }
        Err(Error::corrupted(self.leaf.page(), "the leaves of a tree do not form a row"))
    }

    /// Shows `stop` page number and entries of each leaf behind the present one under the same branch page; the place
    /// of the one where it stops. Otherwise the path (but not the leaf) is at the last of them.
    #[inline]
    fn pass_siblings(&mut self, mut stop: impl FnMut(u64, u64) -> bool) -> Result<Option<u16>> {
        let Some(step) = self.branches[..self.height].last_mut() else { return Ok(None) };
        let (page, from) = (step.page, step.index + 1);
        step.index = step.count - 1;
        let count = step.count;
        let Some(bytes) = self.pages.get(page) else {
            return Err(Error::corrupted(page, "a page number lies outside the snapshot"));
        };
        let child = |index: u16| Node::at(bytes, page, index.into()).map(|node| node.child());
        let ask_for = |index: u16| -> Result<()> {
            if index < count
                && let Some(bytes) = self.pages.get(child(index)?)
            {
                prefetch_head_line(bytes);
            }
            Ok(())
        };
        for index in from..from.saturating_add(AHEAD).min(count) {
            ask_for(index)?;
        }
        for index in from..count {
            ask_for(index.saturating_add(AHEAD))?;
            let leaf = child(index)?;
            if stop(leaf, self.leaf_entries(leaf)?) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The number of entries of a leaf page below a branch page.
    #[inline]
    fn leaf_entries(&self, page: u64) -> Result<u64> {
        let Some(bytes) = self.pages.get(page) else {
            return Err(Error::corrupted(page, "a page number lies outside the snapshot"));
        };
        let header = Header::of(bytes, page)?;
        if number_of(bytes) != Some(page) {
            return Err(Error::corrupted(page, "a page bears another page's number"));
        }
        if header.flags & P_LEAF == 0 {
            return Err(Error::corrupted(page, "the leaves of a tree are not all equally deep"));
        }
        if header.count == 0 {
            return Err(Error::corrupted(page, "a leaf page below a branch page is empty"));
        }
        Ok(header.count.into())
    }

    /// Takes another leaf under the lowest branch page.
    fn turn_to_sibling(&mut self, index: u16) -> Result<()> {
        self.loaded = false;
        self.branches[self.height - 1].index = index;
        if !self.load_child()? {
            let page = self.branches[self.height - 1].page;
            return Err(Error::corrupted(page, "the leaves of a tree are not all equally deep"));
        }
        self.leaf.index = 0;
        self.loaded = true;
        Ok(())
    }
}
