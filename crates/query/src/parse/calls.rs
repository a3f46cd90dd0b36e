//! Calls of functions and predicates, and their arguments.

use std::sync::Arc;

use edn::{Form, FormKind};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::map;
use nom::multi::many0;
use nom::sequence::terminated;

use super::error::ParseError;
use super::forms::{Fault, Forms, Parsed, any, constant, end, list, plain_symbol, source, variable};
use super::query_of_forms;
use crate::ast::{Argument, Call, CallTarget};

/// `(f arg ..)`
pub(super) fn call(input: Forms<'_>) -> Parsed<'_, Call> {
    input.check_depth()?;
    let target = alt((
        map(variable, CallTarget::Variable),
        map(plain_symbol, |(name, span)| CallTarget::Named(name, span)),
    ));
    let (rest, ((target, args), span)) = list((target, arguments)).parse(input)?;
    // The query of a nested query is parsed here, so that its errors point into it.
    let is_query = matches!(&target, CallTarget::Named(name, _) if name.as_str() == "q");
    let mut parsed = Vec::with_capacity(args.len());
    for (index, (argument, form, depth)) in args.into_iter().enumerate() {
        parsed.push(match is_query && index == 0 {
            true => nested_query(form, depth)?.unwrap_or(argument),
            false => argument,
        });
    }
    Ok((rest, Call { target, args: parsed, span }))
}

fn bad_argument(input: Forms<'_>) -> ParseError {
    ParseError::BadClause {
        found: input.found(),
        expected: "an argument: a variable, source, constant or call",
        span: input.span(),
    }
}

type SeenArgument<'f> = (Argument, &'f Form, Forms<'f>);

fn arguments(input: Forms<'_>) -> Parsed<'_, Vec<SeenArgument<'_>>> {
    let seen = |input| {
        let (_, form) = any(input)?;
        map(argument, move |argument| (argument, form, input)).parse(input)
    };
    terminated(many0(seen), end(bad_argument)).parse(input)
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

/// The query of `(q query ..)`, quoted or bare; none if something else stands there.
fn nested_query(form: &Form, outer: Forms<'_>) -> Result<Option<Argument>, nom::Err<Fault>> {
    let query = match &form.kind {
        FormKind::List(items) => match items.as_slice() {
            [quote, query] if quote.as_symbol().is_some_and(|name| name.as_str() == "quote") => query,
            _ => return Ok(None),
        },
        FormKind::Vector(_) | FormKind::Map(_) => form,
        _ => return Ok(None),
    };
    let query = query_of_forms(query, outer)?;
    Ok(Some(Argument::Query(Arc::new(query))))
}

/// The error of a list that should have been a call.
pub(super) fn bad_call(input: Forms<'_>) -> ParseError {
    ParseError::BadClause { found: input.found(), expected: "a call such as (< ?x 3)", span: input.span() }
}
