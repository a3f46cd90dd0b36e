//! `:find`, `:with` and `:having`: what leaves a query.

use edn::{Span, Symbol};
use nom::Parser;
use nom::branch::alt;
use nom::combinator::{all_consuming, map, opt, peek, verify};
use nom::multi::{many0, many1};
use nom::sequence::{preceded, terminated};

use super::error::ParseError;
use super::forms::{
    Fault, Forms, Parsed, any, constant, end, expect, failure, list, plain_symbol, source, symbol, variable,
    vector, word,
};
use crate::ast::{
    Aggregate, AggregateArg, AggregateName, Arithmetic, Find, FindElement, FindShape, Having, Operand, Pull,
    PullPatternArg, Variable,
};

/// The operators of arithmetic over aggregates.
const OPERATORS: [&str; 7] = ["+", "-", "*", "/", "mod", "rem", "quot"];

/// The content of `:find`.
pub(super) fn find(input: Forms<'_>) -> Result<Find, nom::Err<Fault>> {
    let span = input.span();
    if input.is_empty() {
        return Err(failure(ParseError::EmptyFind { span }));
    }
    let collection = map(vector(terminated(map(element, |element| vec![element]), word("..."))), |found| {
        (FindShape::Collection, found.0)
    });
    let tuple = map(vector(elements), |found| (FindShape::Tuple, found.0));
    let dotted = map(terminated(many1(element), word(".")), |elements| match elements.len() {
        1 => (FindShape::Scalar, elements),
        _ => (FindShape::Tuple, elements),
    });
    let relation = map(elements, |elements| (FindShape::Relation, elements));
    let shapes = alt((
        all_consuming(collection),
        all_consuming(tuple),
        all_consuming(dotted),
        all_consuming(relation),
    ));
    let (_, (shape, elements)) = expect(shapes, bad_find).parse(input)?;
    Ok(Find { shape, elements, span })
}

/// At least one element, and nothing else.
fn elements(input: Forms<'_>) -> Parsed<'_, Vec<FindElement>> {
    terminated(many1(element), end(bad_find)).parse(input)
}

fn bad_find(input: Forms<'_>) -> ParseError {
    ParseError::BadFind { found: input.found(), span: input.span() }
}

fn element(input: Forms<'_>) -> Parsed<'_, FindElement> {
    alt((
        map(variable, FindElement::Variable),
        map(pull, FindElement::Pull),
        map(arithmetic, FindElement::Arithmetic),
        map(aggregate, FindElement::Aggregate),
    ))
    .parse(input)
}

/// `(pull $src ?e pattern)`
fn pull(input: Forms<'_>) -> Parsed<'_, Pull> {
    let span = input.span();
    let bad = move |_: Forms<'_>| ParseError::BadPull { span };
    let pattern = alt((
        map(variable, PullPatternArg::Input),
        map(plain_symbol, |(name, span)| PullPatternArg::Input(Variable { name, span })),
        map(peek(vector(many0(any))).and(any), |(_, form)| PullPatternArg::Literal(form.clone())),
    ));
    let arguments = (opt(source), expect(variable, bad), terminated(expect(pattern, bad), end(bad)));
    map(list(preceded(word("pull"), arguments)), |((source, entity, pattern), span)| Pull {
        source,
        entity,
        pattern,
        span,
    })
    .parse(input)
}

/// `(+ (sum ?x) 1)`
fn arithmetic(input: Forms<'_>) -> Parsed<'_, Arithmetic> {
    input.check_depth()?;
    let (_, ((operator, _), _)) = list(terminated(operator, many0(any))).parse(input)?;
    let bad = |input: Forms<'_>| ParseError::ArithmeticOperand {
        operator: operator.clone(),
        found: input.found(),
        span: input.span(),
    };
    let operands = terminated(many1(operand_of_arithmetic), end(bad));
    map(list(preceded(any, expect(operands, bad))), |(operands, span)| Arithmetic {
        operator: operator.clone(),
        operands,
        span,
    })
    .parse(input)
}

fn operator(input: Forms<'_>) -> Parsed<'_, (edn::Symbol, edn::Span)> {
    nom::combinator::verify(symbol, |(name, _): &(edn::Symbol, _)| OPERATORS.contains(&name.as_str()))
        .parse(input)
}

fn operand_of_arithmetic(input: Forms<'_>) -> Parsed<'_, Operand> {
    let number = nom::combinator::verify(constant, |constant| {
        crate::functions::number::Number::of(&constant.value).is_some()
    });
    alt((
        map(arithmetic, Operand::Arithmetic),
        map(aggregate, Operand::Aggregate),
        map(number, Operand::Constant),
    ))
    .parse(input)
}

/// `(name arg .. ?x)`, `(aggregate ?f arg .. ?x)`
fn aggregate(input: Forms<'_>) -> Parsed<'_, Aggregate> {
    let by_input = map(preceded(word("aggregate"), variable), AggregateName::Input);
    let plain = verify(plain_symbol, |(name, _): &(Symbol, Span)| name.as_str() != "aggregate");
    let by_name = map(plain, |(name, span)| AggregateName::Named(name, span));
    let argument = alt((map(variable, AggregateArg::Variable), map(constant, AggregateArg::Constant)));
    let (rest, ((name, mut args), span)) =
        list((alt((by_input, by_name)), terminated(many0(argument), end(bad_find)))).parse(input)?;
    match args.pop() {
        Some(AggregateArg::Variable(over)) => Ok((rest, Aggregate { name, args, over, span })),
        _ => {
            let name = match name {
                AggregateName::Named(name, _) => name,
                AggregateName::Input(variable) => variable.name,
            };
            Err(failure(ParseError::AggregateVariable { name, span }))
        }
    }
}

/// The content of `:with`.
pub(super) fn with(input: Forms<'_>) -> Result<Vec<Variable>, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadWith { found: input.found(), span: input.span() };
    let variables = expect(many1(variable), bad);
    terminated(variables, end(bad)).parse(input).map(|(_, variables)| variables)
}

/// The content of `:having`.
pub(super) fn having(input: Forms<'_>) -> Result<Vec<Having>, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadHaving { found: input.found(), span: input.span() };
    let conditions = expect(many1(condition), bad);
    terminated(conditions, end(bad)).parse(input).map(|(_, conditions)| conditions)
}

/// `[(pred arg ..)]`
fn condition(input: Forms<'_>) -> Parsed<'_, Having> {
    let bad = |input: Forms<'_>| ParseError::HavingArgument { found: input.found(), span: input.span() };
    let argument = alt((
        map(arithmetic, Operand::Arithmetic),
        map(aggregate, Operand::Aggregate),
        map(constant, Operand::Constant),
    ));
    let call = list((plain_symbol, terminated(many0(argument), end(bad))));
    map(vector(call), |((((predicate, predicate_span), args), _), span)| Having {
        predicate,
        predicate_span,
        args,
        span,
    })
    .parse(input)
}
