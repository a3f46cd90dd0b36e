//! [`Rows`]: the rows of a plan batch by batch, for those who do not want to wait for the last one.
//!
//! ```text
//! Plan --open--> operators --next_batch()--> only rows that are new, cut to the first few --> Relation
//!                    ^ again and again        set of the rows seen, where they may repeat      |
//!                    '-------------------------------------------------------------------------'
//! ```

use std::sync::Arc;

use super::batch::Relation;
use super::context::{Context, Scope};
use super::error::Result;
use super::join_table::RowSet;
use super::limits::Budget;
use super::memo::Memos;
use super::parallel::Source;
use super::run::{Options, Run};
use crate::logical::VarId;
use crate::plan::Plan;

/// A plan in execution whose rows are pulled.
///
/// Nothing is kept of the rows that were handed on, but the set of them where a plan may make them twice. What
/// functions compute stays in the arena until the end, as in any execution.
pub struct Rows<'s, 'c> {
    context: Context<'s, 'c>,
    source: Source<'s>,
    /// Where the output columns are in the plan's last layout.
    order: Vec<usize>,
    output: Vec<VarId>,
    seen: Option<RowSet<'s>>,
    /// Bytes that the set has taken of the budget.
    held: usize,
    /// Rows that may still come.
    left: usize,
}

/// Whether [`Rows`] can run the plan: it does not aggregate, and no row has to wait for a later one.
pub fn can_stream(plan: &Plan) -> bool {
    plan.finish.index.is_none() && plan.finish.aggregation.is_none() && plan.finish.order.is_empty()
}

impl<'s, 'c> Rows<'s, 'c> {
    /// Opens a plan that [`can_stream`]. Its input must have the variables that it was planned with.
    pub fn open(
        run: Run<'s>,
        plan: &Plan,
        input: Relation<'s>,
        options: &Options,
        budget: &'c Budget,
    ) -> Result<Self>
    where
        's: 'c,
    {
        let context = Context {
            sources: run.sources,
            arena: run.arena,
            budget,
            host: run.host,
            measures: None,
            memos: Memos::default(),
            threads: options.threads_to_use(),
        };
        let scope = Scope { input: Arc::new(input.rows), tables: None };
        let source = Source::open(&plan.pipeline, plan.finish.split, &context, &scope)?;
        let finish = &plan.finish;
        // Without columns there is only one row to be had.
        let left = if finish.output.is_empty() { Some(1) } else { finish.limit };
        Ok(Self {
            context,
            source,
            order: plan.output_columns(),
            output: finish.output.clone(),
            seen: finish.distinct.then(RowSet::default),
            held: 0,
            left: left.unwrap_or(usize::MAX),
        })
    }

    /// The next rows, distinct from all before; never none.
    pub fn next_batch(&mut self) -> Result<Option<Relation<'s>>> {
        while self.left > 0 {
            let Some(batch) = self.source.next(&self.context)? else { break };
            let mut batch = batch.project(&self.order);
            if let Some(seen) = &mut self.seen {
                let fresh = seen.insert(&batch);
                batch = batch.filter(&fresh);
                let bytes = seen.bytes();
                self.context.budget.hold(bytes.saturating_sub(self.held))?;
                self.held = self.held.max(bytes);
            }
            if batch.rows > self.left {
                batch.rows = self.left;
                batch.columns.iter_mut().for_each(|column| column.truncate(self.left));
            }
            if batch.rows > 0 {
                self.left -= batch.rows;
                return Ok(Some(Relation { vars: self.output.clone(), rows: batch, aggregated: false }));
            }
        }
        self.left = 0;
        Ok(None)
    }
}
