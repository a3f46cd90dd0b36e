//! What is stored about tables beyond LMDB's flags.
//!
//! ```text
//! "factum/kv"   "\0format"     -> format version, 4 bytes little-endian
//!               "\0trees"      -> how many tables have ever been counted, likewise
//!               "\0type :my/t" -> the definition of a registered type, as :data
//!               name of table  -> {:counted 3, :key-type :long, :value-type [:string :long]}  as :data
//! ```
//!
//! A table without options has no row, and a file without such tables does not have this table.

use std::ffi::CStr;

use edn::{Keyword, Value};

use crate::codec::{Buffer, CodecError, KeyType, data};
use crate::counted::TreeId;
use crate::dbi::DbiOptions;

/// The table of options.
pub(crate) const OPTIONS: &str = "factum/kv";
pub(crate) const OPTIONS_C: &CStr = c"factum/kv";
/// Where the version of everything this crate stores beside the user's tables stands.
pub(crate) const FORMAT: &[u8] = b"\0format";
/// The newest version that is understood.
pub(crate) const FORMAT_VERSION: u32 = 1;
/// Where the number of trees of counts stands.
pub(crate) const TREES: &[u8] = b"\0trees";

/// Where the definition of a registered type stands.
pub(crate) fn type_row(name: &Keyword) -> Vec<u8> {
    format!("\0type {name}").into_bytes()
}

/// The stored options of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredOptions {
    pub(crate) counted: Option<TreeId>,
    pub(crate) key_type: Option<KeyType>,
    pub(crate) value_type: Option<KeyType>,
}

impl StoredOptions {
    pub(crate) fn encode(&self, buffer: &mut Buffer) -> Result<(), CodecError> {
        let mut entries = std::collections::BTreeMap::new();
        let mut insert = |name: &str, value: Option<Value>| {
            entries.extend(value.map(|value| (Value::keyword(name), value)));
        };
        insert("counted", self.counted.map(|tree| Value::Int(i64::from(tree.0))));
        insert("key-type", self.key_type.as_ref().map(KeyType::to_value));
        insert("value-type", self.value_type.as_ref().map(KeyType::to_value));
        buffer.clear();
        data::put(&Value::Map(entries), buffer)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let value = data::get(bytes)?;
        let entries =
            value.as_map().ok_or(CodecError::Bytes { type_name: "table options", reason: "not a map" })?;
        let get = |name: &str| entries.get(&Value::Keyword(Keyword::from(name)));
        let tree = get("counted").and_then(Value::as_int).and_then(|number| u32::try_from(number).ok());
        Ok(Self {
            counted: tree.map(TreeId),
            key_type: get("key-type").map(KeyType::from_value).transpose()?,
            value_type: get("value-type").map(KeyType::from_value).transpose()?,
        })
    }

    /// The option that contradicts what is asked for, with what is stored and what is asked. What is not asked for
    /// contradicts nothing.
    pub(crate) fn contradiction(&self, options: &DbiOptions) -> Option<(&'static str, String, String)> {
        if options.counted && self.counted.is_none() {
            return Some(("counted", "false".to_owned(), "true".to_owned()));
        }
        let types = |name, stored: &Option<KeyType>, asked: &Option<KeyType>| match (stored, asked) {
            (Some(stored), Some(asked)) if stored != asked => {
                Some((name, stored.to_string(), asked.to_string()))
            }
            // What is in the table has no order keys.
            (None, Some(asked @ KeyType::Registered(_))) => {
                Some((name, "none".to_owned(), asked.to_string()))
            }
            _ => None,
        };
        types("key-type", &self.key_type, &options.key_type)
            .or_else(|| types("value-type", &self.value_type, &options.value_type))
    }
}

/// A little-endian number stored under one of the keys above.
pub(crate) fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_stored_and_found_again() {
        let options = StoredOptions {
            counted: Some(TreeId(7)),
            key_type: Some(KeyType::Id),
            value_type: Some(KeyType::from_value(&edn::read("[:long :string]").unwrap()).unwrap()),
        };
        let mut buffer = Buffer::new();
        options.encode(&mut buffer).unwrap();
        assert_eq!(StoredOptions::decode(&buffer), Ok(options));
        StoredOptions::default().encode(&mut buffer).unwrap();
        assert_eq!(StoredOptions::decode(&buffer), Ok(StoredOptions::default()));
        assert!(StoredOptions::decode(&[0x80]).is_err());
    }
}
