//! Searching a tree of counts: the rank of a key, and the key of a rank.

use std::ops::Bound;

use lmdb_pages::OrderKind;

use super::node::Node;
use super::{ROOT, Tally, TreeId};
use crate::error::{Error, Result};

/// Deeper trees do not exist.
const DEPTH_MAX: usize = 16;

/// Where a counted table and its tree of counts are read from.
pub(crate) trait Counted<'r> {
    /// The bytes of a node.
    fn node(&mut self, tree: TreeId, id: u32) -> Result<Option<&'r [u8]>>;

    /// The bytes of the root, if they are at hand.
    fn root(&self) -> Option<&'r [u8]> {
        None
    }

    /// Counts keys and pairs of the table itself, between bounds that lie near each other.
    fn count(&mut self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Tally>;

    /// How much of each block lies before a bound inside it.
    fn count_in_blocks<const N: usize>(
        &mut self,
        ends: [(Block<'_>, Bound<&[u8]>); N],
    ) -> Result<[Tally; N]> {
        let mut tallies = [Tally::default(); N];
        for (tally, (block, end)) in tallies.iter_mut().zip(ends) {
            *tally = self.count(block.start(), end)?;
        }
        Ok(tallies)
    }
}

/// What ranks are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Keys,
    Pairs,
}

/// A block of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'r> {
    /// Where it begins; nothing for the first.
    pub(crate) low: Option<&'r [u8]>,
    /// Where the next one begins; nothing for the last.
    pub(crate) high: Option<&'r [u8]>,
    /// What it holds; nothing is known of the whole table as a block.
    pub(crate) tally: Tally,
    /// What lies before it.
    before: Tally,
}

impl<'r> Block<'r> {
    /// The whole table, as a block.
    pub(crate) fn whole() -> Self {
        Self { low: None, high: None, tally: Tally::default(), before: Tally::default() }
    }

    /// Where it begins.
    pub(crate) fn start(&self) -> Bound<&'r [u8]> {
        self.low.map_or(Bound::Unbounded, Bound::Included)
    }

    /// Goes down to a child of a node that the block lies in.
    fn narrow(&mut self, node: &Node<'r>, index: usize) {
        if index > 0 {
            self.low = Some(node.separator(index));
        }
        if index + 1 < node.len() {
            self.high = Some(node.separator(index + 1));
        }
        self.before = self.before + node.before(index);
        self.tally = node.tally(index);
    }
}

/// A tree of counts, ready to be searched.
#[derive(Debug)]
pub(crate) struct Ranks<C> {
    source: C,
    tree: TreeId,
    order: OrderKind,
    name: &'static str,
}

impl<'r, C: Counted<'r>> Ranks<C> {
    /// Not to be trusted before [`Ranks::check`].
    pub(crate) fn new(source: C, tree: TreeId, order: OrderKind, name: &'static str) -> Self {
        Self { source, tree, order, name }
    }

    /// Compares the sum of the counts with the number of pairs that LMDB has counted.
    pub(crate) fn check(&mut self, entries: u64) -> Result<()> {
        if self.total()?.pairs == entries {
            Ok(())
        } else {
            Err(Error::CountsOutdated { name: self.name.to_owned() })
        }
    }

    /// The bytes of the root.
    pub(crate) fn root(&mut self) -> Result<Option<&'r [u8]>> {
        self.source.node(self.tree, ROOT)
    }

    fn node(&mut self, id: u32) -> Result<Option<Node<'r>>> {
        let bytes = match self.source.root() {
            Some(root) if id == ROOT => Some(root),
            _ => self.source.node(self.tree, id)?,
        };
        match bytes {
            None => Ok(None),
            Some(bytes) => Node::new(bytes).map(Some).ok_or_else(|| self.damaged()),
        }
    }

    /// What the whole table holds.
    pub(crate) fn total(&mut self) -> Result<Tally> {
        Ok(self.node(ROOT)?.map(|root| root.total()).unwrap_or_default())
    }

    /// How much has keys between two bounds.
    pub(crate) fn count(&mut self, low: Bound<&[u8]>, high: Bound<&[u8]>) -> Result<Tally> {
        if let (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) =
            (low, high)
            && self.order.compare(a, b).is_gt()
        {
            return Ok(Tally::default());
        }
        let (low_block, high_block) = match (low, high) {
            (Bound::Included(low) | Bound::Excluded(low), Bound::Included(high) | Bound::Excluded(high)) => {
                let [low, high] = self.locate_both(low, high)?;
                (Some(low), Some(high))
            }
            _ => (self.block_of(low)?, self.block_of(high)?),
        };
        if let (Some(a), Some(b)) = (low_block, high_block)
            && a.before == b.before
            && a.low == b.low
        {
            // A short way, which need not go through the start of the block twice.
            return self.source.count(low, high);
        }
        // What lies before the range, the lower bound being the end of that.
        let end = match low {
            Bound::Included(key) => Bound::Excluded(key),
            Bound::Excluded(key) => Bound::Included(key),
            Bound::Unbounded => Bound::Unbounded,
        };
        let none = Tally::default();
        let (before, behind) = match (low_block, high_block) {
            (Some(first), Some(last)) => {
                let [inside, to_end] = self.source.count_in_blocks([(first, end), (last, high)])?;
                (first.before + inside, last.before + to_end)
            }
            (Some(first), None) => {
                let [inside] = self.source.count_in_blocks([(first, end)])?;
                (first.before + inside, self.total()?)
            }
            (None, Some(last)) => {
                let [to_end] = self.source.count_in_blocks([(last, high)])?;
                (none, last.before + to_end)
            }
            (None, None) => (none, self.total()?),
        };
        match (behind.keys.checked_sub(before.keys), behind.pairs.checked_sub(before.pairs)) {
            (Some(keys), Some(pairs)) => Ok(Tally { keys, pairs }),
            _ => Err(self.damaged()),
        }
    }

    fn block_of(&mut self, bound: Bound<&[u8]>) -> Result<Option<Block<'r>>> {
        match bound {
            Bound::Included(key) | Bound::Excluded(key) => self.locate(key).map(Some),
            Bound::Unbounded => Ok(None),
        }
    }

    /// The block that a key belongs to.
    fn locate(&mut self, key: &[u8]) -> Result<Block<'r>> {
        let order = self.order;
        let mut whole = true;
        let found = self.descend(|node| {
            let index = node.find(key, order);
            whole = index.is_some();
            index.map(|index| (index, 0))
        })?;
        if !whole {
            return Err(self.damaged());
        }
        Ok(found.map_or(Block::whole(), |(block, _)| block))
    }

    /// The blocks that two keys belong to. Nodes above both are read once; of two nodes of a level, one is fetched while
    /// the other is looked for.
    fn locate_both(&mut self, low: &[u8], high: &[u8]) -> Result<[Block<'r>; 2]> {
        let mut blocks = [Block::whole(); 2];
        let mut ids = [ROOT; 2];
        for depth in 0..DEPTH_MAX {
            let Some(first) = self.node(ids[0])? else {
                return if depth == 0 { Ok(blocks) } else { Err(self.damaged()) };
            };
            let second = if ids[0] == ids[1] { Some(first) } else { self.node(ids[1])? };
            let Some(second) = second.filter(|second| second.shape() == first.shape()) else {
                return Err(self.damaged());
            };
            for (place, (node, key)) in [(first, low), (second, high)].into_iter().enumerate() {
                let index = node.find(key, self.order).ok_or_else(|| self.damaged())?;
                blocks[place].narrow(&node, index);
                ids[place] = node.child(index);
            }
            if first.shape().level == 0 {
                return Ok(blocks);
            }
        }
        Err(self.damaged())
    }

    /// The block that holds the element of a rank, and the rank inside the block.
    pub(crate) fn select(&mut self, rank: u64, measure: Measure) -> Result<Option<(Block<'r>, u64)>> {
        let mut rest = rank;
        self.descend(|node| {
            let (index, inside) = node.select(rest, measure)?;
            rest = inside;
            Some((index, inside))
        })
    }

    /// Goes down to a block, by what `choose` says in each node.
    fn descend(
        &mut self,
        mut choose: impl FnMut(&Node<'r>) -> Option<(usize, u64)>,
    ) -> Result<Option<(Block<'r>, u64)>> {
        let mut block = Block::whole();
        let mut id = ROOT;
        for depth in 0..DEPTH_MAX {
            let Some(node) = self.node(id)? else {
                return if depth == 0 { Ok(None) } else { Err(self.damaged()) };
            };
            let Some((index, rest)) = choose(&node) else { return Ok(None) };
            block.narrow(&node, index);
            if node.shape().level == 0 {
                return Ok(Some((block, rest)));
            }
            id = node.child(index);
        }
        Err(self.damaged())
    }

    /// Compares the count of every block with the table itself.
    pub(crate) fn verify(&mut self) -> Result<()> {
        let mut blocks: Vec<(Bound<&'r [u8]>, Tally)> = Vec::new();
        self.collect(ROOT, Bound::Unbounded, &mut blocks, 0)?;
        for index in 0..blocks.len() {
            let (low, tally) = blocks[index];
            let high = match blocks.get(index + 1) {
                Some((Bound::Included(next), _)) => Bound::Excluded(*next),
                Some(_) => return Err(self.damaged()),
                None => Bound::Unbounded,
            };
            if let (Bound::Included(low), Bound::Excluded(high)) = (low, high)
                && self.order.compare(low, high).is_ge()
            {
                return Err(self.damaged());
            }
            if self.source.count(low, high)? != tally {
                return Err(Error::CountsOutdated { name: self.name.to_owned() });
            }
        }
        Ok(())
    }

    fn collect(
        &mut self,
        id: u32,
        low: Bound<&'r [u8]>,
        blocks: &mut Vec<(Bound<&'r [u8]>, Tally)>,
        depth: usize,
    ) -> Result<Tally> {
        let node = match self.node(id)? {
            None if depth == 0 => return Ok(Tally::default()),
            Some(node) if depth < DEPTH_MAX && node.is_whole() => node,
            _ => return Err(self.damaged()),
        };
        for index in 0..node.len() {
            let low = if index == 0 { low } else { Bound::Included(node.separator(index)) };
            if node.shape().level == 0 {
                blocks.push((low, node.tally(index)));
            } else if self.collect(node.child(index), low, blocks, depth + 1)? != node.tally(index) {
                return Err(self.damaged());
            }
        }
        Ok(node.total())
    }

    #[cold]
    fn damaged(&self) -> Error {
        Error::Corrupted { reason: format!("the counts of table {:?} are not whole", self.name) }
    }
}
