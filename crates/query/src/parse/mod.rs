//! From EDN forms to the tree of a query.
//!
//! ```text
//! text --edn--> Form --sections--> { :find Forms, :in Forms, :where Forms, .. } --nom parsers--> ast::Query --check-->
//! ```
//!
//! The parsers are nom's combinators over sequences of forms (`forms`), one module for each part of the grammar.
//! What can be judged without a database is judged here; the rest is the work of `analyse`.

mod calls;
mod check;
mod clauses;
mod error;
mod find;
mod forms;
mod inputs;
mod rules;
mod sections;
#[cfg(test)]
mod tests;
mod window;

use std::str::FromStr;

use edn::{Form, FormKind, Reader, Span, Value};

pub(crate) use check::order_column;
pub(crate) use clauses::RESERVED;
pub use error::ParseError;

use crate::ast::{Query, Rules};
use crate::error::{Error, ErrorKind};
use crate::source_text::SourceText;
use forms::{Fault, Forms};

/// Reads and parses a query.
///
/// ```
/// let query = factum_query::parse("[:find ?n :where [?e :person/name ?n]]")?;
/// assert_eq!(query.find.elements.len(), 1);
///
/// let error = factum_query::parse("[:find ?m :where [?e :person/name ?n]]").unwrap_err();
/// assert_eq!(error.code(), ":parser/query");
/// # Ok::<(), factum_query::Error>(())
/// ```
pub fn parse(text: &str) -> Result<Query, Error> {
    let source = SourceText::new(text, 0);
    match edn::read_form(text) {
        Ok(form) => Query::from_form(&form, source),
        Err(error) => match begins_as_no_query(text, &error) {
            Some(form) => Query::from_form(&form, source),
            None => Err(Error::new(error, &source)),
        },
    }
}

/// The first value of a text that goes on, if it cannot begin a query. Whoever writes SQL should hear that it is no query, not
/// that there is too much of it.
fn begins_as_no_query(text: &str, error: &edn::Error) -> Option<Form> {
    let form = Reader::new(text).next()?.ok()?;
    let goes_on = matches!(error.kind(), edn::ErrorKind::Trailing);
    (goes_on && matches!(form.kind, FormKind::Atom(_))).then_some(form)
}

impl Query {
    /// A query from EDN that a program built; its errors have no place.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        Self::from_form(&Form::from(value), SourceText::default())
    }

    /// A query from a form that was read from `text`.
    pub fn from_form(form: &Form, text: SourceText) -> Result<Self, Error> {
        let outer = Forms::new(std::slice::from_ref(form), form.span);
        match query_of_forms(form, outer) {
            Ok(mut query) => {
                query.text = text;
                Ok(query)
            }
            Err(error) => Err(Error::new(parse_error(error, form.span), &text)),
        }
    }
}

impl FromStr for Query {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse(text)
    }
}

/// The query in `form`, nested in what `outer` is nested in.
fn query_of_forms(form: &Form, outer: Forms<'_>) -> Result<Query, nom::Err<Fault>> {
    outer.check_depth()?;
    let sections = sections::split(form).map_err(forms::failure)?;
    let query = sections::parse(&sections, form.span, outer)?;
    check::check(&query).map_err(forms::failure)?;
    Ok(query)
}

/// Where the numbering of places in the text of rules begins: behind every query, so that a place says by itself which
/// text it means.
const RULES_BASE: usize = usize::MAX / 2;

impl Rules {
    /// Rules as they are passed for `%`: a vector of definitions, or its text.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        match value {
            Value::Str(text) => text.parse(),
            value => Self::from_form(&Form::from(value), SourceText::default()),
        }
    }

    /// Rules from a form that was read from `text`.
    pub fn from_form(form: &Form, text: SourceText) -> Result<Self, Error> {
        let items = match &form.kind {
            FormKind::Vector(items) | FormKind::List(items) => items.as_slice(),
            FormKind::Set(items) => items.as_slice(),
            FormKind::Atom(Value::Nil) => &[],
            _ => {
                let error = ParseError::NotRules { found: forms::found(form), span: form.span };
                return Err(Error::new(error, &text));
            }
        };
        match rules::definitions(Forms::new(items, form.span)) {
            Ok(definitions) => Ok(Self { definitions, text }),
            Err(error) => Err(Error::new(parse_error(error, form.span), &text)),
        }
    }
}

impl FromStr for Rules {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::new(text);
        let unreadable = |error| Error::new(ErrorKind::Read(error), &SourceText::new(text, 0));
        let Some(mut form) = reader.next().transpose().map_err(unreadable)? else {
            return Ok(Self::default());
        };
        shift(&mut form, RULES_BASE);
        Self::from_form(&form, SourceText::new(text, RULES_BASE))
    }
}

/// Moves every span of a form, level by level.
fn shift(form: &mut Form, base: usize) {
    let mut pending = vec![form];
    while let Some(form) = pending.pop() {
        form.span = Span::new(form.span.start + base, form.span.end + base);
        match &mut form.kind {
            FormKind::Atom(_) => {}
            FormKind::List(items) | FormKind::Vector(items) | FormKind::Set(items) => pending.extend(items),
            FormKind::Map(entries) => {
                pending.extend(entries.iter_mut().flat_map(|(key, value)| [key, value]))
            }
            FormKind::Tagged(_, form) => pending.push(form),
        }
    }
}

/// The error that a parser ended with; one that only failed softly was not expected to, and is told as plainly as
/// possible.
fn parse_error(error: nom::Err<Fault>, span: Span) -> ErrorKind {
    match error {
        nom::Err::Error(Fault::Known(error)) | nom::Err::Failure(Fault::Known(error)) => {
            ErrorKind::Parse(*error)
        }
        _ => ErrorKind::Parse(ParseError::NotAQuery { found: "this form".into(), span }),
    }
}
