//! Walking one tree after the other, page by page, and noting which pages were seen.

use std::cmp::Ordering;

use super::{Orders, PROBLEMS_MAX, Problem, TableReport, is_empty};
use crate::cursor::{Duplicates, duplicates_of, overflow_pages_of};
use crate::error::{Error, Result};
use crate::format::{
    F_BIGDATA, F_DUPDATA, F_SUBDATA, Header, MAX_DEPTH, NODE_HEADER, Node, P_BRANCH, P_LEAF, P_LEAF2,
    PAGE_HEADER, Record, number_of, u16_at,
};
use crate::map::Pages;
use crate::order::OrderKind;
use crate::table::{Table, TableFlags};

/// What is done with each pair of a key and a single value.
type Visit<'v, 's> = dyn FnMut(&mut Trees<'s>, &'s [u8], &'s [u8]) + 'v;

/// All trees of a file, and what was found in them so far.
pub(super) struct Trees<'s> {
    pages: &'s Pages,
    /// A bit for each page that was reached.
    seen: Vec<u64>,
    table: String,
    pub problems: Vec<Problem>,
    pub omitted: u64,
}

/// The counts of one tree.
#[derive(Default)]
struct Found {
    /// Entries of leaf pages.
    keys: u64,
    pairs: u64,
    branch_pages: u64,
    leaf_pages: u64,
    overflow_pages: u64,
    unused_bytes: u64,
    /// Pages of the trees of duplicates below.
    dup_branch_pages: u64,
    dup_leaf_pages: u64,
}

/// A page that is still to be looked at, with the separators between which its keys must lie.
struct Todo<'s> {
    page: u64,
    level: u16,
    from: Option<&'s [u8]>,
    to: Option<&'s [u8]>,
}

/// What kind of tree is walked.
#[derive(Clone, Copy)]
struct Kind {
    keys: OrderKind,
    /// The order of duplicates, if keys may have several values.
    dups: Option<OrderKind>,
    /// The width of packed items, in a tree of duplicates of one width.
    width: usize,
    is_main: bool,
}

impl<'s> Trees<'s> {
    pub fn new(pages: &'s Pages) -> Trees<'s> {
        let seen = vec![0; (pages.end() as usize).div_ceil(64)];
        Trees { pages, seen, table: String::new(), problems: Vec::new(), omitted: 0 }
    }

    pub fn note(&mut self, page: Option<u64>, what: &'static str) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { table: self.table.clone(), page, what });
        } else {
            self.omitted += 1;
        }
    }

    fn note_error(&mut self, error: Error) {
        match error {
            Error::Corrupted { page, reason } => self.note(Some(page), reason),
            _ => self.note(None, "a page could not be read"),
        }
    }

    /// Notes that a page is reached; false if it was reached before or does not exist.
    pub fn claim(&mut self, page: u64) -> bool {
        if page < 2 || page >= self.pages.end() {
            self.note(Some(page), "a page number lies outside the snapshot");
            return false;
        }
        let (word, bit) = ((page / 64) as usize, 1 << (page % 64));
        if self.seen[word] & bit != 0 {
            self.note(Some(page), "a page is used twice");
            return false;
        }
        self.seen[word] |= bit;
        true
    }

    /// How many pages were never reached.
    pub fn leaked_pages(&self) -> u64 {
        let reached: u64 = self.seen.iter().map(|word| u64::from(word.count_ones())).sum();
        self.pages.end().saturating_sub(2 + reached)
    }

    /// Checks the main table and all tables in it.
    pub fn check_main(&mut self, main: &Table) -> Vec<TableReport> {
        let mut named: Vec<(String, Record)> = Vec::new();
        let orders = Orders::of(main);
        let kind = Kind { keys: orders.keys, dups: dups_of(main), width: 0, is_main: true };
        let found = self.check_tree(&main.record, kind, &mut |trees, key, value| match Record::read(value) {
            Some(record) => named.push((String::from_utf8_lossy(key).into_owned(), record)),
            None => trees.note(None, "a table's record has the wrong size"),
        });
        let mut reports = vec![report(String::new(), main, &found)];
        for (name, record) in named {
            let table = Table { record, ..*main };
            reports.push(self.check_table(&name, &table, &mut |_, _, _| {}));
        }
        reports
    }

    /// Checks one table; `visit` sees its single values.
    pub fn check_table(&mut self, name: &str, table: &Table, visit: &mut Visit<'_, 's>) -> TableReport {
        let before = std::mem::replace(&mut self.table, name.to_owned());
        let kind = Kind { keys: Orders::of(table).keys, dups: dups_of(table), width: 0, is_main: false };
        let found = self.check_tree(&table.record, kind, visit);
        self.table = before;
        report(name.to_owned(), table, &found)
    }

    /// Walks a tree and compares what it finds with the record.
    fn check_tree(&mut self, record: &Record, kind: Kind, visit: &mut Visit<'_, 's>) -> Found {
        let mut found = Found::default();
        if is_empty(record.root) {
            let Record { depth, entries, branch_pages, leaf_pages, overflow_pages, .. } = *record;
            if depth != 0 || (entries | branch_pages | leaf_pages | overflow_pages) != 0 {
                self.note(None, "the record of an empty tree counts something");
            }
            return found;
        }
        if record.depth as usize > MAX_DEPTH {
            self.note(Some(record.root), "the tree is too deep");
            return found;
        }
        let problems = self.problems.len();
        let mut todo = vec![Todo { page: record.root, level: 1, from: None, to: None }];
        while let Some(next) = todo.pop() {
            if self.claim(next.page)
                && let Err(error) = self.check_page(&next, record, kind, &mut found, &mut todo, visit)
            {
                self.note_error(error);
            }
        }
        // Where pages could not be read, the counts differ of course.
        if self.problems.len() == problems {
            self.compare(record, &found);
        }
        found
    }

    fn compare(&mut self, record: &Record, found: &Found) {
        let root = Some(record.root);
        if record.entries != found.pairs {
            self.note(root, "the tree's record counts other entries than there are");
        }
        if record.branch_pages != found.branch_pages || record.leaf_pages != found.leaf_pages {
            self.note(root, "the tree's record counts other pages than there are");
        }
        if record.overflow_pages != found.overflow_pages {
            self.note(root, "the tree's record counts other overflow pages than there are");
        }
    }

    fn check_page(
        &mut self,
        place: &Todo<'s>,
        record: &Record,
        kind: Kind,
        found: &mut Found,
        todo: &mut Vec<Todo<'s>>,
        visit: &mut Visit<'_, 's>,
    ) -> Result<()> {
        let page = place.page;
        let Some(bytes) = self.pages.get(page) else {
            return Err(Error::corrupted(page, "a page number lies outside the snapshot"));
        };
        let header = Header::of(bytes, page)?;
        if number_of(bytes) != Some(page) {
            return Err(Error::corrupted(page, "a page bears another page's number"));
        }
        let is_leaf = match header.flags & (P_BRANCH | P_LEAF) {
            P_LEAF => true,
            P_BRANCH => false,
            _ => return Err(Error::corrupted(page, "a page of a tree is neither a branch nor a leaf page")),
        };
        if is_leaf != (place.level == record.depth) {
            return Err(Error::corrupted(page, "a leaf is not at the depth that the tree's record tells"));
        }
        if header.count == 0 || !is_leaf && header.count < 2 {
            self.note(Some(page), "a page has too few entries");
        }
        if !is_leaf {
            found.branch_pages += 1;
            found.unused_bytes += self.check_layout(bytes, page, header, false)?;
            return self.check_branch(place, bytes, header, kind, todo);
        }
        found.leaf_pages += 1;
        if header.flags & P_LEAF2 != 0 {
            let items = packed_items(bytes, page, header, kind.width)?;
            found.keys += u64::from(header.count);
            found.pairs += u64::from(header.count);
            found.unused_bytes += (bytes.len() - PAGE_HEADER - items.len()) as u64;
            return self.check_ascending(
                items.chunks_exact(kind.width),
                kind.keys,
                page,
                place.from,
                place.to,
            );
        }
        if kind.width != 0 {
            return Err(Error::corrupted(page, "a leaf for values of one width is not packed"));
        }
        found.unused_bytes += self.check_layout(bytes, page, header, true)?;
        let nodes = nodes_of(bytes, page, header)?;
        self.check_ascending(nodes.iter().map(|node| node.key), kind.keys, page, place.from, place.to)?;
        nodes.into_iter().try_for_each(|node| self.check_leaf_node(node, page, kind, found, visit))
    }

    fn check_branch(
        &mut self,
        place: &Todo<'s>,
        bytes: &'s [u8],
        header: Header,
        kind: Kind,
        todo: &mut Vec<Todo<'s>>,
    ) -> Result<()> {
        let nodes = nodes_of(bytes, place.page, header)?;
        // The first key means nothing: what comes before the second belongs to the first child.
        let separators = nodes.iter().skip(1).map(|node| node.key);
        self.check_ascending(separators, kind.keys, place.page, place.from, place.to)?;
        for (index, node) in nodes.iter().enumerate() {
            let from = if index == 0 { place.from } else { Some(node.key) };
            let to = nodes.get(index + 1).map_or(place.to, |next| Some(next.key));
            todo.push(Todo { page: node.child(), level: place.level + 1, from, to });
        }
        Ok(())
    }

    fn check_leaf_node(
        &mut self,
        node: Node<'s>,
        page: u64,
        kind: Kind,
        found: &mut Found,
        visit: &mut Visit<'_, 's>,
    ) -> Result<()> {
        found.keys += 1;
        if node.flags & F_DUPDATA != 0 {
            let Some(order) = kind.dups else {
                return Err(Error::corrupted(page, "a table without duplicates holds a key with some"));
            };
            return self.check_duplicates(node, page, order, found);
        }
        found.pairs += 1;
        match node.flags {
            0 => {
                let value = node.data(page)?;
                if !kind.is_main {
                    visit(self, node.key, value);
                }
            }
            F_BIGDATA => {
                let first = node.overflow_page(page)?;
                let (count, value) = overflow_pages_of(self.pages, first, node.size as usize)?;
                found.overflow_pages += count;
                for page in first..first + count {
                    self.claim(page);
                }
                if !kind.is_main {
                    visit(self, node.key, value);
                }
            }
            F_SUBDATA if kind.is_main => visit(self, node.key, node.data(page)?),
            _ => return Err(Error::corrupted(page, "a node has flags that it cannot have here")),
        }
        Ok(())
    }

    fn check_duplicates(
        &mut self,
        node: Node<'s>,
        page: u64,
        order: OrderKind,
        found: &mut Found,
    ) -> Result<()> {
        match duplicates_of(node, page)? {
            Duplicates::SubPage(bytes) => {
                let header = Header::of(bytes, page)?;
                found.pairs += u64::from(header.count);
                if header.flags & P_LEAF == 0 || header.count == 0 {
                    return Err(Error::corrupted(page, "a sub-page is not a leaf with entries"));
                }
                if header.flags & P_LEAF2 != 0 {
                    let width = header.pad as usize;
                    let items = packed_items(bytes, page, header, width)?;
                    if !bytes.len().is_multiple_of(2) {
                        self.note(
                            Some(page),
                            "a sub-page has an odd size, which LMDB's deletions do not survive",
                        );
                    }
                    return self.check_ascending(items.chunks_exact(width), order, page, None, None);
                }
                self.check_layout(bytes, page, header, true)?;
                let values = nodes_of(bytes, page, header)?;
                self.check_ascending(values.iter().map(|node| node.key), order, page, None, None)
            }
            Duplicates::Tree(record) => {
                let packed = TableFlags::from_bits_truncate(record.flags).contains(TableFlags::DUP_FIXED);
                let width = if packed { record.pad as usize } else { 0 };
                let kind = Kind { keys: order, dups: None, width, is_main: false };
                let below = self.check_tree(&record, kind, &mut |trees, _, value| {
                    if !value.is_empty() {
                        trees.note(
                            Some(record.root),
                            "an entry in a tree of duplicates has a value of its own",
                        );
                    }
                });
                found.pairs += below.pairs;
                found.dup_branch_pages += below.branch_pages;
                found.dup_leaf_pages += below.leaf_pages;
                found.unused_bytes += below.unused_bytes;
                Ok(())
            }
        }
    }

    /// Demands that keys ascend, from the one separator inclusive to the other exclusive.
    fn check_ascending<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k [u8]>,
        order: OrderKind,
        page: u64,
        from: Option<&[u8]>,
        to: Option<&[u8]>,
    ) -> Result<()> {
        let mut before: Option<&[u8]> = None;
        for key in keys {
            let ascends = match (before, from) {
                (Some(before), _) => order.compare(before, key) == Ordering::Less,
                (None, Some(from)) => order.compare(from, key) != Ordering::Greater,
                (None, None) => true,
            };
            if !ascends {
                return Err(Error::corrupted(page, "keys are out of order"));
            }
            before = Some(key);
        }
        if let (Some(last), Some(to)) = (before, to)
            && order.compare(last, to) != Ordering::Less
        {
            return Err(Error::corrupted(page, "a key lies beyond the separator above it"));
        }
        Ok(())
    }

    /// Demands that nodes lie behind the page's free space, at even places, and do not overlap. Returns how many bytes
    /// hold nothing.
    fn check_layout(&mut self, bytes: &[u8], page: u64, header: Header, is_leaf: bool) -> Result<u64> {
        let (lower, upper) =
            (u16_at(bytes, 12).unwrap_or(0) as usize, u16_at(bytes, 14).unwrap_or(0) as usize);
        let mut places = Vec::with_capacity(header.count as usize);
        for index in 0..header.count as usize {
            let node = Node::at(bytes, page, index)?;
            let data = match node.flags {
                _ if !is_leaf => 0,
                F_BIGDATA => 8,
                _ => node.data(page)?.len(),
            };
            let offset = u16_at(bytes, PAGE_HEADER + 2 * index).unwrap_or(0) as usize;
            places.push((offset, (NODE_HEADER + node.key.len() + data).next_multiple_of(2)));
        }
        places.sort_unstable();
        let mut end = upper;
        let mut used = lower;
        for (offset, size) in places {
            if offset < end || !offset.is_multiple_of(2) {
                return Err(Error::corrupted(page, "nodes of a page overlap, or lie in its free space"));
            }
            end = offset + size;
            used += size;
        }
        if end > bytes.len().next_multiple_of(2) {
            return Err(Error::corrupted(page, "a node reaches beyond its page"));
        }
        Ok(bytes.len().saturating_sub(used) as u64)
    }
}

/// All nodes of a page or sub-page.
fn nodes_of(bytes: &[u8], page: u64, header: Header) -> Result<Vec<Node<'_>>> {
    (0..header.count as usize).map(|index| Node::at(bytes, page, index)).collect()
}

/// The items of a packed page or sub-page.
fn packed_items(bytes: &[u8], page: u64, header: Header, width: usize) -> Result<&[u8]> {
    let items = bytes.get(PAGE_HEADER..PAGE_HEADER + header.count as usize * width);
    items
        .filter(|_| width > 0)
        .ok_or_else(|| Error::corrupted(page, "the packed items do not fit their page"))
}

fn dups_of(table: &Table) -> Option<OrderKind> {
    table.flags().contains(TableFlags::DUP_SORT).then(|| Orders::of(table).dups)
}

fn report(name: String, table: &Table, found: &Found) -> TableReport {
    TableReport {
        name,
        flags: table.flags(),
        keys: found.keys,
        pairs: found.pairs,
        branch_pages: found.branch_pages + found.dup_branch_pages,
        leaf_pages: found.leaf_pages + found.dup_leaf_pages,
        overflow_pages: found.overflow_pages,
        unused_bytes: found.unused_bytes,
    }
}
