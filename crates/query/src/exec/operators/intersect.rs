//! Leapfrog intersection: binds a variable that must be adjacent to several known ones, as the third corner of a
//! triangle is to the other two. The adjacency lists are sorted, so the shortest leads and the others gallop after it.
//!
//! ```text
//! row (a, b)    out(a): 2 5 7 9 12     out(b): 5 6 12 40      ->  c = 5, 12
//! ```

use std::sync::Arc;

use storage::{AttrId, AveCursor, EavCursor};

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::column::Column;
use crate::exec::context::Context;
use crate::exec::error::Result;
use crate::exec::memo::Memo;
use crate::exec::pipeline::Operator;
use crate::plan::{Access, Edge, Intersect};

const ROWS_OUT: usize = 4 * BATCH_ROWS;

pub(super) struct Leapfrog<'s> {
    edges: Vec<Lists<'s>>,
    /// Whether the new variable's values are wanted; if not, one is enough.
    fetch: bool,
    shape: Shape,
    pending: Option<(Batch<'s>, usize)>,
}

/// The adjacency lists of one edge.
struct Lists<'s> {
    slot: usize,
    attr: AttrId,
    way: Way<'s>,
    /// The last key and its list: neighbouring rows often share one.
    key: Option<u64>,
    list: Vec<u64>,
}

#[expect(clippy::large_enum_variant, reason = "one of them lives per operator; a box would cost each step")]
enum Way<'s> {
    Forward(EavCursor<'s>),
    Backward(AveCursor<'s>),
    Memo(Arc<Memo<'s>>),
}

impl<'s> Lists<'s> {
    fn open(edge: &Edge, shape: &Shape, context: &Context<'s, '_>) -> Result<Self> {
        let way = match (edge.access, edge.forward) {
            (Access::Memo, forward) => {
                Way::Memo(context.memos.attribute(context, edge.source, edge.attr, forward)?)
            }
            (Access::Cursor, true) => Way::Forward(context.db(edge.source)?.eav()),
            (Access::Cursor, false) => Way::Backward(context.db(edge.source)?.ave()),
        };
        Ok(Self { slot: shape.slot(edge.from), attr: edge.attr, way, key: None, list: Vec::new() })
    }

    /// Makes [`Lists::current`] the list of `key`.
    fn seek(&mut self, key: Option<u64>) -> Result<()> {
        if self.key == key && key.is_some() {
            return Ok(());
        }
        self.key = key;
        self.list.clear();
        let Some(key) = key else { return Ok(()) };
        match &mut self.way {
            Way::Forward(cursor) => {
                // What is joined with an entity may be negative, and then it is none.
                if key <= i64::MAX as u64 {
                    cursor.refs_into(key, self.attr, &mut self.list)?;
                }
            }
            Way::Backward(cursor) => {
                let value = storage::EncodedValue::int(key as i64);
                cursor.lookup_into(self.attr, &value, &mut self.list)?;
            }
            Way::Memo(_) => {}
        }
        Ok(())
    }

    fn current(&self) -> &[u64] {
        match (&self.way, self.key) {
            (Way::Memo(memo), Some(key)) => memo.ints(key),
            _ => &self.list,
        }
    }
}

impl<'s> Leapfrog<'s> {
    pub(super) fn open(plan: &Intersect, shape: Shape, context: &Context<'s, '_>) -> Result<Self> {
        let edges =
            plan.edges.iter().map(|edge| Lists::open(edge, &shape, context)).collect::<Result<_>>()?;
        Ok(Self { edges, fetch: shape.adds(plan.var), shape, pending: None })
    }

    /// Intersects the lists of one row.
    fn row(
        &mut self,
        batch: &Batch<'s>,
        row: usize,
        from: &mut Vec<u32>,
        values: &mut Vec<u64>,
    ) -> Result<()> {
        for edge in &mut self.edges {
            edge.seek(batch.columns[edge.slot].int(row))?;
        }
        let before = values.len();
        match &self.edges[..] {
            [a, b] => intersect_two(a.current(), b.current(), values),
            edges => {
                let mut lists: Vec<&[u64]> = edges.iter().map(Lists::current).collect();
                lists.sort_by_key(|list| list.len());
                intersect(&mut lists, values);
            }
        }
        if self.fetch {
            from.resize(values.len(), row as u32);
        } else if values.len() > before {
            values.clear();
            from.push(row as u32);
        }
        Ok(())
    }
}

/// The common elements of two ascending lists.
pub(crate) fn intersect_two(a: &[u64], b: &[u64], out: &mut Vec<u64>) {
    let (mut short, mut long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if long.len() > 16 * short.len() {
        for value in short {
            long = &long[gallop(long, *value)..];
            if long.first() == Some(value) {
                out.push(*value);
            }
        }
        return;
    }
    while let ([x, rest_x @ ..], [y, rest_y @ ..]) = (short, long) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => short = rest_x,
            std::cmp::Ordering::Greater => long = rest_y,
            std::cmp::Ordering::Equal => {
                out.push(*x);
                (short, long) = (rest_x, rest_y);
            }
        }
    }
}

/// The common elements of ascending lists, the shortest of which comes first.
fn intersect(lists: &mut [&[u64]], out: &mut Vec<u64>) {
    let Some((lead, rest)) = lists.split_first_mut() else { return };
    for value in lead.iter() {
        let mut everywhere = true;
        for list in rest.iter_mut() {
            *list = &list[gallop(list, *value)..];
            everywhere &= list.first() == Some(value);
        }
        if everywhere {
            out.push(*value);
        }
    }
}

/// The first index whose element is not below `value`: doubling steps, then a binary search in the last one.
fn gallop(list: &[u64], value: u64) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < value {
        step *= 2;
    }
    let low = step / 2;
    let high = list.len().min(step + 1);
    low + list[low..high].partition_point(|other| *other < value)
}

impl<'s> Operator<'s> for Leapfrog<'s> {
    fn push(&mut self, _: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.pending = Some((batch, 0));
        Ok(())
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let Some((batch, mut row)) = self.pending.take() else { return Ok(None) };
        let mut out = Expansion::new(&self.shape);
        let mut values = Vec::new();
        while row < batch.rows && out.from.len() < ROWS_OUT {
            self.row(&batch, row, &mut out.from, &mut values)?;
            row += 1;
        }
        if let Some(column) = out.fresh.first_mut() {
            *column = Column::Ints(values);
        }
        let result = out.into_batch(&self.shape, &batch);
        if row < batch.rows {
            self.pending = Some((batch, row));
        }
        Ok(Some(result))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn intersections_are_those_of_sets(sets in proptest::collection::vec(proptest::collection::btree_set(0_u64..60, 0..40), 2..5)) {
            let lists: Vec<Vec<u64>> = sets.iter().map(|set| set.iter().copied().collect()).collect();
            let expected: BTreeSet<u64> = sets.iter().skip(1).fold(sets[0].clone(), |all, set| &all & set);
            let mut slices: Vec<&[u64]> = lists.iter().map(Vec::as_slice).collect();
            slices.sort_by_key(|list| list.len());
            let mut out = Vec::new();
            intersect(&mut slices, &mut out);
            prop_assert_eq!(out, expected.iter().copied().collect::<Vec<_>>());
            let mut two = Vec::new();
            intersect_two(&lists[0], &lists[1], &mut two);
            prop_assert_eq!(two, (&sets[0] & &sets[1]).into_iter().collect::<Vec<_>>());
        }

        #[test]
        fn galloping_finds_the_lower_bound(list in proptest::collection::btree_set(0_u64..200, 0..60), value in 0_u64..210) {
            let list: Vec<u64> = list.into_iter().collect();
            prop_assert_eq!(gallop(&list, value), list.partition_point(|other| *other < value));
        }
    }
}
