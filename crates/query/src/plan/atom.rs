//! Atoms: the clauses of one conjunction in the names of the plan, with rules that do not recur put in place.
//!
//! Every scope (the query, each use of a rule, each nested body) gets variables of its own here, so that a plan has
//! one table of names and two scopes can never capture each other's variables.

use std::collections::HashMap;

use edn::Span;
use storage::EncodedValue;

use super::Planner;
use crate::logical::{
    Arg, Binding, Call, Clause, Conjunction, FunctionClause, Pattern, RangeClause, RuleBranch, RuleCall,
    RuleId, Term, TuplePattern, VarId, VarTable,
};

/// A clause ready for planning.
#[derive(Clone, Debug)]
pub(crate) enum Atom {
    Pattern(Pattern),
    Tuple(TuplePattern),
    Range(RangeClause),
    Predicate(Call),
    Function(FunctionClause),
    Not(NotAtom),
    Or(OrAtom),
    Rule(RuleAtom),
    Table(TableAtom),
    /// Two variables hold the same value.
    Equal(VarId, VarId),
}

/// Which clause with nested bodies: copies of an atom are one clause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClauseId(pub usize);

#[derive(Clone, Debug)]
pub(crate) struct NotAtom {
    pub clause: ClauseId,
    pub join: Vec<VarId>,
    pub body: Vec<Atom>,
    pub span: Span,
}

#[derive(Clone, Debug)]
pub(crate) struct OrAtom {
    pub clause: ClauseId,
    pub join: Vec<VarId>,
    pub required: Vec<VarId>,
    pub branches: Vec<Vec<Atom>>,
    pub span: Span,
}

/// A call of a rule that is evaluated by a program.
#[derive(Clone, Debug)]
pub(crate) struct RuleAtom {
    pub rule: RuleId,
    /// Distinct variables; constants and repetitions have become atoms of their own.
    pub args: Vec<VarId>,
    pub span: Span,
}

/// A table of the rule evaluation that this conjunction is part of.
#[derive(Clone, Debug)]
pub(crate) struct TableAtom {
    pub table: usize,
    pub delta: bool,
    pub args: Vec<VarId>,
    pub name: String,
}

/// How deep rules may be put in place; deeper calls are evaluated by a program.
const INLINE_DEPTH_MAX: usize = 32;
/// How many atoms rules may grow to by being put in place.
const INLINE_ATOMS_MAX: usize = 400;

/// Variables of a scope as variables of the plan.
#[derive(Debug, Default)]
pub(crate) struct Renaming {
    map: HashMap<VarId, VarId>,
}

impl Renaming {
    /// The query's own scope: its variables keep their numbers.
    pub fn of_query(vars: &VarTable) -> Self {
        Self { map: (0..vars.names.len() as u32).map(|var| (VarId(var), VarId(var))).collect() }
    }

    /// Names given from outside.
    pub fn with(pairs: impl IntoIterator<Item = (VarId, VarId)>) -> Self {
        Self { map: pairs.into_iter().collect() }
    }
}

/// Turns the clauses of one scope into atoms.
pub(crate) struct Scope<'p, 'q> {
    pub planner: &'p mut Planner<'q>,
    pub vars: &'q VarTable,
    pub renaming: Renaming,
    pub depth: usize,
}

impl<'q> Scope<'_, 'q> {
    fn var(&mut self, var: VarId) -> VarId {
        match self.renaming.map.get(&var) {
            Some(renamed) => *renamed,
            None => {
                let renamed = self.planner.fresh(self.vars.names.get(var.0 as usize));
                self.renaming.map.insert(var, renamed);
                renamed
            }
        }
    }

    fn vars(&mut self, vars: &[VarId]) -> Vec<VarId> {
        vars.iter().map(|var| self.var(*var)).collect()
    }

    fn term(&mut self, term: &Term) -> Term {
        match term {
            Term::Var(var) => Term::Var(self.var(*var)),
            other => other.clone(),
        }
    }

    /// The atoms of a conjunction.
    pub fn conjunction(&mut self, body: &'q Conjunction) -> Vec<Atom> {
        let mut atoms = Vec::with_capacity(body.clauses.len());
        for clause in &body.clauses {
            self.clause(clause, &mut atoms);
        }
        atoms
    }

    fn clause(&mut self, clause: &'q Clause, atoms: &mut Vec<Atom>) {
        self.planner.atoms += 1;
        let atom = match clause {
            Clause::Pattern(pattern) => Atom::Pattern(Pattern {
                e: self.term(&pattern.e),
                a: match &pattern.a {
                    crate::logical::AttrTerm::Var(var) => crate::logical::AttrTerm::Var(self.var(*var)),
                    other => other.clone(),
                },
                v: self.term(&pattern.v),
                ..pattern.clone()
            }),
            Clause::Tuple(tuple) => Atom::Tuple(TuplePattern {
                terms: tuple.terms.iter().map(|term| self.term(term)).collect(),
                ..tuple.clone()
            }),
            Clause::Range(range) => Atom::Range(RangeClause { var: self.var(range.var), ..range.clone() }),
            Clause::Predicate(call) => Atom::Predicate(self.call(call)),
            Clause::Function(function) => Atom::Function(FunctionClause {
                call: self.call(&function.call),
                binding: self.binding(&function.binding),
            }),
            Clause::Not(not) => {
                let join = self.vars(&not.join);
                let body = self.nested(&not.join, &join, &not.body);
                Atom::Not(NotAtom { clause: self.planner.clause(), join, body, span: not.span })
            }
            Clause::Or(or) => {
                let join = self.vars(&or.join);
                let required = self.vars(&or.required);
                let branches =
                    or.branches.iter().map(|branch| self.nested(&or.join, &join, branch)).collect();
                Atom::Or(OrAtom { clause: self.planner.clause(), join, required, branches, span: or.span })
            }
            Clause::Rule(call) => return self.rule(call, atoms),
        };
        atoms.push(atom);
    }

    /// A body of its own scope that shares only `outer`, known here as `inner`.
    fn nested(&mut self, outer: &[VarId], inner: &[VarId], body: &'q Conjunction) -> Vec<Atom> {
        let renaming = Renaming::with(outer.iter().copied().zip(inner.iter().copied()));
        Scope { planner: self.planner, vars: self.vars, renaming, depth: self.depth }.conjunction(body)
    }

    fn call(&mut self, call: &Call) -> Call {
        // Calls nest as deep as the text, which the reader has bounded.
        let args = call
            .args
            .iter()
            .map(|arg| match arg {
                Arg::Var(var) => Arg::Var(self.var(*var)),
                Arg::Call(call) => Arg::Call(Box::new(self.call(call))),
                other => other.clone(),
            })
            .collect();
        let mut needs = self.vars(&call.needs);
        needs.sort_unstable();
        needs.dedup();
        Call { function: call.function.clone(), args, needs, span: call.span }
    }

    fn binding(&mut self, binding: &Binding) -> Binding {
        match binding {
            Binding::Scalar(var) => Binding::Scalar(self.var(*var)),
            Binding::Blank => Binding::Blank,
            Binding::Tuple(parts) => Binding::Tuple(parts.iter().map(|part| self.binding(part)).collect()),
            Binding::Collection(each) => Binding::Collection(Box::new(self.binding(each))),
        }
    }

    fn rule(&mut self, call: &'q RuleCall, atoms: &mut Vec<Atom>) {
        let args = self.rule_args(call, atoms);
        let Some(rule) = self.planner.rules.rules.get(call.rule.0 as usize) else { return };
        let small = self.depth < INLINE_DEPTH_MAX && self.planner.atoms < INLINE_ATOMS_MAX;
        if rule.recursive || !small || !self.planner.switches.inline_rules {
            let args = self.distinct_args(&args, atoms);
            atoms.push(Atom::Rule(RuleAtom { rule: call.rule, args, span: call.span }));
            return;
        }
        match &rule.branches[..] {
            [branch] if rule.required == 0 => atoms.extend(self.branch(branch, &args)),
            branches => {
                let required = args[..rule.required.min(args.len())].to_vec();
                let mut join = args.clone();
                join.sort_unstable();
                join.dedup();
                let branches = branches.iter().map(|branch| self.branch(branch, &args)).collect();
                let clause = self.planner.clause();
                atoms.push(Atom::Or(OrAtom { clause, join, required, branches, span: call.span }));
            }
        }
    }

    /// The body of a definition with its head variables named `args`.
    fn branch(&mut self, branch: &'q RuleBranch, args: &[VarId]) -> Vec<Atom> {
        let renaming = Renaming::with(branch.head.iter().copied().zip(args.iter().copied()));
        Scope { planner: self.planner, vars: &branch.vars, renaming, depth: self.depth + 1 }
            .conjunction(&branch.body)
    }

    /// The call's arguments as variables; a constant becomes a variable with that one value.
    fn rule_args(&mut self, call: &RuleCall, atoms: &mut Vec<Atom>) -> Vec<VarId> {
        let mut args = Vec::with_capacity(call.args.len());
        for term in &call.args {
            args.push(match term {
                Term::Var(var) => self.var(*var),
                Term::Blank => self.planner.fresh(None),
                Term::Const(value) => {
                    let var = self.planner.fresh(None);
                    atoms.push(constant(var, value, call.span));
                    var
                }
            });
        }
        args
    }

    /// Arguments without repetitions: `(r ?a ?a)` becomes `(r ?a ?b)` with `?b` equal to `?a`.
    fn distinct_args(&mut self, args: &[VarId], atoms: &mut Vec<Atom>) -> Vec<VarId> {
        let mut distinct: Vec<VarId> = Vec::with_capacity(args.len());
        for var in args {
            if distinct.contains(var) {
                let copy = self.planner.fresh(None);
                atoms.push(Atom::Equal(*var, copy));
                distinct.push(copy);
            } else {
                distinct.push(*var);
            }
        }
        distinct
    }
}

/// A range clause that holds exactly one value.
pub(crate) fn constant(var: VarId, value: &EncodedValue, span: Span) -> Atom {
    let text = value.decode().map_or_else(|_| "constant".to_owned(), |value| value.to_string());
    Atom::Range(RangeClause { var, ranges: vec![storage::ValueRange::exactly(value.clone())], text, span })
}
