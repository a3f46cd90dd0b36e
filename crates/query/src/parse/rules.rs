//! Rule definitions and the variables of their heads.

use edn::{Span, Symbol};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt};
use nom::multi::{many0, many1};
use nom::sequence::terminated;

use super::clauses::{clauses, rule_name};
use super::error::ParseError;
use super::forms::{Fault, Forms, Parsed, end, expect, failure, list, variable, vector};
use crate::ast::{Clause, RuleDefinition, RuleVars, Variable};

/// `[?required ..] ?free ..` to the end.
pub(super) fn rule_vars(input: Forms<'_>) -> Parsed<'_, RuleVars> {
    let bad = |input: Forms<'_>| ParseError::BadRuleVar { found: input.found(), span: input.span() };
    let required = opt(vector(terminated(many1(variable), end(bad))));
    let (rest, (required, free)) = (required, terminated(many0(variable), end(bad))).parse(input)?;
    let vars = RuleVars { required: required.map_or_else(Vec::new, |(vars, _)| vars), free };
    if vars.is_empty() {
        return Err(failure(ParseError::NoRuleVars { span: input.span() }));
    }
    let all: Vec<&Variable> = vars.iter().collect();
    for (index, variable) in all.iter().enumerate() {
        if all[..index].iter().any(|other| other.name == variable.name) {
            let (name, span) = (variable.name.clone(), variable.span);
            return Err(failure(ParseError::DuplicateRuleVar { name, span }));
        }
    }
    Ok((rest, vars))
}

/// Rule definitions to the end.
pub(super) fn definitions(input: Forms<'_>) -> Result<Vec<RuleDefinition>, nom::Err<Fault>> {
    let (_, definitions) = terminated(many0(definition), end(bad_rule)).parse(input)?;
    check_arities(&definitions)?;
    Ok(definitions)
}

/// `[(name ?a ?b) clause ..]`, also written as a list.
fn definition(input: Forms<'_>) -> Parsed<'_, RuleDefinition> {
    let (rest, ((head, clauses), span)) = alt((vector(head_and_body), list(head_and_body))).parse(input)?;
    let Head { name, vars, span: head_span } = head;
    if clauses.is_empty() {
        return Err(failure(ParseError::RuleWithoutClauses { name, span }));
    }
    Ok((rest, RuleDefinition { name, head_span, vars, clauses, span }))
}

struct Head {
    name: Symbol,
    vars: RuleVars,
    span: Span,
}

fn head_and_body(input: Forms<'_>) -> Parsed<'_, (Head, Vec<Clause>)> {
    (expect(head, bad_rule), clauses).parse(input)
}

/// `(name ?a ?b)`
fn head(input: Forms<'_>) -> Parsed<'_, Head> {
    map(list((expect(rule_name, bad_rule), rule_vars)), |(((name, _), vars), span)| Head { name, vars, span })
        .parse(input)
}

fn bad_rule(input: Forms<'_>) -> ParseError {
    ParseError::BadRule { found: input.found(), span: input.span() }
}

/// All definitions of a name must have the same number of required and of free variables.
fn check_arities(definitions: &[RuleDefinition]) -> Result<(), nom::Err<Fault>> {
    let shape = |vars: &RuleVars| match vars.required.len() {
        0 => format!("{} variables", vars.free.len()),
        required => format!("{required} required and {} free variables", vars.free.len()),
    };
    for (index, definition) in definitions.iter().enumerate() {
        let first = definitions[..index].iter().find(|other| other.name == definition.name);
        let Some(first) = first else { continue };
        let same = first.vars.required.len() == definition.vars.required.len()
            && first.vars.free.len() == definition.vars.free.len();
        if !same {
            return Err(failure(ParseError::RuleArity {
                name: definition.name.clone(),
                expected: shape(&first.vars),
                got: shape(&definition.vars),
                span: definition.head_span,
            }));
        }
    }
    Ok(())
}
