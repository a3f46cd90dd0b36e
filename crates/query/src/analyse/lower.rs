//! Clauses: from the tree of the text to the logical program, before bindings are checked.

use std::collections::BTreeSet;

use edn::{Value, shorten};
use storage::{ValueRange, encode};

use super::draft::{Draft, DraftBranch, DraftClause, DraftNot, DraftOr, Vars};
use super::error::AnalyseError;
use super::inputs::Given;
use super::scope::Scope;
use super::terms::{entity, term_span};
use super::{Analyser, Result};
use crate::ast;
use crate::exec::Source;
use crate::functions::Operator;
use crate::logical::{
    Arg, Binding, Call, Callee, Clause, FunctionClause, RangeClause, RuleCall, SourceId, Term, VarId,
};
use crate::walk;

impl Analyser<'_> {
    /// Clauses that must all hold; those that are written twice count once.
    pub(super) fn draft(&mut self, scope: &mut Scope, clauses: &[ast::Clause]) -> Result<Draft> {
        let mut seen = BTreeSet::new();
        let mut lowered = Vec::with_capacity(clauses.len());
        for clause in clauses {
            if seen.insert(clause.to_string()) {
                self.clause(scope, clause, &mut lowered)?;
            }
        }
        Ok(Draft { clauses: lowered })
    }

    fn clause(&mut self, scope: &mut Scope, clause: &ast::Clause, out: &mut Vec<DraftClause>) -> Result<()> {
        match clause {
            ast::Clause::Pattern(pattern) => {
                let pattern = self.pattern(scope, pattern)?;
                out.push(DraftClause::Plain(pattern));
            }
            ast::Clause::Predicate(call) => {
                let call = self.call(scope, call)?;
                split_and(call, out);
            }
            ast::Clause::Function(function) => {
                let call = self.call(scope, &function.call)?;
                let mut fixed = Vec::new();
                let binding = binding(scope, &function.binding, &mut fixed)?;
                out.push(DraftClause::Plain(Clause::Function(FunctionClause { call, binding })));
                out.extend(fixed.into_iter().map(|range| DraftClause::Plain(Clause::Range(range))));
            }
            ast::Clause::Not(not) => {
                let not = self.not(scope, not)?;
                out.push(DraftClause::Not(not));
            }
            ast::Clause::Or(or) => {
                let or = self.or(scope, or)?;
                out.push(DraftClause::Or(or));
            }
            ast::Clause::Rule(call) => {
                let call = self.rule_call(scope, call)?;
                out.push(DraftClause::Plain(Clause::Rule(call)));
            }
        }
        Ok(())
    }

    /// The source that a clause names for what stands inside it.
    fn inner_source(&mut self, scope: &Scope, source: &Option<ast::SourceName>) -> Option<SourceId> {
        source.as_ref().map(|source| self.source_or_default(scope, Some(source)))
    }

    fn not(&mut self, scope: &mut Scope, not: &ast::Not) -> Result<DraftNot> {
        let source = self.inner_source(scope, &not.source);
        scope.with_source(source, |scope| {
            let (join, body) = match &not.join {
                None => (None, self.draft(scope, &not.clauses)?),
                Some(written) => {
                    let join = listed(scope, written);
                    let seen: Vec<&ast::Variable> = written.iter().collect();
                    (Some(join), scope.hidden(&seen, |scope| self.draft(scope, &not.clauses))?)
                }
            };
            let is_given =
                |variable: &&ast::Variable| matches!(scope.given(&variable.name), Some(Given::Value(_)));
            let sees_given = walk::outer_variables(&not.clauses).iter().any(is_given);
            Ok(DraftNot { join, sees_given, body, span: not.span })
        })
    }

    /// The variables of a plain `or` are all that occur in it.
    fn or(&mut self, scope: &mut Scope, or: &ast::Or) -> Result<DraftOr> {
        let source = self.inner_source(scope, &or.source);
        scope.with_source(source, |scope| {
            let mut branches = Vec::with_capacity(or.branches.len());
            for branch in &or.branches {
                let body = match &or.join {
                    None => self.draft(scope, &branch.clauses)?,
                    // Hidden variables of different branches are different variables.
                    Some(join) => {
                        let seen: Vec<&ast::Variable> = join.iter().collect();
                        listed(scope, &join.required);
                        listed(scope, &join.free);
                        scope.hidden(&seen, |scope| self.draft(scope, &branch.clauses))?
                    }
                };
                branches.push(DraftBranch { body, text: branch.to_string(), span: branch.span });
            }
            let (join, required) = match &or.join {
                Some(join) => {
                    let required = listed(scope, &join.required);
                    (required.iter().copied().chain(listed(scope, &join.free)).collect(), required)
                }
                None => {
                    let mut join = Vars::new();
                    branches.iter().for_each(|branch| branch.body.mentioned(&mut join));
                    (join.into_iter().collect(), Vec::new())
                }
            };
            Ok(DraftOr { join, required, branches, span: or.span })
        })
    }

    fn rule_call(&mut self, scope: &mut Scope, call: &ast::RuleCall) -> Result<RuleCall> {
        let source = self.inner_source(scope, &call.source).or(scope.default_source);
        let rule = self.rule(call, source)?;
        let mut args = Vec::with_capacity(call.args.len());
        for (index, arg) in call.args.iter().enumerate() {
            let is_entity = self.entity_params.get(&call.name).is_some_and(|params| params[index]);
            args.push(self.rule_argument(scope, arg, source.filter(|_| is_entity))?);
        }
        Ok(RuleCall { rule, args, source, span: call.span })
    }

    /// Arguments that stand for entities inside the rule are resolved here, where they are written.
    fn rule_argument(
        &mut self,
        scope: &mut Scope,
        arg: &ast::Term,
        entity_of: Option<SourceId>,
    ) -> Result<Term> {
        let db = match entity_of.map(|source| &self.inputs.sources[usize::from(source.0)]) {
            Some(Source::Db(db)) => Some(db.clone()),
            _ => None,
        };
        let (value, is_input) = match arg {
            ast::Term::Blank(_) => return Ok(Term::Blank),
            ast::Term::Constant(constant) => (&constant.value, false),
            ast::Term::Variable(variable) => match scope.given(&variable.name) {
                Some(Given::Value(value)) => (value, true),
                Some(Given::Function(_)) => {
                    let (name, span) = (variable.name.clone(), variable.span);
                    return Err(AnalyseError::FunctionAsValue { name, span });
                }
                None => {
                    return Ok(Term::Var(match entity_of.filter(|_| db.is_some()) {
                        Some(source) => scope.entity_var(variable, source),
                        None => scope.var(variable),
                    }));
                }
            },
        };
        match (&db, value) {
            (Some(db), Value::Keyword(_) | Value::Vector(_) | Value::List(_)) => {
                self.looked_up = true;
                Ok(Term::Const(entity(db, value, is_input, term_span(arg))?))
            }
            _ => Ok(Term::Const(encode(value))),
        }
    }
}

/// The variables of a list of names; constants need no joining.
fn listed(scope: &mut Scope, variables: &[ast::Variable]) -> Vec<VarId> {
    let mut vars = Vec::with_capacity(variables.len());
    for variable in variables {
        if scope.given(&variable.name).is_none() {
            vars.push(scope.var(variable));
        }
    }
    vars
}

/// `[(and p q)]` holds where both hold.
fn split_and(call: Call, out: &mut Vec<DraftClause>) {
    let is_and =
        matches!(&call.function, Callee::Function(function) if function.operator() == Some(Operator::And));
    if is_and && !call.args.is_empty() && call.args.iter().all(|arg| matches!(arg, Arg::Call(_))) {
        for arg in call.args {
            if let Arg::Call(call) = arg {
                split_and(*call, out);
            }
        }
    } else {
        out.push(DraftClause::Plain(Clause::Predicate(call)));
    }
}

/// A binding; where it names a constant, a made-up variable is bound and held against the constant.
fn binding(scope: &mut Scope, written: &ast::Binding, fixed: &mut Vec<RangeClause>) -> Result<Binding> {
    Ok(match written {
        ast::Binding::Blank(_) => Binding::Blank,
        ast::Binding::Scalar(variable) => match scope.given(&variable.name) {
            None => Binding::Scalar(scope.var(variable)),
            Some(Given::Value(value)) => {
                let (range, text) = (ValueRange::exactly(encode(value)), shorten(value));
                let var = scope.made_up(&variable.name, variable.span);
                let text = format!("(= {} {text})", variable.name);
                fixed.push(RangeClause { var, ranges: vec![range], text, span: variable.span });
                Binding::Scalar(var)
            }
            Some(Given::Function(_)) => {
                let (name, span) = (variable.name.clone(), variable.span);
                return Err(AnalyseError::FunctionAsValue { name, span });
            }
        },
        ast::Binding::Tuple(parts, _) => {
            Binding::Tuple(parts.iter().map(|part| binding(scope, part, fixed)).collect::<Result<_>>()?)
        }
        ast::Binding::Collection(inner, _) => Binding::Collection(Box::new(binding(scope, inner, fixed)?)),
    })
}
