//! Showing answers: tables for people, EDN, JSON and CSV for programs.

mod csv;
mod json;
mod number;
mod table;

use std::io::{self, IsTerminal, Write};

use edn::Value;
use factum::{FindShape, QueryResult};

pub use json::to_json;
pub use number::{bytes, count, duration};
pub use table::{Align, grid};

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns; a scalar stands alone.
    Table,
    /// One value, as queries return it.
    Edn,
    /// Arrays of rows, or objects where the query names its columns.
    Json,
    /// A header and a line per row.
    Csv,
}

impl Format {
    /// What was asked for; else a table on a terminal and EDN in a pipe.
    pub fn or_default(format: Option<Self>) -> Self {
        format.unwrap_or(if io::stdout().is_terminal() { Self::Table } else { Self::Edn })
    }
}

/// Rows that a table shows unless told otherwise.
pub const ROWS_MAX: usize = 1000;

/// Writes a query's answer.
pub fn write_result(
    out: &mut impl Write,
    result: &QueryResult,
    format: Format,
    rows_max: usize,
) -> io::Result<()> {
    match format {
        Format::Edn => writeln!(out, "{}", result.to_value()),
        Format::Json => writeln!(out, "{}", to_json(&result.to_value())),
        Format::Csv => csv::write(out, result),
        Format::Table => match result.shape() {
            FindShape::Scalar => writeln!(out, "{}", plain(&result.to_value())),
            _ => table::write(out, result, rows_max),
        },
    }
}

/// A value as a cell shows it: strings without quotes, the rest as EDN.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        Value::Char(c) => c.to_string(),
        other => other.to_string(),
    }
}

/// The columns of an answer: the names of a return map, or the elements of `:find`.
fn columns(result: &QueryResult) -> Vec<String> {
    result.columns().iter().map(|name| name.trim_start_matches('?').to_owned()).collect()
}
