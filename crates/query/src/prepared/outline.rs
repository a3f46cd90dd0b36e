//! [`Outline`]: a logical program taken apart into its shape and its constants, so that a plan made for one set of
//! inputs is known again when only the constants have changed.

use std::sync::Arc;

use edn::Value;
use storage::{EncodedValue, ValueRange};

use crate::exec::Relation;
use crate::logical::{
    Arg, AttrTerm, Binding, Call, Callee, Clause, Conjunction, FunctionClause, Logical, NotClause, OrClause,
    Pattern, RangeClause, Rule, RuleBranch, RuleCall, Term, TuplePattern, VarId,
};

/// A constant of a program.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Constant {
    /// In a pattern or a range.
    Encoded(EncodedValue),
    /// An argument of a call.
    Plain(Value),
}

/// The shape of a program: everything that a plan depends on but the constants themselves.
///
/// Each part of the program is written as numbers in one fixed order, so that programs of the same shape have equal
/// numbers and their constants correspond by position. The parts are taken apart without `..`: a part that is added to
/// the program has to be considered here.
#[derive(Debug, Default)]
pub(super) struct Outline {
    shape: Vec<u64>,
    /// The constants, in the order of the text.
    pub constants: Vec<Constant>,
}

impl Outline {
    /// Takes a program and the rows that it is given apart.
    pub fn of(logical: &Logical, input: &Relation<'_>) -> Self {
        let mut outline = Self::default();
        let Logical { vars, body, inputs, output, rules, row_limit, aggregation, order } = logical;
        outline.number(vars.names.len());
        outline.conjunction(body);
        outline.vars(inputs);
        outline.vars(output);
        outline.number(rules.rules.len());
        rules.rules.iter().for_each(|rule| outline.rule(rule));
        outline.number(usize::from(row_limit.is_some()));
        match aggregation {
            None => outline.number(0),
            Some(aggregation) => {
                outline.number(1);
                outline.vars(&aggregation.group);
                outline.number(aggregation.calls.len());
                for call in &aggregation.calls {
                    outline.number(call.kind as usize);
                    outline.var(call.var);
                }
            }
        }
        outline.number(order.len());
        for key in order {
            outline.var(key.var);
            outline.number(usize::from(key.descending));
        }
        // The values of a single row are known to the planner; of several rows only the number matters.
        outline.number(input.len().min(2));
        if input.len() == 1 {
            for column in 0..inputs.len() {
                outline.encoded(&EncodedValue::from_bytes(input.cell(0, column).as_bytes()));
            }
        }
        outline
    }

    /// Whether both programs differ in nothing but constants.
    pub fn has_shape_of(&self, other: &Self) -> bool {
        self.shape == other.shape && self.constants.len() == other.constants.len()
    }

    fn number(&mut self, number: usize) {
        self.shape.push(number as u64);
    }

    fn var(&mut self, var: VarId) {
        self.shape.push(var.0.into());
    }

    fn vars(&mut self, vars: &[VarId]) {
        self.number(vars.len());
        vars.iter().for_each(|var| self.var(*var));
    }

    fn encoded(&mut self, value: &EncodedValue) {
        // Plans treat entities and other values differently in places, so the kind belongs to the shape.
        self.number(usize::from(value.as_int().is_some()));
        self.constants.push(Constant::Encoded(value.clone()));
    }

    fn conjunction(&mut self, conjunction: &Conjunction) {
        let Conjunction { clauses } = conjunction;
        self.number(clauses.len());
        clauses.iter().for_each(|clause| self.clause(clause));
    }

    fn clause(&mut self, clause: &Clause) {
        match clause {
            Clause::Pattern(pattern) => {
                self.number(0);
                self.pattern(pattern);
            }
            Clause::Tuple(TuplePattern { source, terms, span: _ }) => {
                self.number(1);
                self.number(source.0.into());
                self.terms(terms);
            }
            Clause::Range(RangeClause { var, ranges, text: _, span: _ }) => {
                self.number(2);
                self.var(*var);
                self.number(ranges.len());
                ranges.iter().for_each(|range| self.range(range));
            }
            Clause::Predicate(call) => {
                self.number(3);
                self.call(call);
            }
            Clause::Function(FunctionClause { call, binding }) => {
                self.number(4);
                self.call(call);
                self.binding(binding);
            }
            Clause::Not(NotClause { join, body, span: _ }) => {
                self.number(5);
                self.vars(join);
                self.conjunction(body);
            }
            Clause::Or(OrClause { join, required, branches, span: _ }) => {
                self.number(6);
                self.vars(join);
                self.vars(required);
                self.number(branches.len());
                branches.iter().for_each(|branch| self.conjunction(branch));
            }
            Clause::Rule(RuleCall { rule, args, source, span: _ }) => {
                self.number(7);
                self.number(rule.0 as usize);
                self.terms(args);
                self.number(source.map_or(0, |source| usize::from(source.0) + 1));
            }
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        let Pattern { source, e, a, v, within, span: _ } = pattern;
        self.number(source.0.into());
        self.term(e);
        match a {
            AttrTerm::Const(attr) => {
                self.number(0);
                self.number(attr.0 as usize);
            }
            AttrTerm::Var(var) => {
                self.number(1);
                self.var(*var);
            }
            AttrTerm::Blank => self.number(2),
            AttrTerm::Unknown => self.number(3),
        }
        self.term(v);
        self.number(usize::from(within.is_some()));
        within.iter().for_each(|range| self.range(range));
    }

    fn terms(&mut self, terms: &[Term]) {
        self.number(terms.len());
        terms.iter().for_each(|term| self.term(term));
    }

    fn term(&mut self, term: &Term) {
        match term {
            Term::Var(var) => {
                self.number(0);
                self.var(*var);
            }
            Term::Const(value) => {
                self.number(1);
                self.encoded(value);
            }
            Term::Blank => self.number(2),
        }
    }

    fn range(&mut self, range: &ValueRange) {
        use std::ops::Bound;
        if let Some(point) = range.as_point() {
            self.number(0);
            self.encoded(point);
            return;
        }
        self.number(1);
        let ValueRange { lo, hi } = range;
        for bound in [lo, hi] {
            match bound {
                Bound::Unbounded => self.number(0),
                Bound::Included(value) => {
                    self.number(1);
                    self.encoded(value);
                }
                Bound::Excluded(value) => {
                    self.number(2);
                    self.encoded(value);
                }
            }
        }
    }

    fn call(&mut self, call: &Call) {
        let Call { function, args, needs, span: _ } = call;
        match function {
            // Functions and queries stand for themselves, by their place in memory: they are kept by what is compared.
            Callee::Function(function) => {
                self.number(0);
                self.number(Arc::as_ptr(function) as usize);
            }
            Callee::Input(index) => {
                self.number(1);
                self.number(*index);
            }
            Callee::NestedQuery(query) => {
                self.number(2);
                self.number(Arc::as_ptr(query) as usize);
            }
        }
        self.vars(needs);
        self.number(args.len());
        for arg in args {
            match arg {
                Arg::Var(var) => {
                    self.number(0);
                    self.var(*var);
                }
                Arg::Const(value) => {
                    self.number(1);
                    self.constants.push(Constant::Plain(value.clone()));
                }
                Arg::Source(source) => {
                    self.number(2);
                    self.number(source.0.into());
                }
                Arg::Call(call) => {
                    self.number(3);
                    self.call(call);
                }
                Arg::InputFunction(index) => {
                    self.number(4);
                    self.number(*index);
                }
            }
        }
    }

    fn binding(&mut self, binding: &Binding) {
        match binding {
            Binding::Scalar(var) => {
                self.number(0);
                self.var(*var);
            }
            Binding::Blank => self.number(1),
            Binding::Tuple(parts) => {
                self.number(2);
                self.number(parts.len());
                parts.iter().for_each(|part| self.binding(part));
            }
            Binding::Collection(each) => {
                self.number(3);
                self.binding(each);
            }
        }
    }

    fn rule(&mut self, rule: &Rule) {
        let Rule { name: _, arity, required, branches, stratum, recursive } = rule;
        self.number(*arity);
        self.number(*required);
        self.number(*stratum);
        self.number(usize::from(*recursive));
        self.number(branches.len());
        for RuleBranch { vars, head, body, span: _ } in branches {
            self.number(vars.names.len());
            self.vars(head);
            self.conjunction(body);
        }
    }
}
