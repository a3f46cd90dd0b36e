//! A deliberately simple evaluator of queries: the oracle that every optimisation is checked against.
//!
//! ```text
//! facts (a list) + ast::Query --nested loops, one environment at a time--> set of rows
//! ```
//!
//! It shares the parser and the meaning of single functions with the engine, nothing else: no indexes, no ids for
//! attributes or variables, no plans, no batches. Rules are tabled by their bound arguments and evaluated again and again until
//! nothing changes.

mod clause;
pub mod generate;

use std::collections::{BTreeMap, BTreeSet};

use edn::{Keyword, Symbol, Value};
use query::ast::{Clause, FindElement, Query, RuleDefinition, Rules};

/// A fact: entity, attribute, value.
pub type Fact = (i64, Keyword, Value);

/// The values of variables.
pub type Env = BTreeMap<Symbol, Value>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Some clause's variables never get values.
    Unbound,
    /// A function refused its arguments.
    Function(String),
}

type Result<T> = std::result::Result<T, Failure>;

/// A call of a rule: its name and the arguments that have values.
type Goal = (Symbol, Vec<Option<Value>>);

/// One evaluation: the facts, the rules and what is known of their tables.
pub struct Naive<'a> {
    facts: &'a [Fact],
    rules: &'a Rules,
    tables: BTreeMap<Goal, BTreeSet<Vec<Value>>>,
    changed: bool,
}

/// The distinct rows over the variables of `:find` and `:with`, in that order, for a query whose inputs are `inputs`.
pub fn rows(query: &Query, facts: &[Fact], rules: &Rules, inputs: Env) -> Result<BTreeSet<Vec<Value>>> {
    let mut naive = Naive { facts, rules, tables: BTreeMap::new(), changed: false };
    loop {
        naive.changed = false;
        let answers = naive.conjunction(&query.clauses, vec![inputs.clone()])?;
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

/// The variables of `:find`, also inside aggregates, then those of `:with`; each once.
pub fn columns(query: &Query) -> Vec<Symbol> {
    let mut names = Vec::new();
    let found = query.find.elements.iter().filter_map(|element| match element {
        FindElement::Variable(variable) => Some(&variable.name),
        FindElement::Aggregate(aggregate) => Some(&aggregate.over.name),
        FindElement::Pull(_) | FindElement::Arithmetic(_) => None,
    });
    for name in found.chain(query.with.iter().map(|variable| &variable.name)) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

impl<'a> Naive<'a> {
    /// Evaluates every goal that was asked for once more.
    fn refresh(&mut self) -> Result<()> {
        let goals: Vec<Goal> = self.tables.keys().cloned().collect();
        for goal in goals {
            let definitions: Vec<&RuleDefinition> =
                self.rules.definitions.iter().filter(|definition| definition.name == goal.0).collect();
            for definition in definitions {
                for row in self.definition(definition, &goal.1)? {
                    self.changed |= self.tables.entry(goal.clone()).or_default().insert(row);
                }
            }
        }
        Ok(())
    }

    fn definition(
        &mut self,
        definition: &'a RuleDefinition,
        args: &[Option<Value>],
    ) -> Result<Vec<Vec<Value>>> {
        let mut env = Env::new();
        for (variable, value) in definition.vars.iter().zip(args) {
            if let Some(value) = value {
                env.insert(variable.name.clone(), value.clone());
            }
        }
        let answers = self.conjunction(&definition.clauses, vec![env])?;
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
    fn conjunction(&mut self, clauses: &'a [Clause], envs: Vec<Env>) -> Result<Vec<Env>> {
        let mut waiting: Vec<&Clause> = clauses.iter().collect();
        let mut envs = envs;
        while !waiting.is_empty() {
            if envs.is_empty() {
                return Ok(envs);
            }
            let bound: BTreeSet<Symbol> = envs[0].keys().cloned().collect();
            let ready = waiting
                .iter()
                .position(|clause| !matches!(clause, Clause::Not(_)) && clause::is_ready(clause, &bound))
                .or_else(|| waiting.iter().position(|clause| matches!(clause, Clause::Not(_))));
            let clause = waiting.remove(ready.ok_or(Failure::Unbound)?);
            let mut next = BTreeSet::new();
            for env in &envs {
                next.extend(self.clause(clause, env)?);
            }
            envs = next.into_iter().collect();
        }
        Ok(envs)
    }

    /// All answers of a conjunction, with rules complete: a negation may not look at unfinished tables.
    fn complete(&self, clauses: &'a [Clause], env: Env) -> Result<Vec<Env>> {
        let mut naive =
            Naive { facts: self.facts, rules: self.rules, tables: BTreeMap::new(), changed: false };
        loop {
            naive.changed = false;
            let answers = naive.conjunction(clauses, vec![env.clone()])?;
            naive.refresh()?;
            if !naive.changed {
                return Ok(answers);
            }
        }
    }
}
