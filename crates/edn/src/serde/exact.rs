//! Deserializing to [`Value`], from this crate's own values without loss and from any other format.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bigdecimal::BigDecimal;
use num_bigint::BigInt;
use num_rational::BigRational;
use serde::Deserialize;
use serde::de::value::U8Deserializer;
use serde::de::{self, DeserializeSeed, Error as _, IntoDeserializer, VariantAccess, Visitor};

use super::de::ValueDeserializer;
use super::names;
use crate::error::Error;
use crate::name::{Keyword, Symbol};
use crate::value::Value;

/// Types that keep their identity on the way from [`Value`] to [`Value`], by number.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Exact {
    Plain,
    BigInt,
    Ratio,
    Decimal,
    Keyword,
    Symbol,
    Inst,
    Uuid,
    Bytes,
    List,
    Set,
    Tagged,
}

impl Exact {
    const ALL: [Self; 12] = [
        Self::Plain,
        Self::BigInt,
        Self::Ratio,
        Self::Decimal,
        Self::Keyword,
        Self::Symbol,
        Self::Inst,
        Self::Uuid,
        Self::Bytes,
        Self::List,
        Self::Set,
        Self::Tagged,
    ];

    fn of(value: &Value) -> Self {
        match value {
            Value::BigInt(_) => Self::BigInt,
            Value::Ratio(_) => Self::Ratio,
            Value::Decimal(_) => Self::Decimal,
            Value::Keyword(_) => Self::Keyword,
            Value::Symbol(_) => Self::Symbol,
            Value::Inst(_) => Self::Inst,
            Value::Uuid(_) => Self::Uuid,
            Value::Bytes(_) => Self::Bytes,
            Value::List(_) => Self::List,
            Value::Set(_) => Self::Set,
            Value::Tagged(..) => Self::Tagged,
            _ => Self::Plain,
        }
    }
}

/// Gives a value to [`ValueVisitor`] as a variant of [`Exact`] with a payload that serde knows.
pub(super) struct ExactAccess {
    pub(super) value: Value,
}

impl<'de> de::EnumAccess<'de> for ExactAccess {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let number: U8Deserializer<Error> = (Exact::of(&self.value) as u8).into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for ExactAccess {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(Error::custom("a value has a payload"))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(ValueDeserializer::new(self.value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.unit_variant().and_then(|()| Err(Error::custom("a value has one payload")))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        self.unit_variant().and_then(|()| Err(Error::custom("a value has one payload")))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(names::VALUE, ValueVisitor)
    }
}

/// Builds a [`Value`] from whatever a format offers.
struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::BigInt(value.into()), Value::Int))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::BigInt(value.into()), Value::Int))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or_else(|_| Value::BigInt(value.into()), Value::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_char<E>(self, value: char) -> Result<Value, E> {
        Ok(Value::Char(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::str(value))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(access.size_hint().unwrap_or(0).min(4096));
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::Vector(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((key, value)) = access.next_entry()? {
            entries.insert(key, value);
        }
        Ok(Value::Map(entries))
    }

    fn visit_enum<A: de::EnumAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        let (number, payload) = access.variant::<u8>()?;
        let exact = Exact::ALL.get(usize::from(number)).copied().unwrap_or(Exact::Plain);
        match exact {
            Exact::Plain => payload.newtype_variant_seed(Plain),
            Exact::Inst => payload.newtype_variant().map(Value::Inst),
            Exact::List => payload.newtype_variant().map(Value::List),
            Exact::Set => {
                let items: Vec<Value> = payload.newtype_variant()?;
                Ok(Value::Set(items.into_iter().collect()))
            }
            Exact::Bytes => {
                let bytes: Vec<u8> = payload.newtype_variant()?;
                Ok(Value::Bytes(bytes.into()))
            }
            Exact::Tagged => {
                let (tag, value) = payload.newtype_variant_seed(TaggedPair)?;
                Ok(Value::Tagged(Symbol::parse(&tag), Box::new(value)))
            }
            named => {
                let text: String = payload.newtype_variant()?;
                from_text(named, &text).ok_or_else(|| A::Error::custom("a malformed payload"))
            }
        }
    }
}

fn from_text(exact: Exact, text: &str) -> Option<Value> {
    Some(match exact {
        Exact::BigInt => Value::BigInt(BigInt::from_str(text).ok()?),
        Exact::Ratio => Value::Ratio(BigRational::from_str(text).ok()?),
        Exact::Decimal => Value::Decimal(BigDecimal::from_str(text).ok()?),
        Exact::Keyword => Value::Keyword(Keyword::parse(text)),
        Exact::Symbol => Value::Symbol(Symbol::parse(text)),
        Exact::Uuid => Value::Uuid(uuid::Uuid::try_parse(text).ok()?),
        _ => return None,
    })
}

/// Any value that serde's own types describe exactly.
struct Plain;

impl<'de> DeserializeSeed<'de> for Plain {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Tag and value of a tagged value.
struct TaggedPair;

impl<'de> DeserializeSeed<'de> for TaggedPair {
    type Value = (String, Value);

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        struct Pair;
        impl<'de> Visitor<'de> for Pair {
            type Value = (String, Value);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tag and a value")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let missing = || A::Error::invalid_length(0, &self);
                let tag = access.next_element()?.ok_or_else(missing)?;
                let value = access.next_element()?.ok_or_else(missing)?;
                Ok((tag, value))
            }
        }
        deserializer.deserialize_any(Pair)
    }
}

/// Takes the text of a keyword or a symbol.
pub(super) struct TextVisitor(pub(super) &'static str);

impl<'de> Visitor<'de> for TextVisitor {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_newtype_struct<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E>(self, value: &str) -> Result<String, E> {
        Ok(value.to_owned())
    }

    fn visit_string<E>(self, value: String) -> Result<String, E> {
        Ok(value)
    }
}
