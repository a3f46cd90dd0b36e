//! One clause against one environment.

use std::collections::BTreeSet;

use edn::{Symbol, Value};
use query::ast::{Binding, Call, Clause, Not, Or, Pattern, RuleCall, Term};

use super::call::{items, needs};
use super::{Database, Env, Failure, Naive, Place, Result, Source, World};

/// Whether the clause can be answered once these variables have values.
pub(super) fn is_ready(clause: &Clause, bound: &BTreeSet<Symbol>, world: &World) -> bool {
    let call_ready = |call: &Call| {
        let mut names = BTreeSet::new();
        needs(call, world, &mut names);
        names.is_subset(bound)
    };
    match clause {
        Clause::Pattern(_) | Clause::Not(_) => true,
        Clause::Predicate(call) => call_ready(call),
        Clause::Function(function) => call_ready(&function.call),
        // The generator writes rules whose bodies bind what their heads do not require.
        Clause::Rule(call) => {
            let required = world.definitions(&call.name).map(|definition| definition.vars.required.len());
            let required = call.args.iter().take(required.max().unwrap_or(0));
            required.into_iter().all(|arg| match arg {
                Term::Variable(variable) => bound.contains(&variable.name),
                Term::Constant(_) => true,
                Term::Blank(_) => false,
            })
        }
        Clause::Or(or) => or.branches.iter().all(|branch| {
            let mut inner = bound.clone();
            if let Some(join) = &or.join {
                let names: BTreeSet<Symbol> = join.iter().map(|variable| variable.name.clone()).collect();
                inner = inner.intersection(&names).cloned().collect();
                if join.required.iter().any(|variable| !bound.contains(&variable.name)) {
                    return false;
                }
            }
            branch_ready(&branch.clauses, inner, world)
        }),
    }
}

/// Whether some order of the clauses binds what each of them needs.
fn branch_ready(clauses: &[Clause], mut bound: BTreeSet<Symbol>, world: &World) -> bool {
    let mut waiting: Vec<&Clause> = clauses.iter().collect();
    while let Some(at) = waiting.iter().position(|clause| is_ready(clause, &bound, world)) {
        bind(waiting.remove(at), &mut bound);
    }
    waiting.is_empty()
}

/// Adds the variables that a clause binds.
fn bind(clause: &Clause, bound: &mut BTreeSet<Symbol>) {
    match clause {
        Clause::Pattern(pattern) => terms(&pattern.terms, bound),
        Clause::Rule(call) => terms(&call.args, bound),
        Clause::Function(function) => binding_variables(&function.binding, bound),
        Clause::Or(or) => match &or.join {
            Some(join) => bound.extend(join.iter().map(|variable| variable.name.clone())),
            None => {
                or.branches.iter().flat_map(|branch| &branch.clauses).for_each(|clause| bind(clause, bound))
            }
        },
        Clause::Predicate(_) | Clause::Not(_) => {}
    }
}

fn terms(terms: &[Term], names: &mut BTreeSet<Symbol>) {
    names.extend(terms.iter().filter_map(|term| match term {
        Term::Variable(variable) => Some(variable.name.clone()),
        _ => None,
    }));
}

fn binding_variables(binding: &Binding, names: &mut BTreeSet<Symbol>) {
    match binding {
        Binding::Scalar(variable) => drop(names.insert(variable.name.clone())),
        Binding::Blank(_) => {}
        Binding::Tuple(parts, _) => parts.iter().for_each(|part| binding_variables(part, names)),
        Binding::Collection(part, _) => binding_variables(part, names),
    }
}

/// Every variable anywhere in a clause.
fn all_variables(clause: &Clause, world: &World, names: &mut BTreeSet<Symbol>) {
    match clause {
        Clause::Predicate(call) => needs(call, world, names),
        Clause::Function(function) => {
            needs(&function.call, world, names);
            binding_variables(&function.binding, names);
        }
        Clause::Not(not) => match &not.join {
            Some(join) => names.extend(join.iter().map(|variable| variable.name.clone())),
            None => not.clauses.iter().for_each(|clause| all_variables(clause, world, names)),
        },
        other => bind(other, names),
    }
}

impl<'a> Naive<'a> {
    /// The environments that extend `env` and satisfy the clause.
    pub(super) fn clause(&mut self, clause: &'a Clause, env: &Env, place: &Place) -> Result<Vec<Env>> {
        match clause {
            Clause::Pattern(pattern) => self.pattern(pattern, env, place),
            Clause::Predicate(call) => Ok(match self.world.evaluate(call, env, place)?.is_truthy() {
                true => vec![env.clone()],
                false => Vec::new(),
            }),
            Clause::Function(function) => match self.world.evaluate(&function.call, env, place)? {
                Value::Nil => Ok(Vec::new()),
                value => Ok(destructure(&function.binding, &value, env)),
            },
            Clause::Not(not) => self.negation(not, env, &place.inside(&not.source)),
            Clause::Or(or) => self.alternatives(or, env, &place.inside(&or.source)),
            Clause::Rule(call) => Ok(self.rule(call, env, &place.inside(&call.source))),
        }
    }

    fn pattern(&self, pattern: &Pattern, env: &Env, place: &Place) -> Result<Vec<Env>> {
        match self.world.sources.get(&place.inside(&pattern.source).implied) {
            None => Ok(Vec::new()),
            Some(Source::Tuples(rows)) => {
                Ok(rows.iter().filter_map(|row| unify(&pattern.terms, row, env, &|_, a, b| a == b)).collect())
            }
            Some(Source::Facts(database)) => facts(pattern, database, env),
        }
    }

    fn negation(&mut self, not: &'a Not, env: &Env, place: &Place) -> Result<Vec<Env>> {
        let mut shared = BTreeSet::new();
        match &not.join {
            Some(join) => {
                shared.extend(join.iter().map(|variable| variable.name.clone()));
                if shared.iter().any(|name| !env.contains_key(name)) {
                    return Err(Failure::Unbound);
                }
            }
            None => not.clauses.iter().for_each(|clause| all_variables(clause, self.world, &mut shared)),
        }
        let inner: Env = env
            .iter()
            .filter(|(name, _)| shared.contains(*name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        if inner.is_empty() {
            return Err(Failure::Unbound);
        }
        let answers = self.complete(&not.clauses, inner, place)?;
        Ok(if answers.is_empty() { vec![env.clone()] } else { Vec::new() })
    }

    fn alternatives(&mut self, or: &'a Or, env: &Env, place: &Place) -> Result<Vec<Env>> {
        let shared: Option<BTreeSet<Symbol>> =
            or.join.as_ref().map(|join| join.iter().map(|variable| variable.name.clone()).collect());
        let is_shared = |name: &Symbol| shared.as_ref().is_none_or(|shared| shared.contains(name));
        let keep = |env: &Env| -> Env {
            env.iter().filter(|(name, _)| is_shared(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
        };
        let mut found = Vec::new();
        for branch in &or.branches {
            for answer in self.conjunction(&branch.clauses, vec![keep(env)], place)? {
                let mut extended = env.clone();
                extended.extend(keep(&answer));
                found.push(extended);
            }
        }
        Ok(found)
    }

    fn rule(&mut self, call: &RuleCall, env: &Env, place: &Place) -> Vec<Env> {
        let args = call.args.iter().map(|arg| match arg {
            Term::Variable(variable) => env.get(&variable.name).cloned(),
            Term::Constant(constant) => Some(constant.value.clone()),
            Term::Blank(_) => None,
        });
        let rows = self.table((call.name.clone(), place.implied.clone(), args.collect()));
        rows.iter().filter_map(|row| unify(&call.args, row, env, &|_, a, b| a == b)).collect()
    }
}

/// The facts that match a pattern. Literals are meant as the attribute stores them; values of variables stand for entities where
/// entities are.
fn facts(pattern: &Pattern, database: &Database, env: &Env) -> Result<Vec<Env>> {
    let mut terms = pattern.terms.clone();
    let attribute = match terms.get(1) {
        Some(Term::Constant(constant)) => constant.value.as_keyword().cloned(),
        _ => None,
    };
    for (position, term) in terms.iter_mut().enumerate() {
        let Term::Constant(constant) = term else { continue };
        match position {
            0 => constant.value = Value::Int(database.entity(&constant.value).ok_or(Failure::Missing)?),
            2 if constant.value.is_nil() => *term = Term::Blank(constant.span),
            2 => {
                if let Some(attribute) = &attribute {
                    constant.value = database.literal(attribute, &constant.value)?;
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (e, a, v) in &database.facts {
        let row = [Value::Int(*e), Value::Keyword(a.clone()), v.clone()];
        let is_ref = database.attribute(a).is_ref;
        let same = |position: usize, given: &Value, stored: &Value| {
            let is_entity = position == 0 || position == 2 && is_ref;
            given == stored || is_entity && database.entity(given).map(Value::Int).as_ref() == Some(stored)
        };
        found.extend(unify(&terms, &row, env, &same));
    }
    Ok(found)
}

/// The environment extended so that the terms equal the row; terms may be fewer than the row's values. `same` says whether a
/// value that a variable has already is the one at a position.
fn unify(
    terms: &[Term],
    row: &[Value],
    env: &Env,
    same: &dyn Fn(usize, &Value, &Value) -> bool,
) -> Option<Env> {
    let mut env = env.clone();
    for (position, (term, value)) in terms.iter().zip(row).enumerate() {
        let agrees = match term {
            Term::Blank(_) => true,
            Term::Constant(constant) => constant.value == *value,
            Term::Variable(variable) => match env.get(&variable.name) {
                Some(present) => same(position, present, value),
                None => env.insert(variable.name.clone(), value.clone()).is_none(),
            },
        };
        if !agrees {
            return None;
        }
    }
    Some(env)
}

/// The environments in which the variables of a binding have their parts of a value.
pub fn destructure(binding: &Binding, value: &Value, env: &Env) -> Vec<Env> {
    match binding {
        Binding::Blank(_) => vec![env.clone()],
        Binding::Scalar(variable) => match env.get(&variable.name) {
            Some(present) if present != value => Vec::new(),
            _ => {
                let mut env = env.clone();
                env.insert(variable.name.clone(), value.clone());
                vec![env]
            }
        },
        Binding::Tuple(parts, _) => {
            let mut envs = vec![env.clone()];
            for (part, item) in parts.iter().zip(&items(value)) {
                envs = envs.iter().flat_map(|env| destructure(part, item, env)).collect();
            }
            envs
        }
        Binding::Collection(part, _) => {
            items(value).iter().flat_map(|item| destructure(part, item, env)).collect()
        }
    }
}
