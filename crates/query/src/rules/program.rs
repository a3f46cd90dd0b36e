//! [`RuleProgram`]: a recursive rule under one demand, ready to be evaluated semi-naively.

use std::sync::Arc;

use super::closure::Closure;
use super::table::Tables;
use crate::exec::{Batch, Context, Result, Scope, pipeline};
use crate::logical::VarId;
use crate::plan::Pipeline;

/// How a recursive rule answers a demand.
#[derive(Clone, Debug)]
pub struct RuleProgram {
    /// The rule's name with its demand, as `explain` shows it: `reach(bound free)`.
    pub label: String,
    /// Which arguments its calls have bound.
    pub bound: Vec<bool>,
    /// How it is evaluated.
    pub method: Method,
}

/// Ways of evaluating a recursive rule.
#[derive(Clone, Debug)]
pub enum Method {
    /// Paths are walked breadth-first.
    Closure(Closure),
    /// Bodies are joined round by round with what the last round has found.
    Rounds(Rounds),
}

/// A semi-naive evaluation.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// The tables: of rules under a demand, and of demands.
    pub tables: Vec<TableSpec>,
    /// The table of the answers.
    pub answers: usize,
    /// The table that the demand goes to, if anything is bound.
    pub demand: Option<usize>,
    /// Whether the demand goes there twice: as the seed of a context, and as its arguments.
    pub twice: bool,
    /// What fills the tables.
    pub derivations: Vec<Derivation>,
}

/// A table of a program.
#[derive(Clone, Debug)]
pub struct TableSpec {
    /// For `explain`.
    pub name: String,
    /// Number of columns.
    pub arity: usize,
}

/// A pipeline whose rows go to a table.
#[derive(Clone, Debug)]
pub struct Derivation {
    /// Where the rows go.
    pub target: usize,
    /// The variables of the target's columns.
    pub columns: Vec<VarId>,
    /// The table whose new rows make it worth running; without one it runs once, at the start.
    pub trigger: Option<usize>,
    /// The body.
    pub pipeline: Pipeline,
}

impl RuleProgram {
    /// Expected answers and work for a demand of `rows` rows. How far recursion goes is anyone's guess.
    pub(crate) fn estimate(&self, rows: f64) -> (f64, f64) {
        let demanded = self.bound.contains(&true);
        match &self.method {
            Method::Closure(_) if demanded => (rows * 128.0, rows * 1024.0),
            Method::Closure(_) => (1e6, 1e7),
            Method::Rounds(_) if demanded => (rows * 128.0, rows * 5120.0),
            Method::Rounds(rounds) => {
                let first = rounds.derivations.iter().filter(|derivation| derivation.trigger.is_none());
                let answers: f64 = first.map(|derivation| derivation.pipeline.rows * 32.0).sum();
                (answers, answers * 40.0)
            }
        }
    }

    /// Calls `f` for every pipeline of the program.
    pub(crate) fn each_pipeline(&mut self, f: &mut dyn FnMut(&mut Pipeline)) {
        match &mut self.method {
            Method::Closure(closure) => closure.each_pipeline(f),
            Method::Rounds(rounds) => {
                rounds.derivations.iter_mut().for_each(|derivation| f(&mut derivation.pipeline))
            }
        }
    }

    /// Calls `f` for every pipeline, to be read only.
    pub(crate) fn each_pipeline_ref(&self, f: &mut dyn FnMut(&Pipeline)) {
        match &self.method {
            Method::Closure(closure) => closure.each_pipeline_ref(f),
            Method::Rounds(rounds) => {
                rounds.derivations.iter().for_each(|derivation| f(&derivation.pipeline))
            }
        }
    }

    /// The answers to a demand, and possibly to further demands that came up on the way.
    pub fn evaluate<'s>(
        &self,
        context: &Context<'s, '_>,
        scope: &Scope<'s>,
        demand: Batch<'s>,
    ) -> Result<Batch<'s>> {
        match &self.method {
            Method::Closure(closure) => closure.evaluate(context, scope, &self.bound, &demand),
            Method::Rounds(rounds) => rounds.evaluate(context, demand),
        }
    }
}

impl Rounds {
    fn evaluate<'s>(&self, context: &Context<'s, '_>, demand: Batch<'s>) -> Result<Batch<'s>> {
        let tables = Arc::new(Tables::new(self.tables.len()));
        let scope = Scope { input: Arc::default(), tables: Some(Arc::clone(&tables)) };
        if let Some(table) = self.demand {
            let mut demand = demand;
            if self.twice {
                demand.columns.extend(demand.columns.clone());
            }
            tables.write(table, |table| table.insert(&demand));
        }
        let mut held = 0;
        for derivation in self.derivations.iter().filter(|derivation| derivation.trigger.is_none()) {
            derive(derivation, context, &scope, &tables, &mut held)?;
        }
        loop {
            let fresh: usize = (0..self.tables.len()).map(|table| tables.write(table, |t| t.advance())).sum();
            hold(context, &tables, &mut held)?;
            context.budget.poll(fresh)?;
            if fresh == 0 {
                break;
            }
            for derivation in &self.derivations {
                let Some(trigger) = derivation.trigger else { continue };
                if tables.read(trigger, |table| table.delta_len()) > 0 {
                    derive(derivation, context, &scope, &tables, &mut held)?;
                }
            }
        }
        context.budget.release(held);
        Ok(tables.read(self.answers, |table| table.rows().clone()))
    }
}

fn derive<'s>(
    derivation: &Derivation,
    context: &Context<'s, '_>,
    scope: &Scope<'s>,
    tables: &Tables<'s>,
    held: &mut usize,
) -> Result<()> {
    let layout = derivation.pipeline.output();
    let order: Vec<usize> = derivation
        .columns
        .iter()
        .map(|var| layout.iter().position(|other| other == var).expect("a body binds its rule's head"))
        .collect();
    let mut runner = pipeline::Runner::open(&derivation.pipeline, context, scope)?;
    while let Some(batch) = runner.next(context)? {
        tables.write(derivation.target, |table| table.insert(&batch.project(&order)));
        // One round alone may find more than there is room for.
        hold(context, tables, held)?;
    }
    Ok(())
}

/// Takes what the tables have grown by of the memory budget.
fn hold(context: &Context<'_, '_>, tables: &Tables<'_>, held: &mut usize) -> Result<()> {
    let bytes = tables.bytes();
    context.budget.hold(bytes.saturating_sub(*held))?;
    *held = bytes.max(*held);
    Ok(())
}
