//! Values of registered types as bytes.
//!
//! ```text
//! | 5A | order key, as an element of a vector | value or payload, to the end |     compared by key, then by value
//!       \-- says itself where it ends, so no key is the beginning of another
//! ```
//!
//! All with one key have a common beginning, and nothing else has it: a range that includes or excludes a key is bounded by that beginning
//! and by the least bytes above it. Long ones are giants like all long values, compared by their whole encoding.

use std::borrow::Cow;
use std::ops::Bound;

use edn::Value;

use super::{ORDER_KEY_MAX, RegisteredType, TypeError};
use crate::datom::ValueRange;
use crate::encode::{EncodedValue, decode, encode, encode_into, payload_of, tags};
use crate::error::Result;

impl RegisteredType {
    /// What the indexes hold for a value.
    pub fn encode(&self, value: &Value) -> Result<EncodedValue, TypeError> {
        Ok(EncodedValue::from_bytes(&self.bytes(value)?))
    }

    /// The same, however long.
    pub(super) fn bytes(&self, value: &Value) -> Result<Vec<u8>, TypeError> {
        let payload = self.payload(value)?;
        let mut bytes = self.beginning(value)?;
        encode_into(payload.as_ref().unwrap_or(value), &mut bytes);
        Ok(bytes)
    }

    /// The value behind [`encode`](Self::encode).
    pub fn decode(&self, stored: &[u8]) -> Result<Value> {
        let value = decode(stored)?;
        match &self.definition.payload {
            None => Ok(value),
            Some(_) => {
                let compiled = self.compiled()?;
                let (_, deserialize) = compiled.payload.as_ref().expect("the definition has a payload");
                Ok(self.call(deserialize, "deserializer", &value)?)
            }
        }
    }

    /// The encoding of the value itself, as it would be for an attribute without a type.
    pub fn plain<'b>(&self, stored: &'b [u8]) -> Result<Cow<'b, [u8]>> {
        match &self.definition.payload {
            None => Ok(Cow::Borrowed(payload_of(stored)?)),
            Some(_) => Ok(Cow::Owned(encode(&self.decode(stored)?).to_vec())),
        }
    }

    /// The lower bound of a range that begins with all values that have the key of `value`, or after them.
    pub fn lower(&self, value: &Value, inclusive: bool) -> Result<Bound<EncodedValue>, TypeError> {
        let beginning = self.beginning(value)?;
        Ok(Bound::Included(EncodedValue::from_bytes(&if inclusive { beginning } else { after(beginning) })))
    }

    /// The upper bound of a range that ends with all values that have the key of `value`, or before them.
    pub fn upper(&self, value: &Value, inclusive: bool) -> Result<Bound<EncodedValue>, TypeError> {
        let beginning = self.beginning(value)?;
        Ok(Bound::Excluded(EncodedValue::from_bytes(&if inclusive { after(beginning) } else { beginning })))
    }

    /// All values that have the key of `value`.
    pub fn same_key(&self, value: &Value) -> Result<ValueRange, TypeError> {
        Ok(ValueRange { lo: self.lower(value, true)?, hi: self.upper(value, true)? })
    }

    /// What all values with the key of `value` begin with, and no others.
    pub(super) fn beginning(&self, value: &Value) -> Result<Vec<u8>, TypeError> {
        let key = self.order_key(value)?;
        // The elements of a vector say where they end; its tag gives way to ours.
        let mut bytes = Vec::with_capacity(64);
        encode_into(&Value::Vector(vec![key]), &mut bytes);
        bytes[0] = tags::REGISTERED;
        let len = bytes.len() - 1;
        if len > ORDER_KEY_MAX {
            return Err(TypeError::OrderKeyTooLong { name: self.name.clone(), len, max: ORDER_KEY_MAX });
        }
        Ok(bytes)
    }
}

/// The least bytes above everything that begins so; the first byte is a tag, and there are greater ones.
fn after(mut beginning: Vec<u8>) -> Vec<u8> {
    while let Some(last) = beginning.pop() {
        if last < 0xFF {
            beginning.push(last + 1);
            break;
        }
    }
    beginning
}
