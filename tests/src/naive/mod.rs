//! A deliberately simple evaluator of queries: the oracle that every optimisation is checked against.
//!
//! ```text
//! facts (a list) + ast::Query --nested loops, one environment at a time--> rows --group, sort, pull--> answer
//!                              clause.rs, call.rs                         answer.rs, pull.rs
//! ```
//!
//! It shares the parser and the meaning of single functions with the engine, nothing else: no indexes, no ids for
//! attributes or variables, no plans, no batches. Rules are tabled by their bound arguments and evaluated again and again until
//! nothing changes.

mod answer;
mod call;
mod clause;
pub mod deep;
pub mod generate;
mod pull;
pub mod wide;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use edn::{Symbol, Value};
use query::ast::{Clause, FindElement, Query, RuleDefinition, SourceName};

pub use answer::{Answer, answer};
pub use clause::destructure;
pub use world::{Attribute, Database, Fact, Source, World};

/// The values of variables.
pub type Env = BTreeMap<Symbol, Value>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Some clause's variables never get values.
    Unbound,
    /// A lookup ref or ident that is written out leads nowhere.
    Missing,
    /// A function refused its arguments.
    Function(String),
}

type Result<T> = std::result::Result<T, Failure>;

/// A call of a rule: its name, what `$` means in it, and the arguments that have values.
type Goal = (Symbol, Symbol, Vec<Option<Value>>);

/// Where a clause stands: what it is about if it does not say, and what `$` means where it is written.
#[derive(Clone)]
struct Place {
    implied: Symbol,
    dollar: Symbol,
}

impl Place {
    /// The outside of a query, or of a rule that is called for this source.
    fn of(source: &Symbol) -> Self {
        Self { implied: source.clone(), dollar: source.clone() }
    }

    /// The source of this name.
    fn named<'n>(&'n self, name: &'n Symbol) -> &'n Symbol {
        if name.as_str() == "$" { &self.dollar } else { name }
    }

    /// Inside of a clause that may name another source.
    fn inside(&self, named: &Option<SourceName>) -> Self {
        let implied = named.as_ref().map_or(&self.implied, |named| self.named(&named.name));
        Self { implied: implied.clone(), dollar: self.dollar.clone() }
    }
}

/// One evaluation: what may be asked about, and what is known of the rules' tables.
struct Naive<'a> {
    world: &'a World,
    tables: BTreeMap<Goal, BTreeSet<Vec<Value>>>,
    changed: bool,
}

/// The distinct rows over the variables of `:find` and `:with`, in that order, for a query whose inputs bind their variables
/// in one of these ways.
pub fn rows(query: &Query, world: &World, inputs: Vec<Env>) -> Result<BTreeSet<Vec<Value>>> {
    let mut naive = Naive { world, tables: BTreeMap::new(), changed: false };
    loop {
        naive.changed = false;
        let answers = naive.conjunction(&query.clauses, inputs.clone(), &Place::of(&Symbol::from("$")))?;
        naive.refresh()?;
        if !naive.changed {
            let columns = columns(query);
            return answers
                .iter()
                .map(|env| {
                    columns.iter().map(|name| env.get(name).cloned().ok_or(Failure::Unbound)).collect()
                })
                .collect();
        }
    }
}

/// The variables of `:find`, also those inside of aggregates and pulls, then those of `:with`; each once.
pub fn columns(query: &Query) -> Vec<Symbol> {
    let mut names = Vec::new();
    for element in &query.find.elements {
        match element {
            FindElement::Variable(variable) => names.push(variable.name.clone()),
            FindElement::Pull(pull) => names.push(pull.entity.name.clone()),
            FindElement::Aggregate(aggregate) => names.push(aggregate.over.name.clone()),
            FindElement::Arithmetic(arithmetic) => answer::aggregated(&arithmetic.operands, &mut names),
        }
    }
    names.extend(query.with.iter().map(|variable| variable.name.clone()));
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

impl<'a> Naive<'a> {
    /// Evaluates every goal that was asked for once more.
    fn refresh(&mut self) -> Result<()> {
        let goals: Vec<Goal> = self.tables.keys().cloned().collect();
        for goal in goals {
            for definition in self.world.definitions(&goal.0) {
                for row in self.definition(definition, &goal)? {
                    self.changed |= self.tables.entry(goal.clone()).or_default().insert(row);
                }
            }
        }
        Ok(())
    }

    fn definition(&mut self, definition: &'a RuleDefinition, goal: &Goal) -> Result<Vec<Vec<Value>>> {
        let (_, source, args) = goal;
        let mut env = Env::new();
        for (variable, value) in definition.vars.iter().zip(args) {
            if let Some(value) = value {
                env.insert(variable.name.clone(), value.clone());
            }
        }
        let answers = self.conjunction(&definition.clauses, vec![env], &Place::of(source))?;
        answers
            .iter()
            .map(|env| {
                let head = definition.vars.iter();
                head.map(|variable| env.get(&variable.name).cloned().ok_or(Failure::Unbound)).collect()
            })
            .collect()
    }

    /// The rows of a goal that are known so far; asking for a goal puts it on the list.
    fn table(&mut self, goal: Goal) -> BTreeSet<Vec<Value>> {
        if !self.tables.contains_key(&goal) {
            self.changed = true;
            self.tables.insert(goal.clone(), BTreeSet::new());
        }
        self.tables[&goal].clone()
    }

    /// Extends every environment by the clauses, in whatever order their variables allow; negations come last, since
    /// they bind nothing.
    fn conjunction(&mut self, clauses: &'a [Clause], envs: Vec<Env>, place: &Place) -> Result<Vec<Env>> {
        let mut waiting: Vec<&Clause> = clauses.iter().collect();
        let mut envs = envs;
        while !waiting.is_empty() {
            if envs.is_empty() {
                return Ok(envs);
            }
            let bound: BTreeSet<Symbol> = envs[0].keys().cloned().collect();
            let ready = waiting
                .iter()
                .position(|clause| {
                    !matches!(clause, Clause::Not(_)) && clause::is_ready(clause, &bound, self.world)
                })
                .or_else(|| waiting.iter().position(|clause| matches!(clause, Clause::Not(_))));
            let clause = waiting.remove(ready.ok_or(Failure::Unbound)?);
            let mut next = BTreeSet::new();
            for env in &envs {
                next.extend(self.clause(clause, env, place)?);
            }
            envs = next.into_iter().collect();
        }
        Ok(envs)
    }

    /// All answers of a conjunction, with rules complete: a negation may not look at unfinished tables.
    fn complete(&self, clauses: &'a [Clause], env: Env, place: &Place) -> Result<Vec<Env>> {
        let mut naive = Naive { world: self.world, tables: BTreeMap::new(), changed: false };
        loop {
            naive.changed = false;
            let answers = naive.conjunction(clauses, vec![env.clone()], place)?;
            naive.refresh()?;
            if !naive.changed {
                return Ok(answers);
            }
        }
    }
}
