//! Deserializing from [`Value`]: serde's view of each kind of value.

use std::collections::BTreeMap;
use std::fmt::Display;

use num_bigint::BigInt;
use num_traits::ToPrimitive;
use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Error as _, IntoDeserializer, Unexpected, VariantAccess, Visitor};

use super::exact::ExactAccess;
use super::names;
use super::ser::inst_text;
use crate::error::{Error, ErrorKind};
use crate::form::Span;
use crate::print::DecimalText;
use crate::value::Value;

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(ErrorKind::Shape { message: message.to_string(), path: Vec::new() }, Span::default())
    }
}

/// Hands a [`Value`] to serde.
pub(super) struct ValueDeserializer {
    value: Value,
}

impl ValueDeserializer {
    pub(super) fn new(value: Value) -> Self {
        Self { value }
    }

    /// The text that a string field takes from this value; gives the value back if there is none.
    fn into_text(self) -> Result<String, Value> {
        Ok(match self.value {
            Value::Str(text) => text.as_ref().to_owned(),
            Value::Keyword(keyword) => keyword.as_str().to_owned(),
            Value::Symbol(symbol) => symbol.as_str().to_owned(),
            Value::Char(c) => c.to_string(),
            Value::BigInt(value) => value.to_string(),
            Value::Ratio(value) => value.to_string(),
            Value::Decimal(value) => DecimalText(&value).to_string(),
            Value::Inst(millis) => inst_text(millis),
            Value::Uuid(value) => value.to_string(),
            other => return Err(other),
        })
    }

    /// A sequence field takes vectors, lists and sets, and bytes as integers.
    fn visit_items<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let items = match self.value {
            Value::Vector(items) | Value::List(items) => items,
            Value::Set(items) => {
                // Elements of sets have no index that would lead to them.
                return visit_sequence(items.into_iter(), false, visitor);
            }
            Value::Bytes(bytes) => bytes.iter().map(|byte| Value::Int((*byte).into())).collect(),
            other => return Self::new(other).refuse(&visitor),
        };
        visit_sequence(items.into_iter(), true, visitor)
    }

    fn refuse<T>(self, expected: &dyn de::Expected) -> Result<T, Error> {
        let found = crate::print::preview(&self.value);
        let found = format!("{} {found}", self.value.type_name());
        Err(Error::invalid_type(Unexpected::Other(&found), expected))
    }

    fn visit_integer<'de, V: Visitor<'de>>(value: &BigInt, visitor: V) -> Result<V::Value, Error> {
        if let Some(value) = value.to_i64() {
            visitor.visit_i64(value)
        } else if let Some(value) = value.to_u64() {
            visitor.visit_u64(value)
        } else if let Some(value) = value.to_i128() {
            visitor.visit_i128(value)
        } else if let Some(value) = value.to_u128() {
            visitor.visit_u128(value)
        } else {
            Err(Error::invalid_value(Unexpected::Other(&format!("{value}N")), &visitor))
        }
    }
}

fn visit_sequence<'de, V: Visitor<'de>>(
    items: impl ExactSizeIterator<Item = Value>,
    indexed: bool,
    visitor: V,
) -> Result<V::Value, Error> {
    let len = items.len();
    let mut access = ItemAccess { items, next: 0, indexed };
    let result = visitor.visit_seq(&mut access)?;
    if access.items.len() > 0 {
        return Err(Error::invalid_length(len, &format!("{} elements", access.next).as_str()));
    }
    Ok(result)
}

macro_rules! forward {
    ($target:ident: $($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$target(visitor)
        })*
    };
}

impl<'de> de::Deserializer<'de> for ValueDeserializer {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visitor.visit_i64(value),
            Value::BigInt(value) => Self::visit_integer(&value, visitor),
            Value::Float(value) => visitor.visit_f64(value),
            Value::Ratio(value) => visitor.visit_f64(value.to_f64().unwrap_or(f64::NAN)),
            Value::Decimal(value) => visitor.visit_f64(value.to_f64().unwrap_or(f64::NAN)),
            Value::Char(value) => visitor.visit_char(value),
            Value::Str(text) => visitor.visit_str(&text),
            Value::Keyword(keyword) => visitor.visit_str(keyword.as_str()),
            Value::Symbol(symbol) => visitor.visit_str(symbol.as_str()),
            Value::Inst(millis) => visitor.visit_string(inst_text(millis)),
            Value::Uuid(value) => visitor.visit_string(value.to_string()),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes.to_vec()),
            Value::List(_) | Value::Vector(_) | Value::Set(_) => self.visit_items(visitor),
            Value::Map(entries) => visitor.visit_map(EntryAccess::new(entries, &[])?),
            Value::Tagged(tag, value) => {
                let pair = [Value::str(tag.as_str()), *value];
                visit_sequence(pair.into_iter(), true, visitor)
            }
        }
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            // An instant fits a field that holds milliseconds.
            Value::Inst(millis) => visitor.visit_i64(millis),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.into_text() {
            Ok(text) => visitor.visit_string(text),
            Err(value) => Self::new(value).deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_nil() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match (name, &self.value) {
            (names::VALUE, _) => visitor.visit_enum(ExactAccess { value: self.value }),
            (names::KEYWORD, Value::Keyword(_) | Value::Str(_))
            | (names::SYMBOL, Value::Symbol(_) | Value::Str(_)) => self.deserialize_str(visitor),
            (names::KEYWORD | names::SYMBOL, _) => self.refuse(&visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit_items(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.visit_items(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Map(entries) => visitor.visit_map(EntryAccess::new(entries, fields)?),
            Value::Vector(_) | Value::List(_) => self.visit_items(visitor),
            other => Self::new(other).refuse(&visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (name, content) = match self.value {
            Value::Map(entries) if entries.len() == 1 => match entries.into_iter().next() {
                Some((name, content)) => (name, Some(content)),
                None => return Err(Error::custom("an empty map is no variant")),
            },
            other => (other, None),
        };
        match key_text(&name) {
            Some(text) => {
                let variant = pick_name(text, &name, variants).to_owned();
                visitor.visit_enum(VariantOf { variant, content })
            }
            None => Self::new(name).refuse(&"a keyword, or a map {:variant content}"),
        }
    }

    forward! { deserialize_any:
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_bytes deserialize_byte_buf deserialize_unit deserialize_map
        deserialize_ignored_any
    }

    forward! { visit_items: deserialize_seq }

    forward! { deserialize_str: deserialize_identifier }
}

impl<'de> IntoDeserializer<'de, Error> for ValueDeserializer {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The text of a map key or a variant name.
fn key_text(key: &Value) -> Option<&str> {
    match key {
        Value::Keyword(keyword) => Some(keyword.as_str()),
        Value::Symbol(symbol) => Some(symbol.as_str()),
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// The name among `known` that a key stands for: its whole text, with a colon or without, or the part behind
/// its namespace.
fn pick_name<'k>(text: &'k str, key: &'k Value, known: &'static [&'static str]) -> &'k str {
    let is_text = |name: &&&str| name.strip_prefix(':').unwrap_or(name) == text;
    if let Some(name) = known.iter().find(is_text) {
        return name;
    }
    match key {
        Value::Keyword(keyword) if known.contains(&keyword.name()) => keyword.name(),
        _ => text,
    }
}

/// The elements of a sequence.
struct ItemAccess<I> {
    items: I,
    next: i64,
    indexed: bool,
}

impl<'de, I: ExactSizeIterator<Item = Value>> de::SeqAccess<'de> for &mut ItemAccess<I> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        seed.deserialize(ValueDeserializer::new(item)).map(Some).map_err(|error| match self.indexed {
            true => error.below(|| Value::Int(index)),
            false => error,
        })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a map; keys that name fields of a struct are given as those fields' names.
struct EntryAccess {
    entries: std::collections::btree_map::IntoIter<Value, Value>,
    fields: &'static [&'static str],
    /// The entry whose key was given last.
    current: Option<(Value, Value)>,
}

impl EntryAccess {
    fn new(entries: BTreeMap<Value, Value>, fields: &'static [&'static str]) -> Result<Self, Error> {
        if !fields.is_empty() {
            check_unambiguous(&entries, fields)?;
        }
        Ok(Self { entries: entries.into_iter(), fields, current: None })
    }
}

/// Two keys for one field, as `:person/name` and `:company/name` for `name`, are told by both names.
fn check_unambiguous(entries: &BTreeMap<Value, Value>, fields: &'static [&'static str]) -> Result<(), Error> {
    let mut claimed: BTreeMap<&str, &Value> = BTreeMap::new();
    for key in entries.keys() {
        let Some(text) = key_text(key) else { continue };
        let name = pick_name(text, key, fields);
        if !fields.contains(&name) {
            continue;
        }
        if let Some(other) = claimed.insert(name, key) {
            return Err(Error::custom(format_args!("both {other} and {key} fit the field `{name}`")));
        }
    }
    Ok(())
}

impl<'de> de::MapAccess<'de> for EntryAccess {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        let result = match key_text(&key) {
            Some(text) if !self.fields.is_empty() => {
                seed.deserialize(StrDeserializer::new(pick_name(text, &key, self.fields)))
            }
            // No field has such a name; the text is only shown where unknown fields are refused.
            None if !self.fields.is_empty() => seed.deserialize(StrDeserializer::new(&key.to_string())),
            _ => seed.deserialize(ValueDeserializer::new(key.clone())),
        };
        let result = result.map_err(|error: Error| error.below(|| key.clone()))?;
        self.current = Some((key, value));
        Ok(Some(result))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (key, value) = self.current.take().ok_or_else(|| Error::custom("a value without a key"))?;
        seed.deserialize(ValueDeserializer::new(value)).map_err(|error| error.below(|| key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A variant of an enum.
struct VariantOf {
    variant: String,
    content: Option<Value>,
}

impl<'de> de::EnumAccess<'de> for VariantOf {
    type Error = Error;
    type Variant = VariantContent;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, VariantContent), Error> {
        let variant = seed.deserialize(StrDeserializer::new(&self.variant))?;
        Ok((variant, VariantContent { variant: self.variant, content: self.content }))
    }
}

/// What stands beside the name of a variant.
struct VariantContent {
    variant: String,
    content: Option<Value>,
}

impl VariantContent {
    fn content(self, expected: &str) -> Result<(String, ValueDeserializer), Error> {
        match self.content {
            Some(content) => Ok((self.variant, ValueDeserializer::new(content))),
            None => Err(Error::invalid_type(Unexpected::UnitVariant, &expected)),
        }
    }
}

impl<'de> VariantAccess<'de> for VariantContent {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.content {
            None | Some(Value::Nil) => Ok(()),
            Some(content) => ValueDeserializer::new(content).refuse(&"no content"),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        let (variant, content) = self.content("{:variant value}")?;
        seed.deserialize(content).map_err(|error| error.below(|| Value::keyword(&variant)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        let (variant, content) = self.content("{:variant [values]}")?;
        content.visit_items(visitor).map_err(|error| error.below(|| Value::keyword(&variant)))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let (variant, content) = self.content("{:variant {fields}}")?;
        de::Deserializer::deserialize_struct(content, "", fields, visitor)
            .map_err(|error| error.below(|| Value::keyword(&variant)))
    }
}
