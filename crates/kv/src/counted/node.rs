//! A node of a tree of counts: its bytes, and how they are searched and changed.
//!
//! ```text
//! level 1 | columns 1 | children n 2 | n x child | separators
//!
//! child: end of its separator 2 | node 4 (above level 0) | pairs 6 | keys 6 (list tables)
//! ```
//!
//! All numbers are little-endian. Child *i* stands for the keys from its separator to that of the next child; what
//! lies before the first separator belongs to the first child, too. Nodes of level 0 have blocks of the table as
//! their children. A node fits inside a page of LMDB, so that none needs pages of its own.

use lmdb_pages::{Lexicographic, NativeInteger, Order, OrderKind, ReverseBytes};

use super::{Measure, Tally};
use crate::read::KeyBytes;

/// The longest node, so that two fit a page.
pub(super) const NODE_MAX: usize = 1960;
const HEAD: usize = 4;

/// A child of a node, taken out of its bytes.
#[derive(Clone, Debug)]
pub(super) struct Child {
    pub(super) separator: KeyBytes,
    /// Its node; meaningless at level 0.
    pub(super) node: u32,
    pub(super) tally: Tally,
}

/// A node in its bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'n> {
    bytes: &'n [u8],
    count: usize,
    shape: Shape,
}

/// Where the columns of a node's children lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) level: u8,
    pub(super) list: bool,
}

impl Shape {
    fn pairs_at(self) -> usize {
        if self.level > 0 { 6 } else { 2 }
    }

    fn keys_at(self) -> usize {
        self.pairs_at() + if self.list { 6 } else { 0 }
    }

    fn width(self) -> usize {
        self.keys_at() + 6
    }
}

/// Six bytes hold the numbers of anything that fits a file. Two other bytes of the record stand before each of them, so
/// it is read as a word.
#[inline(always)]
fn number(record: &[u8], at: usize) -> u64 {
    record[at - 2..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word) >> 16)
}

/// The sum of the numbers at one place of each record.
#[inline]
fn sum(records: &[u8], shape: Shape, at: usize) -> u64 {
    // The width as a constant makes this a loop over words.
    fn sum_of<const WIDTH: usize>(records: &[u8], at: usize) -> u64 {
        records.as_chunks::<WIDTH>().0.iter().map(|record| number(record, at)).sum()
    }
    match (shape.level > 0, shape.list) {
        (false, false) => sum_of::<8>(records, at),
        (true, false) => sum_of::<12>(records, at),
        (false, true) => sum_of::<14>(records, at),
        (true, true) => sum_of::<18>(records, at),
    }
}

fn put_number(value: u64, bytes: &mut [u8]) {
    bytes[..6].copy_from_slice(&value.to_le_bytes()[..6]);
}

fn short(bytes: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([bytes[0], bytes[1]]))
}

impl<'n> Node<'n> {
    /// A node to be searched; `None` if the bytes are not long enough for one. The places of its separators are
    /// checked where they are used.
    #[inline]
    pub(super) fn new(bytes: &'n [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let shape = Shape { level: head[0], list: head[1] & 1 != 0 };
        let count = short(&head[2..]);
        let separators = rest.len().checked_sub(count * shape.width())?;
        let node = Self { bytes, count, shape };
        (count > 0 && short(node.record(count - 1)) <= separators).then_some(node)
    }

    /// A node to be changed: all of it is checked.
    pub(super) fn whole(bytes: &'n [u8]) -> Option<Self> {
        Self::new(bytes).filter(Self::is_whole)
    }

    /// Whether every separator lies in the node.
    pub(super) fn is_whole(&self) -> bool {
        (0..self.count).all(|index| self.try_separator(index).is_some())
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    #[inline]
    fn record(&self, index: usize) -> &'n [u8] {
        let at = HEAD + index * self.shape.width();
        &self.bytes[at..at + self.shape.width()]
    }

    /// The separator of a child, if it lies in the node.
    #[inline]
    fn try_separator(&self, index: usize) -> Option<&'n [u8]> {
        let width = self.shape.width();
        let (table, separators) = self.bytes[HEAD..].split_at_checked(self.count * width)?;
        let end = |at: usize| Some(usize::from(u16::from_le_bytes(*table.get(at..)?.first_chunk()?)));
        let start = if index == 0 { 0 } else { end((index - 1) * width)? };
        separators.get(start..end(index * width)?)
    }

    /// The separator of a child of a [whole](Node::whole) node; empty, if it does not lie in the node.
    pub(super) fn separator(&self, index: usize) -> &'n [u8] {
        self.try_separator(index).unwrap_or_default()
    }

    pub(super) fn child(&self, index: usize) -> u32 {
        let record = self.record(index);
        if self.shape.level == 0 {
            0
        } else {
            u32::from_le_bytes([record[2], record[3], record[4], record[5]])
        }
    }

    #[inline]
    pub(super) fn tally(&self, index: usize) -> Tally {
        let record = self.record(index);
        Tally { keys: number(record, self.shape.keys_at()), pairs: number(record, self.shape.pairs_at()) }
    }

    /// What the children before `index` hold together.
    pub(super) fn before(&self, index: usize) -> Tally {
        let records = &self.bytes[HEAD..HEAD + index * self.shape.width()];
        let pairs = sum(records, self.shape, self.shape.pairs_at());
        let keys = if self.shape.list { sum(records, self.shape, self.shape.keys_at()) } else { pairs };
        Tally { keys, pairs }
    }

    pub(super) fn total(&self) -> Tally {
        self.before(self.count)
    }

    /// The child that a key belongs to; `None` if the node is not whole.
    pub(super) fn find(&self, key: &[u8], order: OrderKind) -> Option<usize> {
        match order {
            OrderKind::Lexicographic => self.find_by::<Lexicographic>(key),
            OrderKind::NativeInteger => self.find_by::<NativeInteger>(key),
            OrderKind::ReverseBytes => self.find_by::<ReverseBytes>(key),
        }
    }

    /// As [`find`](Self::find) in a [whole](Node::whole) node, where the child is `from` or a later one, and likely near.
    pub(super) fn find_near(&self, from: usize, key: &[u8], order: OrderKind) -> usize {
        let is_before = |at: usize| order.compare(self.separator(at), key).is_le();
        first_not_before(from + 1, self.count, is_before) - 1
    }

    fn find_by<O: Order>(&self, key: &[u8]) -> Option<usize> {
        let width = self.shape.width();
        let (table, separators) = self.bytes[HEAD..].split_at_checked(self.count * width)?;
        let end = |at: usize| Some(usize::from(u16::from_le_bytes(*table.get(at..)?.first_chunk()?)));
        let (mut low, mut high) = (1, self.count);
        while low < high {
            let middle = (low + high) / 2;
            let at = middle * width;
            let separator = separators.get(end(at - width)?..end(at)?)?;
            if O::compare(separator, key).is_le() { low = middle + 1 } else { high = middle }
        }
        Some(low - 1)
    }

    /// The child that holds the element of this rank, and the rank among the child's own.
    pub(super) fn select(&self, mut rank: u64, measure: Measure) -> Option<(usize, u64)> {
        let at = match measure {
            Measure::Keys => self.shape.keys_at(),
            Measure::Pairs => self.shape.pairs_at(),
        };
        for (index, record) in
            self.bytes[HEAD..].chunks_exact(self.shape.width()).take(self.count).enumerate()
        {
            let inside = number(record, at);
            if rank < inside {
                return Some((index, rank));
            }
            rank -= inside;
        }
        None
    }

    pub(super) fn children(&self) -> Vec<Child> {
        let child = |index| Child {
            separator: KeyBytes::from_slice(self.separator(index)),
            node: self.child(index),
            tally: self.tally(index),
        };
        (0..self.count).map(child).collect()
    }
}

/// The first of `from..to` that does not lie before something, or `to`; it is likely near `from`, so the step is doubled before
/// it is halved.
pub(super) fn first_not_before(from: usize, to: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (from, 1);
    while low + step < to && is_before(low + step - 1) {
        low += step;
        step *= 2;
    }
    let mut high = (low + step).min(to);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// Sets what a child of a node holds.
pub(super) fn set_tally(bytes: &mut [u8], shape: Shape, index: usize, tally: Tally) {
    let at = HEAD + index * shape.width() + shape.pairs_at();
    put_number(tally.pairs, &mut bytes[at..]);
    if shape.list {
        put_number(tally.keys, &mut bytes[at + 6..]);
    }
}

pub(super) fn encode(shape: Shape, children: &[Child]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NODE_MAX);
    bytes.extend_from_slice(&[shape.level, u8::from(shape.list)]);
    bytes.extend_from_slice(&(children.len() as u16).to_le_bytes());
    let mut end = 0u16;
    for child in children {
        end += child.separator.len() as u16;
        bytes.extend_from_slice(&end.to_le_bytes());
        if shape.level > 0 {
            bytes.extend_from_slice(&child.node.to_le_bytes());
        }
        bytes.extend_from_slice(&child.tally.pairs.to_le_bytes()[..6]);
        if shape.list {
            bytes.extend_from_slice(&child.tally.keys.to_le_bytes()[..6]);
        }
    }
    for child in children {
        bytes.extend_from_slice(&child.separator);
    }
    bytes
}

/// Divides children among as many nodes as they need, evenly by their bytes.
pub(super) fn divide(shape: Shape, children: Vec<Child>) -> Vec<Vec<Child>> {
    let size = |child: &Child| shape.width() + child.separator.len();
    let total: usize = children.iter().map(size).sum();
    let room = NODE_MAX - HEAD;
    if total <= room {
        return vec![children];
    }
    // Nodes that were just divided have room for further children on both sides.
    let fill = (total / total.div_ceil(room * 3 / 4)).min(room);
    let mut nodes: Vec<Vec<Child>> = Vec::new();
    let mut used = usize::MAX;
    for child in children {
        let next = size(&child);
        if used.saturating_add(next) > room || used >= fill {
            nodes.push(Vec::new());
            used = 0;
        }
        used += next;
        nodes.last_mut().expect("pushed above").push(child);
    }
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(number: usize) -> Child {
        let separator = KeyBytes::from_slice(format!("{number:05}").as_bytes());
        let number = number as u64;
        Child { separator, node: number as u32 + 7, tally: Tally { keys: number + 1, pairs: number * 3 + 1 } }
    }

    #[test]
    fn what_is_encoded_is_read() {
        for shape in [0, 1].into_iter().flat_map(|level| [false, true].map(|list| Shape { level, list })) {
            let children: Vec<_> = (0..50).map(child).collect();
            let mut bytes = encode(shape, &children);
            let node = Node::new(&bytes).unwrap();
            assert_eq!((node.shape(), node.len()), (shape, 50));
            for (index, child) in children.iter().enumerate() {
                assert_eq!(node.separator(index), child.separator.as_slice());
                assert_eq!(node.tally(index).pairs, child.tally.pairs);
                assert_eq!(
                    node.tally(index).keys,
                    if shape.list { child.tally.keys } else { child.tally.pairs }
                );
                assert_eq!(node.child(index), if shape.level > 0 { child.node } else { 0 });
                let key = [child.separator.as_slice(), b"x"].concat();
                assert_eq!(node.find(&key, OrderKind::Lexicographic), Some(index));
                for from in 0..=index {
                    assert_eq!(node.find_near(from, &key, OrderKind::Lexicographic), index);
                }
            }
            assert_eq!(node.find(b"", OrderKind::Lexicographic), Some(0));
            assert_eq!(node.before(3).pairs, 1 + 4 + 7);
            assert_eq!(node.select(5, Measure::Pairs), Some((2, 0)));
            assert_eq!(node.select(node.total().pairs, Measure::Pairs), None);
            let (index, rank) = if shape.list { (2, 2) } else { (2, 0) };
            assert_eq!(node.select(5, Measure::Keys), Some((index, rank)));
            set_tally(&mut bytes, shape, 3, Tally { keys: 5, pairs: 1 << 40 });
            assert_eq!(Node::new(&bytes).unwrap().tally(3).pairs, 1 << 40);
        }
    }

    #[test]
    fn bytes_that_are_not_a_node_are_refused() {
        let bytes = encode(Shape { level: 1, list: true }, &[child(1), child(2)]);
        assert!(Node::new(&bytes[..bytes.len() - 1]).is_none());
        assert!(Node::new(&bytes[..10]).is_none());
        assert!(Node::new(&[]).is_none());
        assert!(Node::new(&[0, 0, 0, 0]).is_none());
        assert!(Node::new(&[0, 0, 1, 0, 9, 9, 0, 0, 0, 0, 0, 0]).is_none());
        // A separator that ends before it begins.
        let mut bytes = encode(Shape { level: 0, list: false }, &[child(1), child(2), child(3)]);
        bytes[HEAD + 8] = 3;
        assert!(Node::whole(&bytes).is_none());
        assert_eq!(Node::new(&bytes).and_then(|node| node.find(b"00002", OrderKind::Lexicographic)), None);
    }

    #[test]
    fn divided_children_fit_their_nodes() {
        for count in [1, 50, 150, 151, 400, 5000] {
            let shape = Shape { level: 0, list: true };
            let nodes = divide(shape, (0..count).map(child).collect());
            assert_eq!(nodes.iter().map(Vec::len).sum::<usize>(), count);
            for node in &nodes {
                assert!(!node.is_empty() && encode(shape, node).len() <= NODE_MAX);
            }
            assert!(nodes.len() <= count / 50 + 1, "{count} children in {} nodes", nodes.len());
        }
    }
}
