//! `:in` and bindings.

use nom::Parser;
use nom::branch::alt;
use nom::combinator::{map, opt};
use nom::multi::many1;
use nom::sequence::terminated;

use super::error::ParseError;
use super::forms::{
    Fault, Forms, Parsed, blank, end, expect, failure, plain_symbol, source, variable, vector, word,
};
use crate::ast::{Binding, Input, Variable};

/// The content of `:in`.
pub(super) fn inputs(input: Forms<'_>) -> Result<Vec<Input>, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadInput { found: input.found(), span: input.span() };
    let parameter = alt((
        map(source, Input::Source),
        map(word("%"), Input::Rules),
        map(plain_symbol, |(name, span)| Input::Plain(Variable { name, span })),
        map(binding, Input::Binding),
    ));
    let parameters = expect(many1(parameter), bad);
    terminated(parameters, end(bad)).parse(input).map(|(_, parameters)| parameters)
}

/// `?x`, `_`, `[?x ?y]`, `[?x ...]`, `[[?x ?y]]`, to any depth.
pub(super) fn binding(input: Forms<'_>) -> Parsed<'_, Binding> {
    input.check_depth()?;
    alt((map(variable, Binding::Scalar), map(blank, Binding::Blank), nested)).parse(input)
}

/// The bindings in brackets. One pass finds out which kind it is, so that deep nesting costs no more than its length.
fn nested(input: Forms<'_>) -> Parsed<'_, Binding> {
    let bad = |input: Forms<'_>| ParseError::BadBinding { found: input.found(), span: input.span() };
    let parts = (expect(many1(binding), bad), terminated(opt(word("...")), end(bad)));
    let (rest, ((mut parts, dots), span)) = vector(parts).parse(input)?;
    let is_vector = |binding: &Binding| matches!(binding, Binding::Tuple(..) | Binding::Collection(..));
    // A vector with one vector inside is a relation; a tuple of one tuple would look the same.
    if parts.len() == 1 && (dots.is_some() || is_vector(&parts[0])) {
        return Ok((rest, Binding::Collection(Box::new(parts.remove(0)), span)));
    }
    match dots {
        Some(_) => Err(failure(bad(input))),
        None => Ok((rest, Binding::Tuple(parts, span))),
    }
}
