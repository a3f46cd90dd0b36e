//! How many entries lie in a range of keys: exactly, by the headers of the leaves, or roughly, by two paths.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::cursor::duplicates_of;
use crate::error::{Error, Result};
use crate::format::{F_DUPDATA, NO_PAGE};
use crate::order::Order;
use crate::snapshot::Snapshot;
use crate::table::Table;
use crate::walk::{Leaf, Parent, Siblings, Walk};

/// The lower and the upper bound of a range of keys.
pub type Bounds<'b> = (Bound<&'b [u8]>, Bound<&'b [u8]>);

/// How much lies in a range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Count {
    /// Different keys.
    pub keys: u64,
    /// Pairs of a key and a value: in tables without duplicates, as many as keys.
    pub pairs: u64,
}

/// Counts the entries of `table` with keys between `low` and `high`, exactly.
///
/// Without duplicates, only the header of each leaf in the range is read; with duplicates, each of its nodes too.
/// The pairs of a whole table are known without reading anything: [`Table::entries`].
///
/// # Errors
///
/// [`Error::Corrupted`] on a damaged page; [`Error::ForeignTable`] and [`Error::WrongOrder`] as for cursors.
pub fn count_range<K: Order>(
    snapshot: &Snapshot,
    table: &Table,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
) -> Result<Count> {
    let [count] = count_ranges::<K, 1>(snapshot, table, [(low, high)])?;
    Ok(count)
}

/// As [`count_range`], of several ranges at once. What is needed for one is fetched while another is looked at, so short
/// ranges take less time together than one by one.
///
/// # Errors
///
/// As [`count_range`].
pub fn count_ranges<K: Order, const N: usize>(
    snapshot: &Snapshot,
    table: &Table,
    ranges: [Bounds<'_>; N],
) -> Result<[Count; N]> {
    let near = siblings::<K, N>(snapshot, table, ranges)?;
    let mut counts = [Count::default(); N];
    for ((count, near), (low, high)) in counts.iter_mut().zip(near).zip(ranges) {
        *count = match near {
            Some(siblings) => {
                let entries = siblings.entries(|leaf| start::<K>(leaf, low), |leaf| end::<K>(leaf, high))?;
                Count { keys: entries, pairs: entries }
            }
            None => count_by_walk::<K>(snapshot, table, low, high)?,
        };
    }
    Ok(counts)
}

/// The leaves of each range, if they have one parent, and if their headers are all that is to be read in between. Each
/// step is taken for all ranges before the next one, since it waits for what the one before has asked for.
fn siblings<'s, K: Order, const N: usize>(
    snapshot: &'s Snapshot,
    table: &Table,
    ranges: [Bounds<'_>; N],
) -> Result<[Option<Siblings<'s>>; N]> {
    snapshot.check_table(table)?;
    let record = &table.record;
    let mut near = [None; N];
    if record.depth < 2 || table.has_duplicates() || !K::suits_keys(table.flags()) {
        return Ok(near);
    }
    let keys = ranges.map(|(low, high)| match (low, high) {
        (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => {
            (!K::compare(from, to).is_gt()).then_some((from, to))
        }
        _ => None,
    });
    let mut parents: [Option<Parent<'s>>; N] = [None; N];
    for (parent, keys) in parents.iter_mut().zip(keys) {
        if let Some((from, to)) = keys {
            let found = Parent::of::<K>(&snapshot.inner.pages, record.root, record.depth, from)?;
            *parent = found.reaches::<K>(to).then_some(found);
        }
    }
    narrow::<K, N>(&mut parents, keys.map(|keys| keys.map_or(&[][..], |(from, _)| from)))?;
    for ((near, parent), keys) in near.iter_mut().zip(parents).zip(keys) {
        if let (Some(parent), Some((from, to))) = (parent, keys) {
            let children = parent.children::<K>(from, to)?;
            children.ask_for_heads();
            *near = Some(children);
        }
    }
    for siblings in near.iter().flatten() {
        siblings.ask_for_pivots()?;
    }
    Ok(near)
}

/// Looks for the leaves of keys, as far as each page can be searched without waiting for the others.
fn narrow<K: Order, const N: usize>(parents: &mut [Option<Parent<'_>>; N], keys: [&[u8]; N]) -> Result<()> {
    for parent in parents.iter_mut().flatten() {
        parent.ask_for_parts()?;
    }
    for (parent, key) in parents.iter_mut().zip(keys) {
        if let Some(parent) = parent {
            parent.narrow::<K>(key)?;
        }
    }
    Ok(())
}

/// A run of neighbouring keys of a table whose number is known.
#[derive(Clone, Copy, Debug)]
pub struct Run<'b> {
    /// None of its keys is less than this; nothing, if it begins with the table.
    pub low: Option<&'b [u8]>,
    /// All of its keys are less than this; nothing, if it ends with the table.
    pub high: Option<&'b [u8]>,
    /// How many keys it has.
    pub keys: u64,
}

/// How many keys of each run come before a bound that lies between its ends.
///
/// ```text
/// branch      low        |        |     bound     |    high
/// leaves      [ .. .. .. ][ .. .. ][ .. .. | .. .. ][ ..
///              <------- heads ----> search          ^ the nearer end: nothing else to be read
/// ```
///
/// The leaf of the bound is searched, and of the leaves from there to the nearer end of the run the headers are read. A leaf in
/// which the run ends is searched, too, unless the end is a separator of the branch page: then the run ends where a leaf
/// does. What is needed for one run is fetched while others are looked at.
///
/// # Errors
///
/// As [`count_range`].
pub fn count_in_runs<K: Order, const N: usize>(
    snapshot: &Snapshot,
    table: &Table,
    ends: [(Run<'_>, Bound<&[u8]>); N],
) -> Result<[u64; N]> {
    snapshot.check_table(table)?;
    let (record, flags) = (&table.record, table.flags());
    if !K::suits_keys(flags) {
        return Err(Error::WrongOrder { order: K::NAME, part: "keys", flags });
    }
    let keys = ends.map(|(_, bound)| key_of(bound).unwrap_or_default());
    let mut parents: [Option<Parent<'_>>; N] = [None; N];
    for (parent, (_, bound)) in parents.iter_mut().zip(ends) {
        if let Some(key) = key_of(bound)
            && record.depth >= 2
        {
            *parent = Some(Parent::of::<K>(&snapshot.inner.pages, record.root, record.depth, key)?);
        }
    }
    narrow::<K, N>(&mut parents, keys)?;
    let mut sides: [Option<Side<'_>>; N] = [None; N];
    for (((side, parent), (run, _)), key) in sides.iter_mut().zip(parents).zip(ends).zip(keys) {
        if let Some(parent) = parent {
            *side = Side::of::<K>(&parent, run, key)?;
        }
    }
    for side in sides.iter().flatten() {
        side.leaves.ask_for_pivots()?;
    }
    let mut counts = [0; N];
    for ((count, side), (run, bound)) in counts.iter_mut().zip(sides).zip(ends) {
        *count = match side {
            Some(side) => side.count::<K>(run, bound)?,
            None => {
                count_range::<K>(snapshot, table, run.low.map_or(Bound::Unbounded, Bound::Included), bound)?
                    .keys
            }
        };
    }
    Ok(counts)
}

fn key_of(bound: Bound<&[u8]>) -> Option<&[u8]> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

/// The nearer side of a bound inside a run.
#[derive(Clone, Copy, Debug)]
struct Side<'s> {
    leaves: Siblings<'s>,
    /// Whether it is the one before the bound.
    before: bool,
    /// Whether the run ends where a leaf does.
    whole: bool,
}

impl<'s> Side<'s> {
    /// Asks for the heads of its leaves; nothing, if neither side is under the page.
    fn of<K: Order>(parent: &Parent<'s>, run: Run<'_>, key: &[u8]) -> Result<Option<Side<'s>>> {
        let leaf = parent.leaf_of::<K>(key)?;
        let (start, end) = (parent.start_of::<K>(leaf, run.low)?, parent.end_of::<K>(leaf, run.high)?);
        let (before, outer) = match (start, end) {
            (Some(start), Some(end)) if end.cost(leaf) < start.cost(leaf) => (false, end),
            (Some(start), _) => (true, start),
            (None, Some(end)) => (false, end),
            (None, None) => return Ok(None),
        };
        let leaves = parent.leaves_to(leaf, outer);
        leaves.ask_for_heads();
        Ok(Some(Side { leaves, before, whole: outer.whole }))
    }

    fn count<K: Order>(&self, run: Run<'_>, bound: Bound<&[u8]>) -> Result<u64> {
        let at_bound = |leaf: &Leaf<'_>| end::<K>(leaf, bound);
        let outer = if self.before { run.low } else { run.high };
        let at_outer = |leaf: &Leaf<'_>| match outer {
            Some(key) if !self.whole => Ok(leaf.search_by_pivots::<K>(key)?.0),
            _ if self.before => Ok(0),
            _ => Ok(leaf.count),
        };
        if self.before {
            self.leaves.entries(at_outer, at_bound)
        } else {
            Ok(run.keys.saturating_sub(self.leaves.entries(at_bound, at_outer)?))
        }
    }
}

/// The first entry of a leaf that is not before a range.
fn start<K: Order>(leaf: &Leaf<'_>, low: Bound<&[u8]>) -> Result<usize> {
    let (Bound::Included(key) | Bound::Excluded(key)) = low else { return Ok(0) };
    let (index, exact) = leaf.search_by_pivots::<K>(key)?;
    Ok(index + usize::from(exact && matches!(low, Bound::Excluded(_))))
}

/// The first entry of a leaf that is behind a range.
fn end<K: Order>(leaf: &Leaf<'_>, high: Bound<&[u8]>) -> Result<usize> {
    let (Bound::Included(key) | Bound::Excluded(key)) = high else { return Ok(leaf.count) };
    let (index, exact) = leaf.search_by_pivots::<K>(key)?;
    Ok(index + usize::from(exact && matches!(high, Bound::Included(_))))
}

fn count_by_walk<K: Order>(
    snapshot: &Snapshot,
    table: &Table,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
) -> Result<Count> {
    let Some((low, high)) = ends::<K>(snapshot, table, low, high)? else { return Ok(Count::default()) };
    let mut count = Count::default();
    let with_dups = table.has_duplicates();
    let mut add = |leaf: &Leaf<'_>, from: usize, to: usize| -> Result<()> {
        count.keys += to.saturating_sub(from) as u64;
        count.pairs +=
            if with_dups { pairs_between(leaf, from, to)? } else { to.saturating_sub(from) as u64 };
        Ok(())
    };
    let last_page = high.leaf.page();
    let mut walk = low;
    if !with_dups && walk.leaf.page() != last_page {
        let entries = walk.entries_to_leaf(last_page)?.saturating_add(high.leaf.index as u64);
        return Ok(Count { keys: entries, pairs: entries });
    }
    let mut from = walk.leaf.index;
    let mut visited = 0;
    while walk.leaf.page() != last_page {
        add(&walk.leaf, from, walk.leaf.count)?;
        from = 0;
        visited += 1;
        if visited > snapshot.inner.pages.end() || !walk.next_leaf_unchecked()? {
            return Err(Error::corrupted(last_page, "the leaves of a tree do not form a row"));
        }
    }
    add(&walk.leaf, from, high.leaf.index)?;
    Ok(count)
}

/// Estimates how many pairs of `table` have keys between `low` and `high`, from the two paths that lead to them.
///
/// Exact if both ends lie in one leaf; otherwise as good as the tree is even.
///
/// # Errors
///
/// As [`count_range`].
pub fn estimate_range<K: Order>(
    snapshot: &Snapshot,
    table: &Table,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
) -> Result<u64> {
    let Some((low, high)) = ends::<K>(snapshot, table, low, high)? else { return Ok(0) };
    if low.leaf.page() == high.leaf.page() {
        let (from, to) = (low.leaf.index, high.leaf.index);
        return if table.has_duplicates() {
            pairs_between(&low.leaf, from, to)
        } else {
            Ok(to.saturating_sub(from) as u64)
        };
    }
    let entries = table.entries();
    let share = (high.rank() - low.rank()).clamp(0.0, 1.0);
    // What is seen of the two leaves is certain.
    let certain = (low.leaf.count - low.leaf.index + high.leaf.index) as u64;
    Ok(((share * entries as f64).round() as u64).max(certain).min(entries))
}

/// The walks to the first entry of the range and to the first entry behind it; nothing if the range is empty.
fn ends<'s, K: Order>(
    snapshot: &'s Snapshot,
    table: &Table,
    low: Bound<&[u8]>,
    high: Bound<&[u8]>,
) -> Result<Option<(Walk<'s>, Walk<'s>)>> {
    snapshot.check_table(table)?;
    let flags = table.flags();
    if !K::suits_keys(flags) {
        return Err(Error::WrongOrder { order: K::NAME, part: "keys", flags });
    }
    if let (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) = (low, high)
        && K::compare(a, b) == Ordering::Greater
    {
        return Ok(None);
    }
    if table.record.root == NO_PAGE {
        return Ok(None);
    }
    let mut from = Walk::new(&snapshot.inner.pages, table.record.root, 0);
    let found = match low {
        Bound::Unbounded => from.first()?,
        Bound::Included(key) => from.seek::<K>(key).map(|_| from.is_loaded())?,
        Bound::Excluded(key) => {
            let exact = from.seek::<K>(key)?;
            from.leaf.index += usize::from(exact);
            from.is_loaded()
        }
    };
    if !found {
        return Ok(None);
    }
    let mut to = from.clone();
    match high {
        Bound::Unbounded => {
            to.last()?;
            to.leaf.index = to.leaf.count;
        }
        Bound::Excluded(key) => {
            to.seek::<K>(key)?;
        }
        Bound::Included(key) => {
            let exact = to.seek::<K>(key)?;
            to.leaf.index += usize::from(exact);
        }
    }
    Ok(Some((from, to)))
}

/// The pairs of the nodes `from..to` of a leaf of a table with duplicates.
fn pairs_between(leaf: &Leaf<'_>, from: usize, to: usize) -> Result<u64> {
    let mut pairs = 0u64;
    for index in from..to {
        let node = leaf.node(index)?;
        let more = if node.flags & F_DUPDATA == 0 {
            1
        } else {
            duplicates_of(node, leaf.page())?.count(leaf.page())?
        };
        pairs = pairs.saturating_add(more);
    }
    Ok(pairs)
}
