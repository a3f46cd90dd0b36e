//! Answers as CSV.

use std::io::{self, Write};

use edn::Value;
use factum::{FindShape, QueryResult};

use super::{columns, plain};

/// Writes a header with the column names and a line per row; a scalar is its text alone.
pub fn write(out: &mut impl Write, result: &QueryResult) -> io::Result<()> {
    if result.shape() == FindShape::Scalar {
        return writeln!(out, "{}", cell(&result.to_value()));
    }
    let mut writer = ::csv::Writer::from_writer(out);
    writer.write_record(columns(result))?;
    for row in result.tuples() {
        writer.write_record(row.iter().map(cell))?;
    }
    writer.flush()
}

fn cell(value: &Value) -> String {
    if value.is_nil() { String::new() } else { plain(value) }
}
