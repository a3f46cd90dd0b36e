//! One clause against one environment.

use std::collections::BTreeSet;

use edn::{Symbol, Value};
use query::ast::{Argument, Binding, Call, CallTarget, Clause, Not, Or, Pattern, RuleCall, Term};
use query::functions;

use super::{Env, Failure, Naive, Result};

/// Whether the clause can be answered once these variables have values.
pub fn is_ready(clause: &Clause, bound: &BTreeSet<Symbol>) -> bool {
    let call_ready = |call: &Call| {
        let mut needs = BTreeSet::new();
        call_variables(call, &mut needs);
        needs.is_subset(bound)
    };
    match clause {
        Clause::Pattern(_) | Clause::Not(_) => true,
        Clause::Predicate(call) => call_ready(call),
        Clause::Function(function) => call_ready(&function.call),
        // The generator writes rules whose bodies bind their heads, so a call can always be answered.
        Clause::Rule(_) => true,
        Clause::Or(or) => or.branches.iter().all(|branch| {
            let mut inner = bound.clone();
            if let Some(join) = &or.join {
                let names: BTreeSet<Symbol> = join.iter().map(|variable| variable.name.clone()).collect();
                inner = inner.intersection(&names).cloned().collect();
                if join.required.iter().any(|variable| !bound.contains(&variable.name)) {
                    return false;
                }
            }
            branch_ready(&branch.clauses, inner)
        }),
    }
}

/// Whether some order of the clauses binds what each of them needs.
fn branch_ready(clauses: &[Clause], mut bound: BTreeSet<Symbol>) -> bool {
    let mut waiting: Vec<&Clause> = clauses.iter().collect();
    while let Some(at) = waiting.iter().position(|clause| is_ready(clause, &bound)) {
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

fn call_variables(call: &Call, names: &mut BTreeSet<Symbol>) {
    if let CallTarget::Variable(variable) = &call.target {
        names.insert(variable.name.clone());
    }
    for arg in &call.args {
        match arg {
            Argument::Variable(variable) => drop(names.insert(variable.name.clone())),
            Argument::Call(call) => call_variables(call, names),
            _ => {}
        }
    }
}

/// Every variable anywhere in a clause.
fn all_variables(clause: &Clause, names: &mut BTreeSet<Symbol>) {
    match clause {
        Clause::Predicate(call) => call_variables(call, names),
        Clause::Function(function) => {
            call_variables(&function.call, names);
            binding_variables(&function.binding, names);
        }
        Clause::Not(not) => match &not.join {
            Some(join) => names.extend(join.iter().map(|variable| variable.name.clone())),
            None => not.clauses.iter().for_each(|clause| all_variables(clause, names)),
        },
        other => bind(other, names),
    }
}

impl<'a> Naive<'a> {
    /// The environments that extend `env` and satisfy the clause.
    pub(super) fn clause(&mut self, clause: &'a Clause, env: &Env) -> Result<Vec<Env>> {
        match clause {
            Clause::Pattern(pattern) => Ok(self.pattern(pattern, env)),
            Clause::Predicate(call) => Ok(match evaluate(call, env)?.is_truthy() {
                true => vec![env.clone()],
                false => Vec::new(),
            }),
            Clause::Function(function) => match evaluate(&function.call, env)? {
                Value::Nil => Ok(Vec::new()),
                value => Ok(destructure(&function.binding, &value, env)),
            },
            Clause::Not(not) => self.negation(not, env),
            Clause::Or(or) => self.alternatives(or, env),
            Clause::Rule(call) => Ok(self.rule(call, env)),
        }
    }

    fn pattern(&self, pattern: &Pattern, env: &Env) -> Vec<Env> {
        let mut found = Vec::new();
        for (e, a, v) in self.facts {
            let row = [Value::Int(*e), Value::Keyword(a.clone()), v.clone()];
            found.extend(unify(&pattern.terms, &row, env));
        }
        found
    }

    fn negation(&mut self, not: &'a Not, env: &Env) -> Result<Vec<Env>> {
        let mut shared = BTreeSet::new();
        match &not.join {
            Some(join) => {
                shared.extend(join.iter().map(|variable| variable.name.clone()));
                if shared.iter().any(|name| !env.contains_key(name)) {
                    return Err(Failure::Unbound);
                }
            }
            None => not.clauses.iter().for_each(|clause| all_variables(clause, &mut shared)),
        }
        let inner: Env = env
            .iter()
            .filter(|(name, _)| shared.contains(*name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        if inner.is_empty() {
            return Err(Failure::Unbound);
        }
        let answers = self.complete(&not.clauses, inner)?;
        Ok(if answers.is_empty() { vec![env.clone()] } else { Vec::new() })
    }

    fn alternatives(&mut self, or: &'a Or, env: &Env) -> Result<Vec<Env>> {
        let shared: Option<BTreeSet<Symbol>> =
            or.join.as_ref().map(|join| join.iter().map(|variable| variable.name.clone()).collect());
        let is_shared = |name: &Symbol| shared.as_ref().is_none_or(|shared| shared.contains(name));
        let keep = |env: &Env| -> Env {
            env.iter().filter(|(name, _)| is_shared(name)).map(|(n, v)| (n.clone(), v.clone())).collect()
        };
        let mut found = Vec::new();
        for branch in &or.branches {
            for answer in self.conjunction(&branch.clauses, vec![keep(env)])? {
                let mut extended = env.clone();
                extended.extend(keep(&answer));
                found.push(extended);
            }
        }
        Ok(found)
    }

    fn rule(&mut self, call: &RuleCall, env: &Env) -> Vec<Env> {
        let args = call.args.iter().map(|arg| match arg {
            Term::Variable(variable) => env.get(&variable.name).cloned(),
            Term::Constant(constant) => Some(constant.value.clone()),
            Term::Blank(_) => None,
        });
        let rows = self.table((call.name.clone(), args.collect()));
        rows.iter().flat_map(|row| unify(&call.args, row, env)).collect()
    }
}

/// The environment extended so that the terms equal the row; terms may be fewer than the row's values.
fn unify(terms: &[Term], row: &[Value], env: &Env) -> Option<Env> {
    let mut env = env.clone();
    for (term, value) in terms.iter().zip(row) {
        let agrees = match term {
            Term::Blank(_) => true,
            Term::Constant(constant) => constant.value == *value,
            Term::Variable(variable) => {
                env.entry(variable.name.clone()).or_insert_with(|| value.clone()) == value
            }
        };
        if !agrees {
            return None;
        }
    }
    Some(env)
}

fn destructure(binding: &Binding, value: &Value, env: &Env) -> Vec<Env> {
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
            let items = value.as_sequence().unwrap_or_default();
            let mut envs = vec![env.clone()];
            for (part, item) in parts.iter().zip(items) {
                envs = envs.iter().flat_map(|env| destructure(part, item, env)).collect();
            }
            envs
        }
        Binding::Collection(part, _) => value
            .as_sequence()
            .unwrap_or_default()
            .iter()
            .flat_map(|item| destructure(part, item, env))
            .collect(),
    }
}

fn evaluate(call: &Call, env: &Env) -> Result<Value> {
    let CallTarget::Named(name, _) = &call.target else {
        return Err(Failure::Function("functions as inputs are not known here".into()));
    };
    let args = call.args.iter().map(|arg| match arg {
        Argument::Variable(variable) => env.get(&variable.name).cloned().ok_or(Failure::Unbound),
        Argument::Constant(constant) => Ok(constant.value.clone()),
        Argument::Call(call) => evaluate(call, env),
        other => Err(Failure::Function(format!("{other:?} is not known here"))),
    });
    let args = args.collect::<Result<Vec<Value>>>()?;
    let function = functions::built_in(name).ok_or_else(|| Failure::Function(format!("unknown {name}")))?;
    function.call(&args).map_err(|error| Failure::Function(error.to_string()))
}
