//! `:order-by`, `:offset` and `:limit` over the rows of a relation.

use std::cmp::Ordering;

use edn::{Symbol, Value, shorten};

use super::error::ResultError;
use super::group::{Names, Ordered};
use crate::analyse::inputs::Given;
use crate::ast::{FindElement, OrderColumn, OrderKey, Query, Window};
use crate::error::ErrorKind;
use crate::exec::Budget;
use crate::functions::compare;
use crate::parse::order_column;

type Result<T, E = ResultError> = std::result::Result<T, E>;

/// Rows that are sorted between two looks at the budget.
const RUN: usize = 16_384;

/// Which rows of the ordered result are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Rows to skip.
    pub offset: usize,
    /// Rows to keep after that; `None` keeps all.
    pub limit: Option<usize>,
}

impl Bounds {
    /// The bounds that a query asks for, with those that inputs give.
    pub fn of(query: &Query, names: &Names<'_>) -> Result<Self> {
        let offset = match &query.offset {
            None => 0,
            Some(Window::Count(count, _)) => size(count.unwrap_or(0)),
            Some(Window::Variable(variable)) => match given(&variable.name, names) {
                Some(Value::Int(count)) if *count >= 0 => size(count.unsigned_abs()),
                got => return Err(ResultError::bad_offset(got, &variable.name, variable.span)),
            },
        };
        let limit = match &query.limit {
            None => None,
            Some(Window::Count(count, _)) => count.map(size),
            Some(Window::Variable(variable)) => match given(&variable.name, names) {
                Some(Value::Int(count)) if *count > 0 => Some(size(count.unsigned_abs())),
                Some(Value::Int(count)) if *count < 0 => None,
                got => return Err(ResultError::bad_limit(got, &variable.name, variable.span)),
            },
        };
        Ok(Self { offset, limit })
    }

    fn cut<T>(self, rows: &mut Vec<T>) {
        rows.drain(..self.offset.min(rows.len()));
        if let Some(limit) = self.limit {
            rows.truncate(limit);
        }
    }
}

fn size(count: u64) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn given<'a>(name: &Symbol, names: &Names<'a>) -> Option<&'a Value> {
    match names.given.get(name) {
        Some(Given::Value(value)) => Some(value),
        _ => None,
    }
}

/// Sorts the rows and cuts the window out of them.
pub(crate) fn apply(
    query: &Query,
    ordered: &Ordered,
    bounds: Bounds,
    rows: &mut Vec<Vec<Value>>,
    budget: &Budget,
) -> Result<(), ErrorKind> {
    if !query.order_by.is_empty() {
        let width = rows.first().map_or(0, Vec::len);
        sort(query, ordered, rows, budget)?;
        rows.iter_mut().for_each(|row| row.truncate(width));
    }
    bounds.cut(rows);
    Ok(())
}

/// Sorts stably, in runs that are merged afterwards, so that the budget is looked at often enough.
fn sort(
    query: &Query,
    ordered: &Ordered,
    rows: &mut Vec<Vec<Value>>,
    budget: &Budget,
) -> Result<(), ErrorKind> {
    let mut keys: Vec<(usize, &OrderKey)> =
        query.order_by.iter().map(|key| Ok((column(query, key)?, key))).collect::<Result<_>>()?;
    // Values of registered types are sorted by their order keys, in columns of their own behind the others.
    let width = rows.first().map_or(0, Vec::len);
    let mut behind = width;
    for (at, key) in &mut keys {
        let FindElement::Variable(variable) = &query.find.elements[*at] else { continue };
        let Some(registered) = ordered.get(&variable.name) else { continue };
        for row in rows.iter_mut() {
            let order_key = registered.order_key(&row[*at]);
            let order_key = order_key.map_err(|error| {
                let source = storage::Error::from(error).into();
                ResultError::Function { source, span: key.span }
            })?;
            row.push(order_key);
        }
        *at = behind;
        behind += 1;
    }
    for (at, key) in keys.iter().filter(|(at, _)| *at < width) {
        // Values of unlike types have no order that a sort could rely on.
        let mut sortable = compare::Sortable::default();
        for (number, row) in rows.iter().enumerate() {
            if number.is_multiple_of(RUN) {
                budget.poll(0)?;
            }
            if let Some(earlier) = sortable.conflict(&row[*at]) {
                let (left, right) = (shorten(&earlier), shorten(&row[*at]));
                return Err(ResultError::Unlike { left, right, span: key.span }.into());
            }
        }
    }
    let compare = |a: &Vec<Value>, b: &Vec<Value>| {
        for (at, key) in &keys {
            let order = match *at < width {
                true => compare::sort_order(&a[*at], &b[*at]).unwrap_or(Ordering::Equal),
                false => a[*at].cmp(&b[*at]),
            };
            let order = if key.descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    };
    for run in rows.chunks_mut(RUN) {
        budget.poll(0)?;
        run.sort_by(compare);
    }
    let mut width = RUN;
    while width < rows.len() {
        let mut merged = Vec::with_capacity(rows.len());
        let mut left = std::mem::take(rows).into_iter();
        while left.len() > 0 {
            let first: Vec<_> = left.by_ref().take(width).collect();
            let second: Vec<_> = left.by_ref().take(width).collect();
            merge(first, second, &mut merged, compare, budget)?;
        }
        *rows = merged;
        width *= 2;
    }
    Ok(())
}

/// Appends the rows of two sorted runs in order; of equal rows those of the first run come first.
fn merge(
    first: Vec<Vec<Value>>,
    second: Vec<Vec<Value>>,
    out: &mut Vec<Vec<Value>>,
    compare: impl Fn(&Vec<Value>, &Vec<Value>) -> Ordering,
    budget: &Budget,
) -> Result<(), ErrorKind> {
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    while let (Some(a), Some(b)) = (first.peek(), second.peek()) {
        if out.len().is_multiple_of(RUN) {
            budget.poll(0)?;
        }
        let next = if compare(a, b).is_le() { first.next() } else { second.next() };
        out.extend(next);
    }
    out.extend(first);
    out.extend(second);
    Ok(())
}

/// The find element that a key names; the parser has made sure that there is one.
fn column(query: &Query, key: &OrderKey) -> Result<usize> {
    let column = match &key.column {
        OrderColumn::Index(index) => usize::try_from(*index).ok(),
        OrderColumn::Variable(variable) => order_column(&query.find.elements, variable).ok(),
    };
    column
        .filter(|column| *column < query.find.elements.len())
        .ok_or(ResultError::OrderByUnknown { span: key.span })
}
