//! From what users write to what indexes hold: entity references to ids, values to encodings, bounds to ranges.

use std::ops::Bound;

use edn::Value;
use num_traits::ToPrimitive;

use super::Db;
use crate::coerce::coerce;
use crate::datom::ValueRange;
use crate::encode::{EncodedValue, encode};
use crate::error::{Error, Result};
use crate::ids::EntityId;
use crate::schema::{Attribute, IDENT, ValueType};

/// How deep lookup refs may stand in lookup refs.
const LOOKUP_DEPTH_MAX: usize = 16;

impl Db {
    /// The entity that `reference` names: an id, an ident keyword, or a lookup ref `[unique-attribute value]`.
    ///
    /// Any non-negative integer is an entity, whether or not it has facts; an ident or lookup ref that nothing
    /// carries gives `None`.
    pub fn entid(&self, reference: &Value) -> Result<Option<EntityId>> {
        self.entid_at(reference, 0)
    }

    fn entid_at(&self, reference: &Value, depth: usize) -> Result<Option<EntityId>> {
        match reference {
            Value::Int(number) => match EntityId::from_int(*number) {
                Some(entity) => Ok(Some(entity)),
                None => Err(Error::EntityIdSyntax { given: reference.clone() }),
            },
            Value::Keyword(_) => {
                let found = self.entities(IDENT, &encode(reference))?;
                Ok(found.first().map(|e| EntityId(*e)))
            }
            Value::Vector(items) | Value::List(items) => {
                let [Value::Keyword(ident), value] = items.as_slice() else {
                    return Err(Error::LookupRefSyntax { given: reference.clone() });
                };
                if depth >= LOOKUP_DEPTH_MAX {
                    return Err(Error::LookupRefSyntax { given: reference.clone() });
                }
                let attribute = self.schema().attribute(ident).filter(|attribute| attribute.is_unique());
                let Some(attribute) = attribute else {
                    let (attribute, reference) = (ident.clone(), reference.clone());
                    return Err(Error::LookupRefNotUnique { attribute, reference });
                };
                if value.is_nil() {
                    return Ok(None);
                }
                let encoded = match self.encode_at(attribute, value, depth + 1) {
                    // A reference to nothing is the value of nothing.
                    Err(Error::EntityMissing { .. }) => return Ok(None),
                    encoded => encoded?,
                };
                let found = self.entities(attribute.id, &encoded)?;
                Ok(found.first().map(|e| EntityId(*e)))
            }
            _ => Err(Error::EntityIdSyntax { given: reference.clone() }),
        }
    }

    /// The entity that `reference` names; an error if there is none.
    pub fn require_entid(&self, reference: &Value) -> Result<EntityId> {
        self.entid(reference)?.ok_or_else(|| Error::EntityMissing { reference: reference.clone() })
    }

    /// The encoding of a value for an attribute: coerced to the attribute's type (by the database's options, strictly
    /// or not), references resolved.
    pub fn encode_for(&self, attribute: &Attribute, value: &Value) -> Result<EncodedValue> {
        self.encode_at(attribute, value, 0)
    }

    fn encode_at(&self, attribute: &Attribute, value: &Value, depth: usize) -> Result<EncodedValue> {
        match (attribute.value_type, value) {
            (Some(ValueType::String), Value::Str(text)) => return Ok(EncodedValue::str(text)),
            (Some(ValueType::Long), Value::Int(number)) => return Ok(EncodedValue::int(*number)),
            (Some(ValueType::Ref), Value::Keyword(_) | Value::Vector(_) | Value::List(_)) => {
                let target = self.entid_at(value, depth)?;
                let target = target.ok_or_else(|| Error::EntityMissing { reference: value.clone() })?;
                return Ok(EncodedValue::int(target.as_int()));
            }
            _ => {}
        }
        if let Some(registered) = &attribute.registered {
            let value = coerce(self.schema(), attribute, value, true)?;
            return Ok(registered.encode(&value)?);
        }
        Ok(encode(&*coerce(self.schema(), attribute, value, self.options().validate_data)?))
    }

    /// The value of [`encode_for`](Self::encode_for) before encoding.
    pub fn coerce(&self, attribute: &Attribute, value: &Value) -> Result<Value> {
        match (attribute.value_type, value) {
            (Some(ValueType::Ref), _) => self.encode_for(attribute, value)?.decode(),
            _ => Ok(coerce(self.schema(), attribute, value, self.options().validate_data)?.into_owned()),
        }
    }

    /// The stored values of `attribute` from `lo` to `hi`, both inclusive, `None` for an open end. A fractional bound
    /// of an integer attribute is exact: from 30.5 means from 31.
    pub fn range_for(
        &self,
        attribute: &Attribute,
        lo: Option<&Value>,
        hi: Option<&Value>,
    ) -> Result<ValueRange> {
        let lo = lo.map_or(Ok(Bound::Unbounded), |lo| self.bound_for(attribute, lo, true))?;
        let hi = hi.map_or(Ok(Bound::Unbounded), |hi| self.bound_for(attribute, hi, false))?;
        Ok(ValueRange { lo, hi })
    }

    fn bound_for(&self, attribute: &Attribute, value: &Value, is_lower: bool) -> Result<Bound<EncodedValue>> {
        if let Some(registered) = &attribute.registered {
            // Values whose keys are equal are within the bounds together.
            let bound = if is_lower { registered.lower(value, true) } else { registered.upper(value, true) };
            return Ok(bound?);
        }
        let is_integer = matches!(attribute.value_type, Some(ValueType::Long | ValueType::Instant));
        let rounded = match value {
            Value::Float(number) if is_integer && !number.is_nan() => {
                let number = if is_lower { number.ceil() } else { number.floor() };
                // `as` saturates, which is what an integer range wants.
                Some(number as i64)
            }
            Value::Ratio(number) if is_integer => {
                let number = if is_lower { number.ceil() } else { number.floor() };
                Some(saturate(number.to_integer().to_i64(), number > num_rational::BigRational::default()))
            }
            Value::Decimal(number) if is_integer => {
                let mode = if is_lower {
                    bigdecimal::RoundingMode::Ceiling
                } else {
                    bigdecimal::RoundingMode::Floor
                };
                let number = number.with_scale_round(0, mode);
                Some(saturate(number.to_i64(), number > bigdecimal::BigDecimal::default()))
            }
            Value::BigInt(number) if is_integer => {
                Some(saturate(number.to_i64(), number.sign() == num_bigint::Sign::Plus))
            }
            _ => None,
        };
        let encoded = match (rounded, attribute.value_type) {
            (Some(number), Some(ValueType::Instant)) => encode(&Value::Inst(number)),
            (Some(number), _) => EncodedValue::int(number),
            (None, _) => match self.encode_bound(attribute, value)? {
                Some(encoded) => encoded,
                None => return Ok(Bound::Unbounded),
            },
        };
        // A bound beyond every integer leaves the range empty or open; saturation made it inclusive of the last one.
        let is_beyond = match value {
            Value::Float(number) => {
                is_integer
                    && (*number >= 9_223_372_036_854_775_808.0 || *number < -9_223_372_036_854_775_808.0)
            }
            Value::BigInt(number) => is_integer && number.to_i64().is_none(),
            _ => false,
        };
        let is_above = matches!(value, Value::Float(number) if *number > 0.0)
            || matches!(value, Value::BigInt(number) if number.sign() == num_bigint::Sign::Plus);
        if is_beyond && is_above == is_lower {
            Ok(Bound::Excluded(encoded))
        } else {
            Ok(Bound::Included(encoded))
        }
    }

    /// A bound need not be a whole value: tuples may be cut short.
    fn encode_bound(&self, attribute: &Attribute, value: &Value) -> Result<Option<EncodedValue>> {
        match (&attribute.tuple, value) {
            _ if value.is_nil() => Ok(None),
            (Some(_), Value::Vector(_) | Value::List(_)) => match self.encode_for(attribute, value) {
                Err(Error::TypeMismatch { .. }) => {
                    let items = value.as_sequence().unwrap_or(&[]).to_vec();
                    Ok(Some(encode(&Value::Vector(items))))
                }
                encoded => encoded.map(Some),
            },
            _ => self.encode_for(attribute, value).map(Some),
        }
    }
}

fn saturate(number: Option<i64>, is_positive: bool) -> i64 {
    number.unwrap_or(if is_positive { i64::MAX } else { i64::MIN })
}
