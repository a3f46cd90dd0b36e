//! Binary EDN: any value in few bytes, the `:data` type. Tag numbers are frozen.
//!
//! ```text
//! 00 nil   01 false   02 true         80..BF  the integers 0 to 63
//! 03 integer     zigzag               C0..DF  string of 0 to 31 bytes
//! 04 bigint      length, bytes        E0..FF  keyword of 0 to 31 bytes
//! 05 ratio       bigint, bigint
//! 06 double      8 bytes
//! 07 bigdec      bigint, scale zigzag
//! 08 character   varint
//! 09 string      length, UTF-8        0A keyword   0B symbol    likewise
//! 0C instant     zigzag milliseconds
//! 0D uuid        16 bytes
//! 0E bytes       length, bytes
//! 0F list   10 vector   11 set        count, items
//! 12 map                              count, keys and values
//! 13 tagged      symbol, value        20..7F  a type of the user's: length, bytes (see TypeHandler)
//! ```
//!
//! Lengths and counts are varints: seven bits a byte, the lowest first. Equal values have equal bytes, since
//! maps and sets are written in order; the order of the bytes means nothing. Values of Rust types take the way
//! of serde to EDN, so that a struct reads as a map with keyword keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use bigdecimal::BigDecimal;
use edn::Value;
use num_bigint::BigInt;
use num_rational::BigRational;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::handlers::{Decoder, Encoder, TypeHandlers};
use super::{Buffer, Codec, CodecError};

type Result<T> = std::result::Result<T, CodecError>;

/// How deep collections may lie in one another.
pub(super) const DEPTH_MAX: usize = 256;

/// `:data`: any type that serde knows.
///
/// ```
/// use factum_kv::codec::{Buffer, Codec, Data, KeyType};
///
/// #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
/// struct Person { name: String, age: u8 }
///
/// let ann = Person { name: "Ann".into(), age: 40 };
/// let mut buffer = Buffer::new();
/// let bytes = Data::<Person>::default().encode(&ann, &mut buffer)?;
/// assert_eq!(Data::<Person>::default().decode(bytes)?, ann);
/// // The same bytes, read without knowing the type:
/// assert_eq!(KeyType::Data.decode(bytes)?.to_string(), r#"{:age 40, :name "Ann"}"#);
/// # Ok::<(), factum_kv::codec::CodecError>(())
/// ```
pub struct Data<T>(PhantomData<fn() -> T>);

impl<T> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Data")
    }
}

impl<T> Default for Data<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Data<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Data<T> {}

impl<T: Serialize + DeserializeOwned + 'static> Codec for Data<T> {
    type In<'a> = &'a T;
    type Out<'a> = T;

    fn encode<'i: 'b, 'b>(&self, item: &'i T, buffer: &'b mut Buffer) -> Result<&'b [u8]> {
        let value = edn::to_value(item).map_err(|error| CodecError::Serde(error.to_string()))?;
        buffer.clear();
        put(&value, buffer)?;
        Ok(buffer)
    }

    fn decode(&self, bytes: &[u8]) -> Result<T> {
        edn::from_value(get(bytes)?).map_err(|error| CodecError::Serde(error.to_string()))
    }
}

/// Appends the bytes of `value`.
///
/// # Errors
///
/// [`CodecError::Range`] if collections lie deeper than 256 in one another.
pub fn put(value: &Value, buffer: &mut Buffer) -> Result<()> {
    put_value(value, buffer, 0, &TypeHandlers::NONE)
}

/// The value of these bytes.
///
/// # Errors
///
/// [`CodecError::Bytes`] if they are not those of a value.
pub fn get(mut bytes: &[u8]) -> Result<Value> {
    get_with(&mut bytes, &TypeHandlers::NONE)
}

pub(super) fn get_with(bytes: &mut &[u8], handlers: &TypeHandlers) -> Result<Value> {
    let value = take_value(bytes, 0, handlers)?;
    if bytes.is_empty() { Ok(value) } else { Err(wrong("too long")) }
}

#[cold]
fn wrong(reason: &'static str) -> CodecError {
    CodecError::bytes("data", reason)
}

fn put_varint(mut value: u64, buffer: &mut Buffer) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

fn put_zigzag(value: i64, buffer: &mut Buffer) {
    put_varint((value << 1 ^ value >> 63) as u64, buffer);
}

fn put_sized(bytes: &[u8], buffer: &mut Buffer) {
    put_varint(bytes.len() as u64, buffer);
    buffer.extend_from_slice(bytes);
}

fn put_bigint(value: &BigInt, buffer: &mut Buffer) {
    put_sized(&value.to_signed_bytes_be(), buffer);
}

/// Text with a tag of its own if it is short.
fn put_text(short: u8, long: u8, text: &str, buffer: &mut Buffer) {
    if text.len() < 32 {
        buffer.push(short + text.len() as u8);
        buffer.extend_from_slice(text.as_bytes());
    } else {
        buffer.push(long);
        put_sized(text.as_bytes(), buffer);
    }
}

fn put_items<'v>(
    tag: u8,
    items: impl ExactSizeIterator<Item = &'v Value>,
    buffer: &mut Buffer,
    depth: usize,
    handlers: &TypeHandlers,
) -> Result<()> {
    buffer.push(tag);
    put_varint(items.len() as u64, buffer);
    for item in items {
        put_value(item, buffer, depth + 1, handlers)?;
    }
    Ok(())
}

pub(super) fn put_value(
    value: &Value,
    buffer: &mut Buffer,
    depth: usize,
    handlers: &TypeHandlers,
) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(CodecError::Range {
            type_name: "data",
            limit: "collections may lie 256 deep in one another",
        });
    }
    match value {
        Value::Nil => buffer.push(0x00),
        Value::Bool(boolean) => buffer.push(0x01 + u8::from(*boolean)),
        Value::Int(small @ 0..64) => buffer.push(0x80 | *small as u8),
        Value::Int(integer) => {
            buffer.push(0x03);
            put_zigzag(*integer, buffer);
        }
        Value::BigInt(integer) => {
            buffer.push(0x04);
            put_bigint(integer, buffer);
        }
        Value::Ratio(ratio) => {
            buffer.push(0x05);
            put_bigint(ratio.numer(), buffer);
            put_bigint(ratio.denom(), buffer);
        }
        Value::Float(double) => {
            buffer.push(0x06);
            buffer.extend_from_slice(&double.to_be_bytes());
        }
        Value::Decimal(decimal) => {
            let (unscaled, scale) = decimal.as_bigint_and_exponent();
            buffer.push(0x07);
            put_bigint(&unscaled, buffer);
            put_zigzag(scale, buffer);
        }
        Value::Char(character) => {
            buffer.push(0x08);
            put_varint(u64::from(u32::from(*character)), buffer);
        }
        Value::Str(text) => put_text(0xC0, 0x09, text, buffer),
        Value::Keyword(keyword) => put_text(0xE0, 0x0A, keyword.as_str(), buffer),
        Value::Symbol(symbol) => {
            buffer.push(0x0B);
            put_sized(symbol.as_str().as_bytes(), buffer);
        }
        Value::Inst(millis) => {
            buffer.push(0x0C);
            put_zigzag(*millis, buffer);
        }
        Value::Uuid(uuid) => {
            buffer.push(0x0D);
            buffer.extend_from_slice(uuid.as_bytes());
        }
        Value::Bytes(bytes) => {
            buffer.push(0x0E);
            put_sized(bytes, buffer);
        }
        Value::List(items) => put_items(0x0F, items.iter(), buffer, depth, handlers)?,
        Value::Vector(items) => put_items(0x10, items.iter(), buffer, depth, handlers)?,
        Value::Set(items) => put_items(0x11, items.iter(), buffer, depth, handlers)?,
        Value::Map(entries) => {
            buffer.push(0x12);
            put_varint(entries.len() as u64, buffer);
            for (key, value) in entries {
                put_value(key, buffer, depth + 1, handlers)?;
                put_value(value, buffer, depth + 1, handlers)?;
            }
        }
        Value::Tagged(tag, value) => {
            if let Some(handler) = handlers.of_tag(tag) {
                let mut bytes = Buffer::new();
                handler.encode(value, &mut Encoder::new(&mut bytes, depth + 1, handlers))?;
                buffer.push(handler.byte());
                put_sized(&bytes, buffer);
                return Ok(());
            }
            buffer.push(0x13);
            put_sized(tag.as_str().as_bytes(), buffer);
            put_value(value, buffer, depth + 1, handlers)?;
        }
    }
    Ok(())
}

fn take<'b>(input: &mut &'b [u8], length: usize) -> Result<&'b [u8]> {
    let (head, rest) = input.split_at_checked(length).ok_or_else(|| wrong("too short"))?;
    *input = rest;
    Ok(head)
}

fn take_byte(input: &mut &[u8]) -> Result<u8> {
    take(input, 1).map(|bytes| bytes[0])
}

fn take_varint(input: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(input)?;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(wrong("a number without an end"))
}

fn take_zigzag(input: &mut &[u8]) -> Result<i64> {
    let value = take_varint(input)?;
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

fn take_sized<'b>(input: &mut &'b [u8]) -> Result<&'b [u8]> {
    let length = usize::try_from(take_varint(input)?).map_err(|_| wrong("too short"))?;
    take(input, length)
}

fn take_text<'b>(input: &mut &'b [u8]) -> Result<&'b str> {
    text(take_sized(input)?)
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| wrong("text that is not UTF-8"))
}

fn take_bigint(input: &mut &[u8]) -> Result<BigInt> {
    take_sized(input).map(BigInt::from_signed_bytes_be)
}

fn take_items<C: FromIterator<Value>>(input: &mut &[u8], depth: usize, handlers: &TypeHandlers) -> Result<C> {
    let count = take_varint(input)?;
    (0..count).map(|_| take_value(input, depth + 1, handlers)).collect()
}

pub(super) fn take_value(input: &mut &[u8], depth: usize, handlers: &TypeHandlers) -> Result<Value> {
    if depth > DEPTH_MAX {
        return Err(wrong("collections lie too deep in one another"));
    }
    Ok(match take_byte(input)? {
        0x00 => Value::Nil,
        0x01 => Value::Bool(false),
        0x02 => Value::Bool(true),
        0x03 => Value::Int(take_zigzag(input)?),
        0x04 => Value::BigInt(take_bigint(input)?),
        0x05 => {
            let (numerator, denominator) = (take_bigint(input)?, take_bigint(input)?);
            if denominator == BigInt::ZERO {
                return Err(wrong("a ratio by zero"));
            }
            Value::Ratio(BigRational::new(numerator, denominator))
        }
        0x06 => {
            let bytes = take(input, 8)?.try_into().map_err(|_| wrong("too short"))?;
            Value::Float(f64::from_be_bytes(bytes))
        }
        0x07 => Value::Decimal(BigDecimal::new(take_bigint(input)?, take_zigzag(input)?)),
        0x08 => {
            let code = u32::try_from(take_varint(input)?).ok().and_then(char::from_u32);
            Value::Char(code.ok_or_else(|| wrong("not a character"))?)
        }
        0x09 => Value::str(take_text(input)?),
        0x0A => Value::Keyword(edn::Keyword::parse(take_text(input)?)),
        0x0B => Value::Symbol(edn::Symbol::parse(take_text(input)?)),
        0x0C => Value::Inst(take_zigzag(input)?),
        0x0D => {
            let bytes = take(input, 16)?.try_into().map_err(|_| wrong("too short"))?;
            Value::Uuid(uuid::Uuid::from_bytes(bytes))
        }
        0x0E => Value::Bytes(take_sized(input)?.into()),
        0x0F => Value::List(take_items(input, depth, handlers)?),
        0x10 => Value::Vector(take_items(input, depth, handlers)?),
        0x11 => Value::Set(take_items::<BTreeSet<_>>(input, depth, handlers)?),
        0x12 => {
            let count = take_varint(input)?;
            let entry =
                |_| Ok((take_value(input, depth + 1, handlers)?, take_value(input, depth + 1, handlers)?));
            Value::Map((0..count).map(entry).collect::<Result<BTreeMap<_, _>>>()?)
        }
        0x13 => {
            let tag = edn::Symbol::parse(take_text(input)?);
            Value::Tagged(tag, Box::new(take_value(input, depth + 1, handlers)?))
        }
        byte @ 0x20..0x80 => {
            let Some(handler) = handlers.of_byte(byte) else {
                return Err(wrong("a value of a type that no handler is registered for"));
            };
            let mut bytes = take_sized(input)?;
            let mut decoder = Decoder::new(&mut bytes, depth + 1, handlers);
            let value = handler.decode(&mut decoder)?;
            if !decoder.is_empty() {
                return Err(wrong("a type handler has left bytes behind"));
            }
            Value::Tagged(edn::Symbol::parse(handler.tag()), Box::new(value))
        }
        small @ 0x80..0xC0 => Value::Int(i64::from(small & 0x3F)),
        short @ 0xC0..0xE0 => Value::str(text(take(input, usize::from(short & 0x1F))?)?),
        short @ 0xE0.. => Value::Keyword(edn::Keyword::parse(text(take(input, usize::from(short & 0x1F))?)?)),
        _ => return Err(wrong("an unknown tag")),
    })
}
