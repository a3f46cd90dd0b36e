//! The operators, one file each. Each turns batches of one layout of variables into batches of the next.

use super::batch::Batch;
use super::column::Column;
use super::context::{Context, Scope};
use super::error::Result;
use super::pipeline::Operator;
use crate::logical::VarId;
use crate::plan::{Op, Step};

mod apply;
mod constants;
mod distinct;
mod entities;
mod filter;
mod hash_join;
mod intersect;
mod nested;
mod nothing;
mod open_pattern;
mod product;
mod reverse;
mod rule;
mod scan;
mod semi_join;
mod star;
mod table;
mod tuples;

/// Opens the operator of a step whose incoming columns hold the variables `layout`.
pub fn open<'s>(
    step: &Step,
    layout: &[VarId],
    context: &Context<'s, '_>,
    scope: &Scope<'s>,
) -> Result<Box<dyn Operator<'s> + 's>> {
    let shape = Shape::new(layout, &step.layout);
    Ok(match &step.op {
        Op::Constants(constants) => Box::new(constants::Constants::open(constants, shape, context)),
        Op::Scan(scan) => Box::new(scan::ScanRange::open(scan, shape, context)?),
        Op::Star(star) => Box::new(star::MergeScan::open(star, shape, context)?),
        Op::Reverse(reverse) => Box::new(reverse::Lookup::open(reverse, shape, context)?),
        Op::Intersect(intersect) => Box::new(intersect::Leapfrog::open(intersect, shape, context)?),
        Op::Open(pattern) => Box::new(open_pattern::OpenScan::open(pattern, shape, context)?),
        Op::Tuples(tuples) => Box::new(tuples::TupleJoin::open(step.id, tuples, shape, context)?),
        Op::SemiJoin(semi) => Box::new(semi_join::InSet::open(step.id, semi, shape, context)?),
        Op::HashJoin(join) => Box::new(hash_join::Probe::open(step.id, join, shape, context, scope)?),
        Op::Product(build) => Box::new(product::Product::open(step.id, build, shape, context, scope)?),
        Op::Filter(call) => Box::new(filter::Filter::call(call, shape)),
        Op::InRanges(test) => Box::new(filter::Filter::ranges(test, shape)),
        Op::Equal(a, b) => Box::new(filter::Filter::equal(*a, *b, shape)),
        Op::Apply(apply) => Box::new(apply::Application::open(apply, shape)),
        Op::Not(nested) => Box::new(nested::Seeded::not(nested, shape, scope)),
        Op::Or(nested) => Box::new(nested::Seeded::or(nested, shape, scope)),
        Op::Rule(rule) => Box::new(rule::call(rule, shape, scope)),
        Op::Table(table) => Box::new(table::TableJoin::open(table, shape, context, scope)?),
        Op::Nothing(_) => Box::new(nothing::Nothing),
        Op::Distinct => Box::new(distinct::Distinct::open(shape)),
    })
}

/// Which incoming columns an operator hands on, and which it adds.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The incoming variables.
    pub incoming: Vec<VarId>,
    /// Slots of the incoming columns that are handed on, in order.
    pub keep: Vec<usize>,
    /// The variables of the columns that follow them.
    pub fresh: Vec<VarId>,
}

impl Shape {
    /// The shape of a step between two layouts.
    pub fn new(incoming: &[VarId], outgoing: &[VarId]) -> Self {
        let mut keep = Vec::new();
        let mut fresh = Vec::new();
        for var in outgoing {
            match incoming.iter().position(|other| other == var) {
                Some(slot) => {
                    debug_assert!(fresh.is_empty(), "kept columns come first");
                    keep.push(slot);
                }
                None => fresh.push(*var),
            }
        }
        Self { incoming: incoming.to_vec(), keep, fresh }
    }

    /// The slot of an incoming variable. Plans only name variables that are there.
    pub fn slot(&self, var: VarId) -> usize {
        self.incoming
            .iter()
            .position(|other| *other == var)
            .expect("a step reads variables that earlier steps bind")
    }

    /// The slot of an incoming variable, if it is one.
    pub fn find(&self, var: VarId) -> Option<usize> {
        self.incoming.iter().position(|other| *other == var)
    }

    /// Whether `var` is a column that the operator adds.
    pub fn adds(&self, var: VarId) -> bool {
        self.fresh.contains(&var)
    }
}

/// Rows that one batch expands into, collected until there are enough to hand on.
pub(crate) struct Expansion<'s> {
    /// For each outgoing row, the incoming one.
    pub from: Vec<u32>,
    /// The added columns.
    pub fresh: Vec<Column<'s>>,
}

impl<'s> Expansion<'s> {
    /// No rows yet.
    pub fn new(shape: &Shape) -> Self {
        Self { from: Vec::new(), fresh: vec![Column::default(); shape.fresh.len()] }
    }

    /// The outgoing batch.
    pub fn into_batch(self, shape: &Shape, incoming: &Batch<'s>) -> Batch<'s> {
        let mut columns = incoming.take(&shape.keep, &self.from);
        columns.extend(self.fresh);
        Batch::new(self.from.len(), columns)
    }
}
