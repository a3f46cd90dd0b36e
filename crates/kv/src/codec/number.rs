//! Big integers and decimals as ordered bytes.
//!
//! ```text
//! bigint  F1 | length: 80+n, or 7F-n if negative | n bytes two's complement
//!
//! bigdec  F2 | FF | exponent, 4 bytes | digit pairs, each 01..64 | 00 | scale, 4 bytes     positive
//!         F2 | 80 | scale                                                                zero
//!         F2 | 00 | exponent and pairs with all bits inverted | FF | scale               negative
//! ```
//!
//! A decimal is 0.d1d2d3... times ten to the exponent, without trailing zeros: so equal numbers differ only
//! in their scale, at the end. Exponent and scale have their sign bit flipped.

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, Sign};

use super::wire::{BIGDEC, BIGINT, take, take_header};
use super::{Buffer, CodecError};

type Result<T> = std::result::Result<T, CodecError>;

const BIGINT_BYTES_MAX: usize = 127;
/// More trailing zeros than this are not written out again by the decoder, so they are refused by the encoder.
const TRAILING_ZEROS_MAX: i64 = 4096;

const SIGN: u32 = 1 << 31;

pub(super) fn put_bigint(value: &BigInt, buffer: &mut Buffer) -> Result<()> {
    let bytes = value.to_signed_bytes_be();
    if bytes.len() > BIGINT_BYTES_MAX {
        return Err(CodecError::Range { type_name: "bigint", limit: "it must fit 127 bytes" });
    }
    let length = bytes.len() as u8;
    buffer.push(BIGINT);
    buffer.push(if value.sign() == Sign::Minus { 0x7F - length } else { 0x80 | length });
    buffer.extend_from_slice(&bytes);
    Ok(())
}

pub(super) fn take_bigint(input: &mut &[u8]) -> Result<BigInt> {
    let wrong = |reason| CodecError::bytes("bigint", reason);
    take_header(input, BIGINT, "bigint")?;
    let [length] = take::<1>(input, "bigint")?;
    let negative = length < 0x80;
    let length = if negative { 0x7F - length } else { length & 0x7F } as usize;
    let (bytes, rest) = input.split_at_checked(length).ok_or_else(|| wrong("too short"))?;
    *input = rest;
    let value = BigInt::from_signed_bytes_be(bytes);
    if length == 0 || (value.sign() == Sign::Minus) != negative {
        return Err(wrong("its length does not fit its sign"));
    }
    Ok(value)
}

fn put_biased(value: i64, buffer: &mut Buffer, invert: bool) -> Result<()> {
    let value = i32::try_from(value).map_err(|_| CodecError::Range {
        type_name: "bigdec",
        limit: "exponent and scale must fit 32 bits",
    })?;
    let biased = value as u32 ^ SIGN;
    buffer.extend_from_slice(&if invert { !biased } else { biased }.to_be_bytes());
    Ok(())
}

fn take_biased(input: &mut &[u8], invert: bool) -> Result<i64> {
    let biased = u32::from_be_bytes(take(input, "bigdec")?);
    Ok(i64::from((if invert { !biased } else { biased } ^ SIGN) as i32))
}

pub(super) fn put_decimal(value: &BigDecimal, buffer: &mut Buffer) -> Result<()> {
    let (unscaled, scale) = value.as_bigint_and_exponent();
    buffer.push(BIGDEC);
    if unscaled.sign() == Sign::NoSign {
        buffer.push(0x80);
        return put_biased(scale, buffer, false);
    }
    let negative = unscaled.sign() == Sign::Minus;
    let digits = unscaled.magnitude().to_string();
    let significant = digits.trim_end_matches('0');
    if (digits.len() - significant.len()) as i64 > TRAILING_ZEROS_MAX {
        return Err(CodecError::Range {
            type_name: "bigdec",
            limit: "it must have at most 4096 trailing zeros",
        });
    }
    buffer.push(if negative { 0 } else { 0xFF });
    put_biased(digits.len() as i64 - scale, buffer, negative)?;
    for pair in significant.as_bytes().chunks(2) {
        let byte = (pair[0] - b'0') * 10 + pair.get(1).map_or(0, |digit| digit - b'0') + 1;
        buffer.push(if negative { !byte } else { byte });
    }
    buffer.push(if negative { 0xFF } else { 0 });
    put_biased(scale, buffer, false)
}

pub(super) fn take_decimal(input: &mut &[u8]) -> Result<BigDecimal> {
    let wrong = |reason| CodecError::bytes("bigdec", reason);
    take_header(input, BIGDEC, "bigdec")?;
    let negative = match take::<1>(input, "bigdec")? {
        [0x80] => return Ok(BigDecimal::new(BigInt::ZERO, take_biased(input, false)?)),
        [0] => true,
        [0xFF] => false,
        _ => return Err(wrong("an unknown sign")),
    };
    let exponent = take_biased(input, negative)?;
    let mut digits = Vec::new();
    loop {
        let [byte] = take::<1>(input, "bigdec")?;
        match if negative { !byte } else { byte } {
            0 => break,
            pair @ 1..=100 => digits.extend_from_slice(&[b'0' + (pair - 1) / 10, b'0' + (pair - 1) % 10]),
            _ => return Err(wrong("not a pair of digits")),
        }
    }
    let scale = take_biased(input, false)?;
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    // The digits stand for an integer of `exponent + scale` digits, with zeros at its end.
    let zeros = exponent + scale - digits.len() as i64;
    if digits.is_empty() || digits[0] == b'0' || !(0..=TRAILING_ZEROS_MAX).contains(&zeros) {
        return Err(wrong("digits, exponent and scale do not fit together"));
    }
    digits.resize(digits.len() + zeros as usize, b'0');
    let magnitude = BigInt::parse_bytes(&digits, 10).ok_or_else(|| wrong("not a number"))?;
    Ok(BigDecimal::new(if negative { -magnitude } else { magnitude }, scale))
}
