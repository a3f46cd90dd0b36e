//! One search from the root that keeps no path: for who looks up a single key.

use super::prefetch::{prefetch_for_search, prefetch_head};
use super::{COLD_HEIGHT, Leaf};
use crate::error::{Error, Result};
use crate::format::{Header, MAX_DEPTH, NO_PAGE, Node, P_BRANCH, P_LEAF, number_of};
use crate::map::Pages;
use crate::order::Order;

/// The leaf of `key` in the tree at page `root`, standing on it; nothing if the tree does not have it.
#[inline]
pub(crate) fn find<'s, O: Order>(pages: &'s Pages, root: u64, key: &[u8]) -> Result<Option<Leaf<'s>>> {
    if root == NO_PAGE {
        return Ok(None);
    }
    let mut page = root;
    for height in 0..=MAX_DEPTH {
        let Some(bytes) = pages.get(page) else {
            return Err(Error::corrupted(page, "a page number lies outside the snapshot"));
        };
        if height >= COLD_HEIGHT {
            prefetch_for_search(bytes);
        } else {
            prefetch_head(bytes);
        }
        let header = Header::of(bytes, page)?;
        if number_of(bytes) != Some(page) {
            return Err(Error::corrupted(page, "a page bears another page's number"));
        }
        let count = header.count as usize;
        match header.flags & (P_BRANCH | P_LEAF) {
            P_LEAF if count == 0 && height > 0 => {
                return Err(Error::corrupted(page, "a leaf page below a branch page is empty"));
            }
            P_LEAF => {
                let mut leaf = Leaf::new(bytes, page, header, 0)?;
                let (index, exact) = leaf.search::<O>(0, count, key)?;
                leaf.index = index;
                return Ok(exact.then_some(leaf));
            }
            P_BRANCH if count == 0 => return Err(Error::corrupted(page, "a branch page is empty")),
            P_BRANCH => {
                // The first child's separator is void.
                let (mut low, mut high) = (1, count);
                while low < high {
                    let middle = (low + high) / 2;
                    if O::compare(key, Node::at(bytes, page, middle)?.key).is_lt() {
                        high = middle;
                    } else {
                        low = middle + 1;
                    }
                }
                page = Node::at(bytes, page, low - 1)?.child();
            }
            _ => return Err(Error::corrupted(page, "a page of a tree is neither a branch nor a leaf page")),
        }
    }
    Err(Error::corrupted(page, "the tree is too deep"))
}
