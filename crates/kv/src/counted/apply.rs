//! Bringing changes into a tree of counts: numbers in place, and where blocks grow or shrink, the tree's shape.

use lmdb_pages::OrderKind;
use smallvec::SmallVec;

use super::node::{Child, NODE_MAX, Node, Shape, divide, encode, first_not_before, set_tally};
use super::pending::{LastBlock, LeafStarts, Pending, separator};
use super::{Change, ROOT, Tally, TreeId};
use crate::error::{Error, Result};
use crate::read::KeyBytes;
use crate::sys::{Code, Move, RawCursor, Search};

/// A block with more keys is divided.
const BLOCK_MAX: u64 = 256;
/// Into blocks of so many at least, to the beginning of the next leaf,
const PIECE_MIN: u64 = 112;
/// and of so many at most.
const PIECE_MAX: u64 = 192;
/// A block with fewer keys joins its neighbour, if both together have at most [`JOINED_MAX`].
const BLOCK_MIN: u64 = 32;
const JOINED_MAX: u64 = 192;
/// Deeper trees do not exist.
const DEPTH_MAX: usize = 16;

/// Brings changes into the tree of one table. Both cursors are its own.
#[derive(Debug)]
pub(crate) struct Settler {
    /// Over all trees of counts.
    counts: RawCursor,
    /// Over the counted table.
    table: RawCursor,
    tree: TreeId,
    order: OrderKind,
    list: bool,
    /// Nodes just written that may fit into a neighbour.
    small: Vec<u32>,
}

/// What became of a node.
enum Outcome {
    /// It holds other numbers.
    Changed(Change),
    /// These stand in its place: none, one or several nodes.
    Replaced(Vec<Child>),
}

/// Which changes, and below which key nothing of the node lies.
struct Part<'p> {
    pending: &'p Pending,
    from: usize,
    to: usize,
    low: KeyBytes,
}

impl Settler {
    pub(crate) fn new(
        counts: RawCursor,
        table: RawCursor,
        tree: TreeId,
        order: OrderKind,
        list: bool,
    ) -> Self {
        Self { counts, table, tree, order, list, small: Vec::new() }
    }

    pub(crate) fn close(self) {
        self.counts.close();
        self.table.close();
    }

    /// Brings everything in, and forgets it.
    pub(crate) fn settle(&mut self, pending: &mut Pending) -> Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        if self.read(ROOT)?.is_none() {
            let block = Child { separator: KeyBytes::new(), node: 0, tally: Tally::default() };
            self.write(ROOT, &encode(self.shape(0), &[block]))?;
        }
        let appended = pending.take_appended();
        if !appended.is_empty() {
            self.append(ROOT, appended, 0)?;
        }
        pending.sort(self.order);
        let part = Part { pending, from: 0, to: pending.len(), low: KeyBytes::new() };
        self.apply(ROOT, &part, 0)?;
        self.lower_root()?;
        pending.clear();
        Ok(())
    }

    /// The last block of the tree, as it is now.
    pub(crate) fn last_block(&self) -> Result<LastBlock> {
        let mut last = LastBlock { separator: KeyBytes::new(), keys: 0 };
        let mut id = ROOT;
        for _ in 0..DEPTH_MAX {
            let Some(bytes) = self.read(id)? else { break };
            let node = self.parse(bytes)?;
            let index = node.len() - 1;
            if index > 0 {
                last.separator = KeyBytes::from_slice(node.separator(index));
            }
            if node.shape().level == 0 {
                last.keys = node.tally(index).keys;
                break;
            }
            id = node.child(index);
        }
        Ok(last)
    }

    fn shape(&self, level: u8) -> Shape {
        Shape { level, list: self.list }
    }

    fn read(&self, id: u32) -> Result<Option<&[u8]>> {
        let found = self.counts.seek_exact(&self.tree.key(id)).map_err(failed)?;
        Ok(found.map(|(_, bytes)| bytes))
    }

    fn parse<'n>(&self, bytes: &'n [u8]) -> Result<Node<'n>> {
        Node::whole(bytes).filter(|node| node.shape().list == self.list).ok_or_else(damaged)
    }

    /// A copy of a node that must exist, and what it is.
    fn load(&self, id: u32, depth: usize) -> Result<(Vec<u8>, Shape)> {
        let bytes = self.read(id)?.filter(|_| depth < DEPTH_MAX).ok_or_else(damaged)?;
        let shape = self.parse(bytes)?.shape();
        Ok((bytes.to_vec(), shape))
    }

    fn write(&mut self, id: u32, bytes: &[u8]) -> Result<()> {
        self.counts.put(&self.tree.key(id), bytes, 0, Search::Cursor).map_err(failed)
    }

    fn remove(&mut self, id: u32) -> Result<()> {
        if self.counts.seek_exact(&self.tree.key(id)).map_err(failed)?.is_some() {
            self.counts.delete(false).map_err(failed)?;
        }
        Ok(())
    }

    /// A number that no node of the tree has.
    fn new_id(&self) -> Result<u32> {
        let next_tree = TreeId(self.tree.0 + 1).key(ROOT);
        let last = match self.counts.seek(&next_tree).map_err(failed)? {
            Some(_) => self.counts.go(Move::Prev),
            None => self.counts.go(Move::Last),
        };
        let last = last
            .map_err(failed)?
            .map(|(key, _)| key)
            .filter(|key| key.starts_with(&self.tree.0.to_be_bytes()));
        let number = last.and_then(|key| key.get(4..8)).and_then(|bytes| bytes.try_into().ok());
        Ok(number.map_or(ROOT, u32::from_be_bytes) + 1)
    }

    /// Adds blocks behind all others.
    fn append(&mut self, id: u32, blocks: Vec<Child>, depth: usize) -> Result<Outcome> {
        let (bytes, shape) = self.load(id, depth)?;
        let mut children = self.parse(&bytes)?.children();
        if shape.level == 0 {
            children.extend(blocks);
            return self.store(id, shape, children);
        }
        let last = children.last().map(|child| child.node).ok_or_else(damaged)?;
        match self.append(last, blocks, depth + 1)? {
            Outcome::Changed(_) => Err(damaged()),
            Outcome::Replaced(nodes) => {
                let separator = children.pop().ok_or_else(damaged)?.separator;
                children.extend(placed(nodes, separator));
                self.store(id, shape, children)
            }
        }
    }

    /// Brings changes into a node and those below it.
    fn apply(&mut self, id: u32, part: &Part<'_>, depth: usize) -> Result<Outcome> {
        if part.from == part.to {
            return Ok(Outcome::Changed(Change::default()));
        }
        let (mut bytes, shape) = self.load(id, depth)?;
        let mut sum = Change::default();
        let mut replaced = Vec::new();
        let mut touched = SmallVec::<[usize; 64]>::new();
        let (mut from, mut next) = (part.from, 0);
        while from < part.to {
            // All of it was checked when it was loaded, and numbers are all that changes.
            let node = Node::new(&bytes).ok_or_else(damaged)?;
            let index = node.find_near(next, part.pending.key(from), self.order);
            next = index + 1;
            let to = self.end_of_child(&node, index, part, from);
            let low = if index > 0 { KeyBytes::from_slice(node.separator(index)) } else { part.low.clone() };
            let (child, old) = (node.child(index), node.tally(index));
            let below = Part { pending: part.pending, from, to, low };
            let change = if shape.level == 0 {
                touched.push(index);
                sum_of(&below)
            } else {
                match self.apply(child, &below, depth + 1)? {
                    Outcome::Changed(change) => change,
                    Outcome::Replaced(nodes) => {
                        let new = nodes.iter().fold(Tally::default(), |sum, node| sum + node.tally);
                        replaced.push((index, nodes));
                        difference(old, new)
                    }
                }
            };
            sum += change;
            set_tally(&mut bytes, shape, index, old.changed_by(change));
            from = to;
        }
        let node = Node::new(&bytes).ok_or_else(damaged)?;
        if shape.level > 0 {
            if replaced.is_empty() {
                self.write(id, &bytes)?;
                return Ok(Outcome::Changed(sum));
            }
            let children = self.join_nodes(replace(node.children(), replaced))?;
            return self.store(id, shape, children);
        }
        let joins_next =
            |index: usize| index + 1 < node.len() && joins(node.tally(index), node.tally(index + 1));
        let sound = |index: usize| {
            let keys = node.tally(index).keys;
            let joins = joins_next(index) || index > 0 && joins_next(index - 1);
            keys <= BLOCK_MAX && !joins && (keys > 0 || id == ROOT)
        };
        if touched.into_iter().all(sound) {
            self.write(id, &bytes)?;
            return Ok(Outcome::Changed(sum));
        }
        let blocks = self.reshape_blocks(node.children(), &part.low)?;
        self.store(id, shape, blocks)
    }

    /// The first change that belongs to a later child.
    fn end_of_child(&self, node: &Node<'_>, index: usize, part: &Part<'_>, from: usize) -> usize {
        if index + 1 == node.len() {
            return part.to;
        }
        let next = node.separator(index + 1);
        let is_before = |at: usize| self.order.compare(part.pending.key(at), next).is_lt();
        first_not_before(from + 1, part.to, is_before)
    }

    /// Writes the children of a node, in as many nodes as they need.
    fn store(&mut self, id: u32, shape: Shape, children: Vec<Child>) -> Result<Outcome> {
        if children.is_empty() {
            self.remove(id)?;
            return Ok(Outcome::Replaced(Vec::new()));
        }
        let mut nodes = divide(shape, children);
        if nodes.len() == 1 {
            let bytes = encode(shape, &nodes[0]);
            if bytes.len() < NODE_MAX / 4 {
                self.small.push(id);
            }
            self.write(id, &bytes)?;
            return Ok(Outcome::Replaced(vec![summary(id, &nodes[0])]));
        }
        let mut parents = Vec::with_capacity(nodes.len());
        // The root keeps its number and becomes the parent of them all.
        let kept = if id == ROOT { None } else { Some(id) };
        for (index, node) in nodes.drain(..).enumerate() {
            let id = match kept {
                Some(id) if index == 0 => id,
                _ => self.new_id()?,
            };
            self.write(id, &encode(shape, &node))?;
            parents.push(summary(id, &node));
        }
        if id == ROOT {
            return self.store(ROOT, self.shape(shape.level + 1), parents);
        }
        Ok(Outcome::Replaced(parents))
    }

    /// Divides blocks that are too large and joins those that are too small.
    fn reshape_blocks(&self, blocks: Vec<Child>, low: &[u8]) -> Result<Vec<Child>> {
        let mut reshaped: Vec<Child> = Vec::with_capacity(blocks.len() + 1);
        for (index, block) in blocks.into_iter().enumerate() {
            if block.tally.keys > BLOCK_MAX {
                let low = if index == 0 { low } else { block.separator.as_slice() };
                let low = KeyBytes::from_slice(low);
                self.divide_block(block, &low, &mut reshaped)?;
                continue;
            }
            match reshaped.last_mut() {
                Some(last) if joins(last.tally, block.tally) => last.tally = last.tally + block.tally,
                _ => reshaped.push(block),
            }
        }
        // A block without keys has nothing to stand for.
        if let [only] = reshaped.as_slice()
            && only.tally == Tally::default()
        {
            reshaped.clear();
        }
        Ok(reshaped)
    }

    /// Walks over a block's keys and cuts it into pieces.
    fn divide_block(&self, mut block: Child, low: &[u8], pieces: &mut Vec<Child>) -> Result<()> {
        let mut place = if low.is_empty() { self.table.go(Move::First) } else { self.table.seek(low) };
        let mut leaves = LeafStarts::new(self.table.stat().map_err(failed)?.page_size);
        let mut piece = Tally::default();
        let mut before = KeyBytes::new();
        while let Some((key, _)) = place.map_err(failed)? {
            let starts_leaf = leaves.is_start(key);
            if piece.keys >= PIECE_MIN && starts_leaf || piece.keys >= PIECE_MAX {
                block.tally = difference_of(block.tally, piece)?;
                pieces.push(Child { tally: std::mem::take(&mut piece), ..block.clone() });
                block.separator = separator(&before, key, starts_leaf, self.order);
                if block.tally.keys <= BLOCK_MAX {
                    break;
                }
            }
            piece.keys += 1;
            piece.pairs += if self.list { self.table.dup_count().map_err(failed)? } else { 1 };
            before = KeyBytes::from_slice(key);
            place = self.table.go(Move::NextKey);
        }
        pieces.push(block);
        Ok(())
    }

    /// Joins the nodes that have become small with neighbours, where both fit one.
    fn join_nodes(&mut self, children: Vec<Child>) -> Result<Vec<Child>> {
        let small = std::mem::take(&mut self.small);
        if small.is_empty() {
            return Ok(children);
        }
        let mut joined: Vec<Child> = Vec::with_capacity(children.len());
        for child in children {
            match joined.last_mut() {
                Some(last) if small.contains(&last.node) || small.contains(&child.node) => {
                    if !self.join_node(last, &child)? {
                        joined.push(child);
                    }
                }
                _ => joined.push(child),
            }
        }
        Ok(joined)
    }

    /// Takes the children of the right node over into the left one, if they fit.
    fn join_node(&mut self, left: &mut Child, right: &Child) -> Result<bool> {
        let (left_bytes, shape) = self.load(left.node, 0)?;
        let (right_bytes, _) = self.load(right.node, 0)?;
        if left_bytes.len() + right_bytes.len() > NODE_MAX * 3 / 4 {
            return Ok(false);
        }
        let mut children = self.parse(&left_bytes)?.children();
        // Until now the first separator did not count: the parent's did.
        children.extend(placed(self.parse(&right_bytes)?.children(), right.separator.clone()));
        self.write(left.node, &encode(shape, &children))?;
        self.remove(right.node)?;
        left.tally = left.tally + right.tally;
        Ok(true)
    }

    /// Puts the only child of a root in the root's place.
    fn lower_root(&mut self) -> Result<()> {
        for depth in 0..DEPTH_MAX {
            let Some(bytes) = self.read(ROOT)? else { return Ok(()) };
            let node = self.parse(bytes)?;
            if node.shape().level == 0 || node.len() > 1 {
                return Ok(());
            }
            let only = node.child(0);
            let (bytes, _) = self.load(only, depth)?;
            self.write(ROOT, &bytes)?;
            self.remove(only)?;
        }
        Ok(())
    }
}

/// Deletes all nodes of a tree.
pub(crate) fn remove_tree(counts: &mut RawCursor, tree: TreeId) -> Result<()> {
    loop {
        match counts.seek(&tree.key(ROOT)).map_err(failed)? {
            Some((key, _)) if key.starts_with(&tree.0.to_be_bytes()) => {}
            _ => return Ok(()),
        }
        counts.delete(false).map_err(failed)?;
    }
}

/// Whether two neighbouring blocks become one.
fn joins(left: Tally, right: Tally) -> bool {
    let small = left.keys.min(right.keys);
    small == 0 || small < BLOCK_MIN && left.keys + right.keys <= JOINED_MAX
}

fn sum_of(part: &Part<'_>) -> Change {
    let mut sum = Change::default();
    for index in part.from..part.to {
        sum += part.pending.change_at(index);
    }
    sum
}

fn difference(old: Tally, new: Tally) -> Change {
    let signed = |old: u64, new: u64| new.wrapping_sub(old) as i64;
    Change { keys: signed(old.keys, new.keys), pairs: signed(old.pairs, new.pairs) }
}

fn difference_of(whole: Tally, part: Tally) -> Result<Tally> {
    match (whole.keys.checked_sub(part.keys), whole.pairs.checked_sub(part.pairs)) {
        (Some(keys), Some(pairs)) => Ok(Tally { keys, pairs }),
        _ => Err(damaged()),
    }
}

/// How a node appears in its parent.
fn summary(id: u32, children: &[Child]) -> Child {
    let tally = children.iter().fold(Tally::default(), |sum, child| sum + child.tally);
    let separator = children.first().map(|child| child.separator.clone()).unwrap_or_default();
    Child { separator, node: id, tally }
}

/// Nodes in the place of one: the first keeps its separator.
fn placed(mut nodes: Vec<Child>, separator: KeyBytes) -> Vec<Child> {
    if let Some(first) = nodes.first_mut() {
        first.separator = separator;
    }
    nodes
}

fn replace(children: Vec<Child>, mut replaced: Vec<(usize, Vec<Child>)>) -> Vec<Child> {
    replaced.reverse();
    let mut all = Vec::with_capacity(children.len() + replaced.len());
    for (index, child) in children.into_iter().enumerate() {
        match replaced.pop_if(|(at, _)| *at == index) {
            Some((_, nodes)) => all.extend(placed(nodes, child.separator)),
            None => all.push(child),
        }
    }
    all
}

#[cold]
fn failed(code: Code) -> Error {
    Error::from_code(code, "counting")
}

#[cold]
fn damaged() -> Error {
    Error::Corrupted { reason: "a tree of counts is not whole".to_owned() }
}
