//! Asking for a page's cache lines before they are needed. On large tables most of the time of a search or scan is
//! spent waiting for memory; what is asked for at once arrives at once.

use crate::format::{P_LEAF2, PAGE_HEADER, u16_at};
use crate::map::prefetch;

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

/// Fetches what the first look at a page needs: its header and the first of its nodes' offsets.
#[inline(always)]
pub(super) fn prefetch_head(bytes: &[u8]) {
    prefetch(bytes, 0);
    prefetch(bytes, LINE);
}

/// Fetches the header of a page.
#[inline(always)]
pub(super) fn prefetch_head_line(bytes: &[u8]) {
    prefetch(bytes, 0);
}

/// Fetches what a binary search is likely to touch: nodes lie at the page's end, and pages are two thirds full. All
/// lines at once cost little more than one, whereas the search would wait for one after the other.
#[inline(always)]
pub(super) fn prefetch_for_search(bytes: &[u8]) {
    prefetch_head(bytes);
    for line in (bytes.len() * 3 / 8..bytes.len()).step_by(LINE) {
        prefetch(bytes, line);
    }
}

/// Fetches the used part of a page, whose header is presumably in the cache already. (Also packed items: the processor
/// sees by itself that they are read in a row, but it does not look beyond a page.)
#[inline(always)]
pub(super) fn prefetch_contents(bytes: &[u8]) {
    let (Some(flags), Some(lower), Some(upper)) = (u16_at(bytes, 10), u16_at(bytes, 12), u16_at(bytes, 14))
    else {
        return;
    };
    if flags & P_LEAF2 != 0 {
        let width = usize::from(u16_at(bytes, 8).unwrap_or(0));
        let items = (lower as usize).saturating_sub(PAGE_HEADER) / 2;
        for line in (0..(PAGE_HEADER + items * width).min(bytes.len())).step_by(LINE) {
            prefetch(bytes, line);
        }
        return;
    }
    let offsets = (0..(lower as usize).min(bytes.len())).step_by(LINE);
    let nodes = (upper as usize & !(LINE - 1)..bytes.len()).step_by(LINE);
    for line in offsets.chain(nodes) {
        prefetch(bytes, line);
    }
}
