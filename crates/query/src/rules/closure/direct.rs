//! Walks on attributes: nodes are entities, neighbours come from the index or from a copy of it.

use std::sync::Arc;

use rayon::prelude::*;
use storage::{AttrId, AveCursor, Direction, EavCursor, EncodedValue, ValueRange};

use super::seen::Seen;
use super::{Closure, PathStep, Phase, Times};
use crate::exec::memo::Memo;
use crate::exec::{Column, Context, Result, threads};
use crate::logical::SourceId;

/// Nodes looked up by cursor, as a share of the attribute's facts, after which it is copied.
const LOOKUPS_SHARE: u64 = 16;
/// Fewer starts than this are walked by one thread.
const PARALLEL_STARTS: usize = 64;

/// The pairs (start, found) of all walks.
pub(super) fn walk<'s>(
    closure: &Closure,
    context: &Context<'s, '_>,
    backward: bool,
    starts: Option<&Column<'s>>,
) -> Result<(Column<'s>, Column<'s>)> {
    let phases = closure.ordered(backward);
    let starts = match starts {
        Some(column) => {
            let mut starts: Vec<u64> = (0..column.len()).filter_map(|row| column.int(row)).collect();
            starts.sort_unstable();
            starts.dedup();
            starts
        }
        None => all_starts(&phases, context, backward)?,
    };
    let threads = context.threads;
    if threads > 1 && starts.len() >= PARALLEL_STARTS {
        // Threads share the copies, so these are made first.
        let chunk = starts.len().div_ceil(threads * 4);
        for phase in &phases {
            Walker::open(phase, context, backward)?.iter_mut().try_for_each(|edges| edges.copy(context))?;
        }
        let walks: Vec<Pairs> = threads::run(|| {
            starts
                .par_chunks(chunk)
                .map(|starts| walk_all(&phases, context, backward, starts))
                .collect::<Result<_>>()
        })?;
        let mut all = Pairs::default();
        for walk in walks {
            all.starts.extend(walk.starts);
            all.found.extend(walk.found);
        }
        return Ok((Column::Ints(all.starts), Column::Ints(all.found)));
    }
    let pairs = walk_all(&phases, context, backward, &starts)?;
    Ok((Column::Ints(pairs.starts), Column::Ints(pairs.found)))
}

#[derive(Default)]
struct Pairs {
    starts: Vec<u64>,
    found: Vec<u64>,
}

/// Walks from each start.
fn walk_all(phases: &[&Phase], context: &Context<'_, '_>, backward: bool, starts: &[u64]) -> Result<Pairs> {
    let mut walkers = Vec::with_capacity(phases.len());
    for phase in phases {
        walkers.push(Walker {
            edges: Walker::open(phase, context, backward)?,
            times: phase.times,
            seen: Seen::default(),
        });
    }
    let (mut pairs, mut held) = (Pairs::default(), 0);
    let (mut nodes, mut next) = (Vec::new(), Vec::new());
    for start in starts {
        nodes.clear();
        nodes.push(*start);
        for walker in &mut walkers {
            next.clear();
            walker.run(context, &nodes, &mut next)?;
            std::mem::swap(&mut nodes, &mut next);
        }
        pairs.found.extend_from_slice(&nodes);
        pairs.starts.resize(pairs.found.len(), *start);
        let bytes = 16 * pairs.found.capacity();
        context.budget.hold(bytes.saturating_sub(held))?;
        held = held.max(bytes);
    }
    context.budget.release(held);
    Ok(pairs)
}

/// One phase in progress.
struct Walker<'s> {
    edges: Vec<Edges<'s>>,
    times: Times,
    seen: Seen,
}

impl<'s> Walker<'s> {
    fn open(phase: &Phase, context: &Context<'s, '_>, backward: bool) -> Result<Vec<Edges<'s>>> {
        let mut edges = Vec::with_capacity(phase.steps.len());
        for step in &phase.steps {
            if let PathStep::Attribute { source, attr, forward } = step {
                edges.push(Edges::open(context, *source, *attr, *forward != backward)?);
            }
        }
        Ok(edges)
    }

    /// The distinct nodes reached from `from`.
    fn run(&mut self, context: &Context<'s, '_>, from: &[u64], out: &mut Vec<u64>) -> Result<()> {
        self.seen.clear();
        let mut frontier: Vec<u64> = from.to_vec();
        if self.times == Times::Any {
            frontier.retain(|node| self.seen.insert(*node));
            out.extend_from_slice(&frontier);
        }
        while !frontier.is_empty() {
            // Ascending, so that cursors only move forward.
            frontier.sort_unstable();
            let before = out.len();
            for edges in &mut self.edges {
                edges.neighbours(context, &frontier, |node| {
                    if self.seen.insert(node) {
                        out.push(node);
                    }
                })?;
            }
            context.budget.poll(out.len() - before)?;
            if self.times == Times::Once {
                break;
            }
            frontier.clear();
            frontier.extend_from_slice(&out[before..]);
        }
        Ok(())
    }
}

/// The neighbours along one attribute.
struct Edges<'s> {
    source: SourceId,
    attr: AttrId,
    forward: bool,
    way: Way<'s>,
    lookups: u64,
    facts: u64,
    list: Vec<u64>,
}

#[expect(clippy::large_enum_variant, reason = "one of them lives per operator; a box would cost each step")]
enum Way<'s> {
    Forward(EavCursor<'s>),
    Backward(AveCursor<'s>),
    Copy(Arc<Memo<'s>>),
}

impl<'s> Edges<'s> {
    fn open(context: &Context<'s, '_>, source: SourceId, attr: AttrId, forward: bool) -> Result<Self> {
        let db = context.db(source)?;
        let way = match context.memos.known_attribute(source, attr, forward) {
            Some(memo) => Way::Copy(memo),
            None if forward => Way::Forward(db.eav()),
            None => Way::Backward(db.ave()),
        };
        let facts = db.count(None, Some(attr), None)?;
        Ok(Self { source, attr, forward, way, lookups: 0, facts, list: Vec::new() })
    }

    fn copy(&mut self, context: &Context<'s, '_>) -> Result<()> {
        if !matches!(self.way, Way::Copy(_)) {
            self.way = Way::Copy(context.memos.attribute(context, self.source, self.attr, self.forward)?);
        }
        Ok(())
    }

    fn neighbours(
        &mut self,
        context: &Context<'s, '_>,
        nodes: &[u64],
        mut visit: impl FnMut(u64),
    ) -> Result<()> {
        self.lookups += nodes.len() as u64;
        if self.lookups * LOOKUPS_SHARE > self.facts {
            self.copy(context)?;
        }
        self.list.clear();
        match &mut self.way {
            Way::Copy(memo) => {
                for node in nodes {
                    memo.ints(*node).iter().for_each(|next| visit(*next));
                }
                return Ok(());
            }
            Way::Forward(cursor) => {
                for node in nodes {
                    // What a call brings along may be negative, and then it is no entity.
                    if *node <= i64::MAX as u64 {
                        cursor.refs_into(*node, self.attr, &mut self.list)?;
                    }
                }
            }
            Way::Backward(cursor) => {
                for node in nodes {
                    cursor.lookup_into(self.attr, &EncodedValue::int(*node as i64), &mut self.list)?;
                }
            }
        }
        self.list.iter().for_each(|next| visit(*next));
        Ok(())
    }
}

/// All nodes from which a walk can start.
fn all_starts(phases: &[&Phase], context: &Context<'_, '_>, backward: bool) -> Result<Vec<u64>> {
    let mut starts = Vec::new();
    for step in phases.iter().flat_map(|phase| &phase.steps) {
        if let PathStep::Attribute { source, attr, forward } = step {
            let mut cursor = context.db(*source)?.ave();
            cursor.scan(*attr, &ValueRange::ALL, Direction::Forward)?;
            while let Some(value) = cursor.next_value()? {
                if *forward != backward {
                    cursor.entities_into(&mut starts)?;
                } else {
                    starts.extend(storage::decode_int(value).map(|int| int as u64));
                }
            }
        }
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}
