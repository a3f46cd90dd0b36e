//! Fitting values to attribute types before they are stored.
//!
//! By default numbers, texts and truth values are converted, even where that loses something (4.7 becomes 4 in an
//! integer attribute); with `validate_data` a value must have the declared type already.

use std::borrow::Cow;

use bigdecimal::BigDecimal;
use edn::{Keyword, Symbol, Value};
use num_bigint::BigInt;
use num_traits::{FromPrimitive, ToPrimitive};

use crate::encode::NESTING_MAX;
use crate::error::{Error, Result};
use crate::schema::{Attribute, Schema, TupleSpec, ValueType};

/// Significant digits of a decimal made from a ratio.
const RATIO_DIGITS: u64 = 34;

/// What can be wrong with a value, before the attribute is named.
enum Misfit {
    Type(String),
    NotANumber,
    Nil,
    Deep,
}

/// The value as `attribute` stores it. References must be entity ids already.
pub(crate) fn coerce<'v>(
    schema: &Schema,
    attribute: &Attribute,
    value: &'v Value,
    strict: bool,
) -> Result<Cow<'v, Value>> {
    let coerced = match (&attribute.tuple, attribute.value_type) {
        _ if value.is_nil() => Err(Misfit::Nil),
        (Some(spec), _) => tuple(schema, spec, value, strict),
        (None, Some(value_type)) => scalar(value_type, value, strict),
        (None, None) => any(value),
    };
    coerced.map_err(|misfit| {
        let attribute = attribute.ident.clone();
        match misfit {
            Misfit::Type(expected) => Error::TypeMismatch { attribute, expected, got: value.clone() },
            Misfit::NotANumber => Error::NotANumber { attribute },
            Misfit::Nil => Error::NilValue { attribute },
            Misfit::Deep => Error::NestedTooDeeply { attribute, max: NESTING_MAX },
        }
    })
}

fn any(value: &Value) -> Result<Cow<'_, Value>, Misfit> {
    match value {
        Value::Float(number) if number.is_nan() => Err(Misfit::NotANumber),
        value if is_deeper_than(value, NESTING_MAX) => Err(Misfit::Deep),
        value => Ok(Cow::Borrowed(value)),
    }
}

/// Whether collections nest deeper than `max`; walks level by level, so that depth costs no stack.
fn is_deeper_than(value: &Value, max: usize) -> bool {
    let mut level = vec![value];
    for _ in 0..=max {
        let mut below = Vec::new();
        for value in level {
            match value {
                Value::List(items) | Value::Vector(items) => below.extend(items),
                Value::Set(items) => below.extend(items),
                Value::Map(entries) => below.extend(entries.iter().flat_map(|(key, value)| [key, value])),
                Value::Tagged(_, value) => below.push(value),
                _ => {}
            }
        }
        if below.is_empty() {
            return false;
        }
        level = below;
    }
    true
}

fn tuple<'v>(
    schema: &Schema,
    spec: &TupleSpec,
    value: &'v Value,
    strict: bool,
) -> Result<Cow<'v, Value>, Misfit> {
    let items = value.as_sequence().ok_or_else(|| Misfit::Type("a vector (tuple)".into()))?;
    let element = |value_type: Option<ValueType>, item: &Value| match value_type {
        _ if item.is_nil() => Err(Misfit::Type("a tuple without nil".into())),
        Some(value_type) => {
            scalar(value_type, item, strict).map(Cow::into_owned).map_err(|misfit| match misfit {
                Misfit::Type(expected) => Misfit::Type(format!("a tuple with {expected} in place of {item}")),
                other => other,
            })
        }
        None => any(item).map(Cow::into_owned),
    };
    let same_len = |len: usize| {
        if items.len() == len { Ok(()) } else { Err(Misfit::Type(format!("a tuple of {len} elements"))) }
    };
    let coerced: Vec<Value> = match spec {
        TupleSpec::Homogeneous(value_type) => {
            items.iter().map(|item| element(Some(*value_type), item)).collect::<Result<_, _>>()?
        }
        TupleSpec::Heterogeneous(types) => {
            same_len(types.len())?;
            items
                .iter()
                .zip(types)
                .map(|(item, value_type)| element(Some(*value_type), item))
                .collect::<Result<_, _>>()?
        }
        TupleSpec::Composite(sources) => {
            same_len(sources.len())?;
            let parts = items.iter().zip(sources).map(|(item, source)| match schema.by_id(*source) {
                // A part that is missing is nil.
                _ if item.is_nil() => Ok(Value::Nil),
                source => element(source.and_then(|source| source.value_type), item),
            });
            parts.collect::<Result<_, _>>()?
        }
    };
    match value {
        Value::Vector(items) if *items == coerced => Ok(Cow::Borrowed(value)),
        _ => Ok(Cow::Owned(Value::Vector(coerced))),
    }
}

/// Whether the value has the type without conversion.
pub(crate) fn has_type(value_type: ValueType, value: &Value) -> bool {
    match (value_type, value) {
        (ValueType::Long, Value::Int(_))
        | (ValueType::BigInt, Value::BigInt(_))
        | (ValueType::BigDec, Value::Decimal(_))
        | (ValueType::String, Value::Str(_))
        | (ValueType::Keyword, Value::Keyword(_))
        | (ValueType::Symbol, Value::Symbol(_))
        | (ValueType::Boolean, Value::Bool(_))
        | (ValueType::Instant, Value::Inst(_))
        | (ValueType::Uuid, Value::Uuid(_))
        | (ValueType::Bytes, Value::Bytes(_))
        | (ValueType::Tuple, Value::Vector(_)) => true,
        (ValueType::Double | ValueType::Float, Value::Float(number)) => !number.is_nan(),
        (ValueType::Ref, Value::Int(id)) => *id >= 0,
        _ => false,
    }
}

fn expected(value_type: ValueType) -> String {
    match value_type {
        ValueType::Long => "an integer (:db.type/long)".into(),
        ValueType::Ref => "a reference: an entity id, ident, lookup ref or nested map (:db.type/ref)".into(),
        other => format!("{other}"),
    }
}

fn scalar(value_type: ValueType, value: &Value, strict: bool) -> Result<Cow<'_, Value>, Misfit> {
    if has_type(value_type, value) {
        return Ok(Cow::Borrowed(value));
    }
    if matches!(value, Value::Float(number) if number.is_nan()) && value_type != ValueType::Boolean {
        return Err(Misfit::NotANumber);
    }
    let converted = if strict { None } else { convert(value_type, value) };
    converted.map(Cow::Owned).ok_or_else(|| Misfit::Type(expected(value_type)))
}

fn convert(value_type: ValueType, value: &Value) -> Option<Value> {
    Some(match value_type {
        ValueType::Long => Value::Int(truncated(value)?.to_i64()?),
        ValueType::Double | ValueType::Float => Value::Float(to_double(value)?),
        ValueType::BigInt => Value::BigInt(truncated(value)?),
        ValueType::BigDec => Value::Decimal(to_decimal(value)?),
        ValueType::String => Value::from(to_text(value)),
        ValueType::Keyword => match value {
            Value::Symbol(symbol) => Value::Keyword(Keyword::parse(symbol.as_str())),
            text => Value::Keyword(Keyword::from(text.as_str()?)),
        },
        ValueType::Symbol => match value {
            Value::Keyword(keyword) => Value::Symbol(Symbol::parse(keyword.as_str())),
            text => Value::Symbol(Symbol::from(text.as_str()?)),
        },
        ValueType::Boolean => Value::Bool(value.is_truthy()),
        ValueType::Instant => Value::Inst(truncated(value)?.to_i64()?),
        ValueType::Uuid => Value::Uuid(uuid::Uuid::parse_str(value.as_str()?).ok()?),
        ValueType::Bytes => Value::Bytes(to_bytes(value)?.into()),
        ValueType::Ref => return None,
        ValueType::Tuple => Value::Vector(value.as_sequence()?.to_vec()),
    })
}

/// The integer part of any number.
fn truncated(value: &Value) -> Option<BigInt> {
    match value {
        Value::Int(number) => Some((*number).into()),
        Value::BigInt(number) => Some(number.clone()),
        Value::Float(number) => BigInt::from_f64(number.trunc()),
        Value::Ratio(number) => Some(number.to_integer()),
        Value::Decimal(number) => {
            Some(number.with_scale_round(0, bigdecimal::RoundingMode::Down).into_bigint_and_exponent().0)
        }
        _ => None,
    }
}

fn to_double(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::BigInt(number) => number.to_f64(),
        Value::Ratio(number) => number.to_f64(),
        Value::Decimal(number) => number.to_f64(),
        _ => None,
    }
}

fn to_decimal(value: &Value) -> Option<BigDecimal> {
    match value {
        Value::Int(number) => Some((*number).into()),
        Value::BigInt(number) => Some(number.clone().into()),
        // Through the shortest text that means the double: 4.7 becomes 4.7M.
        Value::Float(number) => number.to_string().parse().ok(),
        Value::Decimal(number) => Some(number.clone()),
        Value::Ratio(number) => {
            let (numerator, denominator) = (number.numer().clone(), number.denom().clone());
            Some(
                (BigDecimal::from(numerator) / BigDecimal::from(denominator))
                    .with_prec(RATIO_DIGITS)
                    .normalized(),
            )
        }
        _ => None,
    }
}

/// The text of a value as `str` gives it: strings and characters bare, everything else as EDN.
fn to_text(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        Value::Char(char) => char.to_string(),
        other => other.to_string(),
    }
}

fn to_bytes(value: &Value) -> Option<Vec<u8>> {
    let byte = |item: &Value| match item.as_int()? {
        signed @ -128..0 => Some(signed as i8 as u8),
        unsigned => u8::try_from(unsigned).ok(),
    };
    value.as_sequence()?.iter().map(byte).collect()
}
