//! CSV into records: the header names the keys, and a column's type is what all its cells can be read as.

use edn::Value;

use super::ImportError;
use super::record::{Record, Records, set_field};
use super::source::Source;

/// Reads the whole file; empty cells are absent fields.
pub fn read(source: Source) -> Result<Vec<Records>, ImportError> {
    let path = source.path.clone();
    let bad = |error: ::csv::Error| ImportError::Csv {
        path: path.clone(),
        line: error.position().map_or(1, ::csv::Position::line),
        reason: reason(&error),
    };
    let mut reader = ::csv::ReaderBuilder::new().from_reader(source.into_reader());
    let mut records = Records::default();
    let header = reader.headers().map_err(bad)?.clone();
    let keys: Vec<u32> = header.iter().map(|name| records.keys.intern(name.trim())).collect();
    let mut cells = Vec::new();
    for row in reader.records() {
        let row = row.map_err(bad)?;
        let line = row.position().map_or(0, ::csv::Position::line);
        cells.push((line, row));
    }
    let columns: Vec<Column> = (0..keys.len())
        .map(|column| Column::of(cells.iter().filter_map(|(_, row)| row.get(column))))
        .collect();
    for (line, row) in cells {
        let mut fields = Vec::with_capacity(keys.len());
        for ((key, column), cell) in keys.iter().zip(&columns).zip(row.iter()) {
            set_field(&mut fields, *key, column.value(cell));
        }
        records.records.push(Record { line, fields });
    }
    Ok(vec![records])
}

fn reason(error: &::csv::Error) -> String {
    match error.kind() {
        ::csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("this line has {len} cells, the header has {expected_len}")
        }
        ::csv::ErrorKind::Utf8 { .. } => "this line is not UTF-8".to_owned(),
        ::csv::ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    }
}

/// The narrowest type that holds a whole column.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Bool,
    Int,
    Float,
    Text,
}

impl Column {
    fn of<'a>(cells: impl Iterator<Item = &'a str>) -> Self {
        let (mut bools, mut ints, mut floats, mut any) = (true, true, true, false);
        for cell in cells.filter(|cell| !cell.is_empty()) {
            any = true;
            bools &= matches!(cell, "true" | "false");
            ints &= int(cell).is_some();
            floats &= float(cell).is_some();
        }
        match (any, bools, ints, floats) {
            (true, true, _, _) => Self::Bool,
            (true, _, true, _) => Self::Int,
            (true, _, _, true) => Self::Float,
            _ => Self::Text,
        }
    }

    fn value(self, cell: &str) -> Value {
        match self {
            _ if cell.is_empty() => Value::Nil,
            Self::Bool => Value::Bool(cell == "true"),
            Self::Int => int(cell).map_or(Value::Nil, Value::Int),
            Self::Float => float(cell).map_or(Value::Nil, Value::Float),
            Self::Text => Value::str(cell),
        }
    }
}

/// Integers as they print: `007` and `+1` are codes, not numbers.
fn int(cell: &str) -> Option<i64> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let canonical = digits == "0" || !digits.starts_with(['0', '+', '-']);
    cell.parse().ok().filter(|_| canonical)
}

fn float(cell: &str) -> Option<f64> {
    let plain = cell.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let whole = cell.strip_prefix('-').unwrap_or(cell);
    let code = whole.len() > 1 && whole.starts_with('0') && !whole.starts_with("0.");
    cell.parse().ok().filter(|value: &f64| plain && !code && value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_as_narrow_as_all_its_cells() {
        let column = |cells: &[&str]| Column::of(cells.iter().copied());
        assert_eq!(column(&["1", "", "-2"]), Column::Int);
        assert_eq!(column(&["1", "2.5"]), Column::Float);
        assert_eq!(column(&["true", "false"]), Column::Bool);
        assert_eq!(column(&["007", "12"]), Column::Text);
        assert_eq!(column(&["", ""]), Column::Text);
        assert_eq!(column(&["nan", "inf"]), Column::Text);
    }
}
