//! Running a pipeline: batches are pulled through its operators, one explicit loop instead of nested calls.
//!
//! ```text
//! input -> [op 0] -> [op 1] -> .. -> [op n-1] -> next()
//! ```
//!
//! The loop stands at some operator and asks it for a batch. If there is one, the batch is pushed to the next
//! operator; if not, the loop steps back to the operator before it, down to the input. Between any two batches the
//! budget is asked, so every query can be stopped wherever it is.

use std::sync::Arc;
use std::time::Instant;

use super::batch::{BATCH_ROWS, Batch};
use super::context::{Context, Scope};
use super::error::Result;
use super::operators;
use crate::plan::{Pipeline, Start, StepId};

/// A step in execution. Batches go in by `push`, and come out by `pull` until it has no more.
pub trait Operator<'s>: Send {
    /// Takes incoming rows. Only called after `pull` has returned `None`.
    fn push(&mut self, context: &Context<'s, '_>, batch: Batch<'s>) -> Result<()>;

    /// There are no more incoming rows; what was held back may be pulled now.
    fn finish(&mut self, _: &Context<'s, '_>) -> Result<()> {
        Ok(())
    }

    /// The next rows, or `None` if more input is needed (or, after `finish`, if there are no more).
    fn pull(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>>;
}

/// A pipeline in execution.
pub struct Runner<'s> {
    input: Arc<Batch<'s>>,
    taken: usize,
    operators: Vec<(StepId, Box<dyn Operator<'s> + 's>)>,
    /// How many operators, from the first on, have been told that there is no more input.
    finished: usize,
}

impl<'s> Runner<'s> {
    /// Opens all operators of `pipeline`.
    pub fn open(pipeline: &Pipeline, context: &Context<'s, '_>, scope: &Scope<'s>) -> Result<Self> {
        let (input, mut layout) = match pipeline.start {
            Start::Unit => (Arc::new(Batch::unit(1)), Vec::new()),
            Start::Input => (Arc::clone(&scope.input), pipeline.input.clone()),
        };
        let mut opened = Vec::with_capacity(pipeline.steps.len());
        for step in &pipeline.steps {
            opened.push((step.id, operators::open(step, &layout, context, scope)?));
            layout.clone_from(&step.layout);
        }
        Ok(Self { input, taken: 0, operators: opened, finished: 0 })
    }

    /// The next batch of rows; never an empty one.
    pub fn next(&mut self, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let last = self.operators.len();
        let mut at = last;
        loop {
            if at == 0 {
                match self.next_input() {
                    Some(batch) if last == 0 => return Ok(Some(batch)),
                    Some(batch) => self.push(0, context, batch)?,
                    None if last == 0 => return Ok(None),
                    None => self.finish(0, context)?,
                }
                at = 1;
                continue;
            }
            match self.pull(at - 1, context)? {
                Some(batch) if batch.rows == 0 => {}
                Some(batch) if at == last => return Ok(Some(batch)),
                Some(batch) => {
                    self.push(at, context, batch)?;
                    at += 1;
                }
                None if self.finished < at => at -= 1,
                None if at == last => return Ok(None),
                None => {
                    self.finish(at, context)?;
                    at += 1;
                }
            }
        }
    }

    /// All rows in one batch.
    pub fn collect(mut self, context: &Context<'s, '_>) -> Result<Batch<'s>> {
        let mut rows = Batch::default();
        while let Some(batch) = self.next(context)? {
            if rows.rows == 0 {
                rows = batch;
            } else {
                rows.append(&batch);
            }
        }
        Ok(rows)
    }

    fn next_input(&mut self) -> Option<Batch<'s>> {
        let rows = (self.input.rows - self.taken).min(BATCH_ROWS);
        if rows == 0 {
            return None;
        }
        let batch = if rows == self.input.rows {
            (*self.input).clone()
        } else {
            let selection: Vec<u32> = (self.taken as u32..(self.taken + rows) as u32).collect();
            Batch::new(rows, self.input.columns.iter().map(|column| column.take(&selection)).collect())
        };
        self.taken += rows;
        Some(batch)
    }

    fn push(&mut self, at: usize, context: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        let (step, operator) = &mut self.operators[at];
        measured(*step, context, |_: &()| None, || operator.push(context, batch))
    }

    fn finish(&mut self, at: usize, context: &Context<'s, '_>) -> Result<()> {
        if self.finished > at {
            return Ok(());
        }
        self.finished = at + 1;
        let (step, operator) = &mut self.operators[at];
        measured(*step, context, |_: &()| None, || operator.finish(context))
    }

    fn pull(&mut self, at: usize, context: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let (step, operator) = &mut self.operators[at];
        let rows = |batch: &Option<Batch<'s>>| batch.as_ref().map(|batch| batch.rows);
        let batch = measured(*step, context, rows, || operator.pull(context))?;
        context.budget.poll(batch.as_ref().map_or(0, |batch| batch.rows))?;
        Ok(batch)
    }
}

fn measured<T>(
    step: StepId,
    context: &Context<'_, '_>,
    rows: impl Fn(&T) -> Option<usize>,
    run: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let Some(measures) = context.measures else { return run() };
    let started = Instant::now();
    let result = run()?;
    measures.add(step, rows(&result), started.elapsed());
    Ok(result)
}

/// Opens and runs a pipeline to its end.
pub fn run<'s>(pipeline: &Pipeline, context: &Context<'s, '_>, scope: &Scope<'s>) -> Result<Batch<'s>> {
    Runner::open(pipeline, context, scope)?.collect(context)
}
