//! Bodies and rules that run on the distinct bindings of the outer rows: `not`, `or`, recursive rules.
//!
//! ```text
//! outer rows --gathered--> distinct seeds --bodies / rule--> answers --hashed by seed--+
//!        \----------------------------------------------------------> join or drop <---+
//! ```
//!
//! Rows are gathered in growing portions: small ones first, so that a query that wants few rows can stop early, then
//! larger ones, so that the bodies are not started again and again.

use std::sync::Arc;

use super::{Expansion, Shape};
use crate::exec::batch::{BATCH_ROWS, Batch};
use crate::exec::column::Column;
use crate::exec::context::{Context, Scope};
use crate::exec::error::Result;
use crate::exec::join_table::{JoinTable, RowSet};
use crate::exec::pipeline::{self, Operator};
use crate::logical::VarId;
use crate::plan::{Nested, Pipeline};
use crate::rules::RuleProgram;

const ROWS_OUT: usize = 4 * BATCH_ROWS;
const PORTION_MAX: usize = 256 * BATCH_ROWS;

/// Where answers come from.
enum Answers {
    Bodies(Vec<Pipeline>),
    Rule(Arc<RuleProgram>),
}

pub(super) struct Seeded<'s> {
    answers: Answers,
    /// Keep the rows without an answer instead of joining.
    negated: bool,
    seeds: Vec<usize>,
    /// The variables of an answer's columns.
    columns: Vec<VarId>,
    /// Which columns of an answer are the seeds, and which are added to the row.
    keys: Vec<usize>,
    added: Vec<usize>,
    shape: Shape,
    scope: Scope<'s>,
    gathered: Batch<'s>,
    portion: usize,
    /// Answers that do not depend on the seeds are computed once.
    fixed: Option<Arc<JoinTable<'s>>>,
    pending: Option<Pending<'s>>,
}

struct Pending<'s> {
    rows: Batch<'s>,
    hashes: Vec<u64>,
    table: Arc<JoinTable<'s>>,
    row: usize,
}

impl<'s> Seeded<'s> {
    pub(super) fn not(plan: &Nested, shape: Shape, scope: &Scope<'s>) -> Self {
        let mut operator =
            Self::new(Answers::Bodies(plan.bodies.clone()), &plan.seeds, &plan.answers, shape, scope);
        operator.negated = true;
        operator
    }

    pub(super) fn or(plan: &Nested, shape: Shape, scope: &Scope<'s>) -> Self {
        Self::new(Answers::Bodies(plan.bodies.clone()), &plan.seeds, &plan.answers, shape, scope)
    }

    pub(super) fn rule(
        program: &Arc<RuleProgram>,
        seeds: &[VarId],
        args: &[VarId],
        shape: Shape,
        scope: &Scope<'s>,
    ) -> Self {
        let mut operator = Self::new(Answers::Rule(Arc::clone(program)), seeds, args, shape, scope);
        // A fix-point is worth starting only once.
        operator.portion = usize::MAX;
        operator
    }

    fn new(answers: Answers, seeds: &[VarId], columns: &[VarId], shape: Shape, scope: &Scope<'s>) -> Self {
        let place = |var: &VarId| {
            columns
                .iter()
                .position(|other| other == var)
                .expect("answers have the seeds and the added variables")
        };
        Self {
            answers,
            negated: false,
            seeds: seeds.iter().map(|var| shape.slot(*var)).collect(),
            columns: columns.to_vec(),
            keys: seeds.iter().map(place).collect(),
            added: shape.fresh.iter().map(place).collect(),
            shape,
            scope: scope.clone(),
            gathered: Batch::default(),
            portion: BATCH_ROWS,
            fixed: None,
            pending: None,
        }
    }

    fn answer(&mut self, context: &Context<'s, '_>) -> Result<()> {
        let rows = std::mem::take(&mut self.gathered);
        self.portion = self.portion.saturating_mul(4).min(PORTION_MAX.max(self.portion));
        let table = match &self.fixed {
            Some(table) => Arc::clone(table),
            None => self.table(context, &rows)?,
        };
        self.pending = Some(Pending { hashes: rows.hashes(&self.seeds), rows, table, row: 0 });
        Ok(())
    }

    fn table(&mut self, context: &Context<'s, '_>, rows: &Batch<'s>) -> Result<Arc<JoinTable<'s>>> {
        let seeds = self.distinct_seeds(rows);
        let answers = match &self.answers {
            Answers::Rule(program) => program.evaluate(context, &self.scope, seeds)?,
            Answers::Bodies(bodies) => {
                let scope = Scope { input: Arc::new(seeds), tables: self.scope.tables.clone() };
                let mut answers = RowSet::default();
                for body in bodies {
                    let order: Vec<usize> = self
                        .columns
                        .iter()
                        .map(|var| {
                            body.output()
                                .iter()
                                .position(|other| other == var)
                                .expect("bodies bind all answers")
                        })
                        .collect();
                    let mut runner = pipeline::Runner::open(body, context, &scope)?;
                    while let Some(batch) = runner.next(context)? {
                        answers.insert(&batch.project(&order));
                    }
                }
                answers.rows
            }
        };
        let table = Arc::new(JoinTable::build(answers, self.keys.clone()));
        context.budget.hold(table.bytes())?;
        match &self.answers {
            Answers::Bodies(bodies)
                if !bodies.iter().any(|body| body.reads_input() || body.reads_tables()) =>
            {
                self.fixed = Some(Arc::clone(&table));
            }
            _ => context.budget.release(table.bytes()),
        }
        Ok(table)
    }

    fn distinct_seeds(&self, rows: &Batch<'s>) -> Batch<'s> {
        if self.seeds.is_empty() {
            return Batch::unit(1);
        }
        let columns = self.seeds.iter().map(|slot| rows.columns[*slot].clone()).collect();
        let mut seeds = RowSet::default();
        seeds.insert(&Batch::new(rows.rows, columns));
        seeds.rows
    }
}

impl<'s> Operator<'s> for Seeded<'s> {
    fn push(&mut self, context: &Context<'s, '_>, batch: Batch<'s>) -> Result<()> {
        self.gathered.append(&batch);
        if self.gathered.rows >= self.portion { self.answer(context) } else { Ok(()) }
    }

    fn finish(&mut self, context: &Context<'s, '_>) -> Result<()> {
        if self.gathered.rows > 0 { self.answer(context) } else { Ok(()) }
    }

    fn pull(&mut self, _: &Context<'s, '_>) -> Result<Option<Batch<'s>>> {
        let Some(pending) = &mut self.pending else { return Ok(None) };
        let mut out = Expansion::new(&self.shape);
        let mut partners: Vec<u32> = Vec::new();
        while pending.row < pending.rows.rows && out.from.len() < ROWS_OUT {
            let row = pending.row;
            let mut found = pending.table.matches(pending.hashes[row], &pending.rows, &self.seeds, row);
            if self.negated {
                if found.next().is_none() {
                    out.from.push(row as u32);
                }
            } else if self.added.is_empty() {
                if found.next().is_some() {
                    out.from.push(row as u32);
                }
            } else {
                partners.extend(found);
                out.from.resize(partners.len(), row as u32);
            }
            pending.row += 1;
        }
        for (column, slot) in out.fresh.iter_mut().zip(&self.added) {
            *column = pending
                .table
                .rows
                .columns
                .get(*slot)
                .map_or_else(Column::default, |from| from.take(&partners));
        }
        let batch = out.into_batch(&self.shape, &pending.rows);
        if pending.row == pending.rows.rows {
            self.pending = None;
        }
        Ok(Some(batch))
    }
}
