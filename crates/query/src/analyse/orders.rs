//! Comparisons by the order of registered types: which variables hold values of which type.
//!
//! ```text
//! [?e :version ?v] (newer ?v)        ?v, and through the call ?x, are of the type of :version
//! (newer ?x) <- [(> ?x "1.9")]       so > compares as :version is ordered
//! ```
//!
//! A type belongs to attributes and not to values, so the order of a comparison follows from where its variables stand. Variables that always have
//! the same value (arguments and parameters of rules, copies) are of the same types. Where the other side of a comparison is a constant,
//! the patterns beside it are narrowed to the range of its order keys, which an index can seek.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use edn::{Span, Symbol, Value};
use storage::types::RegisteredType;
use storage::{EncodedValue, ValueRange};

use super::error::AnalyseError;
use super::{Field, Result};
use crate::ast::{AggregateName, FindElement, OrderColumn, Query};
use crate::exec::Source;
use crate::functions::Operator;
use crate::logical::{
    Arg, AttrTerm, Binding, Call, Callee, Clause, Conjunction, FunctionClause, Rule, Term, VarId,
};

/// A variable, by the scope that it belongs to: the query is 0, then come the definitions of rules.
type Node = (usize, VarId);

type Types = Vec<Arc<RegisteredType>>;

/// The registered types of variables.
pub(super) struct Orders<'s> {
    sources: &'s [Source],
    numbers: HashMap<Node, usize>,
    /// Sets of variables that have the same value: each points towards the one that stands for all.
    parents: Vec<usize>,
    types: Vec<Types>,
}

impl<'s> Orders<'s> {
    /// Looks at the whole program; `None` where no source has registered types.
    pub fn infer(body: &Conjunction, rules: &[Rule], sources: &'s [Source]) -> Option<Self> {
        let has_types = |source: &Source| match source {
            Source::Db(db) => db.schema().types().iter().next().is_some(),
            Source::Tuples(_) => false,
        };
        if !sources.iter().any(has_types) {
            return None;
        }
        let mut orders = Self { sources, numbers: HashMap::new(), parents: Vec::new(), types: Vec::new() };
        orders.note(0, body, rules);
        let branches = rules.iter().flat_map(|rule| &rule.branches);
        for (at, branch) in branches.enumerate() {
            orders.note(at + 1, &branch.body, rules);
        }
        Some(orders)
    }

    fn note(&mut self, scope: usize, conjunction: &Conjunction, rules: &[Rule]) {
        for clause in &conjunction.clauses {
            match clause {
                Clause::Pattern(pattern) => {
                    if let (Term::Var(var), Some(registered)) = (&pattern.v, self.type_of(pattern)) {
                        let number = self.number((scope, *var));
                        let root = self.root(number);
                        add(&mut self.types[root], registered);
                    }
                }
                Clause::Function(FunctionClause { call, binding: Binding::Scalar(to) }) => {
                    if let ([Arg::Var(from)], Some(Operator::Identity)) = (&call.args[..], operator(call)) {
                        self.unite((scope, *from), (scope, *to));
                    }
                }
                Clause::Not(not) => self.note(scope, &not.body, rules),
                Clause::Or(or) => or.branches.iter().for_each(|branch| self.note(scope, branch, rules)),
                Clause::Rule(call) => {
                    let rule = call.rule.0 as usize;
                    let before: usize = rules[..rule].iter().map(|rule| rule.branches.len()).sum();
                    for (at, branch) in rules[rule].branches.iter().enumerate() {
                        for (arg, head) in call.args.iter().zip(&branch.head) {
                            if let Term::Var(arg) = arg {
                                self.unite((scope, *arg), (before + at + 1, *head));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn type_of(&self, pattern: &crate::logical::Pattern) -> Option<Arc<RegisteredType>> {
        let Source::Db(db) = &self.sources[usize::from(pattern.source.0)] else { return None };
        let AttrTerm::Const(attribute) = pattern.a else { return None };
        db.schema().by_id(attribute)?.registered.clone()
    }

    fn number(&mut self, node: Node) -> usize {
        let (parents, types) = (&mut self.parents, &mut self.types);
        *self.numbers.entry(node).or_insert_with(|| {
            parents.push(parents.len());
            types.push(Types::new());
            parents.len() - 1
        })
    }

    fn root(&mut self, mut at: usize) -> usize {
        while self.parents[at] != at {
            self.parents[at] = self.parents[self.parents[at]];
            at = self.parents[at];
        }
        at
    }

    fn unite(&mut self, one: Node, other: Node) {
        let (one, other) = (self.number(one), self.number(other));
        let (one, other) = (self.root(one), self.root(other));
        if one != other {
            self.parents[other] = one;
            for registered in std::mem::take(&mut self.types[other]) {
                add(&mut self.types[one], registered);
            }
        }
    }

    fn types(&mut self, node: Node) -> &[Arc<RegisteredType>] {
        match self.numbers.get(&node) {
            None => &[],
            Some(number) => {
                let root = self.root(*number);
                &self.types[root]
            }
        }
    }

    /// Makes the comparisons of a conjunction go by the order of their arguments' type.
    pub fn apply(&mut self, scope: usize, conjunction: &mut Conjunction) -> Result<()> {
        let mut kept = Vec::with_capacity(conjunction.clauses.len());
        let mut clauses = std::mem::take(&mut conjunction.clauses);
        let comparisons: Vec<Call> = clauses
            .iter()
            .filter_map(|clause| if let Clause::Predicate(call) = clause { Some(call.clone()) } else { None })
            .collect();
        let mut narrowed = Vec::new();
        for call in comparisons {
            narrowed.push(self.narrow(scope, &call, &mut clauses)?);
        }
        let mut narrowed = narrowed.into_iter();
        for mut clause in clauses {
            match &mut clause {
                // The pattern lets nothing else pass.
                Clause::Predicate(_) if narrowed.next() == Some(true) => continue,
                Clause::Predicate(call) => self.order(scope, call)?,
                Clause::Function(function) => self.order(scope, &mut function.call)?,
                Clause::Not(not) => self.apply(scope, &mut not.body)?,
                Clause::Or(or) => {
                    or.branches.iter_mut().try_for_each(|branch| self.apply(scope, branch))?;
                }
                _ => {}
            }
            kept.push(clause);
        }
        conjunction.clauses = kept;
        Ok(())
    }

    /// The type by which a call compares, if there is one.
    fn order_of(&mut self, scope: usize, call: &Call) -> Result<Option<Arc<RegisteredType>>> {
        let mut found: Types = Types::new();
        for arg in &call.args {
            if let Arg::Var(var) = arg {
                self.types((scope, *var)).iter().for_each(|registered| add(&mut found, registered.clone()));
            }
        }
        single(found, call.span)
    }

    fn order(&mut self, scope: usize, call: &mut Call) -> Result<()> {
        for arg in &mut call.args {
            if let Arg::Call(inner) = arg {
                self.order(scope, inner)?;
            }
        }
        let Callee::Function(function) = &call.function else { return Ok(()) };
        // Only what compares needs a single order.
        let compares = crate::functions::Comparison::of(function).is_some();
        if compares
            && let Some(registered) = self.order_of(scope, call)?
            && let Some(ordered) = function.ordered_by(&registered)
        {
            call.function = Callee::Function(Arc::new(ordered));
        }
        Ok(())
    }

    /// Narrows the patterns that a comparison with constants speaks of; says whether nothing of it is left to test.
    fn narrow(&mut self, scope: usize, call: &Call, clauses: &mut [Clause]) -> Result<bool> {
        use Operator as O;
        let Some(operator @ (O::Less | O::LessEq | O::Greater | O::GreaterEq)) = operator(call) else {
            return Ok(false);
        };
        let Some(registered) = self.order_of(scope, call)? else { return Ok(false) };
        let mut is_all = call.args.len() > 1;
        for pair in call.args.windows(2) {
            let (var, constant, is_flipped) = match (&pair[0], &pair[1]) {
                (Arg::Var(var), Arg::Const(constant)) => (*var, constant, false),
                (Arg::Const(constant), Arg::Var(var)) => (*var, constant, true),
                _ => {
                    is_all = false;
                    continue;
                }
            };
            let range = range(&registered, operator, is_flipped, constant, call.span)?;
            let mut is_narrowed = false;
            for clause in clauses.iter_mut() {
                if let Clause::Pattern(pattern) = clause
                    && pattern.v == Term::Var(var)
                    && self.type_of(pattern).as_deref() == Some(&*registered)
                {
                    let both = match pattern.within.take() {
                        Some(within) => intersect(within, range.clone()),
                        None => range.clone(),
                    };
                    pattern.within = Some(both);
                    is_narrowed = true;
                }
            }
            is_all &= is_narrowed;
        }
        Ok(is_all)
    }

    /// The types of what leaves the query, where its order matters.
    pub fn of_output(
        &mut self,
        query: &Query,
        fields: &[(Symbol, Field)],
        output: &[VarId],
    ) -> Result<HashMap<Symbol, Arc<RegisteredType>>> {
        let mut found = HashMap::new();
        let mut note = |orders: &mut Self, name: &Symbol, span: Span| -> Result<()> {
            let column = fields.iter().find_map(|(field, at)| match at {
                Field::Column(column) if field == name => Some(*column),
                _ => None,
            });
            let Some(column) = column else { return Ok(()) };
            let types = orders.types((0, output[column])).to_vec();
            if let Some(registered) = single(types, span)? {
                found.insert(name.clone(), registered);
            }
            Ok(())
        };
        for key in &query.order_by {
            match &key.column {
                OrderColumn::Variable(variable) => note(self, &variable.name, variable.span)?,
                OrderColumn::Index(index) => {
                    let element = usize::try_from(*index).ok().and_then(|at| query.find.elements.get(at));
                    if let Some(FindElement::Variable(variable)) = element {
                        note(self, &variable.name, variable.span)?;
                    }
                }
            }
        }
        let mut aggregates = Vec::new();
        for element in &query.find.elements {
            match element {
                FindElement::Aggregate(aggregate) => aggregates.push(aggregate),
                FindElement::Arithmetic(arithmetic) => {
                    aggregates.extend(arithmetic.operands.iter().flat_map(crate::walk::operand_aggregates));
                }
                FindElement::Variable(_) | FindElement::Pull(_) => {}
            }
        }
        aggregates.extend(
            query
                .having
                .iter()
                .flat_map(|having| having.args.iter().flat_map(crate::walk::operand_aggregates)),
        );
        for aggregate in aggregates {
            if matches!(&aggregate.name, AggregateName::Named(name, _) if matches!(name.as_str(), "min" | "max"))
            {
                note(self, &aggregate.over.name, aggregate.over.span)?;
            }
        }
        Ok(found)
    }
}

fn add(types: &mut Types, registered: Arc<RegisteredType>) {
    if !types.contains(&registered) {
        types.push(registered);
    }
}

/// The only one of the types; two have no common order.
fn single(types: Types, span: Span) -> Result<Option<Arc<RegisteredType>>> {
    match &types[..] {
        [] => Ok(None),
        [registered] => Ok(Some(registered.clone())),
        [one, other, ..] => {
            Err(AnalyseError::TwoOrders { one: one.name().clone(), other: other.name().clone(), span })
        }
    }
}

fn operator(call: &Call) -> Option<Operator> {
    match &call.function {
        Callee::Function(function) => function.operator(),
        _ => None,
    }
}

/// The stored values for which `(operator ?v constant)` holds, or `(operator constant ?v)`.
fn range(
    registered: &RegisteredType,
    operator: Operator,
    is_flipped: bool,
    constant: &Value,
    span: Span,
) -> Result<ValueRange> {
    let is_inclusive = matches!(operator, Operator::LessEq | Operator::GreaterEq);
    let is_upper = matches!(operator, Operator::Less | Operator::LessEq) != is_flipped;
    let range = match is_upper {
        true => registered.upper(constant, is_inclusive).map(|hi| ValueRange { lo: Bound::Unbounded, hi }),
        false => registered.lower(constant, is_inclusive).map(|lo| ValueRange { lo, hi: Bound::Unbounded }),
    };
    range.map_err(|error| AnalyseError::Reference { source: error.into(), span })
}

/// What lies in both; bounds of order keys include below and exclude above.
fn intersect(one: ValueRange, other: ValueRange) -> ValueRange {
    let bytes = |bound: &Bound<EncodedValue>| match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value.clone()),
        Bound::Unbounded => None,
    };
    let lo = bytes(&one.lo).max(bytes(&other.lo)).map_or(Bound::Unbounded, Bound::Included);
    let hi = match (bytes(&one.hi), bytes(&other.hi)) {
        (Some(one), Some(other)) => Bound::Excluded(one.min(other)),
        (Some(only), None) | (None, Some(only)) => Bound::Excluded(only),
        (None, None) => Bound::Unbounded,
    };
    ValueRange { lo, hi }
}
