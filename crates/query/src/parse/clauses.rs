//! The clauses of `:where`, of `not` and `or`, and of rule bodies.

use edn::{Form, FormKind, Span, Symbol};
use nom::branch::alt;
use nom::combinator::{cut, map, opt};
use nom::multi::{many0, many1};
use nom::sequence::{preceded, terminated};
use nom::{Input, Parser};

use super::calls::{bad_call, call};
use super::error::ParseError;
use super::forms::{
    Fault, Forms, Parsed, any, blank, constant, end, expect, failure, list, plain_symbol, source, symbol,
    variable, vector, word,
};
use super::inputs::binding;
use super::rules::rule_vars;
use crate::ast::{Branch, Clause, FunctionClause, Not, Or, Pattern, RuleCall, Term};
use crate::walk;

/// Names that cannot be rules.
pub(crate) const RESERVED: [&str; 5] = ["not", "not-join", "or", "or-join", "and"];

/// Clauses to the end.
pub(super) fn clauses(input: Forms<'_>) -> Parsed<'_, Vec<Clause>> {
    terminated(many0(clause), end(bad_clause)).parse(input)
}

fn bad_clause(input: Forms<'_>) -> ParseError {
    ParseError::BadClause {
        found: input.found(),
        expected: "a pattern [?e :attribute ?v], a call [(f ?x)] or a list such as (not ..) and (rule ?x)",
        span: input.span(),
    }
}

fn clause(input: Forms<'_>) -> Parsed<'_, Clause> {
    input.check_depth()?;
    match input.first().map(|form| &form.kind) {
        Some(FormKind::Vector(items)) if items.is_empty() => {
            Err(failure(ParseError::EmptyPattern { span: input.span() }))
        }
        Some(FormKind::Vector(items)) if is_call(items) => cut(call_clause).parse(input),
        Some(FormKind::Vector(_)) => cut(map(pattern, Clause::Pattern)).parse(input),
        Some(FormKind::List(_)) => list_clause(input),
        _ => Err(nom::Err::Error(Fault::Other)),
    }
}

/// Whether a vector clause begins with a list that is no quoted constant.
fn is_call(items: &[Form]) -> bool {
    match items.first().map(|form| &form.kind) {
        Some(FormKind::List(call)) => {
            let quoted = call.first().and_then(Form::as_symbol).is_some_and(|name| name.as_str() == "quote");
            !(quoted && items.len() > 2)
        }
        _ => false,
    }
}

/// `[(f ?x)]`, `[(f ?x) ?y]`
fn call_clause(input: Forms<'_>) -> Parsed<'_, Clause> {
    let too_many = |input: Forms<'_>| ParseError::BadClause {
        found: input.found(),
        expected: "one call and at most one binding",
        span: input.span(),
    };
    let bad_binding = |input: Forms<'_>| ParseError::BadBinding { found: input.found(), span: input.span() };
    let content = (expect(call, bad_call), optional(expect(binding, bad_binding)));
    map(vector(terminated(content, end(too_many))), |((call, binding), span)| match binding {
        Some(binding) => Clause::Function(FunctionClause { call, binding, span }),
        None => Clause::Predicate(call),
    })
    .parse(input)
}

/// Nothing, or else `parser`.
fn optional<'f, T>(
    mut parser: impl Parser<Forms<'f>, Output = T, Error = Fault>,
) -> impl Parser<Forms<'f>, Output = Option<T>, Error = Fault> {
    move |input: Forms<'f>| match input.is_empty() {
        true => Ok((input, None)),
        false => parser.parse(input).map(|(rest, parsed)| (rest, Some(parsed))),
    }
}

/// `[$src e a v ..]`
fn pattern(input: Forms<'_>) -> Parsed<'_, Pattern> {
    let terms = expect(many1(term), bad_term);
    map(vector((opt(source), terminated(terms, end(bad_term)))), |((source, terms), span)| Pattern {
        source,
        terms,
        span,
    })
    .parse(input)
}

/// A position of a pattern, or an argument of a rule.
fn term(input: Forms<'_>) -> Parsed<'_, Term> {
    alt((map(variable, Term::Variable), map(blank, Term::Blank), map(constant, Term::Constant))).parse(input)
}

fn bad_term(input: Forms<'_>) -> ParseError {
    let span = input.span();
    match input.first().map(|form| (form, form.as_symbol())) {
        None => ParseError::EmptyPattern { span },
        Some((_, Some(name))) => ParseError::BareSymbol { name: name.clone(), span },
        Some(_) => ParseError::BadClause {
            found: input.found(),
            expected: "a variable, _ or a constant; calls are written [(f ?x) ?y]",
            span,
        },
    }
}

/// `(not ..)`, `(or ..)`, `(rule ..)` and their like, also with a source in front.
fn list_clause(input: Forms<'_>) -> Parsed<'_, Clause> {
    let bad_head = |input: Forms<'_>| ParseError::BadClause {
        found: input.found(),
        expected: "not, not-join, or, or-join or the name of a rule",
        span: input.span(),
    };
    let mut head = list(terminated((opt(source), expect(plain_symbol, bad_head)), many0(any)));
    let (_, ((_, (name, name_span)), span)) = head.parse(input)?;
    match name.as_str() {
        "not" => map(inner(not(None)), Clause::Not).parse(input),
        "not-join" => map(inner(not_join), Clause::Not).parse(input),
        "or" => map(inner(or), Clause::Or).parse(input),
        "or-join" => map(inner(or_join), Clause::Or).parse(input),
        "and" => Err(failure(ParseError::AndNotAllowed { span })),
        _ => map(inner(rule_call(name, name_span)), Clause::Rule).parse(input),
    }
}

/// What stands behind the head of a list clause, with the source in front of the head.
type Inner<'f> = (Option<crate::ast::SourceName>, Forms<'f>, Span);

/// A list clause whose content `parser` takes.
fn inner<'f, T>(
    parser: impl Fn(Inner<'f>) -> Result<T, nom::Err<Fault>>,
) -> impl Parser<Forms<'f>, Output = T, Error = Fault> {
    move |input: Forms<'f>| {
        let rest = |input: Forms<'f>| Ok((input.take_from(input.input_len()), input));
        let (after, ((source, _, content), span)) = list((opt(source), any, rest)).parse(input)?;
        Ok((after, parser((source, content, span))?))
    }
}

fn empty(name: &str, span: Span) -> nom::Err<Fault> {
    failure(ParseError::EmptyClause { name: Symbol::parse(name), span })
}

fn not<'f>(join: Option<Vec<crate::ast::Variable>>) -> impl Fn(Inner<'f>) -> Result<Not, nom::Err<Fault>> {
    move |(source, content, span)| {
        let (_, clauses) = clauses(content)?;
        if clauses.is_empty() {
            return Err(empty("not", span));
        }
        if walk::variables(&clauses).is_empty() {
            return Err(failure(ParseError::EmptyJoinVars { span }));
        }
        Ok(Not { source, join: join.clone(), clauses, span })
    }
}

fn not_join((source, content, span): Inner<'_>) -> Result<Not, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadClause {
        found: input.found(),
        expected: "a vector of variables behind not-join",
        span: input.span(),
    };
    let variables = vector(terminated(many0(variable), end(bad)));
    let (content, (join, join_span)) = expect(variables, bad).parse(content)?;
    if join.is_empty() {
        return Err(failure(ParseError::EmptyJoinVars { span: join_span }));
    }
    not(Some(join))((source, content, span))
}

fn or((source, content, span): Inner<'_>) -> Result<Or, nom::Err<Fault>> {
    Ok(Or { source, join: None, branches: branches(content, span)?, span })
}

fn or_join((source, content, span): Inner<'_>) -> Result<Or, nom::Err<Fault>> {
    let bad = |input: Forms<'_>| ParseError::BadClause {
        found: input.found(),
        expected: "a vector of variables behind or-join",
        span: input.span(),
    };
    let (content, (join, _)) = expect(vector(rule_vars), bad).parse(content)?;
    Ok(Or { source, join: Some(join), branches: branches(content, span)?, span })
}

fn branches(content: Forms<'_>, span: Span) -> Result<Vec<Branch>, nom::Err<Fault>> {
    let (_, branches) = terminated(many0(branch), end(bad_clause)).parse(content)?;
    match branches.is_empty() {
        true => Err(empty("or", span)),
        false => Ok(branches),
    }
}

/// A clause, or several in `(and ..)`.
fn branch(input: Forms<'_>) -> Parsed<'_, Branch> {
    let (after, branch) = alt((
        map(list(preceded(word("and"), clauses)), |(clauses, span)| Branch { clauses, span }),
        map(clause, |clause| Branch { clauses: vec![clause], span: input.span() }),
    ))
    .parse(input)?;
    match branch.clauses.is_empty() {
        true => Err(empty("and", branch.span)),
        false => Ok((after, branch)),
    }
}

fn rule_call<'f>(name: Symbol, name_span: Span) -> impl Fn(Inner<'f>) -> Result<RuleCall, nom::Err<Fault>> {
    move |(source, content, span)| {
        if content.is_empty() {
            return Err(failure(ParseError::RuleCallWithoutArguments { name: name.clone(), span }));
        }
        let (_, args) = terminated(many0(term), end(bad_term)).parse(content)?;
        Ok(RuleCall { source, name: name.clone(), name_span, args, span })
    }
}

/// The name of a rule where it is defined.
pub(super) fn rule_name(input: Forms<'_>) -> Parsed<'_, (Symbol, Span)> {
    nom::combinator::verify(symbol, |(name, _): &(Symbol, Span)| {
        !RESERVED.contains(&name.as_str()) && !name.as_str().starts_with(['?', '$', '%', '_'])
    })
    .parse(input)
}
