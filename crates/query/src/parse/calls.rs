//! Calls of functions and predicates, and their arguments.

use std::sync::Arc;

use edn::{FormKind, Value};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt};
use nom::multi::many0;
use nom::sequence::terminated;

use super::error::ParseError;
use super::forms::{Forms, Parsed, any, constant, end, list, plain_symbol, source, variable};
use super::query_of_forms;
use crate::ast::{Argument, Call, CallTarget};

/// `(f arg ..)`
pub(super) fn call(input: Forms<'_>) -> Parsed<'_, Call> {
    input.check_depth()?;
    let (rest, ((target, args), span)) = list(target_and_arguments).parse(input)?;
    Ok((rest, Call { target, args, span }))
}

fn target_and_arguments(input: Forms<'_>) -> Parsed<'_, (CallTarget, Vec<Argument>)> {
    let (rest, target) = alt((
        map(variable, CallTarget::Variable),
        map(plain_symbol, |(name, span)| CallTarget::Named(name, span)),
    ))
    .parse(input)?;
    let is_query = matches!(&target, CallTarget::Named(name, _) if name.as_str() == "q");
    let (rest, query) = if is_query { opt(nested_query).parse(rest)? } else { (rest, None) };
    let (rest, mut args) = arguments(rest)?;
    args.splice(0..0, query);
    Ok((rest, (target, args)))
}

fn bad_argument(input: Forms<'_>) -> ParseError {
    ParseError::BadClause {
        found: input.found(),
        expected: "an argument: a variable, source, constant or call",
        span: input.span(),
    }
}

fn arguments(input: Forms<'_>) -> Parsed<'_, Vec<Argument>> {
    terminated(many0(argument), end(bad_argument)).parse(input)
}

fn argument(input: Forms<'_>) -> Parsed<'_, Argument> {
    // A quoted form is the call of `quote` to the eye, but its argument is not to be looked into.
    alt((
        map(variable, Argument::Variable),
        map(source, Argument::Source),
        map(constant, Argument::Constant),
        map(plain_symbol, |(name, span)| Argument::Name(name, span)),
        map(call, |call| Argument::Call(Box::new(call))),
    ))
    .parse(input)
}

/// The query of `(q query ..)`, quoted or bare, parsed here so that its errors point into it; nothing is taken if
/// something else stands there.
fn nested_query(input: Forms<'_>) -> Parsed<'_, Argument> {
    let (rest, form) = any(input)?;
    let query = match &form.kind {
        FormKind::List(items) => match items.as_slice() {
            [quote, query] if quote.as_symbol().is_some_and(|name| name.as_str() == "quote") => query,
            // A keyword cannot be called, so the list is a query and not a nested call.
            [section, ..] if matches!(section.as_atom(), Some(Value::Keyword(_))) => form,
            _ => return argument(input),
        },
        FormKind::Vector(_) | FormKind::Map(_) => form,
        _ => return argument(input),
    };
    let query = query_of_forms(query, input)?;
    Ok((rest, Argument::Query(Arc::new(query))))
}

/// The error of a list that should have been a call.
pub(super) fn bad_call(input: Forms<'_>) -> ParseError {
    ParseError::BadClause { found: input.found(), expected: "a call such as (< ?x 3)", span: input.span() }
}
