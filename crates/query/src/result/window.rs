//! `:order-by`, `:offset` and `:limit` over the rows of a relation.

use std::cmp::Ordering;

use edn::{Symbol, Value};

use super::error::ResultError;
use super::group::Names;
use crate::analyse::inputs::Given;
use crate::ast::{OrderColumn, OrderKey, Query, Window};
use crate::functions::compare;
use crate::functions::error::shorten;
use crate::parse::order_column;

type Result<T> = std::result::Result<T, ResultError>;

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
pub(crate) fn apply(query: &Query, bounds: Bounds, rows: &mut Vec<Vec<Value>>) -> Result<()> {
    if !query.order_by.is_empty() {
        sort(query, rows)?;
    }
    bounds.cut(rows);
    Ok(())
}

fn sort(query: &Query, rows: &mut [Vec<Value>]) -> Result<()> {
    let keys: Vec<(usize, &OrderKey)> =
        query.order_by.iter().map(|key| Ok((column(query, key)?, key))).collect::<Result<_>>()?;
    for (at, key) in &keys {
        // Values of unlike types have no order that a sort could rely on.
        let mut sortable = compare::Sortable::default();
        for row in rows.iter() {
            if let Some(earlier) = sortable.conflict(&row[*at]) {
                let (left, right) = (shorten(&earlier), shorten(&row[*at]));
                return Err(ResultError::Unlike { left, right, span: key.span });
            }
        }
    }
    rows.sort_by(|a, b| {
        for (at, key) in &keys {
            let order = compare::sort_order(&a[*at], &b[*at]).unwrap_or(Ordering::Equal);
            let order = if key.descending { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    });
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
