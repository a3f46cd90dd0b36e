//! A sorted set whose clones share their nodes: a B+ tree with copy on write.
//!
//! ```text
//! branch  [ lows:   -   k1   k2 | children: .  .  . ]       a clone shares the root; a change copies
//!                   |    |    |                             only the nodes on its path that are shared
//! leaf    [ entries ] [ entries ] [ entries ]
//! ```
//!
//! Made for overlays: lookups compare borrowed places, cursors keep their path so that sorted seeks are cheap, and
//! entries that are put in ascending order fill their leaves. Beside its entries a node keeps their heads, numbers that
//! sort like them as far as they go: most comparisons are decided there, in one or two cache lines.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use arrayvec::ArrayVec;

/// The most entries of a leaf and children of a branch; few in tests, to grow deep trees.
const FULL: usize = if cfg!(test) { 8 } else { 64 };
/// Nodes with fewer are joined with a neighbour where both fit comfortably.
const SPARSE: usize = FULL / 5;
/// Enough for any memory: branches have at least two children, and few so few.
const DEPTH_MAX: usize = 32;

/// Where something borrowed stands among entries; entries are places among themselves.
pub(crate) trait Place<T> {
    /// The order of the place relative to `entry`.
    fn compare(&self, entry: &T) -> Ordering;
    /// A number that is not greater than that of any greater place.
    fn head(&self) -> u64;
}

/// Sorted entries.
#[derive(Clone, Debug)]
struct Entries<T> {
    heads: ArrayVec<u64, FULL>,
    rows: ArrayVec<T, FULL>,
}

#[derive(Clone, Debug)]
enum Node<T> {
    Leaf(Arc<Entries<T>>),
    Branch(Arc<Branch<T>>),
}

#[derive(Clone, Debug)]
struct Branch<T> {
    /// No entry of a child is below its low, and none of the child before reaches it; the first is not looked at.
    lows: ArrayVec<T, FULL>,
    heads: ArrayVec<u64, FULL>,
    children: ArrayVec<Node<T>, FULL>,
}

/// How many of the entries are below `place`, or with `after` not above it.
#[inline]
fn rank<'k, T: 'k>(
    heads: &[u64],
    entry_at: impl Fn(usize) -> &'k T,
    place: &impl Place<T>,
    after: bool,
) -> usize {
    let head = place.head();
    // What comes in ascending order goes to the end.
    match heads.last() {
        Some(last) if *last < head => return heads.len(),
        Some(last) if *last == head && place.compare(entry_at(heads.len() - 1)) == Ordering::Greater => {
            return heads.len();
        }
        _ => {}
    }
    let mut low = heads.partition_point(|other| *other < head);
    let mut high = low + heads[low..].partition_point(|other| *other == head);
    while low < high {
        let middle = (low + high) / 2;
        match place.compare(entry_at(middle)) {
            Ordering::Greater => low = middle + 1,
            Ordering::Equal => return middle + usize::from(after),
            Ordering::Less => high = middle,
        }
    }
    low
}

impl<T: Place<T>> Entries<T> {
    fn new() -> Self {
        Self { heads: ArrayVec::new(), rows: ArrayVec::new() }
    }

    fn insert(&mut self, at: usize, entry: T) {
        self.heads.insert(at, entry.head());
        self.rows.insert(at, entry);
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { heads: self.heads.drain(at..).collect(), rows: self.rows.drain(at..).collect() }
    }

    /// Where the place is, or else where it would be.
    #[inline]
    fn find(&self, place: &impl Place<T>) -> Result<usize, usize> {
        let at = rank(&self.heads, |at| &self.rows[at], place, false);
        match self.rows.get(at) {
            Some(entry) if place.compare(entry) == Ordering::Equal => Ok(at),
            _ => Err(at),
        }
    }
}

/// The set.
#[derive(Debug)]
pub(crate) struct Tree<T> {
    root: Option<Node<T>>,
    len: usize,
}

impl<T: Clone> Clone for Tree<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<T> Default for Tree<T> {
    fn default() -> Self {
        Self { root: None, len: 0 }
    }
}

impl<T: Place<T>> Branch<T> {
    fn new() -> Self {
        Self { lows: ArrayVec::new(), heads: ArrayVec::new(), children: ArrayVec::new() }
    }

    /// The child in which `place` lies.
    #[inline]
    fn child_of(&self, place: &impl Place<T>) -> usize {
        rank(&self.heads[1..], |at| &self.lows[at + 1], place, true)
    }

    fn insert(&mut self, at: usize, low: T, child: Node<T>) {
        self.heads.insert(at, low.head());
        self.lows.insert(at, low);
        self.children.insert(at, child);
    }

    fn remove(&mut self, at: usize) -> (T, Node<T>) {
        self.heads.remove(at);
        (self.lows.remove(at), self.children.remove(at))
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self {
            lows: self.lows.drain(at..).collect(),
            heads: self.heads.drain(at..).collect(),
            children: self.children.drain(at..).collect(),
        }
    }
}

/// What became of an insertion into a node.
enum Inserted<T> {
    /// The place was taken; nothing changed.
    Present(T),
    Done,
    /// The node became two; this is the second and its low.
    Split(T, Node<T>),
}

impl<T: Clone + Place<T>> Tree<T> {
    /// The set of entries that ascend.
    pub fn from_sorted(entries: impl IntoIterator<Item = T>) -> Self {
        let mut entries = entries.into_iter();
        let (mut len, mut level) = (0, Vec::new());
        loop {
            let mut leaf = Entries::new();
            for entry in entries.by_ref().take(FULL) {
                leaf.heads.push(entry.head());
                leaf.rows.push(entry);
            }
            len += leaf.rows.len();
            let Some(low) = leaf.rows.first().cloned() else { break };
            level.push((low, Node::Leaf(Arc::new(leaf))));
        }
        while level.len() > 1 {
            let mut above = Vec::with_capacity(level.len().div_ceil(FULL));
            let mut children = level.into_iter().peekable();
            while let Some((low, _)) = children.peek() {
                let (low, mut branch) = (low.clone(), Branch::new());
                for (at, (low, child)) in children.by_ref().take(FULL).enumerate() {
                    branch.insert(at, low, child);
                }
                above.push((low, Node::Branch(Arc::new(branch))));
            }
            level = above;
        }
        Self { root: level.pop().map(|(_, root)| root), len }
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn get(&self, place: &impl Place<T>) -> Option<&T> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Branch(branch) => node = &branch.children[branch.child_of(place)],
                Node::Leaf(entries) => {
                    return entries.find(place).ok().map(|at| &entries.rows[at]);
                }
            }
        }
    }

    /// Puts an entry if its place is free, else leaves the set and returns the entry that is there.
    pub fn insert_new(&mut self, entry: T) -> Option<T> {
        let Some(root) = &mut self.root else {
            let mut entries = Entries::new();
            entries.insert(0, entry);
            self.root = Some(Node::Leaf(Arc::new(entries)));
            self.len = 1;
            return None;
        };
        match insert(root, entry) {
            Inserted::Present(there) => return Some(there),
            Inserted::Done => {}
            Inserted::Split(low, second) => {
                let first = self.root.take().expect("was there");
                // The first low is never compared; any entry will do.
                let mut branch = Branch::new();
                branch.insert(0, low.clone(), first);
                branch.insert(1, low, second);
                self.root = Some(Node::Branch(Arc::new(branch)));
            }
        }
        self.len += 1;
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, place: &impl Place<T>) -> Option<T> {
        // Looked up first, so that nothing is copied for an absent entry.
        self.get(place)?;
        let removed = remove(self.root.as_mut()?, place)?;
        self.len -= 1;
        loop {
            let only = match &mut self.root {
                Some(Node::Leaf(entries)) if entries.rows.is_empty() => None,
                Some(Node::Branch(branch)) if branch.children.is_empty() => None,
                Some(Node::Branch(branch)) if branch.children.len() == 1 => Some(branch.children[0].clone()),
                _ => return Some(removed),
            };
            self.root = only;
        }
    }

    pub fn iter(&self) -> Range<'_, T> {
        let (mut front, mut back) = (self.cursor(), self.cursor());
        front.first();
        back.end();
        Range { front, back }
    }

    /// The entries between two places.
    #[inline]
    pub fn range<P: Place<T>>(&self, lo: Bound<P>, hi: Bound<P>) -> Range<'_, T> {
        let (mut front, mut back) = (self.cursor(), self.cursor());
        match lo {
            Bound::Unbounded => front.first(),
            Bound::Included(place) => front.seek(&place, false),
            Bound::Excluded(place) => front.seek(&place, true),
        }
        match hi {
            Bound::Unbounded => back.end(),
            Bound::Included(place) => back.seek(&place, true),
            Bound::Excluded(place) => back.seek(&place, false),
        }
        Range { front, back }
    }

    /// A cursor that has not been positioned.
    #[inline]
    pub fn cursor(&self) -> Cursor<'_, T> {
        Cursor { root: self.root.as_ref(), path: ArrayVec::new(), leaf: &[], heads: &[], at: 0 }
    }
}

fn insert<T: Clone + Place<T>>(node: &mut Node<T>, entry: T) -> Inserted<T> {
    match node {
        Node::Leaf(entries) => insert_entry(entries, entry),
        Node::Branch(branch) => {
            let child = branch.child_of(&entry);
            let branch = Arc::make_mut(branch);
            match insert(&mut branch.children[child], entry) {
                Inserted::Split(low, new) => insert_child(branch, child + 1, low, new),
                other => other,
            }
        }
    }
}

fn insert_entry<T: Clone + Place<T>>(entries: &mut Arc<Entries<T>>, entry: T) -> Inserted<T> {
    let at = match entries.find(&entry) {
        Ok(at) => return Inserted::Present(entries.rows[at].clone()),
        Err(at) => at,
    };
    let entries = Arc::make_mut(entries);
    if entries.rows.len() < FULL {
        entries.insert(at, entry);
        return Inserted::Done;
    }
    let from = split_at(at);
    let mut second = entries.split_off(from);
    if at <= from && from < FULL {
        entries.insert(at, entry);
    } else {
        second.insert(at - from, entry);
    }
    Inserted::Split(second.rows[0].clone(), Node::Leaf(Arc::new(second)))
}

fn insert_child<T: Clone + Place<T>>(branch: &mut Branch<T>, at: usize, low: T, new: Node<T>) -> Inserted<T> {
    if branch.children.len() < FULL {
        branch.insert(at, low, new);
        return Inserted::Done;
    }
    let from = split_at(at);
    let mut second = branch.split_off(from);
    if at <= from && from < FULL {
        branch.insert(at, low, new);
    } else {
        second.insert(at - from, low, new);
    }
    Inserted::Split(second.lows[0].clone(), Node::Branch(Arc::new(second)))
}

/// Where a full node is split when something comes to `at`: in the middle, or, for ascending puts, at its end.
fn split_at(at: usize) -> usize {
    if at == FULL { FULL } else { FULL / 2 }
}

fn remove<T: Clone + Place<T>>(node: &mut Node<T>, place: &impl Place<T>) -> Option<T> {
    match node {
        Node::Leaf(entries) => {
            let at = entries.find(place).ok()?;
            let entries = Arc::make_mut(entries);
            entries.heads.remove(at);
            Some(entries.rows.remove(at))
        }
        Node::Branch(branch) => {
            let child = branch.child_of(place);
            let branch = Arc::make_mut(branch);
            let removed = remove(&mut branch.children[child], place)?;
            if branch.children[child].len() < SPARSE {
                thin_out(branch, child);
            }
            Some(removed)
        }
    }
}

/// Joins a sparse child with a neighbour, or removes it if it is empty.
fn thin_out<T: Clone + Place<T>>(branch: &mut Branch<T>, child: usize) {
    if branch.children[child].len() == 0 {
        branch.remove(child);
        return;
    }
    let neighbours = [child.checked_sub(1), Some(child)];
    for first in neighbours.into_iter().flatten().filter(|first| first + 1 < branch.children.len()) {
        if branch.children[first].len() + branch.children[first + 1].len() <= FULL * 3 / 4 {
            let (low, second) = branch.remove(first + 1);
            branch.children[first].append(second, low);
            return;
        }
    }
}

impl<T: Clone + Place<T>> Node<T> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.rows.len(),
            Node::Branch(branch) => branch.children.len(),
        }
    }

    /// Takes over everything of `second`, a node of the same level whose entries follow from `low` on.
    fn append(&mut self, second: Node<T>, low: T) {
        match (self, second) {
            (Node::Leaf(entries), Node::Leaf(second)) => {
                let (entries, second) = (Arc::make_mut(entries), Arc::unwrap_or_clone(second));
                entries.heads.extend(second.heads);
                entries.rows.extend(second.rows);
            }
            (Node::Branch(branch), Node::Branch(second)) => {
                let branch = Arc::make_mut(branch);
                let mut second = Arc::unwrap_or_clone(second);
                second.heads[0] = low.head();
                second.lows[0] = low;
                branch.heads.extend(second.heads);
                branch.lows.extend(second.lows);
                branch.children.extend(second.children);
            }
            _ => unreachable!("all children of a branch are of one level"),
        }
    }
}

/// A position between two entries.
#[derive(Debug)]
pub(crate) struct Cursor<'t, T> {
    root: Option<&'t Node<T>>,
    path: ArrayVec<(&'t Branch<T>, usize), DEPTH_MAX>,
    leaf: &'t [T],
    heads: &'t [u64],
    /// The entry behind the position; only at the end of the set is it beyond the leaf.
    at: usize,
}

impl<'t, T: Clone + Place<T>> Cursor<'t, T> {
    /// Goes before the first entry.
    pub fn first(&mut self) {
        self.path.clear();
        (self.leaf, self.heads, self.at) = (&[], &[], 0);
        if let Some(root) = self.root {
            self.descend(root, |_| 0);
        }
    }

    /// Goes behind the last entry.
    pub fn end(&mut self) {
        self.path.clear();
        (self.leaf, self.heads, self.at) = (&[], &[], 0);
        if let Some(root) = self.root {
            self.descend(root, |branch| branch.children.len() - 1);
            self.at = self.leaf.len();
        }
    }

    /// Goes before the first entry that is not below `place`, or not below and not at it with `after`.
    #[inline]
    pub fn seek(&mut self, place: &impl Place<T>, after: bool) {
        let Some(root) = self.root else { return };
        if !self.is_in_leaf(place) {
            let from = self.climb(place).unwrap_or(root);
            self.descend(from, |branch| branch.child_of(place));
        }
        self.at = rank(self.heads, |at| &self.leaf[at], place, after);
        if self.at == self.leaf.len() {
            self.next_leaf();
        }
    }

    /// Whether the place is certain to lie in the present leaf.
    #[inline]
    fn is_in_leaf(&self, place: &impl Place<T>) -> bool {
        match (self.leaf.first(), self.leaf.last()) {
            (Some(first), Some(last)) => {
                place.compare(first) != Ordering::Less && place.compare(last) != Ordering::Greater
            }
            _ => false,
        }
    }

    /// Cuts the path to the lowest branch below which the place lies, and gives the child to descend into.
    #[inline]
    fn climb(&mut self, place: &impl Place<T>) -> Option<&'t Node<T>> {
        let is_forward = self.leaf.first().is_some_and(|first| place.compare(first) != Ordering::Less);
        if is_forward {
            while let Some((branch, _)) = self.path.pop() {
                // The last low is a bound from within; the first one is not to be looked at.
                if branch.lows[1..].last().is_some_and(|low| place.compare(low) == Ordering::Less) {
                    let child = branch.child_of(place);
                    self.path.push((branch, child));
                    return branch.children.get(child);
                }
            }
        }
        self.path.clear();
        None
    }

    #[inline]
    fn descend(&mut self, mut node: &'t Node<T>, child_of: impl Fn(&Branch<T>) -> usize) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    (self.leaf, self.heads, self.at) = (&entries.rows, &entries.heads, 0);
                    return;
                }
                Node::Branch(branch) => {
                    let child = child_of(branch);
                    self.path.push((branch, child));
                    node = &branch.children[child];
                }
            }
        }
    }

    /// The entry behind the position.
    #[inline]
    pub fn peek(&self) -> Option<&'t T> {
        self.leaf.get(self.at)
    }

    /// Goes over the entry behind the position.
    #[inline]
    pub fn next(&mut self) -> Option<&'t T> {
        let entry = self.leaf.get(self.at)?;
        self.at += 1;
        if self.at == self.leaf.len() {
            self.next_leaf();
        }
        Some(entry)
    }

    /// Goes back over the entry before the position.
    #[inline]
    pub fn prev(&mut self) -> Option<&'t T> {
        if self.at == 0 && !self.previous_leaf() {
            return None;
        }
        self.at -= 1;
        self.leaf.get(self.at)
    }

    /// To the beginning of the next leaf, if there is one.
    fn next_leaf(&mut self) -> bool {
        let level = self.path.iter().rposition(|(branch, child)| child + 1 < branch.children.len());
        let Some(level) = level else { return false };
        self.path.truncate(level + 1);
        let (branch, child) = &mut self.path[level];
        *child += 1;
        let node = &branch.children[*child];
        self.descend(node, |_| 0);
        true
    }

    /// To the end of the previous leaf, if there is one.
    fn previous_leaf(&mut self) -> bool {
        let Some(level) = self.path.iter().rposition(|(_, child)| *child > 0) else { return false };
        self.path.truncate(level + 1);
        let (branch, child) = &mut self.path[level];
        *child -= 1;
        let node = &branch.children[*child];
        self.descend(node, |branch| branch.children.len() - 1);
        self.at = self.leaf.len();
        true
    }

    fn is_at(&self, other: &Self) -> bool {
        std::ptr::eq(self.leaf, other.leaf) && self.at == other.at
    }
}

/// The entries between two positions.
#[derive(Debug)]
pub(crate) struct Range<'t, T> {
    front: Cursor<'t, T>,
    back: Cursor<'t, T>,
}

impl<'t, T: Clone + Place<T>> Iterator for Range<'t, T> {
    type Item = &'t T;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.front.is_at(&self.back) { None } else { self.front.next() }
    }
}

impl<T: Clone + Place<T>> DoubleEndedIterator for Range<'_, T> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front.is_at(&self.back) { None } else { self.back.prev() }
    }
}

#[cfg(test)]
mod tests;
