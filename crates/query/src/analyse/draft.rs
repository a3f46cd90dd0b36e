//! [`Draft`]: clauses with numbers for names, of which nobody knows yet whether they can run.
//!
//! ```text
//! ast::Clause --lower--> Draft --safety--> logical::Conjunction
//! ```

use std::collections::BTreeSet;

use edn::Span;

use crate::logical::{AttrTerm, Clause, RuleCall, Term, VarId, VarTable};

/// A set of variables.
pub(super) type Vars = BTreeSet<VarId>;

/// Clauses that must all hold.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub clauses: Vec<DraftClause>,
}

/// One of them.
#[derive(Debug)]
pub(super) enum DraftClause {
    /// Finished: anything but negations and disjunctions.
    Plain(Clause),
    Not(DraftNot),
    Or(DraftOr),
}

/// A negation.
#[derive(Debug)]
pub(super) struct DraftNot {
    /// The variables of a `not-join`; the others in its body are its own.
    pub join: Option<Vec<VarId>>,
    /// Whether it speaks of an input that became a constant: then it has something in common with its surroundings.
    pub sees_given: bool,
    pub body: Draft,
    pub span: Span,
}

/// A disjunction.
#[derive(Debug)]
pub(super) struct DraftOr {
    /// The variables that can be seen from outside.
    pub join: Vec<VarId>,
    /// Those of which the text says that they must be bound.
    pub required: Vec<VarId>,
    pub branches: Vec<DraftBranch>,
    pub span: Span,
}

/// One alternative.
#[derive(Debug)]
pub(super) struct DraftBranch {
    pub body: Draft,
    pub text: String,
    pub span: Span,
}

/// One definition of a rule.
#[derive(Debug)]
pub(super) struct DraftRule {
    pub table: VarTable,
    pub head: Vec<VarId>,
    pub body: Draft,
    pub span: Span,
}

impl Draft {
    /// Adds every variable that can be seen from outside.
    pub fn mentioned(&self, out: &mut Vars) {
        for clause in &self.clauses {
            match clause {
                DraftClause::Plain(clause) => {
                    needs(clause, out);
                    binds(clause, out);
                }
                DraftClause::Not(not) => match &not.join {
                    Some(join) => out.extend(join),
                    None => not.body.mentioned(out),
                },
                DraftClause::Or(or) => out.extend(&or.join),
            }
        }
    }

    /// Shows every call of a rule, also in negations, of which `f` is told.
    pub fn each_rule_call(&self, negated: bool, f: &mut impl FnMut(&RuleCall, bool)) {
        for clause in &self.clauses {
            match clause {
                DraftClause::Plain(Clause::Rule(call)) => f(call, negated),
                DraftClause::Plain(_) => {}
                DraftClause::Not(not) => not.body.each_rule_call(true, f),
                DraftClause::Or(or) => {
                    or.branches.iter().for_each(|branch| branch.body.each_rule_call(negated, f))
                }
            }
        }
    }

    /// Lets `f` change every call of a rule.
    pub fn each_rule_call_mut(&mut self, f: &mut impl FnMut(&mut RuleCall)) {
        for clause in &mut self.clauses {
            match clause {
                DraftClause::Plain(Clause::Rule(call)) => f(call),
                DraftClause::Plain(_) => {}
                DraftClause::Not(not) => not.body.each_rule_call_mut(f),
                DraftClause::Or(or) => {
                    or.branches.iter_mut().for_each(|branch| branch.body.each_rule_call_mut(f))
                }
            }
        }
    }
}

/// Adds what a plain clause binds once it runs.
pub(super) fn binds(clause: &Clause, out: &mut Vars) {
    let mut term = |term: &Term| {
        if let Term::Var(var) = term {
            out.insert(*var);
        }
    };
    match clause {
        Clause::Pattern(pattern) => {
            term(&pattern.e);
            term(&pattern.v);
            if let AttrTerm::Var(var) = pattern.a {
                out.insert(var);
            }
        }
        Clause::Tuple(tuple) => tuple.terms.iter().for_each(term),
        Clause::Rule(call) => call.args.iter().for_each(term),
        Clause::Function(function) => function.binding.each_var(&mut |var| {
            out.insert(var);
        }),
        Clause::Or(or) => out.extend(&or.join),
        Clause::Range(_) | Clause::Predicate(_) | Clause::Not(_) => {}
    }
}

/// Adds what a plain clause other than a rule call needs before it can run.
pub(super) fn needs(clause: &Clause, out: &mut Vars) {
    match clause {
        Clause::Predicate(call) => out.extend(&call.needs),
        Clause::Function(function) => out.extend(&function.call.needs),
        Clause::Range(range) => {
            out.insert(range.var);
        }
        _ => {}
    }
}
