//! Records: what every input format is read into.

use std::collections::HashMap;

use edn::Value;

/// One object of the input: its line and its fields in the order of the text.
#[derive(Debug)]
pub struct Record {
    /// Line on which it starts, from 1.
    pub line: u64,
    /// Key (an index into [`Keys`]) and value; nil fields are left out, a later duplicate key replaces an earlier.
    pub fields: Vec<(u32, Value)>,
}

/// Records that were read together, with their own table of keys, so that blocks can be read in parallel.
#[derive(Debug, Default)]
pub struct Records {
    /// Names of the keys.
    pub keys: Keys,
    /// In the order of the input.
    pub records: Vec<Record>,
}

/// A table of distinct key names.
#[derive(Debug, Default)]
pub struct Keys {
    names: Vec<String>,
    index: HashMap<String, u32>,
}

impl Keys {
    /// The number of `name`, new or known.
    pub fn intern(&mut self, name: &str) -> u32 {
        if let Some(&key) = self.index.get(name) {
            return key;
        }
        let key = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), key);
        key
    }

    /// All names, by number.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Adds a field to a record under construction; nils, also in a list, are nothing.
pub fn set_field(fields: &mut Vec<(u32, Value)>, key: u32, mut value: Value) {
    fields.retain(|(other, _)| *other != key);
    if let Value::Vector(items) = &mut value {
        items.retain(|item| !item.is_nil());
    }
    if !value.is_nil() {
        fields.push((key, value));
    }
}
