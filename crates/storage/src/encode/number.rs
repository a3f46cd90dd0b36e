//! Order-preserving bytes of numbers.
//!
//! ```text
//! integer   tag says sign and length | magnitude, big-endian (complement where negative)
//! bigint    header says sign and length | magnitude        (both complemented where negative)
//! ratio     continued fraction a0; a1, a2 ...: bigints, every second one complemented | FF or 00
//! double    sign bit flipped, or all bits where negative | 8 bytes in all
//! decimal   sign | exponent | two digits a byte | 00 | scale   (exponent to 00 complemented where negative)
//! ```

use bigdecimal::BigDecimal;
use num_bigint::{BigInt, BigUint, Sign};
use num_integer::Integer;
use num_rational::BigRational;
use num_traits::{One, Zero};

use super::decode::{Damage, Reader};
use super::tags;

/// The header of a big integer whose length follows in four bytes.
const LONG: u8 = 0xFE;
/// The largest length that the header itself holds.
const SHORT_LEN_MAX: usize = 0x7D;
/// Ends a continued fraction: larger than any header.
const INFINITY: u8 = 0xFF;
/// Decimals with more trailing zeros than this are not expanded: no sane writer makes them, damage might.
const TRAILING_ZEROS_MAX: i128 = 10_000_000;

const NEGATIVE: u8 = 1;
const ZERO: u8 = 2;
const POSITIVE: u8 = 3;

/// Writes `value` under the tag family whose zero is `zero`; returns how many bytes of the array are used.
#[inline]
pub(crate) fn int_bytes(zero: u8, value: i64) -> ([u8; 9], usize) {
    let mut out = [0; 9];
    let magnitude = value.unsigned_abs();
    let len = 8 - (magnitude.leading_zeros() / 8) as usize;
    let payload = if value < 0 { !magnitude } else { magnitude };
    out[0] = if value < 0 { zero - len as u8 } else { zero + len as u8 };
    out[1..=len].copy_from_slice(&payload.to_be_bytes()[8 - len..]);
    (out, len + 1)
}

pub(crate) fn put_int(out: &mut Vec<u8>, zero: u8, value: i64) {
    let (bytes, len) = int_bytes(zero, value);
    out.extend_from_slice(&bytes[..len]);
}

/// The integer whose tag is `tag` and whose payload starts `payload`, and the payload's length.
#[inline]
pub(crate) fn int_from(zero: u8, tag: u8, payload: &[u8]) -> Option<(i64, usize)> {
    let len = tag.abs_diff(zero) as usize;
    let payload = payload.get(..len)?;
    let negative = tag < zero;
    let mut bytes = if negative { [0xFF; 8] } else { [0; 8] };
    bytes[8 - len..].copy_from_slice(payload);
    let magnitude = if negative { !u64::from_be_bytes(bytes) } else { u64::from_be_bytes(bytes) };
    let value =
        if negative { 0i64.checked_sub_unsigned(magnitude)? } else { i64::try_from(magnitude).ok()? };
    Some((value, len))
}

/// A double as eight bytes in numeric order; NaN comes last and -0.0 becomes 0.0.
#[inline]
pub(crate) fn float_bytes(value: f64) -> [u8; 8] {
    let value = if value == 0.0 { 0.0 } else { value };
    let bits = if value.is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { value.to_bits() };
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    ordered.to_be_bytes()
}

/// The double behind [`float_bytes`].
#[inline]
pub(crate) fn float_from(bytes: [u8; 8]) -> f64 {
    let ordered = u64::from_be_bytes(bytes);
    f64::from_bits(if ordered >> 63 == 1 { ordered & !(1 << 63) } else { !ordered })
}

pub(crate) fn put_bigint(out: &mut Vec<u8>, value: &BigInt, complement: bool) {
    let start = out.len();
    let (sign, magnitude) = value.to_bytes_be();
    let negative = sign == Sign::Minus;
    if sign == Sign::NoSign {
        out.push(0x80);
    } else if magnitude.len() <= SHORT_LEN_MAX {
        out.push(0x80 + magnitude.len() as u8);
        out.extend_from_slice(&magnitude);
    } else {
        out.push(LONG);
        out.extend_from_slice(&(magnitude.len() as u32).to_be_bytes());
        out.extend_from_slice(&magnitude);
    }
    if negative != complement {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
}

/// Reads a big integer; `None` is the end of a continued fraction.
fn read_bigint(reader: &mut Reader<'_>, complement: bool) -> Result<Option<BigInt>, Damage> {
    let flip = |byte: u8, invert: bool| if invert { !byte } else { byte };
    let header = flip(reader.byte()?, complement);
    if header == INFINITY {
        return Ok(None);
    }
    let negative = header < 0x80;
    let invert = negative != complement;
    let len = match flip(header, negative) {
        LONG => {
            let bytes = reader.array::<4>()?;
            u32::from_be_bytes(bytes.map(|byte| flip(byte, invert))) as usize
        }
        header => usize::from(header - 0x80),
    };
    let bytes = reader.take(len)?;
    let magnitude = if invert {
        BigUint::from_bytes_be(&bytes.iter().map(|byte| !byte).collect::<Vec<_>>())
    } else {
        BigUint::from_bytes_be(bytes)
    };
    Ok(Some(BigInt::from_biguint(if negative { Sign::Minus } else { Sign::Plus }, magnitude)))
}

pub(crate) fn get_bigint(reader: &mut Reader<'_>) -> Result<BigInt, Damage> {
    read_bigint(reader, false)?.ok_or(Damage("not a big integer"))
}

/// A ratio as its continued fraction: comparing term by term, with every second comparison reversed, is comparing
/// the numbers, and the fraction that ends counts as one that goes on with infinity.
pub(crate) fn put_ratio(out: &mut Vec<u8>, value: &BigRational) {
    let (mut numerator, mut denominator) = (value.numer().clone(), value.denom().clone());
    let mut complement = false;
    while !denominator.is_zero() {
        let (term, rest) = numerator.div_mod_floor(&denominator);
        put_bigint(out, &term, complement);
        numerator = denominator;
        denominator = rest;
        complement = !complement;
    }
    out.push(if complement { !INFINITY } else { INFINITY });
}

pub(crate) fn get_ratio(reader: &mut Reader<'_>) -> Result<BigRational, Damage> {
    // Convergents: p and q of the last two steps.
    let (mut p, mut q) = (BigInt::one(), BigInt::zero());
    let (mut p_before, mut q_before) = (BigInt::zero(), BigInt::one());
    let mut complement = false;
    while let Some(term) = read_bigint(reader, complement)? {
        let p_next = &term * &p + &p_before;
        let q_next = &term * &q + &q_before;
        (p_before, q_before) = (p, q);
        (p, q) = (p_next, q_next);
        complement = !complement;
    }
    if q.is_zero() {
        return Err(Damage("ratio with denominator zero"));
    }
    Ok(BigRational::new(p, q))
}

pub(crate) fn put_decimal(out: &mut Vec<u8>, value: &BigDecimal) {
    let (unscaled, scale) = value.as_bigint_and_exponent();
    let (sign, magnitude) = (unscaled.sign(), unscaled.magnitude());
    if sign == Sign::NoSign {
        out.push(ZERO);
        put_int(out, tags::INT, scale);
        return;
    }
    let negative = sign == Sign::Minus;
    out.push(if negative { NEGATIVE } else { POSITIVE });
    let start = out.len();
    let digits = magnitude.to_radix_be(10);
    put_int(out, tags::INT, (digits.len() as i64).saturating_sub(scale));
    let significant = digits.len() - digits.iter().rev().take_while(|digit| **digit == 0).count();
    for pair in digits[..significant].chunks(2) {
        out.push(1 + pair[0] * 10 + pair.get(1).copied().unwrap_or(0));
    }
    out.push(tags::END);
    if negative {
        out[start..].iter_mut().for_each(|byte| *byte = !*byte);
    }
    put_int(out, tags::INT, scale);
}

pub(crate) fn get_decimal(reader: &mut Reader<'_>) -> Result<BigDecimal, Damage> {
    let negative = match reader.byte()? {
        ZERO => return Ok(BigDecimal::new(BigInt::zero(), get_int(reader, false)?)),
        NEGATIVE => true,
        POSITIVE => false,
        _ => return Err(Damage("sign of a decimal")),
    };
    let exponent = get_int(reader, negative)?;
    let mut digits = Vec::new();
    loop {
        let byte = if negative { !reader.byte()? } else { reader.byte()? };
        match byte {
            tags::END => break,
            1..=100 => digits.extend([(byte - 1) / 10, (byte - 1) % 10]),
            _ => return Err(Damage("digits of a decimal")),
        }
    }
    while digits.last() == Some(&0) {
        digits.pop();
    }
    let scale = get_int(reader, false)?;
    let zeros = i128::from(exponent) - digits.len() as i128 + i128::from(scale);
    if !(0..=TRAILING_ZEROS_MAX).contains(&zeros) || digits.is_empty() {
        return Err(Damage("exponent and scale of a decimal"));
    }
    let magnitude = BigUint::from_radix_be(&digits, 10).ok_or(Damage("digits of a decimal"))?
        * BigUint::from(10u8).pow(zeros as u32);
    let sign = if negative { Sign::Minus } else { Sign::Plus };
    Ok(BigDecimal::new(BigInt::from_biguint(sign, magnitude), scale))
}

fn get_int(reader: &mut Reader<'_>, complement: bool) -> Result<i64, Damage> {
    let tag = if complement { !reader.byte()? } else { reader.byte()? };
    let len = usize::from(tag.abs_diff(tags::INT));
    if len > 8 {
        return Err(Damage("integer inside a number"));
    }
    let mut payload = [0; 8];
    payload[..len].copy_from_slice(reader.take(len)?);
    if complement {
        payload[..len].iter_mut().for_each(|byte| *byte = !*byte);
    }
    int_from(tags::INT, tag, &payload).map(|(value, _)| value).ok_or(Damage("integer inside a number"))
}
