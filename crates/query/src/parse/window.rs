//! `:keys`, `:order-by`, `:limit`, `:offset`, `:timeout`.

use edn::{Form, FormKind, Keyword, Span, Value};
use nom::branch::alt;
use nom::combinator::{map, opt, verify};
use nom::multi::many1;
use nom::sequence::terminated;
use nom::{Input, Parser};

use super::error::ParseError;
use super::forms::{
    Fault, Forms, Parsed, any, end, expect, failure, keyword, plain_symbol, variable, vector,
};
use crate::ast::{OrderColumn, OrderKey, ReturnMap, ReturnMapKind, Timeout, Window};

/// The content of `:keys`, `:strs` or `:syms`.
pub(super) fn return_map(
    kind: ReturnMapKind,
    section: &Keyword,
    input: Forms<'_>,
) -> Result<ReturnMap, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::ReturnMapName {
        section: section.clone(),
        found: input.found(),
        span: input.span(),
    };
    let span = input.span();
    let names = expect(many1(map(plain_symbol, |(name, _)| name)), bad);
    let (_, names) = terminated(names, end(bad)).parse(input)?;
    Ok(ReturnMap { kind, names, span })
}

/// The content of `:order-by`: `?x`, a column, or a vector of these with directions. In a map query the vector may
/// be the section itself.
pub(super) fn order_by(input: Forms<'_>) -> Result<Vec<OrderKey>, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::OrderByFormat { found: input.found(), span: input.span() };
    let keys = |input| terminated(expect(many1(order_key), bad), end(bad)).parse(input);
    let (_, keys) = match input.items() {
        [form] if matches!(form.kind, FormKind::Vector(_)) => {
            map(vector(keys), |(keys, _)| keys).parse(input)?
        }
        _ => keys(input)?,
    };
    Ok(keys)
}

/// `?x`, `?x :desc`, `1 :asc`
fn order_key(input: Forms<'_>) -> Parsed<'_, OrderKey> {
    let span = input.span();
    let is_column = |form: &Form| matches!(form.as_atom(), Some(Value::Int(_) | Value::Symbol(_)));
    let (at_direction, column) =
        alt((map(variable, OrderColumn::Variable), map(index, OrderColumn::Index))).parse(input)?;
    let (rest, direction) = opt(verify(any, |form: &&Form| !is_column(form))).parse(at_direction)?;
    let bad =
        || failure(ParseError::OrderByDirection { found: at_direction.found(), span: at_direction.span() });
    let descending = match direction {
        None => false,
        Some(_) => match keyword(at_direction).map_err(|_| bad())?.1.0.as_str() {
            "asc" => false,
            "desc" => true,
            _ => return Err(bad()),
        },
    };
    Ok((rest, OrderKey { column, descending, span }))
}

fn index(input: Forms<'_>) -> Parsed<'_, i64> {
    integer(input).map(|(rest, (value, _))| (rest, value))
}

fn integer(input: Forms<'_>) -> Parsed<'_, (i64, Span)> {
    match input.first().and_then(|form| form.as_atom()?.as_int()) {
        Some(value) => Ok((input.take_from(1), (value, input.span()))),
        None => Err(nom::Err::Error(Fault::Other)),
    }
}

/// The content of `:limit`: `nil` and negative numbers are no limit.
pub(super) fn limit(input: Forms<'_>) -> Result<Window, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadLimit { found: input.found(), span: input.span() };
    let (_, window) = terminated(expect(window, bad), end(bad)).parse(input)?;
    match window {
        Parameter::Number(0, _) => Err(failure(bad(input))),
        Parameter::Number(number, span) => Ok(Window::Count(u64::try_from(number).ok(), span)),
        Parameter::Variable(variable) => Ok(Window::Variable(variable)),
    }
}

/// The content of `:offset`.
pub(super) fn offset(input: Forms<'_>) -> Result<Window, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadOffset { found: input.found(), span: input.span() };
    let (_, window) = terminated(expect(window, bad), end(bad)).parse(input)?;
    match window {
        Parameter::Number(number, span) => match u64::try_from(number) {
            Ok(number) => Ok(Window::Count(Some(number), span)),
            Err(_) => Err(failure(bad(input))),
        },
        Parameter::Variable(variable) => Ok(Window::Variable(variable)),
    }
}

enum Parameter {
    Number(i64, Span),
    Variable(crate::ast::Variable),
}

fn window(input: Forms<'_>) -> Parsed<'_, Parameter> {
    alt((map(integer, |(number, span)| Parameter::Number(number, span)), map(variable, Parameter::Variable)))
        .parse(input)
}

/// The content of `:timeout`.
pub(super) fn timeout(input: Forms<'_>) -> Result<Timeout, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadTimeout { found: input.found(), span: input.span() };
    let (_, (number, span)) = terminated(expect(integer, bad), end(bad)).parse(input)?;
    match u64::try_from(number) {
        Ok(millis) if millis > 0 => Ok(Timeout { millis, span }),
        _ => Err(failure(bad(input))),
    }
}
