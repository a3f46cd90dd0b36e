//! The tags that are values of their own: `#inst`, `#uuid`, `#bytes`, and the escapes of the printer.

use crate::inst;
use crate::name::{Keyword, Symbol};
use crate::value::Value;

/// A tag that the reader resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BuiltIn {
    Inst,
    Uuid,
    Bytes,
    /// `#keyword "any text"`: keywords that cannot be written with a colon.
    Keyword,
    /// `#symbol "any text"`: symbols that cannot be written bare.
    Symbol,
    /// `#tagged ["any text" value]`: tags that cannot be written after a `#`, or that would be resolved.
    Tagged,
}

impl BuiltIn {
    pub(crate) fn of(tag: &Symbol) -> Option<Self> {
        Some(match tag.as_str() {
            "inst" => Self::Inst,
            "uuid" => Self::Uuid,
            "bytes" => Self::Bytes,
            "keyword" => Self::Keyword,
            "symbol" => Self::Symbol,
            "tagged" => Self::Tagged,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Inst => "inst",
            Self::Uuid => "uuid",
            Self::Bytes => "bytes",
            Self::Keyword => "keyword",
            Self::Symbol => "symbol",
            Self::Tagged => "tagged",
        }
    }

    /// What may stand under the tag, as a hint.
    pub(crate) fn expected(self) -> &'static str {
        match self {
            Self::Inst => "an instant is written #inst \"2019-03-01T10:20:30.000Z\", later parts optional",
            Self::Uuid => "a UUID is written #uuid \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"",
            Self::Bytes => "bytes are written as pairs of hexadecimal digits, #bytes \"00ff\"",
            Self::Keyword => "the escape of a keyword takes its text, #keyword \"a b\"",
            Self::Symbol => "the escape of a symbol takes its text, #symbol \"a b\"",
            Self::Tagged => "the escape of a tag takes its text and a form, #tagged [\"a b\" 1]",
        }
    }
}

/// The value of a built-in tag over a leaf.
pub(crate) fn built_in(tag: BuiltIn, item: &Value) -> Option<Value> {
    if let (BuiltIn::Inst, Value::Int(millis)) = (tag, item) {
        // How instants print that lie outside of the calendar.
        return Some(Value::Inst(*millis));
    }
    let text = item.as_str()?;
    match tag {
        BuiltIn::Inst => inst::parse(text).map(Value::Inst),
        BuiltIn::Uuid => uuid(text).map(Value::Uuid),
        BuiltIn::Bytes => bytes(text).map(|bytes| Value::Bytes(bytes.into())),
        BuiltIn::Keyword => Some(Value::Keyword(Keyword::parse(text))),
        BuiltIn::Symbol => Some(Value::Symbol(Symbol::parse(text))),
        BuiltIn::Tagged => None,
    }
}

/// Only the hyphenated form, of the several that the uuid crate accepts.
fn uuid(text: &str) -> Option<uuid::Uuid> {
    let hyphens = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    hyphens.then(|| uuid::Uuid::try_parse(text).ok()).flatten()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let nibble = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect()
}
