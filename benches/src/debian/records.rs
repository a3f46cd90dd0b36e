//! The Debian package set as plain records, read without any of Factum's own code so that peers load the same facts.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

/// One package: single-valued facts, many-valued facts, and names that it depends on.
#[derive(Debug, Default)]
pub struct Record {
    /// The package's name, its identity.
    pub name: String,
    /// Attributes with one value.
    pub single: Vec<(String, Value)>,
    /// Attributes with any number of values; a list within a list is one value, as text.
    pub many: Vec<(String, String)>,
    /// Names in `depends` and `pre-depends`, alternatives included.
    pub depends: Vec<String>,
}

/// Reads JSON lines, gzipped where the name ends in `.gz`.
pub fn read(path: &Path) -> io::Result<Vec<Record>> {
    let file = File::open(path)?;
    let reader: Box<dyn BufRead> = match path.extension().is_some_and(|ext| ext == "gz") {
        true => Box::new(BufReader::new(GzDecoder::new(file))),
        false => Box::new(BufReader::new(file)),
    };
    reader.lines().map(|line| record(serde_json::from_str(&line?)?)).collect()
}

fn record(object: Map<String, Value>) -> io::Result<Record> {
    let mut record = Record::default();
    for (key, value) in object {
        match (key.as_str(), value) {
            ("name", Value::String(name)) => record.name = name,
            ("depends" | "pre-depends", list) => flatten(&list, &mut record.depends),
            (_, Value::Array(items)) => {
                let text = |item: Value| match item {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                record.many.extend(items.into_iter().map(|item| (key.clone(), text(item))));
            }
            (_, value) => record.single.push((key, value)),
        }
    }
    Ok(record)
}

fn flatten(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, out)),
        Value::String(text) => out.push(text.clone()),
        other => out.push(other.to_string()),
    }
}
