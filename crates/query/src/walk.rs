//! Walks over the tree of a query: which variables, sources and rules occur in it.
//!
//! Nested queries are islands: their variables are their own.

use crate::ast::{
    Aggregate, AggregateArg, AggregateName, Argument, Binding, Call, CallTarget, Clause, Find, FindElement,
    Operand, Pattern, PullPatternArg, RuleCall, SourceName, Term, Variable,
};

/// The variables of a binding, in the order of the text.
pub(crate) fn binding_variables(binding: &Binding) -> impl Iterator<Item = &Variable> {
    fn collect<'a>(binding: &'a Binding, found: &mut Vec<&'a Variable>) {
        match binding {
            Binding::Scalar(variable) => found.push(variable),
            Binding::Blank(_) => {}
            Binding::Tuple(parts, _) => parts.iter().for_each(|part| collect(part, found)),
            Binding::Collection(inner, _) => collect(inner, found),
        }
    }
    let mut found = Vec::new();
    collect(binding, &mut found);
    found.into_iter()
}

/// What a walk over clauses meets.
enum Met<'a> {
    Variable(&'a Variable),
    Source(&'a SourceName),
    /// A place where `$` is meant though it is not written.
    DefaultSource,
    Rule(&'a RuleCall),
}

/// Shows `see` everything in `clauses`, in the order of the text. Clauses nest only as deep as the parser allows.
fn walk<'a>(clauses: &'a [Clause], see: &mut impl FnMut(Met<'a>)) {
    for clause in clauses {
        match clause {
            Clause::Pattern(pattern) => walk_pattern(pattern, see),
            Clause::Predicate(call) => walk_call(call, see),
            Clause::Function(function) => {
                walk_call(&function.call, see);
                binding_variables(&function.binding).for_each(|variable| see(Met::Variable(variable)));
            }
            Clause::Not(not) => {
                not.source.iter().for_each(|source| see(Met::Source(source)));
                not.join.iter().flatten().for_each(|variable| see(Met::Variable(variable)));
                walk(&not.clauses, see);
            }
            Clause::Or(or) => {
                or.source.iter().for_each(|source| see(Met::Source(source)));
                or.join.iter().flat_map(|join| join.iter()).for_each(|variable| see(Met::Variable(variable)));
                or.branches.iter().for_each(|branch| walk(&branch.clauses, see));
            }
            Clause::Rule(rule) => {
                see(rule.source.as_ref().map_or(Met::DefaultSource, Met::Source));
                see(Met::Rule(rule));
                walk_terms(&rule.args, see);
            }
        }
    }
}

fn walk_pattern<'a>(pattern: &'a Pattern, see: &mut impl FnMut(Met<'a>)) {
    see(pattern.source.as_ref().map_or(Met::DefaultSource, Met::Source));
    walk_terms(&pattern.terms, see);
}

fn walk_terms<'a>(terms: &'a [Term], see: &mut impl FnMut(Met<'a>)) {
    for term in terms {
        if let Term::Variable(variable) = term {
            see(Met::Variable(variable));
        }
    }
}

fn walk_call<'a>(call: &'a Call, see: &mut impl FnMut(Met<'a>)) {
    if let CallTarget::Variable(variable) = &call.target {
        see(Met::Variable(variable));
    }
    for argument in &call.args {
        match argument {
            Argument::Variable(variable) => see(Met::Variable(variable)),
            Argument::Source(source) => see(Met::Source(source)),
            Argument::Call(call) => walk_call(call, see),
            Argument::Constant(_) | Argument::Name(..) | Argument::Query(_) => {}
        }
    }
}

/// Every variable, as often as it is written.
pub(crate) fn variables(clauses: &[Clause]) -> Vec<&Variable> {
    let mut found = Vec::new();
    walk(clauses, &mut |met| {
        if let Met::Variable(variable) = met {
            found.push(variable);
        }
    });
    found
}

/// The variables that clauses share with what is around them: of those that list theirs, only the listed ones.
pub(crate) fn outer_variables(clauses: &[Clause]) -> Vec<&Variable> {
    let mut found = Vec::new();
    for clause in clauses {
        match clause {
            Clause::Not(not) => match &not.join {
                Some(join) => found.extend(join),
                None => found.extend(outer_variables(&not.clauses)),
            },
            Clause::Or(or) => match &or.join {
                Some(join) => found.extend(join.iter()),
                None => or.branches.iter().for_each(|branch| found.extend(outer_variables(&branch.clauses))),
            },
            other => found.extend(variables(std::slice::from_ref(other))),
        }
    }
    found
}

/// Every source that is written.
pub(crate) fn sources(clauses: &[Clause]) -> Vec<&SourceName> {
    let mut found = Vec::new();
    walk(clauses, &mut |met| {
        if let Met::Source(source) = met {
            found.push(source);
        }
    });
    found
}

/// Whether any clause reads a source, written or not.
pub(crate) fn uses_source(clauses: &[Clause]) -> bool {
    let mut uses = false;
    walk(clauses, &mut |met| uses |= matches!(met, Met::Source(_) | Met::DefaultSource));
    uses
}

/// Every call of a rule.
pub(crate) fn rule_calls(clauses: &[Clause]) -> Vec<&RuleCall> {
    let mut found = Vec::new();
    walk(clauses, &mut |met| {
        if let Met::Rule(rule) = met {
            found.push(rule);
        }
    });
    found
}

/// The variables of a find element, in the order of the text.
pub(crate) fn element_variables(element: &FindElement) -> Vec<&Variable> {
    match element {
        FindElement::Variable(variable) => vec![variable],
        FindElement::Aggregate(aggregate) => aggregate_variables(aggregate),
        FindElement::Pull(pull) => {
            let pattern = match &pull.pattern {
                PullPatternArg::Input(variable) => Some(variable),
                PullPatternArg::Literal(_) => None,
            };
            std::iter::once(&pull.entity).chain(pattern).collect()
        }
        FindElement::Arithmetic(arithmetic) => {
            arithmetic.operands.iter().flat_map(operand_aggregates).flat_map(aggregate_variables).collect()
        }
    }
}

/// The variables of `:find`, also inside aggregates.
pub(crate) fn find_variables(find: &Find) -> Vec<&Variable> {
    find.elements.iter().flat_map(element_variables).collect()
}

fn aggregate_variables(aggregate: &Aggregate) -> Vec<&Variable> {
    let function = match &aggregate.name {
        AggregateName::Input(variable) => Some(variable),
        AggregateName::Named(..) => None,
    };
    let args = aggregate.args.iter().filter_map(|arg| match arg {
        AggregateArg::Variable(variable) => Some(variable),
        AggregateArg::Constant(_) => None,
    });
    function.into_iter().chain(args).chain([&aggregate.over]).collect()
}

/// The aggregates of an operand, nested ones included.
pub(crate) fn operand_aggregates(operand: &Operand) -> Vec<&Aggregate> {
    match operand {
        Operand::Aggregate(aggregate) => vec![aggregate],
        Operand::Constant(_) => Vec::new(),
        Operand::Arithmetic(arithmetic) => arithmetic.operands.iter().flat_map(operand_aggregates).collect(),
    }
}
