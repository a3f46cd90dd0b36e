//! EDN forms as input of nom: a sequence of forms is to these parsers what text is to others.
//!
//! ```text
//! [?e :name ?n]   --vector-->   Forms { ?e :name ?n }   --(variable, keyword, variable)-->  ..
//! ```
//!
//! A parser that does not apply fails softly, so that [`nom::branch::alt`] tries the next one; once it is clear what
//! was meant, errors are final and carry a [`ParseError`] with its place.

use std::iter::Enumerate;
use std::slice::Iter;

use edn::{Form, FormKind, Keyword, Span, Symbol, Value};
use nom::error::ErrorKind;
use nom::{IResult, Input, Needed, Parser};

use super::error::ParseError;
use crate::ast::{Constant, SourceName, Variable};

/// How deep clauses and calls may nest.
const DEPTH_MAX: usize = 100;

/// Some forms that follow each other, and where they end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forms<'f> {
    items: &'f [Form],
    /// The place behind the last form: the closing bracket.
    end: Span,
    depth: usize,
}

/// The error of a parser over forms.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The parser does not apply here.
    Other,
    /// What is wrong.
    Known(Box<ParseError>),
}

pub(super) type Parsed<'f, T> = IResult<Forms<'f>, T, Fault>;

impl<'f> nom::error::ParseError<Forms<'f>> for Fault {
    fn from_error_kind(_: Forms<'f>, _: ErrorKind) -> Self {
        Self::Other
    }

    fn append(_: Forms<'f>, _: ErrorKind, other: Self) -> Self {
        other
    }
}

impl<'f> Forms<'f> {
    /// The forms of a section or a document; `end` is where they end.
    pub(super) fn new(items: &'f [Form], end: Span) -> Self {
        Self { items, end, depth: 0 }
    }

    /// The forms inside `form`, one level deeper.
    fn inside(self, items: &'f [Form], form: &Form) -> Self {
        let end = Span::new(form.span.end.saturating_sub(1).max(form.span.start), form.span.end);
        Self { items, end, depth: self.depth + 1 }
    }

    /// The same forms, nested in what `outer` is nested in.
    pub(super) fn at_depth_of(self, outer: Forms<'_>) -> Self {
        Self { depth: outer.depth, ..self }
    }

    pub(super) fn is_empty(self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn first(self) -> Option<&'f Form> {
        self.items.first()
    }

    pub(super) fn items(self) -> &'f [Form] {
        self.items
    }

    /// The place of the first form, or where the sequence ends.
    pub(super) fn span(self) -> Span {
        self.items.first().map_or(self.end, |form| form.span)
    }

    /// The text of the first form for a message.
    pub(super) fn found(self) -> String {
        self.items.first().map_or_else(|| "the end".to_owned(), found)
    }

    /// Whether a clause or call may begin here.
    pub(super) fn check_depth(self) -> Result<(), nom::Err<Fault>> {
        match self.depth > DEPTH_MAX {
            true => Err(failure(ParseError::TooDeep { limit: DEPTH_MAX, span: self.span() })),
            false => Ok(()),
        }
    }
}

impl<'f> Input for Forms<'f> {
    type Item = &'f Form;
    type Iter = Iter<'f, Form>;
    type IterIndices = Enumerate<Iter<'f, Form>>;

    fn input_len(&self) -> usize {
        self.items.len()
    }

    fn take(&self, index: usize) -> Self {
        Self { items: &self.items[..index], end: self.take_from(index).span(), depth: self.depth }
    }

    fn take_from(&self, index: usize) -> Self {
        Self { items: &self.items[index..], ..*self }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), self.take(index))
    }

    fn position<P: Fn(Self::Item) -> bool>(&self, predicate: P) -> Option<usize> {
        self.items.iter().position(predicate)
    }

    fn iter_elements(&self) -> Self::Iter {
        self.items.iter()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.items.iter().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        match self.items.len() >= count {
            true => Ok(count),
            false => Err(Needed::new(count - self.items.len())),
        }
    }
}

/// Characters of a form that a message shows.
const FOUND_MAX: usize = 60;

/// A form as a message shows it.
pub(super) fn found(form: &Form) -> String {
    let text = form.to_string();
    match text.char_indices().nth(FOUND_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A final error.
pub(super) fn failure(error: ParseError) -> nom::Err<Fault> {
    nom::Err::Failure(Fault::Known(Box::new(error)))
}

fn mismatch<T>() -> Result<T, nom::Err<Fault>> {
    Err(nom::Err::Error(Fault::Other))
}

/// The next form, if `pick` takes it.
fn one<'f, T>(pick: impl Fn(&'f Form) -> Option<T>) -> impl Parser<Forms<'f>, Output = T, Error = Fault> {
    move |input: Forms<'f>| match input.first().and_then(&pick) {
        Some(picked) => Ok((input.take_from(1), picked)),
        None => mismatch(),
    }
}

/// Any form.
pub(super) fn any(input: Forms<'_>) -> Parsed<'_, &Form> {
    one(Some).parse(input)
}

/// `parser`, or the final error that `error` makes of the place where it did not apply.
pub(super) fn expect<'f, T>(
    mut parser: impl Parser<Forms<'f>, Output = T, Error = Fault>,
    error: impl Fn(Forms<'f>) -> ParseError,
) -> impl Parser<Forms<'f>, Output = T, Error = Fault> {
    move |input: Forms<'f>| match parser.parse(input) {
        Err(nom::Err::Error(Fault::Other)) => Err(failure(error(input))),
        result => result,
    }
}

/// Nothing is left, else the final error that `error` makes of the rest.
pub(super) fn end<'f>(
    error: impl Fn(Forms<'f>) -> ParseError,
) -> impl Parser<Forms<'f>, Output = (), Error = Fault> {
    move |input: Forms<'f>| match input.is_empty() {
        true => Ok((input, ())),
        false => Err(failure(error(input))),
    }
}

/// A vector whose content `parser` takes whole.
pub(super) fn vector<'f, T>(
    mut parser: impl Parser<Forms<'f>, Output = T, Error = Fault>,
) -> impl Parser<Forms<'f>, Output = (T, Span), Error = Fault> {
    move |input: Forms<'f>| match input.first() {
        Some(form @ Form { kind: FormKind::Vector(items), .. }) => nested(input, form, items, &mut parser),
        _ => mismatch(),
    }
}

/// A list whose content `parser` takes whole.
pub(super) fn list<'f, T>(
    mut parser: impl Parser<Forms<'f>, Output = T, Error = Fault>,
) -> impl Parser<Forms<'f>, Output = (T, Span), Error = Fault> {
    move |input: Forms<'f>| match input.first() {
        Some(form @ Form { kind: FormKind::List(items), .. }) => nested(input, form, items, &mut parser),
        _ => mismatch(),
    }
}

fn nested<'f, T>(
    input: Forms<'f>,
    form: &'f Form,
    items: &'f [Form],
    parser: &mut impl Parser<Forms<'f>, Output = T, Error = Fault>,
) -> IResult<Forms<'f>, (T, Span), Fault> {
    match parser.parse(input.inside(items, form))? {
        (rest, result) if rest.is_empty() => Ok((input.take_from(1), (result, form.span))),
        _ => mismatch(),
    }
}

fn sigil(form: &Form, sigil: char) -> Option<&Symbol> {
    let symbol = form.as_symbol()?;
    (symbol.namespace().is_none() && symbol.as_str().starts_with(sigil)).then_some(symbol)
}

/// `?x`
pub(super) fn variable(input: Forms<'_>) -> Parsed<'_, Variable> {
    one(|form| {
        let name = sigil(form, '?').filter(|name| name.as_str().len() > 1)?;
        Some(Variable { name: name.clone(), span: form.span })
    })
    .parse(input)
}

/// `$`, `$x`
pub(super) fn source(input: Forms<'_>) -> Parsed<'_, SourceName> {
    one(|form| sigil(form, '$').map(|name| SourceName { name: name.clone(), span: form.span })).parse(input)
}

/// `_`
pub(super) fn blank(input: Forms<'_>) -> Parsed<'_, Span> {
    word("_").parse(input)
}

/// The symbol `word`.
pub(super) fn word<'f>(word: &'static str) -> impl Parser<Forms<'f>, Output = Span, Error = Fault> {
    one(move |form| form.as_symbol().filter(|symbol| symbol.as_str() == word).map(|_| form.span))
}

/// A symbol that is no variable, source, blank, or `%`.
pub(super) fn plain_symbol(input: Forms<'_>) -> Parsed<'_, (Symbol, Span)> {
    one(|form| {
        let symbol = form.as_symbol()?;
        let text = symbol.as_str();
        let special =
            (symbol.namespace().is_none() && text.starts_with(['?', '$'])) || matches!(text, "_" | "%");
        (!special).then(|| (symbol.clone(), form.span))
    })
    .parse(input)
}

/// Any symbol.
pub(super) fn symbol(input: Forms<'_>) -> Parsed<'_, (Symbol, Span)> {
    one(|form| form.as_symbol().map(|symbol| (symbol.clone(), form.span))).parse(input)
}

/// A keyword.
pub(super) fn keyword(input: Forms<'_>) -> Parsed<'_, (Keyword, Span)> {
    one(|form| form.as_atom()?.as_keyword().map(|keyword| (keyword.clone(), form.span))).parse(input)
}

/// A literal: anything but symbols and lists, except the quoted ones.
pub(super) fn constant(input: Forms<'_>) -> Parsed<'_, Constant> {
    one(|form| {
        let value = match &form.kind {
            FormKind::Atom(Value::Symbol(_)) => return None,
            FormKind::List(items) => match items.as_slice() {
                [quote, quoted] if quote.as_symbol().is_some_and(|name| name.as_str() == "quote") => {
                    quoted.to_value()
                }
                _ => return None,
            },
            _ => form.to_value(),
        };
        Some(Constant { value, span: form.span })
    })
    .parse(input)
}
