//! Works that read: single keys, scans, ranges, counts, lists.

use super::suite::{Opened, Suite};
use super::{Engine, Key, data};

/// Single keys.
pub(super) fn points(suite: &mut Suite, engines: &[Opened]) {
    let keys = data::lookups(suite.sizes.entries, suite.sizes.reads);
    let mut sorted = keys.clone();
    sorted.sort_unstable();
    suite.read("random get", keys.len(), engines, |engine| engine.get(&keys));
    suite.read("sorted get", sorted.len(), engines, |engine| engine.get_sorted(&sorted));
    suite.read("multi-get of 100", keys.len(), engines, |engine| {
        keys.chunks(100).map(|keys| engine.multi_get(keys)).sum()
    });
    let few = &keys[..keys.len() / 10];
    suite.read("single get of many", few.len(), engines, |engine| {
        few.iter().map(|key| engine.get_one(key)).sum()
    });
}

/// Everything, and ranges of several lengths.
pub(super) fn scans(suite: &mut Suite, engines: &[Opened]) {
    let entries = suite.sizes.entries;
    suite.read("full scan", entries as usize, engines, |engine| engine.scan(false));
    suite.read("reverse scan", entries as usize, engines, |engine| engine.scan(true));
    for len in [10, 1_000, 100_000usize] {
        let starts =
            data::lookups(entries.saturating_sub(len as u64).max(1), (200_000 / len).clamp(4, 2_000));
        // Those that begin near the end are shorter, for every engine alike.
        let read = len.min(entries as usize) * starts.len();
        let work = format!("range scan {len}");
        suite.read(&work, read, engines, |engine| engine.ranges(&starts, len));
    }
}

/// Counts, ranks and selections; times are those of one answer.
pub(super) fn counts(suite: &mut Suite, engines: &[Opened]) {
    let entries = suite.sizes.entries;
    for (work, width) in
        [("range count", entries / 2), ("range count 1000", 1_000), ("range count 100000", entries / 10)]
    {
        let starts = data::lookups(entries - width, 20);
        let end = |start: &Key| (u64::from_be_bytes(*start) + width * 2 - 2).to_be_bytes();
        suite.read(work, starts.len(), engines, |engine| {
            starts.iter().map(|start| engine.count(start, &end(start))).sum()
        });
    }
    let keys = data::lookups(entries, 10);
    suite.read("rank", keys.len(), engines, |engine| keys.iter().map(|key| engine.rank(key)).sum());
    suite.read("select", keys.len(), engines, |engine| {
        keys.iter().map(|key| engine.select(u64::from_be_bytes(*key) / 2)).sum()
    });
}

/// One list, and two.
pub(super) fn lists(suite: &mut Suite, engines: &[Opened], items: usize, left: &Key, right: &Key) {
    suite.read("list get", items, engines, |engine| engine.list_sum(left));
    let work = "list get, a page at a time";
    let able = |engine: &dyn Engine| engine.list_sum_by_pages(left).is_some();
    suite.read_where(work, items, engines, able, |engine| engine.list_sum_by_pages(left).unwrap_or(0));
    suite.read("list intersection", items * 2, engines, |engine| engine.list_intersection(left, right));
}
