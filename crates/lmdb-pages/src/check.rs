//! Checking a whole file: that it is the forest of trees that it claims to be.
//!
//! Every page of the snapshot must be reached exactly once, from a table, from a key's duplicates, from an overflow
//! reference or from the free list. On the way, all keys and duplicates must ascend and lie between the separators
//! above them, and all counts in the records must be those that are found.
//!
//! A check reads every page but changes nothing, and runs on a snapshot while others write. A damaged file makes it
//! report problems, never fail: what is left of a damaged tree is still checked.

mod tree;

use std::fmt;

use crate::cursor::Cursor;
use crate::format::{NO_PAGE, u64_at};
use crate::order::{NativeInteger, OrderKind};
use crate::snapshot::Snapshot;
use crate::table::{Table, TableFlags};
use tree::Trees;

/// After how many problems a check stops to note more.
const PROBLEMS_MAX: usize = 1000;

/// Checks all that belongs to `snapshot`.
///
/// Tables that a comparator of the application's own sorted are reported as out of order.
#[must_use]
pub fn check(snapshot: &Snapshot) -> Report {
    let mut trees = Trees::new(&snapshot.inner.pages);
    let main = snapshot.main();
    let tables = trees.check_main(&main);
    let free_list = snapshot.free_list();
    let mut free = FreePages::default();
    trees.check_table("(free list)", &free_list, &mut |trees, key, value| {
        free.enter(trees, snapshot, key, value);
    });
    let last_page = snapshot.inner.last_page;
    let unread = last_page.saturating_add(1).saturating_sub(snapshot.inner.pages.end());
    let leaked = trees.leaked_pages() + unread.saturating_sub(free.beyond_end);
    if leaked > 0 {
        trees.note(None, "some pages are neither in use nor in the free list");
    }
    Report {
        txn_id: snapshot.txn_id(),
        page_size: snapshot.page_size(),
        pages: last_page.saturating_add(1),
        free_pages: free.count,
        leaked_pages: leaked,
        tables,
        problems: trees.problems,
        omitted: trees.omitted,
    }
}

/// Whether the file is too short for `snapshot`, as a copy is that was interrupted: pages that are in use, or the list of
/// the free ones, lie beyond its end.
///
/// A file may rightly be shorter than its last page says, if its last pages are free. So if it is shorter, the free
/// list is read; nothing else is.
#[must_use]
pub fn is_cut_off(snapshot: &Snapshot) -> bool {
    let (end, pages) = (snapshot.inner.pages.end(), snapshot.inner.last_page.saturating_add(1));
    end < pages && free_pages_from(snapshot, end).is_none_or(|free| free < pages - end)
}

/// How many free pages there are from this one on, if the free list can be read.
fn free_pages_from(snapshot: &Snapshot, first: u64) -> Option<u64> {
    let mut cursor: Cursor<'_, NativeInteger> = Cursor::new(snapshot, &snapshot.free_list()).ok()?;
    let mut free = 0;
    let mut record = cursor.first().ok()?;
    while let Some((_, value)) = record {
        let count = u64_at(value, 0)?;
        // From the greatest number to the least.
        let pages = (1..=count).map_while(|index| u64_at(value, usize::try_from(index).ok()? * 8));
        free += pages.take_while(|page| *page >= first).count() as u64;
        record = cursor.next().ok()?;
    }
    Some(free)
}

/// The free list, as it is read.
#[derive(Default)]
struct FreePages {
    count: u64,
    /// Those that the file is too short for, as it may be.
    beyond_end: u64,
}

impl FreePages {
    /// Reads a record of the free list: how many pages, and their numbers from the greatest to the least.
    fn enter(&mut self, trees: &mut Trees<'_>, snapshot: &Snapshot, key: &[u8], value: &[u8]) {
        match u64_at(key, 0) {
            Some(txn_id) if key.len() == 8 && txn_id <= snapshot.txn_id() => {}
            _ => trees.note(None, "a record of the free list is not of a past transaction"),
        }
        let count = u64_at(value, 0).unwrap_or(u64::MAX);
        if count > (value.len() / 8).saturating_sub(1) as u64 {
            trees.note(None, "a record of the free list is shorter than it claims");
            return;
        }
        let mut above = snapshot.inner.last_page.saturating_add(1);
        for index in 1..=count as usize {
            let page = u64_at(value, index * 8).unwrap_or(0);
            if page >= above || page < 2 {
                trees.note(Some(page), "a page number in the free list is impossible or out of order");
                return;
            }
            above = page;
            self.count += 1;
            if page >= snapshot.inner.pages.end() {
                self.beyond_end += 1;
            } else {
                trees.claim(page);
            }
        }
    }
}

/// What a check found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The transaction whose state was checked.
    pub txn_id: u64,
    /// Bytes of a page.
    pub page_size: usize,
    /// Pages of the file, both meta pages included.
    pub pages: u64,
    /// Pages in the free list.
    pub free_pages: u64,
    /// Pages that are neither in use nor in the free list.
    pub leaked_pages: u64,
    /// The main table, whose name is empty, and the named tables.
    pub tables: Vec<TableReport>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many problems were found beyond those.
    pub omitted: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What a table holds, by count and not by its record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReport {
    /// The table's name; empty for the main table.
    pub name: String,
    /// How it is sorted.
    pub flags: TableFlags,
    /// Different keys.
    pub keys: u64,
    /// Pairs of a key and a value.
    pub pairs: u64,
    /// Branch pages, those of duplicates' trees included.
    pub branch_pages: u64,
    /// Leaf pages, those of duplicates' trees included.
    pub leaf_pages: u64,
    /// Overflow pages.
    pub overflow_pages: u64,
    /// Bytes of its branch and leaf pages that hold nothing.
    pub unused_bytes: u64,
}

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The table in which it was found; empty for the main table and the file itself.
    pub table: String,
    /// The page in which it was found.
    pub page: Option<u64>,
    /// What it is.
    pub what: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.table.is_empty() {
            write!(f, "table {:?}, ", self.table)?;
        }
        match self.page {
            Some(page) => write!(f, "page {page}: {}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// How the keys and the duplicates of a table are sorted.
#[derive(Clone, Copy)]
struct Orders {
    keys: OrderKind,
    dups: OrderKind,
}

impl Orders {
    fn of(table: &Table) -> Orders {
        Orders { keys: OrderKind::of_keys(table.flags()), dups: OrderKind::of_duplicates(table.flags()) }
    }
}

/// Whether a record stands for an empty tree.
fn is_empty(root: u64) -> bool {
    root == NO_PAGE
}
