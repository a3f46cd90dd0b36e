//! The bytes of scalars, shared by the static and the dynamic codecs. Tag numbers are frozen.
//!
//! Every `put_*` writes header and payload; every `take_*` reads them from the front of the input and leaves
//! the rest, except that text and blobs by themselves reach to the end. Inside tuples those are escaped
//! ([`put_escaped`], [`take_escaped`]).

use std::borrow::Cow;

use super::{Buffer, CodecError};

pub(super) const LONG_NEGATIVE: u8 = 0xC0;
pub(super) const LONG: u8 = 0xC1;
pub(super) const BIGINT: u8 = 0xF1;
pub(super) const BIGDEC: u8 = 0xF2;
pub(super) const MANY: u8 = 0xF3;
pub(super) const TUPLE: u8 = 0xF4;
pub(super) const FLOAT: u8 = 0xF5;
pub(super) const DOUBLE: u8 = 0xF6;
pub(super) const INSTANT: u8 = 0xF7;
pub(super) const UUID: u8 = 0xF9;
pub(super) const STRING: u8 = 0xFA;
pub(super) const KEYWORD: u8 = 0xFB;
pub(super) const SYMBOL: u8 = 0xFC;
pub(super) const BOOLEAN: u8 = 0xFD;
pub(super) const BYTES: u8 = 0xFE;
/// Below the header of every element, for the lower bounds of ranges.
pub(super) const LEAST: u8 = 0x00;
/// Above the header of every element, for the upper bounds of ranges.
pub(super) const GREATEST: u8 = 0xFF;

type Result<T> = std::result::Result<T, CodecError>;

const SIGN: u64 = 1 << 63;

/// Takes `N` bytes from the front.
#[inline]
pub(super) fn take<const N: usize>(input: &mut &[u8], type_name: &'static str) -> Result<[u8; N]> {
    // Made only if it is needed: to let go of an error that was not costs as much as the rest.
    let (head, rest) = input.split_first_chunk().ok_or_else(|| CodecError::bytes(type_name, "too short"))?;
    *input = rest;
    Ok(*head)
}

#[inline]
pub(super) fn take_header(input: &mut &[u8], header: u8, type_name: &'static str) -> Result<()> {
    match take::<1>(input, type_name)? {
        [found] if found == header => Ok(()),
        _ => Err(CodecError::bytes(type_name, "the header byte is that of another type")),
    }
}

/// Nothing may be left.
#[inline]
pub(super) fn end(input: &[u8], type_name: &'static str) -> Result<()> {
    if input.is_empty() { Ok(()) } else { Err(CodecError::bytes(type_name, "too long")) }
}

#[inline(always)]
pub(super) fn put_long(value: i64, buffer: &mut Buffer) {
    let mut bytes = [if value < 0 { LONG_NEGATIVE } else { LONG }; 9];
    bytes[1..].copy_from_slice(&value.to_be_bytes());
    buffer.extend_from_slice(&bytes);
}

#[inline]
pub(super) fn take_long(input: &mut &[u8]) -> Result<i64> {
    let [header, payload @ ..] = take::<9>(input, "long")?;
    let value = i64::from_be_bytes(payload);
    match header {
        LONG_NEGATIVE if value < 0 => Ok(value),
        LONG if value >= 0 => Ok(value),
        _ => Err(CodecError::bytes("long", "the header byte does not fit the sign")),
    }
}

#[inline(always)]
pub(super) fn put_id(value: i64, buffer: &mut Buffer) {
    buffer.extend_from_slice(&(value as u64 ^ SIGN).to_be_bytes());
}

#[inline]
pub(super) fn take_id(input: &mut &[u8]) -> Result<i64> {
    Ok((u64::from_be_bytes(take(input, "id")?) ^ SIGN) as i64)
}

/// As [`take_id`] of bytes that hold nothing else: one comparison.
#[inline]
pub(super) fn id(bytes: &[u8]) -> Result<i64> {
    match bytes.try_into() {
        Ok(bytes) => Ok((u64::from_be_bytes(bytes) ^ SIGN) as i64),
        Err(_) => Err(CodecError::bytes("id", if bytes.len() < 8 { "too short" } else { "too long" })),
    }
}

#[inline(always)]
pub(super) fn put_float(value: f32, buffer: &mut Buffer) -> Result<()> {
    if value.is_nan() {
        return Err(CodecError::Nan);
    }
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 31 == 0 { bits | 1 << 31 } else { !bits };
    buffer.push(FLOAT);
    buffer.extend_from_slice(&ordered.to_be_bytes());
    Ok(())
}

#[inline]
pub(super) fn take_float(input: &mut &[u8]) -> Result<f32> {
    take_header(input, FLOAT, "float")?;
    let ordered = u32::from_be_bytes(take(input, "float")?);
    Ok(f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered }))
}

#[inline(always)]
pub(super) fn put_double(value: f64, buffer: &mut Buffer) -> Result<()> {
    if value.is_nan() {
        return Err(CodecError::Nan);
    }
    // Adding zero turns -0.0 into 0.0.
    let bits = (value + 0.0).to_bits();
    let ordered = if bits & SIGN == 0 { bits | SIGN } else { !bits };
    buffer.push(DOUBLE);
    buffer.extend_from_slice(&ordered.to_be_bytes());
    Ok(())
}

#[inline]
pub(super) fn take_double(input: &mut &[u8]) -> Result<f64> {
    take_header(input, DOUBLE, "double")?;
    let ordered = u64::from_be_bytes(take(input, "double")?);
    Ok(f64::from_bits(if ordered & SIGN != 0 { ordered & !SIGN } else { !ordered }))
}

#[inline(always)]
pub(super) fn put_instant(millis: i64, buffer: &mut Buffer) {
    buffer.push(INSTANT);
    put_id(millis, buffer);
}

#[inline]
pub(super) fn take_instant(input: &mut &[u8]) -> Result<i64> {
    take_header(input, INSTANT, "instant")?;
    Ok((u64::from_be_bytes(take(input, "instant")?) ^ SIGN) as i64)
}

#[inline(always)]
pub(super) fn put_uuid(value: uuid::Uuid, buffer: &mut Buffer) {
    buffer.push(UUID);
    buffer.extend_from_slice(value.as_bytes());
}

#[inline]
pub(super) fn take_uuid(input: &mut &[u8]) -> Result<uuid::Uuid> {
    take_header(input, UUID, "uuid")?;
    Ok(uuid::Uuid::from_bytes(take(input, "uuid")?))
}

#[inline(always)]
pub(super) fn put_boolean(value: bool, buffer: &mut Buffer) {
    buffer.extend_from_slice(&[BOOLEAN, if value { 2 } else { 1 }]);
}

#[inline]
pub(super) fn take_boolean(input: &mut &[u8]) -> Result<bool> {
    take_header(input, BOOLEAN, "boolean")?;
    match take::<1>(input, "boolean")? {
        [1] => Ok(false),
        [2] => Ok(true),
        _ => Err(CodecError::bytes("boolean", "neither true nor false")),
    }
}

/// A header and bytes to the end.
#[inline]
pub(super) fn put_rest(header: u8, bytes: &[u8], buffer: &mut Buffer) {
    buffer.reserve(bytes.len() + 1);
    buffer.push(header);
    buffer.extend_from_slice(bytes);
}

#[inline]
pub(super) fn rest<'b>(mut input: &'b [u8], header: u8, type_name: &'static str) -> Result<&'b [u8]> {
    take_header(&mut input, header, type_name)?;
    Ok(input)
}

#[inline]
pub(super) fn utf8<'b>(bytes: &'b [u8], type_name: &'static str) -> Result<&'b str> {
    std::str::from_utf8(bytes).map_err(|_| CodecError::bytes(type_name, "not UTF-8"))
}

/// The longest element of a tuple, without its header and before escaping.
pub(super) const ELEMENT_MAX: usize = 255;

/// A header and bytes that tell their own end, as an element of a tuple.
pub(super) fn put_escaped(header: u8, bytes: &[u8], buffer: &mut Buffer) -> Result<()> {
    if bytes.len() > ELEMENT_MAX {
        return Err(CodecError::ElementTooLong { index: 0, len: bytes.len() });
    }
    buffer.push(header);
    for (number, part) in bytes.split(|byte| *byte == 0).enumerate() {
        if number > 0 {
            buffer.extend_from_slice(&[0, 0xFF]);
        }
        buffer.extend_from_slice(part);
    }
    buffer.extend_from_slice(&[0, 0]);
    Ok(())
}

/// Takes bytes written by [`put_escaped`]; borrowed unless something was escaped.
pub(super) fn take_escaped<'b>(
    input: &mut &'b [u8],
    header: u8,
    type_name: &'static str,
) -> Result<Cow<'b, [u8]>> {
    take_header(input, header, type_name)?;
    let mut unescaped = Vec::new();
    loop {
        let zero = input
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(|| CodecError::bytes(type_name, "it has no end"))?;
        let (part, rest) = input.split_at(zero);
        let after = *rest.get(1).ok_or_else(|| CodecError::bytes(type_name, "it has no end"))?;
        *input = &rest[2..];
        match after {
            0 if unescaped.is_empty() => return Ok(Cow::Borrowed(part)),
            0 => {
                unescaped.extend_from_slice(part);
                return Ok(Cow::Owned(unescaped));
            }
            0xFF => {
                unescaped.extend_from_slice(part);
                unescaped.push(0);
            }
            _ => return Err(CodecError::bytes(type_name, "a zero byte is not escaped")),
        }
    }
}

/// The bytes of a keyword or symbol behind its header.
pub(super) fn put_name(namespace: Option<&str>, name: &str, buffer: &mut Buffer) -> Result<()> {
    let namespace = namespace.unwrap_or("");
    if namespace.contains('\0') {
        return Err(CodecError::ZeroByte { what: "a namespace" });
    }
    buffer.extend_from_slice(namespace.as_bytes());
    buffer.push(0);
    buffer.extend_from_slice(name.as_bytes());
    Ok(())
}

/// The namespace and name in the bytes of [`put_name`].
pub(super) fn name<'b>(bytes: &'b [u8], type_name: &'static str) -> Result<(Option<&'b str>, &'b str)> {
    let zero = bytes
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(|| CodecError::bytes(type_name, "no separator"))?;
    let namespace = utf8(&bytes[..zero], type_name)?;
    Ok((Some(namespace).filter(|namespace| !namespace.is_empty()), utf8(&bytes[zero + 1..], type_name)?))
}
