//! One B+tree under construction: the leaf being filled, and the branch pages above it.

use super::Result;
use super::page::{NodePage, PackedPage, node_max, node_size};
use super::sink::Sink;
use crate::format::{F_BIGDATA, NO_PAGE, P_BRANCH, P_LEAF, Record};

/// The branch pages of a tree, level by level from the leaves.
#[derive(Debug, Default)]
struct Branches {
    page_size: usize,
    levels: Vec<Level>,
    pages: u64,
}

/// A level of branch pages. A full page is held back until its successor has two children, since LMDB wants at least
/// two in each: if the input ends before that, the full page gives one away.
#[derive(Debug)]
struct Level {
    held: Option<BranchPage>,
    open: BranchPage,
}

#[derive(Debug)]
struct BranchPage {
    page: NodePage,
    /// The separator before the page's first child; it goes to the level above.
    separator: Vec<u8>,
}

impl BranchPage {
    fn new(page_size: usize, separator: &[u8], child: u64) -> BranchPage {
        let mut page = NodePage::new(page_size, P_BRANCH);
        page.push_branch(&[], child);
        BranchPage { page, separator: separator.to_vec() }
    }
}

impl Branches {
    /// Adds a finished page below `level`, which begins at `separator`.
    fn push(&mut self, sink: &mut Sink, mut level: usize, separator: &[u8], child: u64) -> Result<()> {
        let (mut separator, mut child) = (separator.to_vec(), child);
        loop {
            let Some(Level { held, open }) = self.levels.get_mut(level) else {
                let open = BranchPage::new(self.page_size, &separator, child);
                self.levels.push(Level { held: None, open });
                return Ok(());
            };
            if !open.page.fits(node_size(separator.len(), 0)) {
                let next = BranchPage::new(self.page_size, &separator, child);
                *held = Some(std::mem::replace(open, next));
                return Ok(());
            }
            open.page.push_branch(&separator, child);
            let Some(mut full) = held.take() else { return Ok(()) };
            child = sink.write_page(full.page.seal(), &[])?;
            self.pages += 1;
            separator = full.separator;
            level += 1;
        }
    }

    /// Writes all pages that are left. Returns the root and how many levels there were.
    fn finish(&mut self, sink: &mut Sink) -> Result<(u64, u16)> {
        let mut level = 0;
        loop {
            let Level { held, mut open } = self.levels.remove(0);
            let is_top = self.levels.is_empty() && held.is_none();
            if is_top && level == 0 && open.page.count() == 1 {
                let only = open.page.pop_branch().map_or(NO_PAGE, |(_, child)| child);
                return Ok((only, 0));
            }
            if is_top {
                let root = sink.write_page(open.page.seal(), &[])?;
                self.pages += 1;
                return Ok((root, level + 1));
            }
            if let Some(mut full) = held {
                if open.page.count() == 1 {
                    share(&mut full, &mut open, self.page_size);
                }
                self.write_below(sink, full)?;
            }
            self.write_below(sink, open)?;
            level += 1;
        }
    }

    /// Writes a page of a level that was taken out of `levels`, so that the level above it comes first there.
    fn write_below(&mut self, sink: &mut Sink, mut page: BranchPage) -> Result<()> {
        let child = sink.write_page(page.page.seal(), &[])?;
        self.pages += 1;
        self.push(sink, 0, &page.separator, child)
    }
}

/// Moves the last child of `full` to the front of `open`, which has a single one.
fn share(full: &mut BranchPage, open: &mut BranchPage, page_size: usize) {
    if let (Some((separator, child)), Some((_, second))) = (full.page.pop_branch(), open.page.pop_branch()) {
        let mut shared = BranchPage::new(page_size, &separator, child);
        shared.page.push_branch(&open.separator, second);
        *open = shared;
    }
}

/// The shortest prefix of `first` that is greater than `before`, both sorted byte by byte.
fn shortest_separator<'k>(before: &[u8], first: &'k [u8]) -> &'k [u8] {
    let common = before.iter().zip(first).take_while(|(a, b)| a == b).count();
    &first[..(common + 1).min(first.len())]
}

/// A tree of nodes: a table, or the duplicates of a key if they have different sizes.
#[derive(Debug)]
pub(super) struct Tree {
    page_size: usize,
    /// Whether separators may be cut to a prefix.
    cut: bool,
    leaf: NodePage,
    /// The separator before the leaf.
    separator: Vec<u8>,
    last_key: Vec<u8>,
    /// Places in the leaf where its page number is to be written: the headers of sub-pages.
    patches: Vec<usize>,
    branches: Branches,
    leaf_pages: u64,
    overflow_pages: u64,
}

impl Tree {
    /// `cut` tells whether the keys are sorted byte by byte, so that prefixes separate them.
    pub fn new(page_size: usize, cut: bool) -> Tree {
        Tree {
            page_size,
            cut,
            leaf: NodePage::new(page_size, P_LEAF),
            separator: Vec::new(),
            last_key: Vec::new(),
            patches: Vec::new(),
            branches: Branches { page_size, ..Branches::default() },
            leaf_pages: 0,
            overflow_pages: 0,
        }
    }

    /// Adds a key with a value, which goes to overflow pages if it is large.
    #[inline]
    pub fn push_value(&mut self, sink: &mut Sink, key: &[u8], value: &[u8]) -> Result<()> {
        if node_size(key.len(), value.len()) <= node_max(self.page_size) {
            return self.push_node(sink, key, 0, value).map(|_| ());
        }
        let (page, count) = sink.write_overflow(value)?;
        self.overflow_pages += count;
        self.push_sized(sink, key, F_BIGDATA, value.len() as u32, &page.to_ne_bytes())?;
        Ok(())
    }

    /// Adds a node whose data fits a page.
    #[inline]
    pub fn push_node(&mut self, sink: &mut Sink, key: &[u8], flags: u16, data: &[u8]) -> Result<usize> {
        self.push_sized(sink, key, flags, data.len() as u32, data)
    }

    /// Adds a node with a sub-page, into whose header the leaf's page number belongs.
    pub fn push_sub_page(&mut self, sink: &mut Sink, key: &[u8], flags: u16, sub_page: &[u8]) -> Result<()> {
        let at = self.push_node(sink, key, flags, sub_page)?;
        self.patches.push(at);
        Ok(())
    }

    #[inline]
    fn push_sized(
        &mut self,
        sink: &mut Sink,
        key: &[u8],
        flags: u16,
        size: u32,
        stored: &[u8],
    ) -> Result<usize> {
        if !self.leaf.fits(node_size(key.len(), stored.len())) {
            self.close_leaf(sink)?;
            let separator = if self.cut { shortest_separator(&self.last_key, key) } else { key };
            self.separator.clear();
            self.separator.extend_from_slice(separator);
        }
        let at = self.leaf.push_leaf(key, flags, size, stored);
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(at)
    }

    /// The last key that was added.
    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }

    fn close_leaf(&mut self, sink: &mut Sink) -> Result<()> {
        let child = sink.write_page(self.leaf.seal(), &self.patches)?;
        self.patches.clear();
        self.leaf_pages += 1;
        self.leaf.clear();
        self.branches.push(sink, 0, &self.separator, child)
    }

    /// Writes the rest, and returns the tree's record.
    pub fn finish(&mut self, sink: &mut Sink, flags: u16, entries: u64) -> Result<Record> {
        let empty = Record {
            pad: 0,
            flags,
            depth: 0,
            branch_pages: 0,
            leaf_pages: 0,
            overflow_pages: 0,
            entries,
            root: NO_PAGE,
        };
        if self.leaf.count() == 0 {
            return Ok(empty);
        }
        self.close_leaf(sink)?;
        let (root, height) = self.branches.finish(sink)?;
        Ok(Record {
            depth: height + 1,
            branch_pages: self.branches.pages,
            leaf_pages: self.leaf_pages,
            overflow_pages: self.overflow_pages,
            root,
            ..empty
        })
    }
}

/// A tree of packed items: the duplicates of a key, all of one width.
#[derive(Debug)]
pub(super) struct PackedTree {
    leaf: PackedPage,
    width: usize,
    branches: Branches,
    leaf_pages: u64,
    entries: u64,
}

impl PackedTree {
    pub fn new(page_size: usize, width: usize) -> PackedTree {
        PackedTree {
            leaf: PackedPage::new(page_size, width),
            width,
            branches: Branches { page_size, ..Branches::default() },
            leaf_pages: 0,
            entries: 0,
        }
    }

    /// Adds packed items.
    pub fn push(&mut self, sink: &mut Sink, mut items: &[u8]) -> Result<()> {
        self.entries += (items.len() / self.width) as u64;
        loop {
            items = &items[self.leaf.take(items)..];
            if items.is_empty() {
                return Ok(());
            }
            self.close_leaf(sink)?;
        }
    }

    fn close_leaf(&mut self, sink: &mut Sink) -> Result<()> {
        let first = if self.leaf_pages == 0 { Vec::new() } else { self.leaf.first().to_vec() };
        let child = sink.write_page(self.leaf.seal(), &[])?;
        self.leaf_pages += 1;
        self.leaf.clear();
        self.branches.push(sink, 0, &first, child)
    }

    /// Writes the rest, and returns the tree's record.
    pub fn finish(&mut self, sink: &mut Sink, flags: u16) -> Result<Record> {
        if self.leaf.count() > 0 {
            self.close_leaf(sink)?;
        }
        let (root, height) = self.branches.finish(sink)?;
        Ok(Record {
            pad: self.width as u32,
            flags,
            depth: height + 1,
            branch_pages: self.branches.pages,
            leaf_pages: self.leaf_pages,
            overflow_pages: 0,
            entries: self.entries,
            root,
        })
    }
}
