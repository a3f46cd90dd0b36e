//! From rows to a result: aggregates, order, window, pulls, return maps, and the shape that `:find` asks for.
//!
//! ```text
//! rows over variables --group--> rows over find elements --window--> rows wanted --pull--> --return maps--> QueryResult
//! ```

mod error;
pub(crate) mod group;
pub(crate) mod window;

use std::collections::BTreeMap;

use edn::{Keyword, Symbol, Value};

use crate::analyse::Warning;
use crate::ast::{FindElement, FindShape, Query, ReturnMap, ReturnMapKind};
pub use error::ResultError;

/// The answer of a query.
#[derive(Clone, Debug)]
pub struct QueryResult {
    shape: FindShape,
    columns: Vec<String>,
    keys: Option<Vec<Value>>,
    rows: Vec<Vec<Value>>,
    is_set: bool,
    warnings: Vec<Warning>,
}

impl QueryResult {
    /// The result of rows that have one value per find element, windows cut and trees pulled.
    pub(crate) fn new(query: &Query, rows: Vec<Vec<Value>>, warnings: Vec<Warning>) -> Self {
        let plain = query.find.elements.iter().all(|element| matches!(element, FindElement::Variable(_)));
        let ordered = !query.order_by.is_empty() || query.limit.is_some() || query.offset.is_some();
        Self {
            shape: query.find.shape,
            columns: match &query.return_map {
                Some(map) => map.names.iter().map(Symbol::to_string).collect(),
                None => query.find.elements.iter().map(ToString::to_string).collect(),
            },
            keys: query.return_map.as_ref().map(ReturnMap::keys),
            rows,
            is_set: plain && !ordered && query.with.is_empty(),
            warnings,
        }
    }

    /// The shape of `:find`.
    pub fn shape(&self) -> FindShape {
        self.shape
    }

    /// The names of the columns: those of a return map, else the find elements as written.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The keys of a return map (`:keys`, `:strs`, `:syms`), if the query has one.
    pub fn keys(&self) -> Option<&[Value]> {
        self.keys.as_deref()
    }

    /// The rows, one value per column, whatever the shape; of a tuple or a scalar only the first counts.
    pub fn rows(&self) -> &[Vec<Value>] {
        &self.rows
    }

    /// The rows, moved out.
    pub fn into_rows(self) -> Vec<Vec<Value>> {
        self.rows
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether the rows are a set: distinct and in no order. Otherwise they are a sequence: in the order that was asked
    /// for, or with aggregates, pulls or `:with`, where rows may repeat.
    pub fn is_set(&self) -> bool {
        self.is_set
    }

    /// What looked like a mistake, for instance an attribute that the schema does not know.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The result as a value: a set or vector of rows, a vector, one row or one value; rows are maps under `:keys`.
    pub fn to_value(&self) -> Value {
        self.clone().into_value()
    }

    /// [`to_value`](Self::to_value) without copying.
    pub fn into_value(self) -> Value {
        let keys = self.keys;
        let row = |row: Vec<Value>| match &keys {
            None => Value::Vector(row),
            Some(keys) => Value::Map(keys.iter().cloned().zip(row).collect::<BTreeMap<_, _>>()),
        };
        let mut rows = self.rows.into_iter();
        match self.shape {
            FindShape::Relation if self.is_set => Value::Set(rows.map(row).collect()),
            FindShape::Relation => Value::Vector(rows.map(row).collect()),
            FindShape::Collection => Value::Vector(rows.filter_map(first).collect()),
            FindShape::Scalar => rows.next().and_then(first).unwrap_or_default(),
            FindShape::Tuple => match rows.next() {
                Some(found) => row(found),
                // A return map names its columns even where there is nothing in them.
                None if keys.is_some() => row(vec![Value::Nil; self.columns.len()]),
                None => Value::Nil,
            },
        }
    }
}

fn first(row: Vec<Value>) -> Option<Value> {
    row.into_iter().next()
}

impl ReturnMap {
    /// The keys of the maps: keywords, strings or symbols.
    pub fn keys(&self) -> Vec<Value> {
        let key = |name: &Symbol| match self.kind {
            ReturnMapKind::Keywords => Value::Keyword(Keyword::parse(name.as_str())),
            ReturnMapKind::Strings => Value::from(name.as_str()),
            ReturnMapKind::Symbols => Value::Symbol(name.clone()),
        };
        self.names.iter().map(key).collect()
    }
}
