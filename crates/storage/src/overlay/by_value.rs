//! [`AveRows`]: changes in AVE order, put in order when somebody looks.
//!
//! ```text
//! change --attribute not unique--> waiting: | row | row | row |  --someone looks at them, all at once: sort--\
//!        --unique-----------------------------------------------------------------------------------------> tree
//! ```
//!
//! A transaction meets its entities one after another, so its facts come in the order of EAV and jump about in AVE: to
//! put each where it belongs costs a walk through memory that has left the caches. Hardly anybody asks for values before
//! the transaction is complete, but for unique ones, which every new entity is compared with. So those go into the tree
//! at once, and all others wait.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use super::AveRow;
use super::tree::{Place, Tree};
use crate::ids::AttrId;

/// A tree with fewer rows is in the caches: what comes goes into it at once. In builds with debug assertions hardly anything is so small, so
/// that all tests of transactions have rows wait.
const SMALL: usize = if cfg!(debug_assertions) { 4 } else { 512 };
/// So many rows are put into the tree one by one, as they came.
const FEW: usize = 16;
/// Where the tree has so many times more rows than wait, it is kept and they are put into it; else it is made anew.
const MUCH: usize = 8;

/// A sorted set of changes, some of which may not be in their places yet. Clones share everything.
#[derive(Clone, Debug, Default)]
pub(super) struct AveRows {
    tree: Tree<AveRow>,
    waiting: Option<Arc<Waiting>>,
}

/// Changes that are not in the tree, in the order in which they were made.
#[derive(Debug, Default)]
struct Waiting {
    rows: Vec<AveRow>,
    attributes: AttrSet,
    /// The tree with these rows. Nothing changes in the tree, or here, from when there may be one.
    settled: OnceLock<Tree<AveRow>>,
}

/// A set of attributes, whose numbers are small.
#[derive(Debug, Default)]
struct AttrSet(Vec<u64>);

impl AttrSet {
    #[inline]
    fn has(&self, a: AttrId) -> bool {
        self.0.get(a.0 as usize / 64).is_some_and(|bits| bits >> (a.0 % 64) & 1 == 1)
    }

    #[inline]
    fn add(&mut self, a: AttrId) {
        let at = a.0 as usize / 64;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (a.0 % 64);
    }
}

impl AveRows {
    /// Whether there are surely no changes.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.waiting.is_none()
    }

    /// All changes.
    #[inline]
    pub fn tree(&self) -> &Tree<AveRow> {
        match &self.waiting {
            None => &self.tree,
            Some(waiting) => waiting.settled.get_or_init(|| with_rows(self.tree.clone(), &waiting.rows)),
        }
    }

    /// The changes of one attribute, perhaps among others.
    #[inline]
    pub fn tree_of(&self, a: AttrId) -> &Tree<AveRow> {
        match &self.waiting {
            Some(waiting) if waiting.attributes.has(a) => self.tree(),
            _ => &self.tree,
        }
    }

    /// Notes a change. One that takes an earlier one back takes it out, and one that repeats it is none.
    #[inline]
    pub fn change(&mut self, row: AveRow, at_once: bool) {
        if at_once || self.waiting.is_none() && self.tree.len() < SMALL {
            let waits = self.waiting().is_some_and(|waiting| waiting.attributes.has(row.a));
            if waits {
                self.settle();
            }
            return change(&mut self.tree, row);
        }
        if self.waiting().is_none() {
            self.waiting = Some(Arc::default());
        }
        if let Some(waiting) = self.waiting() {
            waiting.attributes.add(row.a);
            waiting.rows.push(row);
        }
    }

    /// What waits, if rows may still be added to it; else nothing waits afterwards.
    #[inline]
    fn waiting(&mut self) -> Option<&mut Waiting> {
        let is_own = |waiting: &mut Arc<Waiting>| {
            Arc::get_mut(waiting).is_some_and(|waiting| waiting.settled.get().is_none())
        };
        if !self.waiting.as_mut().is_some_and(is_own) {
            self.settle();
        }
        self.waiting.as_mut().and_then(Arc::get_mut)
    }

    /// Puts everything in its place, which costs less here than when a borrower looks.
    pub fn settle(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        match Arc::try_unwrap(waiting) {
            Ok(mut waiting) => {
                self.tree = match waiting.settled.take() {
                    Some(settled) => settled,
                    None => with_rows(std::mem::take(&mut self.tree), &waiting.rows),
                }
            }
            // Shared: the others get it, too.
            Err(waiting) => {
                let settled = waiting.settled.get_or_init(|| with_rows(self.tree.clone(), &waiting.rows));
                self.tree = settled.clone();
            }
        }
    }
}

/// A change takes an opposite one back.
fn change(tree: &mut Tree<AveRow>, row: AveRow) {
    let added = row.added;
    if let Some(before) = tree.insert_new(row)
        && before.added != added
    {
        tree.remove(&before);
    }
}

/// The tree with changes that came in this order.
#[cold]
fn with_rows(mut tree: Tree<AveRow>, rows: &[AveRow]) -> Tree<AveRow> {
    if rows.len() <= FEW {
        rows.iter().for_each(|row| change(&mut tree, row.clone()));
        return tree;
    }
    let order = in_order(rows);
    if rows.len() < tree.len() / MUCH {
        order.into_iter().for_each(|at| change(&mut tree, rows[at].clone()));
        return tree;
    }
    let (mut old, mut new) = (tree.iter().peekable(), order.into_iter().map(|at| &rows[at]).peekable());
    Tree::from_sorted(std::iter::from_fn(|| {
        loop {
            let place = match (old.peek(), new.peek()) {
                (Some(old), Some(new)) if new.compare(old) == Ordering::Greater => None,
                (_, Some(new)) => Some(*new),
                (_, None) => None,
            };
            // Only the tree has something there.
            let Some(place) = place else { return old.next().cloned() };
            let mut state = old.next_if(|old| place.compare(old) == Ordering::Equal).map(|row| row.added);
            while let Some(row) = new.next_if(|row| row.compare(place) == Ordering::Equal) {
                state = match state {
                    Some(added) if added != row.added => None,
                    _ => Some(row.added),
                };
            }
            if let Some(added) = state {
                return Some(AveRow { added, ..place.clone() });
            }
        }
    }))
}

/// Where rows stand, by place; those of one place as they came.
fn in_order(rows: &[AveRow]) -> Vec<usize> {
    let key = |(at, row): (usize, &AveRow)| (start_of(row), at);
    let mut keys: Vec<(u128, usize)> = rows.iter().enumerate().map(key).collect();
    // By this thread alone: one of a pool that waits for others takes on their work meanwhile, which may be to write, too.
    keys.sort_unstable();
    for same in keys.chunk_by_mut(|x, y| x.0 == y.0) {
        let compare = |x: &(u128, usize), y: &(u128, usize)| {
            let (a, b) = (&rows[x.1], &rows[y.1]);
            a.compare(b).then(x.1.cmp(&y.1))
        };
        // Facts come entity by entity, so those of one value are in order already.
        if !same.is_sorted_by(|x, y| compare(x, y) != Ordering::Greater) {
            same.sort_unstable_by(compare);
        }
    }
    keys.into_iter().map(|(_, at)| at).collect()
}

/// Attribute and the first bytes of the value.
#[inline]
fn start_of(row: &AveRow) -> u128 {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&row.a.0.to_be_bytes());
    match row.v.first_chunk::<12>() {
        Some(bytes) => start[4..].copy_from_slice(bytes),
        None => start[4..4 + row.v.len()].copy_from_slice(&row.v),
    }
    u128::from_be_bytes(start)
}

#[cfg(test)]
mod tests;
