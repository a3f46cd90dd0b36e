//! A sorted map whose clones share their nodes: a B+ tree with copy on write.
//!
//! ```text
//! branch  [ lows:   -   k1   k2 | children: .  .  . ]       a clone shares the root; a change copies
//!                   |    |    |                             only the nodes on its path that are shared
//! leaf    [ entries ] [ entries ] [ entries ]
//! ```
//!
//! Made for overlays: lookups compare borrowed places, cursors keep their path so that sorted seeks are cheap, and
//! entries that are put in ascending order fill their leaves.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use arrayvec::ArrayVec;

/// The most entries of a leaf and children of a branch.
const FULL: usize = 32;
/// Nodes with fewer are joined with a neighbour where both fit comfortably.
const SPARSE: usize = 8;
/// Enough for 8^16 entries at the least filling.
const DEPTH_MAX: usize = 16;

/// Where something borrowed stands among keys.
pub(crate) trait Place<K> {
    /// The order of the place relative to `key`.
    fn compare(&self, key: &K) -> Ordering;
}

type Entries<K, V> = ArrayVec<(K, V), FULL>;

#[derive(Clone, Debug)]
enum Node<K, V> {
    Leaf(Arc<Entries<K, V>>),
    Branch(Arc<Branch<K, V>>),
}

#[derive(Clone, Debug)]
struct Branch<K, V> {
    /// No key of a child is below its low, and none of the child before reaches it; the first is not looked at.
    lows: ArrayVec<K, FULL>,
    children: ArrayVec<Node<K, V>, FULL>,
}

/// The map.
#[derive(Debug)]
pub(crate) struct Tree<K, V> {
    root: Option<Node<K, V>>,
    len: usize,
}

impl<K: Clone, V: Clone> Clone for Tree<K, V> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<K, V> Default for Tree<K, V> {
    fn default() -> Self {
        Self { root: None, len: 0 }
    }
}

impl<K: Clone, V: Clone> Branch<K, V> {
    /// The child in which `place` lies.
    #[inline]
    fn child_of(&self, place: &impl Place<K>) -> usize {
        let after_first = &self.lows[1..];
        after_first.partition_point(|low| place.compare(low) != Ordering::Less)
    }
}

/// What became of an insertion into a node.
enum Inserted<K, V> {
    /// The key was there; nothing changed.
    Present(V),
    Done,
    /// The node became two; this is the second and its low.
    Split(K, Node<K, V>),
}

impl<K: Clone, V: Clone> Tree<K, V> {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub fn get(&self, place: &impl Place<K>) -> Option<&V> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Branch(branch) => node = &branch.children[branch.child_of(place)],
                Node::Leaf(entries) => {
                    let at = entries.binary_search_by(|(key, _)| place.compare(key).reverse()).ok()?;
                    return Some(&entries[at].1);
                }
            }
        }
    }

    /// Puts an entry if its key is new, else leaves the map and returns the value that is there.
    pub fn insert_new(&mut self, key: K, value: V) -> Option<V>
    where
        K: Place<K>,
    {
        let Some(root) = &mut self.root else {
            self.root = Some(Node::Leaf(Arc::new(Entries::from_iter([(key, value)]))));
            self.len = 1;
            return None;
        };
        match insert(root, key, value) {
            Inserted::Present(value) => return Some(value),
            Inserted::Done => {}
            Inserted::Split(low, second) => {
                let first = self.root.take().expect("was there");
                // The first low is never compared; any key will do.
                let branch = Branch {
                    lows: ArrayVec::from_iter([low.clone(), low]),
                    children: ArrayVec::from_iter([first, second]),
                };
                self.root = Some(Node::Branch(Arc::new(branch)));
            }
        }
        self.len += 1;
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, place: &impl Place<K>) -> Option<V> {
        // Looked up first, so that nothing is copied for an absent key.
        self.get(place)?;
        let removed = remove(self.root.as_mut()?, place)?;
        self.len -= 1;
        loop {
            let only = match &mut self.root {
                Some(Node::Leaf(entries)) if entries.is_empty() => None,
                Some(Node::Branch(branch)) if branch.children.is_empty() => None,
                Some(Node::Branch(branch)) if branch.children.len() == 1 => Some(branch.children[0].clone()),
                _ => return Some(removed),
            };
            self.root = only;
        }
    }

    pub fn iter(&self) -> Range<'_, K, V> {
        let (mut front, mut back) = (self.cursor(), self.cursor());
        front.first();
        back.end();
        Range { front, back }
    }

    /// The entries between two places.
    #[inline]
    pub fn range<P: Place<K>>(&self, lo: Bound<P>, hi: Bound<P>) -> Range<'_, K, V> {
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
    pub fn cursor(&self) -> Cursor<'_, K, V> {
        Cursor { root: self.root.as_ref(), path: ArrayVec::new(), leaf: &[], at: 0 }
    }
}

fn insert<K: Clone + Place<K>, V: Clone>(node: &mut Node<K, V>, key: K, value: V) -> Inserted<K, V> {
    match node {
        Node::Leaf(entries) => insert_entry(entries, key, value),
        Node::Branch(branch) => {
            let child = branch.child_of(&key);
            let branch = Arc::make_mut(branch);
            match insert(&mut branch.children[child], key, value) {
                Inserted::Split(low, new) => insert_child(branch, child + 1, low, new),
                other => other,
            }
        }
    }
}

fn insert_entry<K: Clone + Place<K>, V: Clone>(
    entries: &mut Arc<Entries<K, V>>,
    key: K,
    value: V,
) -> Inserted<K, V> {
    // Ascending puts land behind the last entry.
    let at = match entries.last() {
        Some((last, _)) if key.compare(last) == Ordering::Greater => entries.len(),
        _ => match entries.binary_search_by(|(other, _)| key.compare(other).reverse()) {
            Ok(at) => return Inserted::Present(entries[at].1.clone()),
            Err(at) => at,
        },
    };
    let entries = Arc::make_mut(entries);
    if entries.len() < FULL {
        entries.insert(at, (key, value));
        return Inserted::Done;
    }
    let from = split_at(at);
    let mut second: Entries<K, V> = entries.drain(from..).collect();
    if at <= from && from < FULL {
        entries.insert(at, (key, value));
    } else {
        second.insert(at - from, (key, value));
    }
    Inserted::Split(second[0].0.clone(), Node::Leaf(Arc::new(second)))
}

fn insert_child<K: Clone, V: Clone>(
    branch: &mut Branch<K, V>,
    at: usize,
    low: K,
    new: Node<K, V>,
) -> Inserted<K, V> {
    if branch.children.len() < FULL {
        branch.lows.insert(at, low);
        branch.children.insert(at, new);
        return Inserted::Done;
    }
    let from = split_at(at);
    let mut second = Branch {
        lows: branch.lows.drain(from..).collect(),
        children: branch.children.drain(from..).collect(),
    };
    if at <= from && from < FULL {
        branch.lows.insert(at, low);
        branch.children.insert(at, new);
    } else {
        second.lows.insert(at - from, low);
        second.children.insert(at - from, new);
    }
    Inserted::Split(second.lows[0].clone(), Node::Branch(Arc::new(second)))
}

/// Where a full node is split when something comes to `at`: in the middle, or, for ascending puts, at its end.
fn split_at(at: usize) -> usize {
    if at == FULL { FULL } else { FULL / 2 }
}

fn remove<K: Clone, V: Clone>(node: &mut Node<K, V>, place: &impl Place<K>) -> Option<V> {
    match node {
        Node::Leaf(entries) => {
            let at = entries.binary_search_by(|(key, _)| place.compare(key).reverse()).ok()?;
            Some(Arc::make_mut(entries).remove(at).1)
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
fn thin_out<K: Clone, V: Clone>(branch: &mut Branch<K, V>, child: usize) {
    if branch.children[child].len() == 0 {
        branch.children.remove(child);
        branch.lows.remove(child);
        return;
    }
    let neighbours = [child.checked_sub(1), Some(child)];
    for first in neighbours.into_iter().flatten().filter(|first| first + 1 < branch.children.len()) {
        if branch.children[first].len() + branch.children[first + 1].len() <= FULL * 3 / 4 {
            let low = branch.lows.remove(first + 1);
            let second = branch.children.remove(first + 1);
            branch.children[first].append(second, low);
            return;
        }
    }
}

impl<K: Clone, V: Clone> Node<K, V> {
    fn len(&self) -> usize {
        match self {
            Node::Leaf(entries) => entries.len(),
            Node::Branch(branch) => branch.children.len(),
        }
    }

    /// Takes over everything of `second`, a node of the same level whose keys follow from `low` on.
    fn append(&mut self, second: Node<K, V>, low: K) {
        match (self, second) {
            (Node::Leaf(entries), Node::Leaf(second)) => {
                Arc::make_mut(entries).extend(Arc::unwrap_or_clone(second));
            }
            (Node::Branch(branch), Node::Branch(second)) => {
                let branch = Arc::make_mut(branch);
                let mut second = Arc::unwrap_or_clone(second);
                second.lows[0] = low;
                branch.lows.extend(second.lows);
                branch.children.extend(second.children);
            }
            _ => unreachable!("all children of a branch are of one level"),
        }
    }
}

/// A position between two entries.
#[derive(Debug)]
pub(crate) struct Cursor<'t, K, V> {
    root: Option<&'t Node<K, V>>,
    path: ArrayVec<(&'t Branch<K, V>, usize), DEPTH_MAX>,
    leaf: &'t [(K, V)],
    /// The entry behind the position; only at the end of the map is it beyond the leaf.
    at: usize,
}

impl<'t, K: Clone, V: Clone> Cursor<'t, K, V> {
    /// Goes before the first entry.
    pub fn first(&mut self) {
        self.path.clear();
        (self.leaf, self.at) = (&[], 0);
        if let Some(root) = self.root {
            self.descend(root, |_| 0);
        }
    }

    /// Goes behind the last entry.
    pub fn end(&mut self) {
        self.path.clear();
        (self.leaf, self.at) = (&[], 0);
        if let Some(root) = self.root {
            self.descend(root, |branch| branch.children.len() - 1);
            self.at = self.leaf.len();
        }
    }

    /// Goes before the first entry that is not below `place`, or not below and not at it with `after`.
    #[inline]
    pub fn seek(&mut self, place: &impl Place<K>, after: bool) {
        let Some(root) = self.root else { return };
        if !self.is_in_leaf(place) {
            let from = self.climb(place).unwrap_or(root);
            self.descend(from, |branch| branch.child_of(place));
        }
        self.at = self.leaf.partition_point(|(key, _)| match place.compare(key) {
            Ordering::Greater => true,
            Ordering::Equal => after,
            Ordering::Less => false,
        });
        if self.at == self.leaf.len() {
            self.next_leaf();
        }
    }

    /// Whether the place is certain to lie in the present leaf.
    #[inline]
    fn is_in_leaf(&self, place: &impl Place<K>) -> bool {
        match (self.leaf.first(), self.leaf.last()) {
            (Some((first, _)), Some((last, _))) => {
                place.compare(first) != Ordering::Less && place.compare(last) != Ordering::Greater
            }
            _ => false,
        }
    }

    /// Cuts the path to the lowest branch below which the place lies, and gives the child to descend into.
    #[inline]
    fn climb(&mut self, place: &impl Place<K>) -> Option<&'t Node<K, V>> {
        let is_forward = self.leaf.first().is_some_and(|(first, _)| place.compare(first) != Ordering::Less);
        if is_forward {
            while let Some((branch, child)) = self.path.pop() {
                let is_below_next =
                    branch.lows.get(child + 1).is_some_and(|low| place.compare(low) == Ordering::Less);
                let is_within = branch.lows.last().is_some_and(|low| place.compare(low) == Ordering::Less);
                if is_below_next || is_within {
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
    fn descend(&mut self, mut node: &'t Node<K, V>, child_of: impl Fn(&Branch<K, V>) -> usize) {
        loop {
            match node {
                Node::Leaf(entries) => {
                    (self.leaf, self.at) = (entries, 0);
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
    pub fn peek(&self) -> Option<(&'t K, &'t V)> {
        self.leaf.get(self.at).map(|(key, value)| (key, value))
    }

    /// Goes over the entry behind the position.
    #[inline]
    pub fn next(&mut self) -> Option<(&'t K, &'t V)> {
        let (key, value) = self.leaf.get(self.at)?;
        self.at += 1;
        if self.at == self.leaf.len() {
            self.next_leaf();
        }
        Some((key, value))
    }

    /// Goes back over the entry before the position.
    #[inline]
    pub fn prev(&mut self) -> Option<(&'t K, &'t V)> {
        if self.at == 0 && !self.previous_leaf() {
            return None;
        }
        self.at -= 1;
        self.leaf.get(self.at).map(|(key, value)| (key, value))
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
pub(crate) struct Range<'t, K, V> {
    front: Cursor<'t, K, V>,
    back: Cursor<'t, K, V>,
}

impl<'t, K: Clone, V: Clone> Iterator for Range<'t, K, V> {
    type Item = (&'t K, &'t V);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.front.is_at(&self.back) { None } else { self.front.next() }
    }
}

impl<K: Clone, V: Clone> DoubleEndedIterator for Range<'_, K, V> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front.is_at(&self.back) { None } else { self.back.prev() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    impl Place<u32> for u32 {
        fn compare(&self, key: &u32) -> Ordering {
            self.cmp(key)
        }
    }

    fn check(tree: &Tree<u32, u32>, model: &BTreeMap<u32, u32>) {
        assert_eq!(tree.len, model.len());
        assert!(tree.iter().eq(model.iter()));
        assert!(tree.iter().rev().eq(model.iter().rev()));
        if let Some(root) = &tree.root {
            check_node(root, None, None);
        }
    }

    /// Returns the height.
    fn check_node(node: &Node<u32, u32>, low: Option<u32>, high: Option<u32>) -> usize {
        assert!(node.len() > 0);
        match node {
            Node::Leaf(entries) => {
                assert!(
                    entries
                        .iter()
                        .all(|(key, _)| low.is_none_or(|low| low <= *key)
                            && high.is_none_or(|high| *key < high))
                );
                0
            }
            Node::Branch(branch) => {
                assert_eq!(branch.lows.len(), branch.children.len());
                let heights: Vec<usize> = (0..branch.children.len())
                    .map(|at| {
                        let low = if at == 0 { low } else { Some(branch.lows[at]) };
                        check_node(&branch.children[at], low, branch.lows.get(at + 1).copied().or(high))
                    })
                    .collect();
                assert!(heights.windows(2).all(|pair| pair[0] == pair[1]));
                heights[0] + 1
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u32, u32),
        Remove(u32),
        /// Removes a run of keys.
        RemoveRun(u32, u32),
        /// Inserts ascending keys.
        Append(u32, u32),
        Clone,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (0u32..3000, any::<u32>()).prop_map(|(key, value)| Op::Insert(key, value)),
            4 => (0u32..3000).prop_map(Op::Remove),
            1 => (0u32..3000, 1u32..600).prop_map(|(from, len)| Op::RemoveRun(from, len)),
            1 => (0u32..3000, 1u32..900).prop_map(|(from, len)| Op::Append(from, len)),
            1 => Just(Op::Clone),
        ]
    }

    proptest! {
        #![proptest_config(crate::store::tests::cases())]

        #[test]
        fn behaves_as_a_btree_map(ops in proptest::collection::vec(op(), 1..80), probes in proptest::collection::vec(0u32..3100, 20)) {
            let (mut tree, mut model) = (Tree::default(), BTreeMap::new());
            let mut kept = Vec::new();
            let insert = |tree: &mut Tree<u32, u32>, model: &mut BTreeMap<u32, u32>, key, value| {
                let there = model.get(&key).copied();
                assert_eq!(tree.insert_new(key, value), there);
                model.entry(key).or_insert(value);
            };
            for op in ops {
                match op {
                    Op::Insert(key, value) => insert(&mut tree, &mut model, key, value),
                    Op::Remove(key) => assert_eq!(tree.remove(&key), model.remove(&key)),
                    Op::RemoveRun(from, len) => (from..from + len).for_each(|key| assert_eq!(tree.remove(&key), model.remove(&key))),
                    Op::Append(from, len) => (from..from + len).for_each(|key| insert(&mut tree, &mut model, key, key)),
                    Op::Clone => kept.push((tree.clone(), model.clone())),
                }
            }
            kept.push((tree, model));
            for (tree, model) in &kept {
                check(tree, model);
                let (mut random, mut sorted) = (tree.cursor(), tree.cursor());
                let mut ascending = probes.clone();
                ascending.sort();
                for (probe, ordered) in probes.iter().zip(&ascending) {
                    prop_assert_eq!(tree.get(probe), model.get(probe));
                    for (cursor, probe) in [(&mut random, probe), (&mut sorted, ordered)] {
                        cursor.seek(probe, false);
                        prop_assert_eq!(cursor.peek(), model.range(probe..).next());
                        cursor.seek(probe, true);
                        let before = cursor.prev();
                        prop_assert_eq!(before, model.range(..=probe).next_back());
                        prop_assert_eq!(before.and_then(|_| cursor.next()), before, "there and back");
                        prop_assert_eq!(cursor.next(), model.range(probe + 1..).next());
                    }
                }
                for pair in ascending.chunks(2) {
                    let (lo, hi) = (pair[0], pair[1]);
                    prop_assert!(tree.range(Bound::Included(lo), Bound::Excluded(hi)).eq(model.range(lo..hi)));
                    prop_assert!(tree.range(Bound::Included(lo), Bound::Included(hi)).rev().eq(model.range(lo..=hi).rev()));
                    prop_assert!(tree.range(Bound::Unbounded, Bound::Excluded(hi)).eq(model.range(..hi)));
                    prop_assert!(tree.range(Bound::<u32>::Included(lo), Bound::Unbounded).eq(model.range(lo..)));
                }
            }
        }
    }
}
