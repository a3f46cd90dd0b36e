//! The bridge between [`Value`] and Rust types.
//!
//! ```text
//! T --Serialize--> ser::Serializer --> Value          Value --de::Deserializer--> Deserialize --> T
//! ```
//!
//! | Rust | EDN written | EDN accepted |
//! |---|---|---|
//! | struct | map with keyword keys | keys as keywords or strings; `:ns/name` also matches a field `name` |
//! | `Option` | `nil` or the value | the same |
//! | `Vec`, tuple | vector | vector, list, set |
//! | unit variant | keyword | keyword, symbol, string |
//! | other variants | `{:variant content}` | the same, with any kind of name |
//! | `HashMap<String, T>` | map with string keys | string, keyword or symbol keys |
//! | integers, floats | integer (N beyond 64 bits), float | also N, M and ratios where they fit |
//! | [`Value`], [`Keyword`], [`Symbol`] | themselves | themselves |
//!
//! Types of EDN that serde does not know (keywords, instants, sets ...) travel as newtype structs with the
//! private names below, which this crate's own formats understand and others, such as JSON, pass through.

mod de;
mod exact;
mod ser;

use ::serde::de::DeserializeOwned;
use ::serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, ErrorKind, Result};
use crate::form::{Form, FormKind, Span};
use crate::name::{Keyword, Symbol};
use crate::value::Value;

/// Newtype names of the types that serde does not know.
mod names {
    pub(super) const PREFIX: &str = "$factum_edn::";
    pub(super) const VALUE: &str = "$factum_edn::Value";
    pub(super) const BIG_INT: &str = "$factum_edn::BigInt";
    pub(super) const RATIO: &str = "$factum_edn::Ratio";
    pub(super) const DECIMAL: &str = "$factum_edn::Decimal";
    pub(super) const KEYWORD: &str = "$factum_edn::Keyword";
    pub(super) const SYMBOL: &str = "$factum_edn::Symbol";
    pub(super) const INST: &str = "$factum_edn::Inst";
    pub(super) const UUID: &str = "$factum_edn::Uuid";
    pub(super) const BYTES: &str = "$factum_edn::Bytes";
    pub(super) const LIST: &str = "$factum_edn::List";
    pub(super) const SET: &str = "$factum_edn::Set";
    pub(super) const TAGGED: &str = "$factum_edn::Tagged";
}

/// Turns anything serializable into a value.
///
/// ```
/// #[derive(serde::Serialize)]
/// struct Person { #[serde(rename = "person/name")] name: String, tags: Vec<u8>, boss: Option<i64> }
/// let ann = Person { name: "Ann".into(), tags: vec![1, 2], boss: None };
/// assert_eq!(factum_edn::to_value(&ann)?.to_string(), r#"{:boss nil, :tags [1 2], :person/name "Ann"}"#);
/// # Ok::<(), factum_edn::Error>(())
/// ```
pub fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value> {
    value.serialize(ser::ValueSerializer)
}

/// Turns a value into a Rust type.
///
/// ```
/// #[derive(serde::Deserialize)]
/// struct Person { name: String, age: Option<u8> }
/// let value = factum_edn::read(r#"{:person/name "Ann" :db/id 7}"#)?;
/// let ann: Person = factum_edn::from_value(value)?;
/// assert_eq!((ann.name.as_str(), ann.age), ("Ann", None));
/// # Ok::<(), factum_edn::Error>(())
/// ```
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(de::ValueDeserializer::new(value))
}

/// Reads exactly one value and turns it into a Rust type; errors of shape point into the text, too.
///
/// ```
/// let rows: Vec<(String, i64)> = factum_edn::from_str(r#"[["Ann" 1] ["Bob" 2]]"#)?;
/// assert_eq!(rows[1], ("Bob".to_owned(), 2));
/// let error = factum_edn::from_str::<Vec<i64>>("[1 :two]").unwrap_err();
/// assert_eq!((error.span().start, error.span().end), (3, 7));
/// # Ok::<(), factum_edn::Error>(())
/// ```
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T> {
    let value = crate::read(text)?;
    from_value(value).map_err(|error| match (error.kind(), crate::read_form(text)) {
        (ErrorKind::Shape { path, .. }, Ok(form)) => {
            let span = locate(&form, path);
            Error::new(error.kind().clone(), span)
        }
        _ => error,
    })
}

/// The place that a path of keys and indexes leads to, or the last place on it that exists.
fn locate(form: &Form, path: &[Value]) -> Span {
    let mut place = form;
    for step in path {
        let next = match &place.kind {
            FormKind::List(items) | FormKind::Vector(items) => {
                step.as_int().and_then(|index| items.get(usize::try_from(index).ok()?))
            }
            FormKind::Map(entries) => {
                entries.iter().find(|(key, _)| key.to_value() == *step).map(|(_, value)| value)
            }
            _ => None,
        };
        match next {
            Some(next) => place = next,
            None => break,
        }
    }
    place.span
}

impl Serialize for Keyword {
    /// As a string without its colon, for formats without keywords.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(names::KEYWORD, self.as_str())
    }
}

impl Serialize for Symbol {
    /// As a string, for formats without symbols.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(names::SYMBOL, self.as_str())
    }
}

impl<'de> Deserialize<'de> for Keyword {
    /// From a keyword, or from a string with or without a colon.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(names::KEYWORD, exact::TextVisitor("a keyword")).map(|text| {
            // A string from another format may spell the colon.
            Self::from(text.as_str())
        })
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_newtype_struct(names::SYMBOL, exact::TextVisitor("a symbol"))
            .map(|text| Self::parse(&text))
    }
}
