//! Values as bytes whose order is the order of the values.
//!
//! ```text
//! Value --encode--> EncodedValue (full) --index form--> AVE key, EAV duplicate
//!                                     \--if longer than 480 bytes--> first 456 bytes + hash; the rest in `giants`
//! ```
//!
//! Every EDN value has an encoding, so that any computed value can be compared, joined and grouped as bytes.
//! Comparing bytes gives the order of [`edn::Value`]: by type, then by value.
//!
//! | value | bytes (hexadecimal) | order | length |
//! |---|---|---|---|
//! | `nil` | `02` | | 1 |
//! | `false`, `true` | `03`, `04` | false first | 1 |
//! | integer, and a reference as the integer of its entity | `10 - n` or `10 + n`, `n` bytes big-endian (complement where negative) | numeric | 1 to 9; 2 up to 255 |
//! | big integer | `20`, header `80 + n`, magnitude; all but the tag complemented where negative; above 125 bytes header `FE` and the length in 4 bytes | numeric | 2 + n |
//! | ratio | `22`, continued fraction of big integers, every second complemented, `FF` or `00` | numeric | |
//! | double | `24`, 8 bytes big-endian, sign bit flipped (all bits where negative) | numeric; NaN last, `-0.0` is `0.0` | 9 |
//! | decimal | `26`, sign, exponent, digit pairs `01..64`, `00`, scale | numeric, then by scale | |
//! | instant | `30 - n` or `30 + n`, as integers | time | 7 today |
//! | UUID | `40`, 16 bytes | bytes | 17 |
//! | character | `42`, UTF-8 | code point | 2 to 5 |
//! | string | `44`, UTF-8 | code point | 1 + n |
//! | keyword | `46`, name; or `47`, namespace, `00`, name | plain first, then namespace, name | |
//! | symbol | `48`, name; or `49`, namespace, `00`, name | as keywords | |
//! | bytes | `4A`, bytes | bytes | 1 + n |
//! | vector, tuple | `50`, elements | element-wise, a prefix first | |
//! | list, set, map | `52`, `54`, `56`, elements (of a map: key, value, key, value) | element-wise | |
//! | tagged value | `58`, symbol, value | tag, then value | |
//! | value of a registered type, in the indexes alone | `5A`, order key as an element of a collection, value | key, then value | |
//!
//! Inside collections strings, names, bytes and collections end with `00`, and a zero byte of a text is `00 FF`.
//! Limits: [`NESTING_MAX`] levels of collections; 4 GiB a value.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use edn::{Keyword, Symbol, Value};

mod decode;
mod giant;
mod number;
pub(crate) mod tags;
#[cfg(test)]
mod tests;

pub(crate) use decode::payload_of;
pub use decode::{NESTING_MAX, decode, decode_float, decode_int, decode_str};
pub use giant::INLINE_MAX;
pub(crate) use giant::{HASH_LEN, INDEX_LEN_MAX, PREFIX_LEN, hash_of_index, index_form, is_giant_index};

/// How many bytes an [`EncodedValue`] holds without an allocation.
const SHORT_MAX: usize = 22;

/// An encoded value that owns its bytes; cloning it never copies more than a few words.
///
/// ```
/// # use factum_storage::{EncodedValue, encode};
/// let (small, large) = (encode(&2.into()), encode(&10.into()));
/// assert!(small < large);
/// assert_eq!(small, EncodedValue::int(2));
/// ```
#[derive(Clone)]
pub struct EncodedValue(Repr);

#[derive(Clone)]
enum Repr {
    Short { len: u8, bytes: [u8; SHORT_MAX] },
    Long(Arc<[u8]>),
}

impl EncodedValue {
    /// Takes over bytes that are an encoding.
    #[inline]
    pub fn from_bytes(encoded: &[u8]) -> Self {
        if encoded.len() <= SHORT_MAX {
            let mut bytes = [0; SHORT_MAX];
            bytes[..encoded.len()].copy_from_slice(encoded);
            Self(Repr::Short { len: encoded.len() as u8, bytes })
        } else {
            Self(Repr::Long(encoded.into()))
        }
    }

    /// The encoding of an integer, or of a reference to the entity of that number.
    #[inline]
    pub fn int(value: i64) -> Self {
        let (bytes, len) = number::int_bytes(tags::INT, value);
        Self::from_bytes(&bytes[..len])
    }

    /// The encoding of a double.
    #[inline]
    pub fn float(value: f64) -> Self {
        let mut bytes = [tags::FLOAT; 9];
        bytes[1..].copy_from_slice(&number::float_bytes(value));
        Self::from_bytes(&bytes)
    }

    /// The encoding of a string.
    #[inline]
    pub fn str(text: &str) -> Self {
        if text.len() < SHORT_MAX {
            let mut bytes = [0; SHORT_MAX];
            bytes[0] = tags::STR;
            bytes[1..=text.len()].copy_from_slice(text.as_bytes());
            Self(Repr::Short { len: text.len() as u8 + 1, bytes })
        } else {
            Self(Repr::Long(std::iter::once(tags::STR).chain(text.bytes()).collect()))
        }
    }

    /// The encoding.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Short { len, bytes } => &bytes[..usize::from(*len)],
            Repr::Long(bytes) => bytes,
        }
    }

    /// The encoding as a shared slice.
    pub(crate) fn into_arc(self) -> Arc<[u8]> {
        match self.0 {
            Repr::Short { len, bytes } => bytes[..usize::from(len)].into(),
            Repr::Long(bytes) => bytes,
        }
    }

    /// The integer or entity id, if this encodes one.
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        decode_int(self.as_bytes())
    }

    /// The value; an error if the bytes were not an encoding.
    pub fn decode(&self) -> crate::Result<Value> {
        decode(self.as_bytes())
    }
}

impl Deref for EncodedValue {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for EncodedValue {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for EncodedValue {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for EncodedValue {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for EncodedValue {}

impl PartialOrd for EncodedValue {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EncodedValue {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for EncodedValue {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for EncodedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decode() {
            Ok(value) => write!(f, "{value:?}"),
            Err(_) => write!(f, "{:02x?}", self.as_bytes()),
        }
    }
}

impl From<&Value> for EncodedValue {
    fn from(value: &Value) -> Self {
        encode(value)
    }
}

/// The bytes of `value`.
pub fn encode(value: &Value) -> EncodedValue {
    match value {
        Value::Int(value) => EncodedValue::int(*value),
        Value::Str(text) => EncodedValue::str(text),
        Value::Float(value) => EncodedValue::float(*value),
        _ => {
            let mut out = Vec::with_capacity(64);
            encode_into(value, &mut out);
            EncodedValue::from_bytes(&out)
        }
    }
}

/// Appends the bytes of `value` to `out`.
pub fn encode_into(value: &Value, out: &mut Vec<u8>) {
    // Collections are walked with a stack of our own, so that no nesting can exhaust the thread's.
    let mut open: Vec<Elements<'_>> = Vec::new();
    let mut next = Some(value);
    loop {
        if let Some(value) = next {
            match Elements::open(value, out) {
                Some(elements) => open.push(elements),
                None => put_scalar(value, open.is_empty(), out),
            }
        }
        let Some(innermost) = open.last_mut() else { return };
        next = innermost.next();
        if next.is_none() {
            let needs_end = !matches!(innermost, Elements::Tagged(_));
            open.pop();
            if open.is_empty() {
                return;
            }
            if needs_end {
                out.push(tags::END);
            }
        }
    }
}

/// The elements of a collection that are still to be written.
enum Elements<'v> {
    Slice(std::slice::Iter<'v, Value>),
    Set(std::collections::btree_set::Iter<'v, Value>),
    Map(std::collections::btree_map::Iter<'v, Value, Value>, Option<&'v Value>),
    Tagged(Option<&'v Value>),
}

impl<'v> Elements<'v> {
    fn open(value: &'v Value, out: &mut Vec<u8>) -> Option<Self> {
        let (tag, elements) = match value {
            Value::Vector(items) => (tags::VECTOR, Elements::Slice(items.iter())),
            Value::List(items) => (tags::LIST, Elements::Slice(items.iter())),
            Value::Set(items) => (tags::SET, Elements::Set(items.iter())),
            Value::Map(entries) => (tags::MAP, Elements::Map(entries.iter(), None)),
            Value::Tagged(tag, value) => {
                out.push(tags::TAGGED);
                put_symbol(tag, false, out);
                return Some(Elements::Tagged(Some(value)));
            }
            _ => return None,
        };
        out.push(tag);
        Some(elements)
    }

    fn next(&mut self) -> Option<&'v Value> {
        match self {
            Elements::Slice(items) => items.next(),
            Elements::Set(items) => items.next(),
            Elements::Map(entries, value) => value.take().or_else(|| {
                let (key, entry) = entries.next()?;
                *value = Some(entry);
                Some(key)
            }),
            Elements::Tagged(value) => value.take(),
        }
    }
}

/// Writes anything but a collection; `last` says that nothing follows, so that texts need no end.
fn put_scalar(value: &Value, last: bool, out: &mut Vec<u8>) {
    match value {
        Value::Nil => out.push(tags::NIL),
        Value::Bool(value) => out.push(if *value { tags::TRUE } else { tags::FALSE }),
        Value::Int(value) => number::put_int(out, tags::INT, *value),
        Value::Inst(millis) => number::put_int(out, tags::INST, *millis),
        Value::BigInt(value) => {
            out.push(tags::BIGINT);
            number::put_bigint(out, value, false);
        }
        Value::Ratio(value) => {
            out.push(tags::RATIO);
            number::put_ratio(out, value);
        }
        Value::Float(value) => {
            out.push(tags::FLOAT);
            out.extend_from_slice(&number::float_bytes(*value));
        }
        Value::Decimal(value) => {
            out.push(tags::DECIMAL);
            number::put_decimal(out, value);
        }
        Value::Uuid(uuid) => {
            out.push(tags::UUID);
            out.extend_from_slice(uuid.as_bytes());
        }
        Value::Char(char) => {
            out.push(tags::CHAR);
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Value::Str(text) => {
            out.push(tags::STR);
            put_text(text.as_bytes(), last, out);
        }
        Value::Keyword(keyword) => put_keyword(keyword, last, out),
        Value::Symbol(symbol) => put_symbol(symbol, last, out),
        Value::Bytes(bytes) => {
            out.push(tags::BYTES);
            put_text(bytes, last, out);
        }
        Value::Vector(_) | Value::List(_) | Value::Set(_) | Value::Map(_) | Value::Tagged(..) => {
            unreachable!("collections are opened by encode_into")
        }
    }
}

fn put_text(text: &[u8], last: bool, out: &mut Vec<u8>) {
    if last {
        out.extend_from_slice(text);
        return;
    }
    for byte in text {
        out.push(*byte);
        if *byte == tags::END {
            out.push(tags::ESCAPED);
        }
    }
    out.push(tags::END);
}

fn put_keyword(keyword: &Keyword, last: bool, out: &mut Vec<u8>) {
    let tag = if keyword.namespace().is_some() { tags::KEYWORD_QUALIFIED } else { tags::KEYWORD };
    put_name(tag, keyword.namespace(), keyword.name(), last, out);
}

fn put_symbol(symbol: &Symbol, last: bool, out: &mut Vec<u8>) {
    let tag = if symbol.namespace().is_some() { tags::SYMBOL_QUALIFIED } else { tags::SYMBOL };
    put_name(tag, symbol.namespace(), symbol.name(), last, out);
}

fn put_name(tag: u8, namespace: Option<&str>, name: &str, last: bool, out: &mut Vec<u8>) {
    out.push(tag);
    if let Some(namespace) = namespace {
        put_text(namespace.as_bytes(), false, out);
    }
    put_text(name.as_bytes(), last, out);
}
