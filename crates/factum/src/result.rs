//! [`QueryResult`]: an answer, as rows of Rust types or as EDN.

use std::fmt;

use edn::Value;
use query::{FindShape, Warning};
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The answer to a query.
///
/// | `:find` | typed | as EDN |
/// |---|---|---|
/// | `?a ?b` | [`rows`](Self::rows) of tuples or structs | a set or vector of vectors |
/// | `?a ?b` with `:keys a b` | [`rows`](Self::rows) of structs, by name | a set or vector of maps |
/// | `[?a ...]` | [`column`](Self::column) | a vector |
/// | `[?a ?b]` | [`row`](Self::row) | a vector or nil |
/// | `?a .` | [`scalar`](Self::scalar) | a value or nil |
///
/// ```
/// use factum::{Db, Value};
///
/// #[derive(serde::Deserialize, Debug, PartialEq)]
/// struct Person { name: String, age: u8 }
///
/// let db = Db::empty(())?.with(r#"[{:name "Ann" :age 38} {:name "Bob" :age 41}]"#)?.db_after();
/// let mut people: Vec<Person> =
///     db.query("[:find ?n ?a :keys name age :where [?e :name ?n] [?e :age ?a] :order-by ?a]")?.rows()?;
/// assert_eq!(people.remove(0), Person { name: "Ann".into(), age: 38 });
///
/// let oldest: Option<i64> = db.query("[:find (max ?a) . :where [_ :age ?a]]")?.scalar()?;
/// assert_eq!(oldest, Some(41));
/// # Ok::<(), factum::Error>(())
/// ```
#[must_use]
pub struct QueryResult(pub(crate) query::QueryResult);

impl QueryResult {
    /// All rows, each as a `T`: a tuple, a struct (by the names of `:keys`, else by position), or a [`Value`].
    pub fn rows<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        self.row_values().enumerate().map(|(row, value)| convert(value, row)).collect()
    }

    /// The first column of all rows.
    pub fn column<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        let first = self.0.into_rows().into_iter().map(|row| row.into_iter().next().unwrap_or_default());
        first.enumerate().map(|(row, value)| convert(value, row)).collect()
    }

    /// The only or first row, if there is one.
    pub fn row<T: DeserializeOwned>(self) -> Result<Option<T>> {
        self.row_values().next().map(|value| convert(value, 0)).transpose()
    }

    /// One value: that of a scalar query, or the first of the first row. `Option` says whether there may be none.
    pub fn scalar<T: DeserializeOwned>(self) -> Result<T> {
        let value = self.column::<Value>()?.into_iter().next();
        convert(value.unwrap_or_default(), 0)
    }

    /// The rows in the order of the answer, each as a vector, or as a map under a return map.
    fn row_values(self) -> impl Iterator<Item = Value> {
        let keys = self.0.keys().map(<[Value]>::to_vec);
        self.0.into_rows().into_iter().map(move |row| row_value(row, keys.as_deref()))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A row as a map under a return map, else as a vector.
pub(crate) fn row_value(row: Vec<Value>, keys: Option<&[Value]>) -> Value {
    match keys {
        Some(keys) => Value::Map(keys.iter().cloned().zip(row).collect()),
        None => Value::Vector(row),
    }
}

/// A value as a Rust type.
pub(crate) fn convert<T: DeserializeOwned>(value: Value, row: usize) -> Result<T> {
    edn::from_value(value).map_err(|source| Error::Row { row, expected: std::any::type_name::<T>(), source })
}

impl fmt::Debug for QueryResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl QueryResult {
    /// What the query should have said better: attributes that the schema does not know.
    pub fn warnings(&self) -> &[Warning] {
        self.0.warnings()
    }

    /// The names of the columns: those of a return map, else the elements of `:find`.
    pub fn columns(&self) -> Vec<String> {
        self.0.columns().iter().map(ToString::to_string).collect()
    }

    /// Which of the four shapes the query asked for.
    pub fn shape(&self) -> FindShape {
        self.0.shape()
    }

    /// The rows as vectors of values, whatever the shape.
    pub fn tuples(&self) -> &[Vec<Value>] {
        self.0.rows()
    }

    /// The answer as EDN, in the shape that the query asked for.
    pub fn to_value(&self) -> Value {
        self.0.to_value()
    }

    /// [`to_value`](Self::to_value) without a copy.
    pub fn into_value(self) -> Value {
        self.0.into_value()
    }
}

/// Rows that the display shows.
const SHOWN: usize = 50;

impl fmt::Display for QueryResult {
    /// A table of the first rows; a scalar alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shape() == FindShape::Scalar {
            return write!(f, "{}", plain(&self.to_value()));
        }
        let header: Vec<String> =
            self.columns().iter().map(|name| name.trim_start_matches('?').to_owned()).collect();
        let rows = self.0.rows();
        let cells: Vec<Vec<String>> =
            rows.iter().take(SHOWN).map(|row| row.iter().map(plain).collect()).collect();
        let width = |column: usize| {
            let cells = cells.iter().map(|row| row[column].chars().count());
            cells.chain([header[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..header.len()).map(width).collect();
        let numbers: Vec<bool> = (0..header.len())
            .map(|column| rows.iter().all(|row| matches!(row[column], Value::Int(_) | Value::Float(_))))
            .collect();
        let line = |cells: &[String]| {
            let cells = cells.iter().zip(&widths).zip(&numbers).map(|((cell, width), number)| match number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        writeln!(f, "{}", line(&header))?;
        writeln!(f, "{}", widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join("──"))?;
        for row in &cells {
            writeln!(f, "{}", line(row))?;
        }
        match rows.len() - cells.len() {
            0 => Ok(()),
            more => writeln!(f, "… and {more} more"),
        }
    }
}

/// Strings without quotes, the rest as EDN.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
