//! Number literals: `42`, `-0x2A`, `2r1010`, `42N`, `4.2e1`, `4.20M`, `1/3`.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use nom::branch::alt;
use nom::bytes::complete::{tag_no_case, take_while};
use nom::character::complete::{alphanumeric1, char, digit0, digit1, hex_digit1, one_of};
use nom::combinator::{all_consuming, map, opt, recognize};
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser};
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Num, Zero};

use crate::error::{Error, ErrorKind, Result};
use crate::form::Span;
use crate::value::Value;

/// Digits of one number: reading and printing big numbers takes time quadratic in them.
pub(crate) const MAX_DIGITS: usize = 10_000;
/// Largest scale or exponent of a decimal: comparing decimals lines their points up.
pub(crate) const MAX_SCALE: i64 = 10_000;

/// The shape of a number token, not yet evaluated.
enum Literal<'t> {
    Integer { digits: &'t str, radix: u32, big: bool },
    Ratio { numerator: &'t str, denominator: &'t str },
    Float,
    Decimal { whole: &'t str, fraction: &'t str, exponent: Option<&'t str> },
}

/// Whether a token is read as a number rather than as a symbol.
pub(crate) fn is_number(token: &str) -> bool {
    let unsigned = token.strip_prefix(['+', '-']).unwrap_or(token).as_bytes();
    matches!(unsigned, [b'0'..=b'9', ..] | [b'.', b'0'..=b'9', ..])
}

/// Reads a token for which [`is_number`] holds.
pub(crate) fn number(token: &str, span: Span) -> Result<Value> {
    if let Some(value) = small_integer(token) {
        return Ok(Value::Int(value));
    }
    let invalid = || Error::new(ErrorKind::InvalidNumber { token: token.to_owned() }, span);
    if token.len() > MAX_DIGITS + 32 {
        return Err(Error::new(ErrorKind::NumberTooLong { limit: MAX_DIGITS, unit: "digits" }, span));
    }
    let Ok((_, (sign, literal))) = all_consuming(pair(opt(one_of("+-")), literal)).parse(token) else {
        let error = invalid();
        return Err(match number_hint(token) {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
    };
    let negative = sign == Some('-');
    match literal {
        Literal::Integer { digits, radix, big } => integer(token, span, negative, digits, radix, big),
        Literal::Ratio { numerator, denominator } => ratio(negative, numerator, denominator, invalid),
        Literal::Float => {
            let value = f64::from_str(token).map_err(|_| invalid())?;
            if value.is_infinite() {
                return Err(invalid().with_hint("the value is beyond a double; write a decimal (M) or ##Inf"));
            }
            Ok(Value::Float(value))
        }
        Literal::Decimal { whole, fraction, exponent } => decimal(span, negative, whole, fraction, exponent),
    }
}

/// The common case without the detour over [`Literal`]: decimal digits that cannot overflow.
fn small_integer(token: &str) -> Option<i64> {
    let (negative, digits) = match token.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 || (digits[0] == b'0' && digits.len() > 1) {
        return None;
    }
    let mut value = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(digit - b'0');
    }
    Some(if negative { -value } else { value })
}

fn literal(text: &str) -> IResult<&str, Literal<'_>> {
    let radix = map(
        (terminated(digit1, one_of("rR")), alphanumeric1, opt(char('N'))),
        |(radix, digits, big): (&str, _, _)| Literal::Integer {
            digits,
            // Out of range radices fail in `integer`.
            radix: radix.parse().unwrap_or(0),
            big: big.is_some(),
        },
    );
    let hex = map(
        preceded(tag_no_case("0x"), pair(hex_digit1, opt(char('N')))),
        |(digits, big): (_, Option<char>)| Literal::Integer { digits, radix: 16, big: big.is_some() },
    );
    let ratio = map((whole, char('/'), digit1), |(numerator, _, denominator)| Literal::Ratio {
        numerator,
        denominator,
    });
    let integer = map(pair(whole, opt(char('N'))), |(digits, big): (_, Option<char>)| Literal::Integer {
        digits,
        radix: 10,
        big: big.is_some(),
    });
    let exponent = || preceded(one_of("eE"), recognize(pair(opt(one_of("+-")), digit1)));
    let pointed = map(
        (whole, opt(preceded(char('.'), digit0)), opt(exponent()), opt(char('M'))),
        |(whole, fraction, exponent, decimal): (_, Option<&str>, _, Option<char>)| match decimal {
            Some(_) => Literal::Decimal { whole, fraction: fraction.unwrap_or(""), exponent },
            None => Literal::Float,
        },
    );
    alt((
        terminated(integer, nom::combinator::eof),
        terminated(ratio, nom::combinator::eof),
        terminated(pointed, nom::combinator::eof),
        terminated(hex, nom::combinator::eof),
        radix,
    ))
    .parse(text)
}

/// Digits without leading zeros.
fn whole(text: &str) -> IResult<&str, &str> {
    alt((
        terminated(nom::bytes::complete::tag("0"), nom::combinator::not(one_of("0123456789"))),
        recognize(pair(one_of("123456789"), take_while(|c: char| c.is_ascii_digit()))),
    ))
    .parse(text)
}

fn integer(token: &str, span: Span, negative: bool, digits: &str, radix: u32, big: bool) -> Result<Value> {
    let invalid = || Error::new(ErrorKind::InvalidNumber { token: token.to_owned() }, span);
    if !(2..=36).contains(&radix) {
        return Err(invalid().with_hint("a radix goes from 2 to 36, as in 2r1010"));
    }
    // `16rN` and `36rNN`: the suffix is a digit where the radix has it.
    let magnitude = BigInt::from_str_radix(digits, radix).map_err(|_| invalid())?;
    let value = if negative { -magnitude } else { magnitude };
    if big {
        return Ok(Value::BigInt(value));
    }
    i64::try_from(&value).map(Value::Int).map_err(|_| {
        Error::new(ErrorKind::IntegerOverflow { token: shorten(token) }, span)
            .with_hint("append N for an integer of any size")
    })
}

fn ratio(negative: bool, numerator: &str, denominator: &str, invalid: impl Fn() -> Error) -> Result<Value> {
    let numerator = BigInt::from_str(numerator).map_err(|_| invalid())?;
    let denominator = BigInt::from_str(denominator).map_err(|_| invalid())?;
    if denominator.is_zero() {
        return Err(invalid().with_hint("the denominator is zero"));
    }
    let numerator = if negative { -numerator } else { numerator };
    let ratio = BigRational::new(numerator, denominator);
    if !ratio.is_integer() {
        return Ok(Value::Ratio(ratio));
    }
    let whole = ratio.to_integer();
    Ok(i64::try_from(&whole).map_or_else(|_| Value::BigInt(whole), Value::Int))
}

fn decimal(span: Span, negative: bool, whole: &str, fraction: &str, exponent: Option<&str>) -> Result<Value> {
    let too_long =
        || Error::new(ErrorKind::NumberTooLong { limit: MAX_SCALE as usize, unit: "decimal places" }, span);
    let exponent = match exponent {
        Some(text) => i64::from_str(text).map_err(|_| too_long())?,
        None => 0,
    };
    let scale = i64::try_from(fraction.len())
        .ok()
        .and_then(|places| places.checked_sub(exponent))
        .filter(|scale| (-MAX_SCALE..=MAX_SCALE).contains(scale))
        .ok_or_else(too_long)?;
    let digits = format!("{whole}{fraction}");
    let magnitude = BigInt::from_str(&digits).unwrap_or_default();
    let value = if negative && magnitude.sign() != Sign::NoSign { -magnitude } else { magnitude };
    Ok(Value::Decimal(BigDecimal::new(value, scale)))
}

fn number_hint(token: &str) -> Option<&'static str> {
    let unsigned = token.trim_start_matches(['+', '-']);
    let bytes = unsigned.as_bytes();
    if bytes.first() == Some(&b'.') {
        return Some("write a digit before the point, as in 0.5");
    }
    if bytes.len() > 1 && bytes[0] == b'0' && bytes[1].is_ascii_digit() {
        return Some("leading zeros are not allowed; octal is written 8r17");
    }
    if unsigned.ends_with('N') && unsigned.contains(['.', 'e', 'E']) {
        return Some("N marks integers; the suffix of decimals is M");
    }
    if unsigned.contains('_') {
        return Some("digits are not grouped in EDN");
    }
    None
}

/// A token short enough for a message.
pub(crate) fn shorten(token: &str) -> String {
    const SHOWN: usize = 60;
    match token.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &token[..at]),
        None => token.to_owned(),
    }
}
