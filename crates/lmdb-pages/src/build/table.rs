//! One table under construction: keys and values in, in order.

use std::cmp::Ordering;
use std::sync::Arc;

use super::page::{node_max, node_size, put_header, put_packed_header};
use super::sink::{Shared, Sink};
use super::tree::{PackedTree, Tree};
use super::{BuildError, FinishedTable, Result};
use crate::format::{
    F_DUPDATA, F_SUBDATA, NODE_HEADER, P_DIRTY, P_LEAF, P_LEAF2, P_SUBP, PAGE_HEADER, RECORD, Record,
};
use crate::order::OrderKind;
use crate::table::TableFlags;

/// LMDB's limit for keys and for values of tables with duplicates.
const KEY_MAX: usize = 511;

/// Takes the pairs of one table in the table's order.
///
/// [`finish`](Self::finish) must be called before the [`Builder`](super::Builder) is finished.
#[derive(Debug)]
pub struct TableBuilder {
    shared: Arc<Shared>,
    sink: Sink,
    name: String,
    flags: TableFlags,
    key_order: OrderKind,
    dup_order: OrderKind,
    key_max: usize,
    node_max: usize,
    tree: Tree,
    keys: u64,
    pairs: u64,
    /// The width of all keys in a table of `INTEGER_KEY`; 0 as long as it is not known.
    key_width: usize,
    /// The key whose values are being gathered, in a table with duplicates.
    group: Group,
}

/// The values of one key.
#[derive(Debug, Default)]
struct Group {
    key: Vec<u8>,
    count: u64,
    /// The width of every value in a table of `DUP_FIXED` or `INTEGER_DUP`; 0 as long as it is not known.
    width: usize,
    /// The values that are not in the tree yet: packed, or each behind its size.
    values: Vec<u8>,
    /// The size of the sub-page that would hold them.
    sub_page: usize,
    last: Vec<u8>,
    /// Where values go once they are too many for a sub-page.
    tree: Option<SubTree>,
}

#[derive(Debug)]
enum SubTree {
    Packed(PackedTree),
    Nodes(Box<Tree>),
}

impl TableBuilder {
    pub(super) fn new(shared: Arc<Shared>, name: &str, flags: TableFlags) -> Result<TableBuilder> {
        let wrong = |reason| Err(BuildError::Table { table: name.to_owned(), reason });
        let node_max = node_max(shared.page_size());
        let key_max = KEY_MAX.min(node_max - NODE_HEADER - RECORD);
        if name.is_empty() || name.len() > key_max {
            return wrong("a name needs one byte at least and is limited like a key");
        }
        let of_dups = TableFlags::DUP_FIXED | TableFlags::INTEGER_DUP | TableFlags::REVERSE_DUP;
        if flags.intersects(of_dups) && !flags.contains(TableFlags::DUP_SORT) {
            return wrong("flags of duplicates need DUP_SORT");
        }
        if !shared.begin_table(name) {
            return wrong("the name is taken");
        }
        let key_order = OrderKind::of_keys(flags);
        Ok(TableBuilder {
            sink: Sink::new(Arc::clone(&shared)),
            name: name.to_owned(),
            flags,
            key_order,
            dup_order: OrderKind::of_duplicates(flags),
            key_max,
            node_max,
            tree: Tree::new(shared.page_size(), key_order == OrderKind::Lexicographic),
            keys: 0,
            pairs: 0,
            key_width: 0,
            group: Group::default(),
            shared,
        })
    }

    /// Different keys so far.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// Pairs so far.
    #[must_use]
    pub fn pairs(&self) -> u64 {
        self.pairs
    }

    /// Adds a pair. Keys must come in the table's order, and the values of a key in the order of duplicates.
    ///
    /// # Errors
    ///
    /// [`BuildError::Unsorted`]; [`BuildError::Size`] if key or value has a size that LMDB does not take;
    /// [`BuildError::Io`].
    #[inline]
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        if self.flags.contains(TableFlags::DUP_SORT) {
            return self.push_duplicate(key, value);
        }
        self.check_key(key)?;
        if self.keys > 0 && self.key_order.compare(self.tree.last_key(), key) != Ordering::Less {
            return Err(self.unsorted("key", self.tree.last_key().to_vec(), key));
        }
        if value.len() > u32::MAX as usize {
            return Err(self.size("value", value.len(), 0, u32::MAX as usize));
        }
        self.tree.push_value(&mut self.sink, key, value)?;
        self.keys += 1;
        self.pairs += 1;
        Ok(())
    }

    /// Adds several values of one key at once, packed without gaps, to a table of `DUP_FIXED`. Their width is that of
    /// the first value that was pushed, or else that set by [`item_width`](Self::item_width), or else 8 bytes with
    /// `INTEGER_DUP`. More values of the same key may follow.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push); [`BuildError::Table`] if the table is not of `DUP_FIXED`, or the width is not known.
    pub fn push_dups(&mut self, key: &[u8], packed: &[u8]) -> Result<()> {
        let wrong = |reason| Err(BuildError::Table { table: self.name.clone(), reason });
        if !self.flags.contains(TableFlags::DUP_FIXED) {
            return wrong("packed values need DUP_FIXED");
        }
        if self.group.width == 0 && self.flags.contains(TableFlags::INTEGER_DUP) {
            self.group.width = 8;
        }
        let width = self.group.width;
        if width == 0 {
            return wrong("the width of packed values is not known");
        }
        if packed.is_empty() || !packed.len().is_multiple_of(width) {
            return Err(self.size("value", packed.len() % width, width, width));
        }
        self.check_sorted(packed, width)?;
        self.begin_values(key, &packed[..width])?;
        self.group.last.clear();
        self.group.last.extend_from_slice(&packed[packed.len() - width..]);
        self.add_packed(packed)
    }

    /// Sets the width of the values of a table of `DUP_FIXED`.
    ///
    /// # Errors
    ///
    /// [`BuildError::Size`] if it is too small or large, or contradicts the values pushed so far.
    pub fn item_width(&mut self, bytes: usize) -> Result<()> {
        if self.group.width != 0 && self.group.width != bytes {
            return Err(self.size("value", bytes, self.group.width, self.group.width));
        }
        self.check_value(bytes)?;
        self.group.width = bytes;
        Ok(())
    }

    /// Writes what is left of the table, and enters it into the file's table of tables.
    ///
    /// # Errors
    ///
    /// [`BuildError::Io`].
    pub fn finish(mut self) -> Result<()> {
        self.close_group()?;
        let record = self.tree.finish(&mut self.sink, self.flags.bits(), self.pairs)?;
        let table = FinishedTable { record, keys: self.keys, pages: self.sink.pages() };
        self.sink.finish()?;
        self.shared.finish_table(&self.name, table);
        Ok(())
    }

    fn push_duplicate(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_value(value.len())?;
        let fixed = self.flags.contains(TableFlags::DUP_FIXED);
        let one_width = fixed || self.flags.contains(TableFlags::INTEGER_DUP);
        if one_width && self.group.width != value.len() {
            if self.group.width != 0 {
                return Err(self.size("value", value.len(), self.group.width, self.group.width));
            }
            self.group.width = value.len();
        }
        self.begin_values(key, value)?;
        self.group.last.clear();
        self.group.last.extend_from_slice(value);
        if fixed { self.add_packed(value) } else { self.add_node(value) }
    }

    /// Turns to the values of `key`, of which `first` is the next; both must come after what was pushed before.
    #[inline]
    fn begin_values(&mut self, key: &[u8], first: &[u8]) -> Result<()> {
        if self.group.count > 0 {
            match self.key_order.compare(&self.group.key, key) {
                Ordering::Less => self.close_group()?,
                Ordering::Greater => return Err(self.unsorted("key", self.group.key.clone(), key)),
                Ordering::Equal if self.dup_order.compare(&self.group.last, first) == Ordering::Less => {
                    return Ok(());
                }
                Ordering::Equal => return Err(self.unsorted("value", self.group.last.clone(), first)),
            }
        }
        self.check_key(key)?;
        self.group.key.clear();
        self.group.key.extend_from_slice(key);
        self.group.sub_page = PAGE_HEADER;
        self.keys += 1;
        Ok(())
    }

    fn add_packed(&mut self, items: &[u8]) -> Result<()> {
        let group = &mut self.group;
        let count = (items.len() / group.width) as u64;
        group.count += count;
        self.pairs += count;
        if let Some(SubTree::Packed(tree)) = &mut group.tree {
            return tree.push(&mut self.sink, items);
        }
        group.sub_page = packed_sub_page_size(group.count, group.width);
        let node = if group.count == 1 { items.len() } else { group.sub_page };
        if NODE_HEADER + group.key.len() + node <= self.node_max {
            group.values.extend_from_slice(items);
            return Ok(());
        }
        let mut tree = PackedTree::new(self.shared.page_size(), group.width);
        tree.push(&mut self.sink, &group.values)?;
        tree.push(&mut self.sink, items)?;
        group.values.clear();
        group.tree = Some(SubTree::Packed(tree));
        Ok(())
    }

    fn add_node(&mut self, value: &[u8]) -> Result<()> {
        let group = &mut self.group;
        group.count += 1;
        self.pairs += 1;
        if let Some(SubTree::Nodes(tree)) = &mut group.tree {
            return tree.push_node(&mut self.sink, value, 0, &[]).map(|_| ());
        }
        group.sub_page += node_size(value.len(), 0) + 2;
        let node = if group.count == 1 { value.len() } else { group.sub_page };
        if NODE_HEADER + group.key.len() + node <= self.node_max {
            group.values.extend_from_slice(&(value.len() as u16).to_ne_bytes());
            group.values.extend_from_slice(value);
            return Ok(());
        }
        let mut tree = Tree::new(self.shared.page_size(), self.dup_order == OrderKind::Lexicographic);
        for earlier in Sized(&group.values).chain([value]) {
            tree.push_node(&mut self.sink, earlier, 0, &[])?;
        }
        group.values.clear();
        group.tree = Some(SubTree::Nodes(Box::new(tree)));
        Ok(())
    }

    /// Enters the gathered key into the table's tree, in the form that LMDB would give it.
    fn close_group(&mut self) -> Result<()> {
        let group = &mut self.group;
        if group.count == 0 {
            return Ok(());
        }
        let fixed = self.flags.contains(TableFlags::DUP_FIXED);
        match group.tree.take() {
            Some(tree) => {
                let record = tree.finish(&mut self.sink, self.flags, group.count)?;
                self.tree.push_node(&mut self.sink, &group.key, F_DUPDATA | F_SUBDATA, &record.to_bytes())?;
            }
            None if group.count == 1 => {
                let value = if fixed { &group.values } else { &group.values[2..] };
                self.tree.push_node(&mut self.sink, &group.key, 0, value)?;
            }
            None => {
                let bytes = if fixed { packed_sub_page(group) } else { sub_page(group) };
                self.tree.push_sub_page(&mut self.sink, &group.key, F_DUPDATA, &bytes)?;
            }
        }
        group.values.clear();
        group.count = 0;
        Ok(())
    }

    #[inline]
    fn check_key(&mut self, key: &[u8]) -> Result<()> {
        if key.is_empty() || key.len() > self.key_max {
            return Err(self.size("key", key.len(), 1, self.key_max));
        }
        if self.flags.contains(TableFlags::INTEGER_KEY) && key.len() != self.key_width {
            if self.key_width != 0 || !matches!(key.len(), 4 | 8) {
                return Err(self.size("key", key.len(), 4, 8));
            }
            self.key_width = key.len();
        }
        Ok(())
    }

    #[inline]
    fn check_value(&self, size: usize) -> Result<()> {
        if size == 0 || size > self.key_max {
            return Err(self.size("value", size, 1, self.key_max));
        }
        if self.flags.contains(TableFlags::INTEGER_DUP) && !matches!(size, 4 | 8) {
            return Err(self.size("value", size, 4, 8));
        }
        Ok(())
    }

    /// Demands that packed values ascend.
    fn check_sorted(&self, packed: &[u8], width: usize) -> Result<()> {
        let ascending = |pair: (&[u8], &[u8])| self.dup_order.compare(pair.0, pair.1) == Ordering::Less;
        let items = || packed.chunks_exact(width);
        match items().zip(items().skip(1)).find(|pair| !ascending(*pair)) {
            None => Ok(()),
            Some((before, found)) => Err(self.unsorted("value", before.to_vec(), found)),
        }
    }

    #[cold]
    fn unsorted(&self, part: &'static str, before: Vec<u8>, found: &[u8]) -> BuildError {
        BuildError::Unsorted { table: self.name.clone(), part, before, found: found.to_vec() }
    }

    #[cold]
    fn size(&self, part: &'static str, size: usize, min: usize, max: usize) -> BuildError {
        BuildError::Size { table: self.name.clone(), part, size, min, max }
    }
}

impl SubTree {
    fn finish(self, sink: &mut Sink, flags: TableFlags, entries: u64) -> Result<Record> {
        match self {
            SubTree::Nodes(mut tree) => tree.finish(sink, 0, entries),
            SubTree::Packed(mut tree) => {
                let integer = if flags.contains(TableFlags::INTEGER_DUP) {
                    TableFlags::INTEGER_KEY
                } else {
                    TableFlags::empty()
                };
                tree.finish(sink, (TableFlags::DUP_FIXED | integer).bits())
            }
        }
    }
}

/// The size of a sub-page of packed values. It must be even: LMDB shrinks sub-pages in place when it deletes values, and
/// displaces their neighbours if the size was odd before.
fn packed_sub_page_size(count: u64, width: usize) -> usize {
    let count = count as usize;
    let slots = if (count * width).is_multiple_of(2) { count } else { count + 1 };
    PAGE_HEADER + slots * width
}

/// The sub-page of packed values. LMDB marks the sub-pages it writes as dirty; so do we.
fn packed_sub_page(group: &Group) -> Vec<u8> {
    let mut bytes = vec![0; group.sub_page];
    bytes[PAGE_HEADER..PAGE_HEADER + group.values.len()].copy_from_slice(&group.values);
    let (flags, size) = (P_LEAF | P_DIRTY | P_SUBP | P_LEAF2, bytes.len());
    put_packed_header(&mut bytes, flags, group.width, group.count as usize, size);
    bytes
}

/// The sub-page of values of different sizes: a small leaf page whose keys are the values.
fn sub_page(group: &Group) -> Vec<u8> {
    let mut bytes = vec![0; group.sub_page];
    let (mut lower, mut upper) = (PAGE_HEADER, bytes.len());
    for value in Sized(&group.values) {
        upper -= node_size(value.len(), 0);
        bytes[lower..lower + 2].copy_from_slice(&(upper as u16).to_ne_bytes());
        lower += 2;
        bytes[upper + 6..upper + 8].copy_from_slice(&(value.len() as u16).to_ne_bytes());
        bytes[upper + NODE_HEADER..upper + NODE_HEADER + value.len()].copy_from_slice(value);
    }
    put_header(&mut bytes, 0, P_LEAF | P_DIRTY | P_SUBP, lower, upper);
    bytes
}

/// Values, each behind its size.
struct Sized<'v>(&'v [u8]);

impl<'v> Iterator for Sized<'v> {
    type Item = &'v [u8];

    fn next(&mut self) -> Option<&'v [u8]> {
        let (size, rest) = self.0.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(u16::from_ne_bytes(*size).into())?;
        self.0 = rest;
        Some(value)
    }
}
