//! [`Source`]: the rows of a whole pipeline, made by several threads where the plan expects enough work.
//!
//! ```text
//! first steps --one thread--> batches --in waves--> | remaining steps | remaining steps |  --> rows, in order
//!                                                   |   thread 1      |   thread 2      |
//! ```
//!
//! Where the split is, the plan says. Copies, hash tables and bitmaps that the
//! remaining steps need are made before the threads start, and shared.

use std::collections::VecDeque;
use std::sync::Arc;

use rayon::prelude::*;

use super::batch::Batch;
use super::context::{Context, Scope};
use super::error::Result;
use super::pipeline::Runner;
use super::threads;
use crate::plan::{Pipeline, Start};

/// Batches that make up the input of one runner of the remaining steps.
const MORSEL: usize = 8;
/// Runners per thread in one wave.
const WAVE: usize = 8;
/// Batches that a runner makes before the others get their turn. What a turn makes lies in memory until it is handed
/// on, so this bounds it, however much the remaining steps multiply rows.
const TURN: usize = 16;

/// A pipeline in execution.
pub(super) enum Source<'s> {
    Single(Runner<'s>),
    Parallel(Box<Waves<'s>>),
}

/// A pipeline whose second part runs in several threads.
pub(super) struct Waves<'s> {
    first: Runner<'s>,
    rest: Pipeline,
    scope: Scope<'s>,
    /// The runners of this wave that have not come to their end.
    active: Vec<Runner<'s>>,
    ready: VecDeque<Batch<'s>>,
}

impl<'s> Source<'s> {
    /// Opens a pipeline, of which several threads work from step number `split` on.
    pub fn open(
        pipeline: &Pipeline,
        split: Option<usize>,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
    ) -> Result<Self> {
        let split = split.filter(|_| context.threads > 1);
        let Some(at) = split else { return Ok(Self::Single(Runner::open(pipeline, context, scope)?)) };
        let mut first = pipeline.clone();
        let steps = first.steps.split_off(at);
        let layout = first.output().to_vec();
        let rest = Pipeline { start: Start::Input, input: layout, steps, ..*pipeline };
        // Opening the rest once makes what its threads will share.
        drop(Runner::open(&rest, context, scope)?);
        let first = Runner::open(&first, context, scope)?;
        Ok(Self::Parallel(Box::new(Waves {
            first,
            rest,
            scope: scope.clone(),
            active: Vec::new(),
            ready: VecDeque::new(),
        })))
    }

    /// The next batch of rows.
    pub fn next(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        match self {
            Self::Single(runner) => runner.next(context),
            Self::Parallel(waves) => waves.next(context),
        }
    }
}

impl<'s> Waves<'s> {
    /// Batches come in an order that depends on the plan and the data but not on the threads: in each turn those of the
    /// first runner, then those of the second.
    fn next(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if self.active.is_empty() {
                self.start(context)?;
            }
            if self.active.is_empty() {
                return Ok(None);
            }
            let active = &mut self.active;
            let turns: Vec<Vec<Batch<'s>>> = threads::run(|| {
                active.par_iter_mut().map(|runner| turn(runner, context)).collect::<Result<_>>()
            })?;
            let mut ended = turns.iter().map(|batches| batches.len() < TURN);
            self.active.retain(|_| !ended.next().unwrap_or_default());
            self.ready.extend(turns.into_iter().flatten());
        }
    }

    /// Opens the runners of the next wave, each with a few batches of the first steps as its input.
    fn start(&mut self, context: &Context<'s, '_>) -> Result<()> {
        while self.active.len() < WAVE * context.threads {
            let mut input = Batch::default();
            for _ in 0..MORSEL {
                match self.first.next(context)? {
                    Some(batch) => input.append(&batch),
                    None => break,
                }
            }
            if input.rows == 0 {
                break;
            }
            let scope = Scope { input: Arc::new(input), tables: self.scope.tables.clone() };
            self.active.push(Runner::open(&self.rest, context, &scope)?);
        }
        Ok(())
    }
}

/// The next few batches of a runner; fewer than [`TURN`] are its last.
fn turn<'s>(runner: &mut Runner<'s>, context: &Context<'s, '_>) -> Result<Vec<Batch<'s>>> {
    let mut batches = Vec::new();
    while batches.len() < TURN {
        match runner.next(context)? {
            Some(batch) => batches.push(batch),
            None => break,
        }
    }
    Ok(batches)
}
