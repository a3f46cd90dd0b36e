//! The oracle: a logical program by nested loops over lists of facts, one environment at a time. It shares nothing
//! with the planner or the operators and encodes no value.

use std::collections::{BTreeMap, BTreeSet};

use edn::Value;
use storage::AttrId;

use super::build::BuiltIns;
use crate::exec::{CallArg, Host};
use crate::logical::{
    Arg, AttrTerm, Binding, Call, Clause, Conjunction, Logical, Pattern, RuleSet, SourceId, Term, VarId,
};

type Env = BTreeMap<VarId, Value>;

/// What the evaluator knows.
pub struct World<'w> {
    /// Facts of database sources, with the names of attributes.
    pub facts: &'w BTreeSet<(u64, AttrId, Value)>,
    pub idents: &'w BTreeMap<AttrId, Value>,
    /// Tuples of collection sources.
    pub tuples: &'w BTreeMap<SourceId, Vec<Vec<Value>>>,
    pub rules: &'w RuleSet,
}

/// All distinct rows of the output for the given input rows.
pub fn evaluate(logical: &Logical, world: &World<'_>, input: &[Vec<Value>]) -> BTreeSet<Vec<Value>> {
    let relations = fixpoint(world);
    let mut rows = BTreeSet::new();
    for row in input {
        let env: Env = logical.inputs.iter().copied().zip(row.iter().cloned()).collect();
        for env in conjunction(&logical.body, env, world, &relations) {
            rows.insert(logical.output.iter().map(|var| env[var].clone()).collect());
        }
    }
    rows
}

type Relations = Vec<BTreeSet<Vec<Value>>>;

/// All answers of all rules: stratum by stratum, round by round until nothing changes.
fn fixpoint(world: &World<'_>) -> Relations {
    let rules = &world.rules.rules;
    let mut relations: Relations = vec![BTreeSet::new(); rules.len()];
    let strata: BTreeSet<usize> = rules.iter().map(|rule| rule.stratum).collect();
    for stratum in strata {
        loop {
            let mut changed = false;
            for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.stratum == stratum) {
                for branch in &rule.branches {
                    for env in conjunction(&branch.body, Env::new(), world, &relations) {
                        let row = branch.head.iter().map(|var| env[var].clone()).collect();
                        changed |= relations[number].insert(row);
                    }
                }
            }
            if !changed {
                break;
            }
        }
    }
    relations
}

fn conjunction(body: &Conjunction, env: Env, world: &World<'_>, relations: &Relations) -> Vec<Env> {
    let mut left: Vec<&Clause> = body.clauses.iter().collect();
    let mut envs = vec![env];
    while !left.is_empty() {
        let Some(first) = envs.first() else { return envs };
        let at = (0..left.len()).min_by_key(|at| rank(left[*at], first)).expect("clauses are left");
        let clause = left.remove(at);
        envs = envs.into_iter().flat_map(|env| step(clause, env, world, relations)).collect();
    }
    envs
}

/// Positive clauses first, then what only tests; functions as soon as their arguments are there.
fn rank(clause: &Clause, env: &Env) -> u32 {
    match clause {
        Clause::Function(function) if function.call.needs.iter().all(|var| env.contains_key(var)) => 0,
        Clause::Pattern(_) | Clause::Tuple(_) | Clause::Rule(_) => 1,
        Clause::Or(_) => 2,
        Clause::Function(_) => 3,
        Clause::Range(_) | Clause::Predicate(_) => 4,
        Clause::Not(_) => 5,
    }
}

fn step(clause: &Clause, env: Env, world: &World<'_>, relations: &Relations) -> Vec<Env> {
    match clause {
        Clause::Pattern(pattern) => facts(pattern, &env, world),
        Clause::Tuple(tuple) => {
            let rows = world.tuples[&tuple.source].iter();
            rows.filter_map(|row| unify(&env, tuple.terms.iter().zip(row.iter().cloned()))).collect()
        }
        Clause::Range(range) => {
            let value = storage::encode(&env[&range.var]);
            if range.ranges.iter().any(|range| range.contains(&value)) { vec![env] } else { Vec::new() }
        }
        Clause::Predicate(call) => {
            if evaluate_call(call, &env).is_truthy() {
                vec![env]
            } else {
                Vec::new()
            }
        }
        Clause::Function(function) => {
            let value = evaluate_call(&function.call, &env);
            if value.is_nil() { Vec::new() } else { bind(&function.binding, value, env) }
        }
        Clause::Not(not) => {
            let inner: Env = env.iter().filter(|(var, _)| not.join.contains(var)).map(own).collect();
            if conjunction(&not.body, inner, world, relations).is_empty() { vec![env] } else { Vec::new() }
        }
        Clause::Or(or) => {
            let mut answers = BTreeSet::new();
            for branch in &or.branches {
                let inner: Env = env.iter().filter(|(var, _)| or.join.contains(var)).map(own).collect();
                for found in conjunction(branch, inner, world, relations) {
                    answers
                        .insert(found.into_iter().filter(|(var, _)| or.join.contains(var)).collect::<Env>());
                }
            }
            answers.into_iter().map(|answer| env.clone().into_iter().chain(answer).collect()).collect()
        }
        Clause::Rule(call) => {
            let rows = relations[call.rule.0 as usize].iter();
            rows.filter_map(|row| unify(&env, call.args.iter().zip(row.iter().cloned()))).collect()
        }
    }
}

fn own((var, value): (&VarId, &Value)) -> (VarId, Value) {
    (*var, value.clone())
}

fn facts(pattern: &Pattern, env: &Env, world: &World<'_>) -> Vec<Env> {
    let mut found = Vec::new();
    for (e, a, v) in world.facts {
        let attribute = match &pattern.a {
            AttrTerm::Const(attr) if attr != a => continue,
            AttrTerm::Unknown => continue,
            AttrTerm::Const(_) | AttrTerm::Blank => Term::Blank,
            AttrTerm::Var(var) => Term::Var(*var),
        };
        let terms = [&pattern.e, &attribute, &pattern.v];
        let values = [Value::Int(*e as i64), world.idents[a].clone(), v.clone()];
        found.extend(unify(env, terms.into_iter().zip(values)));
    }
    found
}

fn unify<'t>(env: &Env, pairs: impl Iterator<Item = (&'t Term, Value)>) -> Option<Env> {
    let mut env = env.clone();
    for (term, value) in pairs {
        match term {
            Term::Blank => {}
            Term::Const(wanted) => {
                if wanted.decode().expect("an encoding") != value {
                    return None;
                }
            }
            Term::Var(var) => match env.get(var) {
                Some(known) if *known != value => return None,
                Some(_) => {}
                None => {
                    env.insert(*var, value);
                }
            },
        }
    }
    Some(env)
}

fn evaluate_call(call: &Call, env: &Env) -> Value {
    let args: Vec<CallArg> = call
        .args
        .iter()
        .map(|arg| match arg {
            Arg::Var(var) => CallArg::Value(env[var].clone()),
            Arg::Const(value) => CallArg::Value(value.clone()),
            Arg::Call(call) => CallArg::Value(evaluate_call(call, env)),
            Arg::Source(_) | Arg::InputFunction(_) => unreachable!("not generated"),
        })
        .collect();
    BuiltIns.call(&call.function, &args).expect("calls succeed on generated values")
}

fn bind(binding: &Binding, value: Value, env: Env) -> Vec<Env> {
    match binding {
        Binding::Blank => vec![env],
        Binding::Scalar(var) => unify(&env, std::iter::once((&Term::Var(*var), value))).into_iter().collect(),
        Binding::Tuple(parts) => {
            let items = value.as_sequence().expect("a sequence").to_vec();
            let mut envs = vec![env];
            for (part, item) in parts.iter().zip(items) {
                envs = envs.into_iter().flat_map(|env| bind(part, item.clone(), env)).collect();
            }
            envs
        }
        Binding::Collection(each) => {
            let items = value.as_sequence().expect("a sequence").to_vec();
            items.into_iter().flat_map(|item| bind(each, item, env.clone())).collect()
        }
    }
}
