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
use crate::plan::{Pipeline, Start};

/// Batches that one thread takes at a time.
const MORSEL: usize = 8;
/// Morsels per thread in one wave.
const WAVE: usize = 8;

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
        Ok(Self::Parallel(Box::new(Waves { first, rest, scope: scope.clone(), ready: VecDeque::new() })))
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
    fn next(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            let mut wave = Vec::new();
            while wave.len() < MORSEL * WAVE * context.threads {
                match self.first.next(context)? {
                    Some(batch) => wave.push(batch),
                    None => break,
                }
            }
            if wave.is_empty() {
                return Ok(None);
            }
            let (rest, scope) = (&self.rest, &self.scope);
            let parts: Vec<Vec<Batch<'s>>> = wave
                .par_chunks(MORSEL)
                .map(|morsel| run(rest, scope, morsel, context))
                .collect::<Result<_>>()?;
            self.ready.extend(parts.into_iter().flatten());
        }
    }
}

/// The remaining steps over one morsel.
fn run<'s>(
    rest: &Pipeline,
    scope: &Scope<'s>,
    morsel: &[Batch<'s>],
    context: &Context<'s, '_>,
) -> Result<Vec<Batch<'s>>> {
    let mut input = Batch::default();
    morsel.iter().for_each(|batch| input.append(batch));
    let scope = Scope { input: Arc::new(input), tables: scope.tables.clone() };
    let mut runner = Runner::open(rest, context, &scope)?;
    let mut batches = Vec::new();
    while let Some(batch) = runner.next(context)? {
        batches.push(batch);
    }
    Ok(batches)
}
