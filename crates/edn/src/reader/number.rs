//! Number literals: `42`, `-0x2A`, `2r1010`, `42N`, `4.2e1`, `4.20M`, `1/3`.

use std::str::FromStr;

use bigdecimal::BigDecimal;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_while, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{all_consuming, map, not, opt, recognize};
use nom::error::Error as NomError;
use nom::sequence::{pair, preceded, terminated};
use nom::{IResult, Parser};
use num_bigint::{BigInt, Sign};
use num_rational::BigRational;
use num_traits::{Num, Zero};

use crate::error::{Error, ErrorKind, Result};
use crate::form::Span;
use crate::shorten::shorten;
use crate::value::Value;

/// Decimal digits of one number: reading and printing big numbers takes time quadratic in them.
const MAX_DIGITS: usize = 100_000;
/// Largest scale or exponent of a decimal: comparing decimals lines their points up.
const MAX_SCALE: i64 = 10_000;

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
    let invalid = || Error::new(ErrorKind::InvalidNumber { token: shorten(token) }, span);
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
        Literal::Ratio { numerator, denominator } if numerator.len().max(denominator.len()) > MAX_DIGITS => {
            Err(too_many_digits(span))
        }
        Literal::Ratio { numerator, denominator } => ratio(negative, numerator, denominator)
            .ok_or_else(|| out_of_range(token, span, "the denominator is zero")),
        Literal::Float => {
            let value = f64::from_str(token).map_err(|_| invalid())?;
            if value.is_infinite() {
                return Err(out_of_range(token, span, "it is beyond a double")
                    .with_hint("write a decimal (M), or ##Inf"));
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

/// What follows the leading digits decides the kind.
fn literal(text: &str) -> IResult<&str, Literal<'_>> {
    let (rest, leading) = whole(text)?;
    let kind = rest.chars().next();
    match kind {
        None | Some('N') => integer_rest(leading).parse(rest),
        Some('.' | 'e' | 'E' | 'M') => pointed_rest(leading).parse(rest),
        Some('/') => map(preceded(char('/'), digits1), |denominator| Literal::Ratio {
            numerator: leading,
            denominator,
        })
        .parse(rest),
        Some('x' | 'X') if leading == "0" => {
            let hex_digits = take_while1(|c: char| c.is_ascii_hexdigit());
            map(preceded(one_of("xX"), pair(hex_digits, opt(char('N')))), |(digits, big)| Literal::Integer {
                digits,
                radix: 16,
                big: big.is_some(),
            })
            .parse(rest)
        }
        _ => map(preceded(one_of("rR"), take_while1(|c: char| c.is_ascii_alphanumeric())), |digits| {
            Literal::Integer {
                digits,
                // Out of range radices fail in `integer`.
                radix: leading.parse().unwrap_or(0),
                big: false,
            }
        })
        .parse(rest),
    }
}

/// `42`, `42N`
fn integer_rest<'t>(
    digits: &'t str,
) -> impl Parser<&'t str, Output = Literal<'t>, Error = NomError<&'t str>> {
    map(opt(char('N')), move |big| Literal::Integer { digits, radix: 10, big: big.is_some() })
}

/// `4.2`, `4.`, `4e2`, `4.2e-2`, each also with `M`; `4M`
fn pointed_rest<'t>(whole: &'t str) -> impl Parser<&'t str, Output = Literal<'t>, Error = NomError<&'t str>> {
    let exponent = preceded(one_of("eE"), recognize(pair(opt(one_of("+-")), digits1)));
    let parts = (opt(preceded(char('.'), digits0)), opt(exponent), opt(char('M')));
    map(parts, move |(fraction, exponent, decimal): (Option<&str>, _, _)| match decimal {
        Some(_) => Literal::Decimal { whole, fraction: fraction.unwrap_or(""), exponent },
        None => Literal::Float,
    })
}

// Not nom's own digit0 and digit1: at the end of a &str they answer a rest that lies before the digits, which
// `recognize` then measures wrongly (nom 8.0.0).
fn digits0(text: &str) -> IResult<&str, &str> {
    take_while(|c: char| c.is_ascii_digit()).parse(text)
}

fn digits1(text: &str) -> IResult<&str, &str> {
    take_while1(|c: char| c.is_ascii_digit()).parse(text)
}

/// Digits without leading zeros.
fn whole(text: &str) -> IResult<&str, &str> {
    alt((recognize(pair(one_of("123456789"), digits0)), terminated(tag("0"), not(one_of("0123456789")))))
        .parse(text)
}

fn too_many_digits(span: Span) -> Error {
    Error::new(ErrorKind::NumberTooLong { limit: MAX_DIGITS, unit: "digits" }, span)
}

fn out_of_range(token: &str, span: Span, reason: &'static str) -> Error {
    Error::new(ErrorKind::NumberRange { token: shorten(token), reason }, span)
}

fn integer(token: &str, span: Span, negative: bool, digits: &str, radix: u32, big: bool) -> Result<Value> {
    if !(2..=36).contains(&radix) {
        return Err(out_of_range(token, span, "a radix goes from 2 to 36"));
    }
    // Counted in decimal digits, so that what is read can be printed and read again.
    if digits.len() as f64 * f64::from(radix).log10() > MAX_DIGITS as f64 {
        return Err(too_many_digits(span));
    }
    let magnitude = BigInt::from_str_radix(digits, radix)
        .map_err(|_| out_of_range(token, span, "it has a digit that its radix does not have"))?;
    let value = if negative { -magnitude } else { magnitude };
    if big {
        return Ok(Value::BigInt(value));
    }
    i64::try_from(&value).map(Value::Int).map_err(|_| {
        Error::new(ErrorKind::IntegerOverflow { token: shorten(token) }, span)
            .with_hint("append N for an integer of any size")
    })
}

/// A ratio in lowest terms, or the integer that it is; `None` where the denominator is zero.
fn ratio(negative: bool, numerator: &str, denominator: &str) -> Option<Value> {
    let numerator = BigInt::from_str(numerator).ok()?;
    let denominator = BigInt::from_str(denominator).ok().filter(|denominator| !denominator.is_zero())?;
    let ratio = BigRational::new(if negative { -numerator } else { numerator }, denominator);
    if !ratio.is_integer() {
        return Some(Value::Ratio(ratio));
    }
    let whole = ratio.to_integer();
    Some(i64::try_from(&whole).map_or_else(|_| Value::BigInt(whole), Value::Int))
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
    if digits.trim_start_matches('0').len() > MAX_DIGITS {
        return Err(too_many_digits(span));
    }
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
