//! From bytes back to values; damaged bytes give an error, never a panic.

use std::collections::{BTreeMap, BTreeSet};

use edn::{Keyword, Symbol, Value};

use super::{number, tags};
use crate::error::{Error, Result};

/// How deep collections may nest in a stored value.
pub const NESTING_MAX: usize = 1000;

/// What is wrong with encoded bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Damage(pub(crate) &'static str);

/// The value that `bytes` encode; of a registered type's value, what stands after its order key.
///
/// ```
/// # use factum_storage::{decode, encode};
/// let value = edn::Value::from("seven");
/// assert_eq!(decode(&encode(&value)).unwrap(), value);
/// assert!(decode(&[0x24, 1]).is_err()); // a double cut short
/// ```
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let bytes = if bytes.first() == Some(&tags::REGISTERED) { payload_of(bytes)? } else { bytes };
    decode_inner(bytes).map_err(|damage| Error::CorruptedValue {
        reason: damage.0,
        bytes: bytes[..bytes.len().min(64)].into(),
    })
}

/// The integer (or entity id) that `bytes` encode, if they encode one.
#[inline]
pub fn decode_int(bytes: &[u8]) -> Option<i64> {
    let (tag, payload) = bytes.split_first()?;
    if tag.abs_diff(tags::INT) > 8 {
        return None;
    }
    let (value, len) = number::int_from(tags::INT, *tag, payload)?;
    (len == payload.len()).then_some(value)
}

/// The double that `bytes` encode, if they encode one.
#[inline]
pub fn decode_float(bytes: &[u8]) -> Option<f64> {
    match bytes.split_first()? {
        (&tags::FLOAT, payload) => Some(number::float_from(payload.try_into().ok()?)),
        _ => None,
    }
}

/// The text that `bytes` encode, if they encode a string; it borrows from them.
#[inline]
pub fn decode_str(bytes: &[u8]) -> Option<&str> {
    match bytes.split_first()? {
        (&tags::STR, payload) => std::str::from_utf8(payload).ok(),
        _ => None,
    }
}

/// What follows the order key of a registered type's value.
pub(crate) fn payload_of(stored: &[u8]) -> Result<&[u8]> {
    let wrong = |reason| Error::CorruptedValue { reason, bytes: stored[..stored.len().min(64)].into() };
    let Some((&tags::REGISTERED, rest)) = stored.split_first() else {
        return Err(wrong("no value of a registered type"));
    };
    let mut reader = Reader { bytes: rest };
    skip_element(&mut reader).map_err(|damage| wrong(damage.0))?;
    Ok(reader.bytes)
}

/// Passes over one element of a collection: a scalar, or a vector of scalars.
fn skip_element(reader: &mut Reader<'_>) -> Result<(), Damage> {
    if reader.bytes.first() != Some(&tags::VECTOR) {
        return skip_scalar(reader);
    }
    reader.byte()?;
    while *reader.bytes.first().ok_or(Damage("cut short"))? != tags::END {
        skip_scalar(reader)?;
    }
    reader.byte().map(drop)
}

fn skip_scalar(reader: &mut Reader<'_>) -> Result<(), Damage> {
    match reader.bytes.first() {
        Some(&tags::STR) => {
            reader.byte()?;
            reader.skip_text()
        }
        _ => match read_one(reader, false)? {
            Read::Value(_) => Ok(()),
            Read::Open(_) => Err(Damage("an order key that nests collections")),
        },
    }
}

/// Bytes with a place in them.
pub(crate) struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        let (first, rest) = self.bytes.split_first().ok_or(Damage("cut short"))?;
        self.bytes = rest;
        Ok(*first)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'b [u8], Damage> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(Damage("cut short"))?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        Ok(self.take(N)?.try_into().expect("took N bytes"))
    }

    /// Bytes up to the end (`last`), or up to an unescaped zero byte.
    fn text(&mut self, last: bool) -> Result<Vec<u8>, Damage> {
        if last {
            return Ok(std::mem::take(&mut self.bytes).to_vec());
        }
        let mut out = Vec::new();
        loop {
            match self.byte()? {
                tags::END if self.bytes.first() == Some(&tags::ESCAPED) => {
                    self.byte()?;
                    out.push(0);
                }
                tags::END => return Ok(out),
                byte => out.push(byte),
            }
        }
    }

    /// Passes over a text that ends with an unescaped zero byte.
    fn skip_text(&mut self) -> Result<(), Damage> {
        loop {
            let end = self.bytes.iter().position(|byte| *byte == tags::END).ok_or(Damage("cut short"))?;
            self.bytes = &self.bytes[end + 1..];
            match self.bytes.first() {
                Some(&tags::ESCAPED) => self.bytes = &self.bytes[1..],
                _ => return Ok(()),
            }
        }
    }

    fn string(&mut self, last: bool) -> Result<String, Damage> {
        String::from_utf8(self.text(last)?).map_err(|_| Damage("text is not UTF-8"))
    }

    /// Namespace and name.
    fn name(&mut self, qualified: bool, last: bool) -> Result<(Option<String>, String), Damage> {
        let namespace = if qualified { Some(self.string(false)?) } else { None };
        Ok((namespace, self.string(last)?))
    }

    fn char(&mut self) -> Result<char, Damage> {
        let len = match self.bytes.first() {
            Some(0x00..=0x7F) => 1,
            Some(0xC0..=0xDF) => 2,
            Some(0xE0..=0xEF) => 3,
            _ => 4,
        };
        let text = std::str::from_utf8(self.take(len)?).map_err(|_| Damage("character is not UTF-8"))?;
        text.chars().next().ok_or(Damage("empty character"))
    }
}

/// A collection whose elements are still being read.
enum Open {
    Vector(Vec<Value>),
    List(Vec<Value>),
    Set(BTreeSet<Value>),
    Map(BTreeMap<Value, Value>, Option<Value>),
    Tagged(Symbol),
}

impl Open {
    fn close(self) -> Result<Value, Damage> {
        match self {
            Open::Vector(items) => Ok(Value::Vector(items)),
            Open::List(items) => Ok(Value::List(items)),
            Open::Set(items) => Ok(Value::Set(items)),
            Open::Map(entries, None) => Ok(Value::Map(entries)),
            Open::Map(_, Some(_)) => Err(Damage("map key without a value")),
            Open::Tagged(_) => Err(Damage("tag without a value")),
        }
    }

    /// Adds an element; a tagged value is complete with its first one.
    fn push(mut self, value: Value) -> Result<Open, Value> {
        match &mut self {
            Open::Vector(items) | Open::List(items) => items.push(value),
            Open::Set(items) => drop(items.insert(value)),
            Open::Map(entries, key) => match key.take() {
                Some(key) => drop(entries.insert(key, value)),
                None => *key = Some(value),
            },
            Open::Tagged(tag) => return Err(Value::Tagged(tag.clone(), Box::new(value))),
        }
        Ok(self)
    }
}

fn decode_inner(bytes: &[u8]) -> Result<Value, Damage> {
    let mut reader = Reader { bytes };
    let mut open: Vec<Open> = Vec::new();
    loop {
        let mut value = match read_one(&mut reader, open.is_empty())? {
            Read::Value(value) => value,
            Read::Open(collection) => {
                if open.len() >= NESTING_MAX {
                    return Err(Damage("nested too deeply"));
                }
                open.push(collection);
                match close_finished(&mut reader, &mut open)? {
                    Some(value) => value,
                    None => continue,
                }
            }
        };
        // The value may complete its collection, which may complete the one around it, and so on.
        loop {
            let Some(around) = open.pop() else {
                return if reader.bytes.is_empty() {
                    Ok(value)
                } else {
                    Err(Damage("bytes after the value"))
                };
            };
            match around.push(value) {
                Err(tagged) => value = tagged,
                Ok(around) => {
                    open.push(around);
                    match close_finished(&mut reader, &mut open)? {
                        Some(closed) => value = closed,
                        None => break,
                    }
                }
            }
        }
    }
}

/// Closes the innermost collection if its end is here.
fn close_finished(reader: &mut Reader<'_>, open: &mut Vec<Open>) -> Result<Option<Value>, Damage> {
    if matches!(open.last(), Some(Open::Tagged(_))) {
        return Ok(None);
    }
    if open.len() == 1 {
        if !reader.bytes.is_empty() {
            return Ok(None);
        }
    } else if reader.bytes.first() == Some(&tags::END) {
        reader.byte()?;
    } else {
        return Ok(None);
    }
    open.pop().map(Open::close).transpose()
}

enum Read {
    Value(Value),
    Open(Open),
}

fn read_one(reader: &mut Reader<'_>, last: bool) -> Result<Read, Damage> {
    let tag = reader.byte()?;
    let value = match tag {
        tags::NIL => Value::Nil,
        tags::FALSE => Value::Bool(false),
        tags::TRUE => Value::Bool(true),
        _ if tag.abs_diff(tags::INT) <= 8 => Value::Int(read_int(reader, tags::INT, tag)?),
        _ if tag.abs_diff(tags::INST) <= 8 => Value::Inst(read_int(reader, tags::INST, tag)?),
        tags::BIGINT => Value::BigInt(number::get_bigint(reader)?),
        tags::RATIO => Value::Ratio(number::get_ratio(reader)?),
        tags::FLOAT => Value::Float(number::float_from(reader.array()?)),
        tags::DECIMAL => Value::Decimal(number::get_decimal(reader)?),
        tags::UUID => Value::Uuid(uuid::Uuid::from_bytes(reader.array()?)),
        tags::CHAR => Value::Char(reader.char()?),
        tags::STR => Value::from(reader.string(last)?),
        tags::KEYWORD | tags::KEYWORD_QUALIFIED => {
            let (namespace, name) = reader.name(tag == tags::KEYWORD_QUALIFIED, last)?;
            Value::Keyword(Keyword::new(namespace.as_deref(), &name))
        }
        tags::SYMBOL | tags::SYMBOL_QUALIFIED => {
            let (namespace, name) = reader.name(tag == tags::SYMBOL_QUALIFIED, last)?;
            Value::Symbol(Symbol::new(namespace.as_deref(), &name))
        }
        tags::BYTES => Value::Bytes(reader.text(last)?.into()),
        tags::VECTOR => return Ok(Read::Open(Open::Vector(Vec::new()))),
        tags::LIST => return Ok(Read::Open(Open::List(Vec::new()))),
        tags::SET => return Ok(Read::Open(Open::Set(BTreeSet::new()))),
        tags::MAP => return Ok(Read::Open(Open::Map(BTreeMap::new(), None))),
        tags::TAGGED => {
            let qualified = match reader.byte()? {
                tags::SYMBOL => false,
                tags::SYMBOL_QUALIFIED => true,
                _ => return Err(Damage("tag is not a symbol")),
            };
            let (namespace, name) = reader.name(qualified, false)?;
            return Ok(Read::Open(Open::Tagged(Symbol::new(namespace.as_deref(), &name))));
        }
        _ => return Err(Damage("unknown type tag")),
    };
    Ok(Read::Value(value))
}

fn read_int(reader: &mut Reader<'_>, zero: u8, tag: u8) -> Result<i64, Damage> {
    let payload = reader.take(usize::from(tag.abs_diff(zero)))?;
    number::int_from(zero, tag, payload).map(|(value, _)| value).ok_or(Damage("integer out of range"))
}
