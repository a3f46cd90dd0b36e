//! Serializing: Rust types to [`Value`], and [`Value`] to any format.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::str::FromStr;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use serde::Serialize;
use serde::ser::{self, Error as _, SerializeMap, SerializeTuple};

use super::names;
use crate::error::{Error, ErrorKind};
use crate::form::Span;
use crate::inst;
use crate::name::{Keyword, Symbol};
use crate::print::DecimalText;
use crate::tags::{self, BuiltIn};
use crate::value::Value;

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(ErrorKind::Shape { message: message.to_string(), path: Vec::new() }, Span::default())
    }
}

impl Serialize for Value {
    /// Formats without EDN's types get: strings for keywords (without colon), symbols, N, M and ratios,
    /// instants (RFC 3339), UUIDs and bytes (hexadecimal); arrays for lists and sets, `[tag, value]` for tags.
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let newtype = |serializer: S, name, text: &dyn Display| {
            serializer.serialize_newtype_struct(name, &text.to_string())
        };
        match self {
            Self::Nil => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Str(text) => serializer.serialize_str(text),
            Self::BigInt(value) => newtype(serializer, names::BIG_INT, value),
            Self::Ratio(value) => newtype(serializer, names::RATIO, value),
            Self::Decimal(value) => newtype(serializer, names::DECIMAL, &DecimalText(value)),
            Self::Keyword(keyword) => keyword.serialize(serializer),
            Self::Symbol(symbol) => symbol.serialize(serializer),
            Self::Inst(millis) => newtype(serializer, names::INST, &inst_text(*millis)),
            Self::Uuid(value) => newtype(serializer, names::UUID, value),
            Self::Bytes(bytes) => serializer.serialize_newtype_struct(names::BYTES, &hex(bytes)),
            Self::Vector(items) => serializer.collect_seq(items),
            Self::List(items) => serializer.serialize_newtype_struct(names::LIST, items),
            Self::Set(items) => serializer.serialize_newtype_struct(names::SET, items),
            Self::Map(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Tagged(tag, value) => {
                serializer.serialize_newtype_struct(names::TAGGED, &Tagged(tag.as_str(), value))
            }
        }
    }
}

/// The payload of a tagged value: `[tag, value]`.
struct Tagged<'v>(&'v str, &'v Value);

impl Serialize for Tagged<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(self.0)?;
        pair.serialize_element(self.1)?;
        pair.end()
    }
}

/// An instant as RFC 3339, or as milliseconds outside of the calendar.
pub(super) fn inst_text(millis: i64) -> String {
    let mut text = String::new();
    match inst::write(&mut text, millis) {
        Some(_) => text.replace("-00:00", "Z"),
        None => millis.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The value behind one of the private newtypes, from its payload.
fn special(name: &str, payload: Value) -> Option<Value> {
    let text = payload.as_str();
    Some(match name {
        names::BIG_INT => Value::BigInt(BigInt::from_str(text?).ok()?),
        names::RATIO => {
            let text = text?;
            let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
            let (numerator, denominator) = (numerator.parse().ok()?, denominator.parse().ok()?);
            Value::Ratio(BigRational::new_raw(numerator, denominator))
        }
        names::DECIMAL => Value::Decimal(BigDecimal::from_str(text?).ok()?),
        names::KEYWORD => Value::Keyword(Keyword::parse(text?)),
        names::SYMBOL => Value::Symbol(Symbol::parse(text?)),
        names::INST => Value::Inst(inst::parse(text?).or_else(|| text?.parse().ok())?),
        names::UUID => tags::built_in(BuiltIn::Uuid, &payload)?,
        names::BYTES => tags::built_in(BuiltIn::Bytes, &payload)?,
        names::LIST => match payload {
            Value::Vector(items) => Value::List(items),
            _ => return None,
        },
        names::SET => match payload {
            Value::Vector(items) => Value::Set(items.into_iter().collect()),
            _ => return None,
        },
        names::TAGGED => match payload {
            Value::Vector(items) => {
                let [tag, value] = <[Value; 2]>::try_from(items).ok()?;
                Value::Tagged(Symbol::parse(tag.as_str()?), Box::new(value))
            }
            _ => return None,
        },
        _ => payload,
    })
}

/// A 128-bit integer as the smallest type that holds it.
fn wide(value: impl TryInto<i64> + Into<BigInt> + Copy) -> Value {
    value.try_into().map_or_else(|_| Value::BigInt(value.into()), Value::Int)
}

/// Builds a [`Value`].
pub(super) struct ValueSerializer;

impl ser::Serializer for ValueSerializer {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Sequence;
    type SerializeTuple = Sequence;
    type SerializeTupleStruct = Sequence;
    type SerializeTupleVariant = Sequence;
    type SerializeMap = Entries;
    type SerializeStruct = Entries;
    type SerializeStructVariant = Entries;

    fn serialize_bool(self, value: bool) -> Result<Value, Error> {
        Ok(Value::Bool(value))
    }

    fn serialize_i8(self, value: i8) -> Result<Value, Error> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i16(self, value: i16) -> Result<Value, Error> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i32(self, value: i32) -> Result<Value, Error> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_i64(self, value: i64) -> Result<Value, Error> {
        Ok(Value::Int(value))
    }

    fn serialize_i128(self, value: i128) -> Result<Value, Error> {
        Ok(wide(value))
    }

    fn serialize_u8(self, value: u8) -> Result<Value, Error> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_u16(self, value: u16) -> Result<Value, Error> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_u32(self, value: u32) -> Result<Value, Error> {
        Ok(Value::Int(value.into()))
    }

    fn serialize_u64(self, value: u64) -> Result<Value, Error> {
        Ok(wide(value))
    }

    fn serialize_u128(self, value: u128) -> Result<Value, Error> {
        Ok(wide(value))
    }

    fn serialize_f32(self, value: f32) -> Result<Value, Error> {
        Ok(Value::Float(value.into()))
    }

    fn serialize_f64(self, value: f64) -> Result<Value, Error> {
        Ok(Value::Float(value))
    }

    fn serialize_char(self, value: char) -> Result<Value, Error> {
        Ok(Value::Char(value))
    }

    fn serialize_str(self, value: &str) -> Result<Value, Error> {
        Ok(Value::str(value))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, Error> {
        Ok(Value::Bytes(value.into()))
    }

    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, Error> {
        Ok(Value::keyword(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let payload = value.serialize(self)?;
        if !name.starts_with(names::PREFIX) {
            return Ok(payload);
        }
        special(name, payload).ok_or_else(|| Error::custom(format_args!("malformed payload of {name}")))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        Ok(in_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Sequence, Error> {
        Ok(Sequence { variant: None, items: Vec::with_capacity(len.unwrap_or(0).min(4096)) })
    }

    fn serialize_tuple(self, len: usize) -> Result<Sequence, Error> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Sequence, Error> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Sequence, Error> {
        Ok(Sequence { variant: Some(variant), items: Vec::with_capacity(len) })
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, Error> {
        Ok(Entries { variant: None, key: None, entries: BTreeMap::new() })
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries, Error> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries, Error> {
        Ok(Entries { variant: Some(variant), key: None, entries: BTreeMap::new() })
    }
}

/// `{:variant content}`, or the content outside of enums.
fn in_variant(variant: Option<&'static str>, content: Value) -> Value {
    match variant {
        Some(variant) => Value::Map(BTreeMap::from([(Value::keyword(variant), content)])),
        None => content,
    }
}

/// A vector under construction.
pub(super) struct Sequence {
    variant: Option<&'static str>,
    items: Vec<Value>,
}

impl Sequence {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.items.push(value.serialize(ValueSerializer)?);
        Ok(())
    }

    fn finish(self) -> Value {
        in_variant(self.variant, Value::Vector(self.items))
    }
}

/// A map under construction.
pub(super) struct Entries {
    variant: Option<&'static str>,
    key: Option<Value>,
    entries: BTreeMap<Value, Value>,
}

impl Entries {
    fn insert<T: Serialize + ?Sized>(&mut self, key: Value, value: &T) -> Result<(), Error> {
        self.entries.insert(key, value.serialize(ValueSerializer)?);
        Ok(())
    }

    fn finish(self) -> Value {
        in_variant(self.variant, Value::Map(self.entries))
    }
}

macro_rules! sequence {
    ($($trait:ident::$method:ident),*) => {
        $(impl ser::$trait for Sequence {
            type Ok = Value;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.push(value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.finish())
            }
        })*
    };
}

sequence!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Entries {
            type Ok = Value;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                self.insert(Value::keyword(key), value)
            }

            fn end(self) -> Result<Value, Error> {
                Ok(self.finish())
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(key.serialize(ValueSerializer)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value without a key"))?;
        self.insert(key, value)
    }

    fn end(self) -> Result<Value, Error> {
        Ok(self.finish())
    }
}
