//! Walks over bodies: nodes of any type get small numbers, and the neighbours of each node are found once, by running
//! the bodies for all new nodes together.

use std::sync::Arc;

use super::seen::Seen;
use super::{Closure, PathStep, Phase, Times};
use crate::exec::join_table::RowSet;
use crate::exec::pipeline::Runner;
use crate::exec::{Batch, Column, Context, Result, Scope};

/// The pairs (start, found) of all walks.
pub(super) fn walk<'s>(
    closure: &Closure,
    context: &Context<'s, '_>,
    scope: &Scope<'s>,
    backward: bool,
    starts: Option<&Column<'s>>,
) -> Result<(Column<'s>, Column<'s>)> {
    let phases = closure.ordered(backward);
    let mut nodes = Nodes::default();
    let first = starts.map_or_else(Vec::new, |starts| nodes.numbers(starts));
    let mut graphs = Vec::with_capacity(phases.len());
    let mut reached = first.clone();
    for phase in &phases {
        let (graph, next) = Graph::discover(phase, context, scope, backward, &mut nodes, reached)?;
        graphs.push(graph);
        reached = next;
    }
    let mut starts = first;
    starts.sort_unstable();
    starts.dedup();
    let mut pairs = (Vec::new(), Vec::new());
    let mut seen = Seen::default();
    for start in starts {
        let mut front = vec![start];
        for graph in &graphs {
            front = graph.walk(&front, &mut seen);
        }
        context.budget.poll(front.len())?;
        pairs.0.resize(pairs.0.len() + front.len(), start);
        pairs.1.extend(front);
    }
    let column = nodes.set.rows.columns.into_iter().next().unwrap_or_default();
    Ok((column.take(&pairs.0), column.take(&pairs.1)))
}

/// The values of all nodes met so far; a node's number is its row.
#[derive(Default)]
struct Nodes<'s> {
    set: RowSet<'s>,
}

impl<'s> Nodes<'s> {
    fn numbers(&mut self, column: &Column<'s>) -> Vec<u32> {
        self.set.insert_numbered(&Batch::new(column.len(), vec![column.clone()]))
    }

    fn values(&self, numbers: &[u32]) -> Column<'s> {
        self.set.rows.columns.first().map_or_else(Column::default, |column| column.take(numbers))
    }
}

/// The neighbours of every node that a phase can reach.
struct Graph {
    times: Times,
    lists: Vec<Vec<u32>>,
}

impl Graph {
    /// Finds all neighbours from `from` on; also returns the nodes where the phase can end.
    fn discover<'s>(
        phase: &Phase,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
        backward: bool,
        nodes: &mut Nodes<'s>,
        from: Vec<u32>,
    ) -> Result<(Self, Vec<u32>)> {
        let mut graph = Self { times: phase.times, lists: Vec::new() };
        let (mut expanded, mut ends) = (Seen::default(), Seen::default());
        expanded.clear();
        ends.clear();
        let mut frontier: Vec<u32> =
            from.into_iter().filter(|node| expanded.insert((*node).into())).collect();
        let mut reached = Vec::new();
        if phase.times == Times::Any {
            reached.extend(frontier.iter().copied().filter(|node| ends.insert((*node).into())));
        }
        let mut held = 0;
        while !frontier.is_empty() {
            let mut next = Vec::new();
            for step in &phase.steps {
                let edges = edges(step, context, scope, backward, nodes, &frontier)?;
                for (from, to) in edges {
                    let at = from as usize;
                    if graph.lists.len() <= at {
                        graph.lists.resize_with(at + 1, Vec::new);
                    }
                    graph.lists[at].push(to);
                    held += size_of::<u32>();
                    if ends.insert(to.into()) {
                        reached.push(to);
                    }
                    if phase.times != Times::Once && expanded.insert(to.into()) {
                        next.push(to);
                    }
                }
            }
            context.budget.hold(held)?;
            context.budget.release(held);
            frontier = next;
        }
        Ok((graph, reached))
    }

    /// The distinct nodes reached from `front`.
    fn walk(&self, front: &[u32], seen: &mut Seen) -> Vec<u32> {
        seen.clear();
        let mut out: Vec<u32> = Vec::new();
        if self.times == Times::Any {
            out.extend(front.iter().copied().filter(|node| seen.insert((*node).into())));
        } else {
            for node in front {
                self.step(*node, seen, &mut out);
            }
        }
        let mut at = 0;
        while self.times != Times::Once && at < out.len() {
            self.step(out[at], seen, &mut out);
            at += 1;
        }
        out
    }

    fn step(&self, node: u32, seen: &mut Seen, out: &mut Vec<u32>) {
        if let Some(list) = self.lists.get(node as usize) {
            out.extend(list.iter().copied().filter(|next| seen.insert((*next).into())));
        }
    }
}

/// The edges of one alternative that leave the nodes of `frontier`.
fn edges<'s>(
    step: &PathStep,
    context: &Context<'s, '_>,
    scope: &Scope<'s>,
    backward: bool,
    nodes: &mut Nodes<'s>,
    frontier: &[u32],
) -> Result<Vec<(u32, u32)>> {
    let PathStep::Body { from, to, forward, backward: reversed } = step else { return Ok(Vec::new()) };
    let (from, to, pipeline) = if backward { (to, from, reversed) } else { (from, to, forward) };
    let input = Batch::new(frontier.len(), vec![nodes.values(frontier)]);
    let scope = Scope { input: Arc::new(input), tables: scope.tables.clone() };
    let layout = pipeline.output();
    let place = |var| layout.iter().position(|other| other == var).expect("a step gives both its ends");
    let (from, to) = (place(from), place(to));
    let mut runner = Runner::open(pipeline, context, &scope)?;
    let mut edges = Vec::new();
    while let Some(batch) = runner.next(context)? {
        let starts = nodes.numbers(&batch.columns[from]);
        let ends = nodes.numbers(&batch.columns[to]);
        edges.extend(starts.into_iter().zip(ends));
    }
    Ok(edges)
}
