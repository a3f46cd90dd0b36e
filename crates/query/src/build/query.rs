//! [`QueryBuilder`]: the sections of a query.

use std::time::Duration;

use edn::{Form, FormKind, Value};

use super::clauses::{Clauses, Conditions};
use super::find::{Element, Operand};
use super::inputs::Parameter;
use super::list::IntoList;
use super::terms::{Var, form, keyword, list, plain_name, symbol, vector, wrapper};
use crate::ast::Query;
use crate::error::{Error, Result};
use crate::parse::ParseError;
use crate::source_text::SourceText;

/// A query that is being built: sections in any order, each again to add to it; then [`build`](Self::build).
///
/// The clauses are added by the methods of [`Conditions`].
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a builder does nothing until it is built or asked"]
pub struct QueryBuilder {
    find: Vec<Form>,
    clauses: Clauses,
    /// The others: the name with what is in it, in the order of their first use.
    sections: Vec<(&'static str, Vec<Form>)>,
}

impl Query {
    /// `:find ?a ?b`: all rows.
    pub fn find(elements: impl IntoList<Element>) -> QueryBuilder {
        QueryBuilder::new(elements_of(elements))
    }

    /// `:find [?a ...]`: the values of one column.
    pub fn find_collection(element: impl Into<Element>) -> QueryBuilder {
        QueryBuilder::new(vec![vector(vec![element.into().0, symbol("...")])])
    }

    /// `:find [?a ?b]`: one row.
    pub fn find_tuple(elements: impl IntoList<Element>) -> QueryBuilder {
        QueryBuilder::new(vec![vector(elements_of(elements))])
    }

    /// `:find ?a .`: one value.
    pub fn find_scalar(element: impl Into<Element>) -> QueryBuilder {
        QueryBuilder::new(vec![element.into().0, symbol(".")])
    }
}

fn elements_of(elements: impl IntoList<Element>) -> Vec<Form> {
    elements.into_list().into_iter().map(|element| element.0).collect()
}

impl Conditions for QueryBuilder {
    fn clauses(mut self, clauses: Clauses) -> Self {
        self.clauses = self.clauses.clauses(clauses);
        self
    }
}

impl QueryBuilder {
    fn new(find: Vec<Form>) -> Self {
        Self { find, clauses: Clauses::new(), sections: Vec::new() }
    }

    fn section(mut self, name: &'static str, items: impl IntoIterator<Item = Form>) -> Self {
        match self.sections.iter_mut().find(|(section, _)| *section == name) {
            Some((_, present)) => present.extend(items),
            None => self.sections.push((name, items.into_iter().collect())),
        }
        self
    }

    /// `:in`; without it there is only `$`.
    pub fn inputs(self, parameters: impl IntoList<Parameter>) -> Self {
        self.section("in", parameters.into_list().into_iter().map(|parameter| parameter.0))
    }

    /// `:with`
    pub fn with(self, variables: impl IntoList<Var>) -> Self {
        self.section("with", variables.into_list().into_iter().map(|variable| variable.0))
    }

    /// `:keys`: rows are maps with these keywords, one for each column.
    pub fn keys<'n>(self, names: impl IntoList<&'n str>) -> Self {
        self.section("keys", names.into_list().into_iter().map(plain_name))
    }

    /// `:strs`: rows are maps with these strings.
    pub fn strs<'n>(self, names: impl IntoList<&'n str>) -> Self {
        self.section("strs", names.into_list().into_iter().map(plain_name))
    }

    /// `:syms`: rows are maps with these symbols.
    pub fn syms<'n>(self, names: impl IntoList<&'n str>) -> Self {
        self.section("syms", names.into_list().into_iter().map(plain_name))
    }

    /// `:having [(predicate operand ..)]`
    pub fn having(self, predicate: &str, operands: impl IntoList<Operand>) -> Self {
        let operands = operands.into_list().into_iter().map(|operand| operand.0);
        let call = list(std::iter::once(plain_name(predicate)).chain(operands).collect());
        self.section("having", [vector(vec![call])])
    }

    /// `:order-by`, the most important key first.
    pub fn order_by(self, keys: impl IntoList<OrderKey>) -> Self {
        self.section("order-by", keys.into_list().into_iter().flat_map(|key| key.0))
    }

    /// `:limit`
    pub fn limit(self, rows: u64) -> Self {
        self.section("limit", [number(rows)])
    }

    /// `:limit ?n`, a scalar input.
    pub fn limit_input(self, rows: Var) -> Self {
        self.section("limit", [rows.0])
    }

    /// `:offset`
    pub fn offset(self, rows: u64) -> Self {
        self.section("offset", [number(rows)])
    }

    /// `:offset ?n`, a scalar input.
    pub fn offset_input(self, rows: Var) -> Self {
        self.section("offset", [rows.0])
    }

    /// `:timeout`, in whole milliseconds.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.section("timeout", [number(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))])
    }

    /// The query, checked as a text is.
    ///
    /// ```
    /// # use factum_query::{Query, build::*};
    /// let error = Query::find(var("m")).pattern(var("e"), kw("name"), var("n")).build().unwrap_err();
    /// assert_eq!(error.class(), "unknown-vars");
    /// # Ok::<(), factum_query::Error>(())
    /// ```
    pub fn build(self) -> Result<Query> {
        let form = self.into_form();
        check_names(&form)?;
        Query::from_form(&form, SourceText::default())
    }

    /// The query as a map of its sections.
    pub(super) fn into_form(self) -> Form {
        let all = [("find", self.find), ("where", self.clauses.0)].into_iter().chain(self.sections);
        form(FormKind::Map(all.map(|(name, items)| (keyword(name), vector(items))).collect()))
    }
}

/// Numbers beyond those of texts stay what they are and are refused by the section.
fn number(number: u64) -> Form {
    let value = i64::try_from(number).map_or_else(|_| Value::BigInt(number.into()), Value::Int);
    form(FormKind::Atom(value))
}

/// Names must be such as texts have: `var("x ?y")` is a mistake. Keywords and quoted symbols are data and may be anything.
pub(super) fn check_names(whole: &Form) -> Result<()> {
    let mut pending = vec![whole];
    while let Some(Form { kind, span }) = pending.pop() {
        match kind {
            FormKind::Atom(value @ Value::Symbol(name)) => {
                if edn::read(name.as_str()).as_ref() != Ok(value) {
                    let error = ParseError::BadName { found: name.as_str().to_owned(), span: *span };
                    return Err(Error::new(error, &SourceText::default()));
                }
            }
            FormKind::List(items) if items.first() == Some(&symbol("quote")) => {}
            FormKind::List(items) | FormKind::Vector(items) | FormKind::Set(items) => pending.extend(items),
            FormKind::Map(entries) => pending.extend(entries.iter().flat_map(|(key, value)| [key, value])),
            FormKind::Tagged(_, inner) => pending.push(inner),
            FormKind::Atom(_) => {}
        }
    }
    Ok(())
}

/// A key of `:order-by`: a variable or the number of a column, also [`asc`] or [`desc`].
#[derive(Clone, Debug, PartialEq)]
pub struct OrderKey(Vec<Form>);

wrapper! {
    /// What [`asc`] and [`desc`] take: a variable of `:find`, or the number of a column, from 0.
    OrderColumn
}

impl From<Var> for OrderColumn {
    fn from(variable: Var) -> Self {
        Self(variable.0)
    }
}

impl From<usize> for OrderColumn {
    fn from(column: usize) -> Self {
        Self(number(column as u64))
    }
}

impl From<Var> for OrderKey {
    fn from(variable: Var) -> Self {
        asc(variable)
    }
}

/// The smallest first.
pub fn asc(column: impl Into<OrderColumn>) -> OrderKey {
    OrderKey(vec![column.into().0, keyword("asc")])
}

/// The largest first.
pub fn desc(column: impl Into<OrderColumn>) -> OrderKey {
    OrderKey(vec![column.into().0, keyword("desc")])
}
