//! The entry: plan a logical program against its sources and run it.

use std::sync::Arc;

use super::arena::Arena;
use super::batch::Relation;
use super::context::{Context, Scope, Source};
use super::error::Result;
use super::finish;
use super::host::Host;
use super::limits::{Budget, Limits};
use super::measure::Measures;
use super::memo::Memos;
use super::threads;
use crate::logical::Logical;
use crate::plan::{self, Plan, Switches};

/// How to plan and run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Bounds of time, rows and memory.
    pub limits: Limits,
    /// Which optimisations may be used.
    pub switches: Switches,
    /// Threads to use; 0 means as many as the machine has.
    pub threads: usize,
}

impl Options {
    /// As many threads as are allowed and wanted; one within a task of a thread pool.
    pub(super) fn threads_to_use(&self) -> usize {
        match self.threads {
            _ if !self.switches.parallel || threads::in_task() => 1,
            0 => threads::of_machine(),
            threads => threads,
        }
    }
}

/// What an execution reads and where it puts what it makes.
#[derive(Clone, Copy)]
pub struct Run<'s> {
    /// The sources, by number.
    pub sources: &'s [Source],
    /// Computed values live here.
    pub arena: &'s Arena,
    /// Calls functions.
    pub host: &'s dyn Host,
}

/// Plans and runs `logical` for the rows of `input`, whose columns are [`Logical::inputs`] in order.
///
/// The result's columns are [`Logical::output`], or those of [`crate::logical::Aggregation`] if
/// [`Relation::aggregated`] says so. Rows are distinct.
pub fn run<'s>(
    run: Run<'s>,
    logical: &Logical,
    input: Relation<'s>,
    options: &Options,
) -> Result<Relation<'s>> {
    let budget = Budget::new(options.limits.clone());
    let plan = plan::plan(logical, run.sources, &input, &options.switches)?;
    run_plan(run, &plan, input, options, &budget, None)
}

/// Runs a plan. Its input must have the variables that it was planned with.
pub fn run_plan<'s>(
    run: Run<'s>,
    plan: &Plan,
    input: Relation<'s>,
    options: &Options,
    budget: &Budget,
    measures: Option<&Measures>,
) -> Result<Relation<'s>> {
    let context = Context {
        sources: run.sources,
        arena: run.arena,
        budget,
        host: run.host,
        measures,
        memos: Memos::default(),
        threads: options.threads_to_use(),
    };
    let scope = Scope { input: Arc::new(input.rows), tables: None };
    finish::run(plan, &context, &scope)
}
