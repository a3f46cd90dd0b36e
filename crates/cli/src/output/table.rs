//! Tables with aligned columns.

use std::io::{self, Write};

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use edn::Value;
use factum::QueryResult;

use super::{columns, count, plain};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Writes an answer as a table of at most `rows_max` rows, then how many there are.
pub fn write(out: &mut impl Write, result: &QueryResult, rows_max: usize) -> io::Result<()> {
    let rows = result.tuples();
    let header = columns(result);
    let align: Vec<Align> = (0..header.len())
        .map(|column| {
            let mut cells = rows.iter().take(rows_max).map(|row| &row[column]);
            if cells.all(is_number) { Align::Right } else { Align::Left }
        })
        .collect();
    let shown = rows.iter().take(rows_max).map(|row| row.iter().map(plain).collect());
    if !rows.is_empty() {
        writeln!(out, "{}", grid(&header, &align, shown))?;
    }
    let more = rows.len().saturating_sub(rows_max);
    let plural = if rows.len() == 1 { "" } else { "s" };
    match more {
        0 => writeln!(out, "{} row{plural}", count(rows.len() as u64)),
        _ => writeln!(out, "{} rows, {} not shown", count(rows.len() as u64), count(more as u64)),
    }
}

fn is_number(value: &Value) -> bool {
    matches!(
        value,
        Value::Int(_) | Value::BigInt(_) | Value::Float(_) | Value::Decimal(_) | Value::Ratio(_) | Value::Nil
    )
}

/// A table of texts; it fits itself to the width of a terminal.
pub fn grid(header: &[String], align: &[Align], rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    let cell = |(text, align): (String, &Align)| {
        let alignment = match align {
            Align::Left => CellAlignment::Left,
            Align::Right => CellAlignment::Right,
        };
        Cell::new(text).set_alignment(alignment)
    };
    if !header.is_empty() {
        table.set_header(header.iter().cloned().zip(align).map(cell));
    }
    for row in rows {
        table.add_row(row.into_iter().zip(align).map(cell));
    }
    table
}
