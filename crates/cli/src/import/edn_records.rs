//! EDN into records: maps one after the other, or one vector or list of maps.

use std::path::Path;

use edn::{Form, FormKind, Value};

use super::ImportError;
use super::record::{Record, Records, set_field};
use super::source::Source;

/// Reads the whole file. A key may be a keyword, a symbol or a string.
pub fn read(source: Source) -> Result<Vec<Records>, ImportError> {
    let path = source.path.clone();
    let text = source.text()?;
    let forms = edn::read_all(&text).map_err(|error| ImportError::Edn {
        path: path.clone(),
        line: line_of(&text, error.span().start),
        rendered: error.render(&text),
    })?;
    let forms = match forms.as_slice() {
        [Form { kind: FormKind::Vector(items) | FormKind::List(items), .. }] => items.as_slice(),
        forms => forms,
    };
    let mut records = Records::default();
    let mut lines = Lines { text: &text, offset: 0, line: 1 };
    for form in forms {
        let line = lines.line_of(form.span.start);
        let fields = fields(form, line, &path, &mut records)?;
        records.records.push(Record { line, fields });
    }
    Ok(vec![records])
}

fn fields(
    form: &Form,
    line: u64,
    path: &Path,
    records: &mut Records,
) -> Result<Vec<(u32, Value)>, ImportError> {
    let FormKind::Map(entries) = &form.kind else {
        return Err(ImportError::NotAMap { path: path.to_owned(), line, found: form.to_value().type_name() });
    };
    let mut fields = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let name = match key.as_atom() {
            Some(Value::Keyword(keyword)) => keyword.as_str().to_owned(),
            Some(Value::Symbol(symbol)) => symbol.as_str().to_owned(),
            Some(Value::Str(text)) => text.to_string(),
            _ => return Err(ImportError::BadKey { path: path.to_owned(), line, found: key.to_value() }),
        };
        let key = records.keys.intern(&name);
        let value = match value.to_value() {
            // Sets and lists are many values as vectors are.
            Value::Set(items) => Value::Vector(items.into_iter().collect()),
            Value::List(items) => Value::Vector(items),
            value => value,
        };
        set_field(&mut fields, key, value);
    }
    Ok(fields)
}

fn line_of(text: &str, offset: usize) -> u64 {
    Lines { text, offset: 0, line: 1 }.line_of(offset)
}

/// Line numbers of ascending offsets in one pass.
struct Lines<'t> {
    text: &'t str,
    offset: usize,
    line: u64,
}

impl Lines<'_> {
    fn line_of(&mut self, offset: usize) -> u64 {
        let passed = &self.text.as_bytes()[self.offset..offset];
        self.line += passed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset = offset;
        self.line
    }
}
