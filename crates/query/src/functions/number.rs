//! [`Number`]: exact arithmetic over all numeric types of EDN.
//!
//! ```text
//! integer < bigint < ratio < decimal < double      an operation works in the wider of its operands' types
//! ```
//!
//! Integers of 64 bits do not grow into big ones: an overflow is an error. A ratio that turns out whole becomes an
//! integer again.

use std::borrow::Cow;
use std::cmp::Ordering;

use bigdecimal::BigDecimal;
use edn::Value;
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{FromPrimitive, One, Signed, ToPrimitive, Zero};

/// A number of any type.
#[derive(Clone, Debug)]
pub(crate) enum Number<'a> {
    Int(i64),
    BigInt(Cow<'a, BigInt>),
    Ratio(Cow<'a, BigRational>),
    Decimal(Cow<'a, BigDecimal>),
    Float(f64),
}

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberError {
    Overflow,
    DivideByZero,
    /// A decimal quotient without an end.
    Endless,
}

type Result<T> = std::result::Result<T, NumberError>;

/// Two numbers of one type.
enum Pair {
    Int(i64, i64),
    BigInt(BigInt, BigInt),
    Ratio(BigRational, BigRational),
    Decimal(BigDecimal, BigDecimal),
    Float(f64, f64),
}

impl<'a> Number<'a> {
    pub(crate) fn of(value: &'a Value) -> Option<Self> {
        Some(match value {
            Value::Int(value) => Self::Int(*value),
            Value::BigInt(value) => Self::BigInt(Cow::Borrowed(value)),
            Value::Ratio(value) => Self::Ratio(Cow::Borrowed(value)),
            Value::Decimal(value) => Self::Decimal(Cow::Borrowed(value)),
            Value::Float(value) => Self::Float(*value),
            _ => return None,
        })
    }

    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Int(value) => Value::Int(value),
            Self::BigInt(value) => Value::BigInt(value.into_owned()),
            Self::Ratio(value) => Value::Ratio(value.into_owned()),
            Self::Decimal(value) => Value::Decimal(value.into_owned()),
            Self::Float(value) => Value::Float(value),
        }
    }

    fn into_owned(self) -> Number<'static> {
        match self {
            Self::Int(value) => Number::Int(value),
            Self::BigInt(value) => Number::BigInt(Cow::Owned(value.into_owned())),
            Self::Ratio(value) => Number::Ratio(Cow::Owned(value.into_owned())),
            Self::Decimal(value) => Number::Decimal(Cow::Owned(value.into_owned())),
            Self::Float(value) => Number::Float(value),
        }
    }

    /// As a double: the nearest one.
    pub(crate) fn to_f64(&self) -> f64 {
        match self {
            Self::Int(value) => *value as f64,
            Self::BigInt(value) => value.to_f64().unwrap_or(f64::NAN),
            Self::Ratio(value) => value.to_f64().unwrap_or(f64::NAN),
            Self::Decimal(value) => value.to_f64().unwrap_or(f64::NAN),
            Self::Float(value) => *value,
        }
    }

    /// As an exact ratio, if it is finite.
    pub(crate) fn to_ratio(&self) -> Option<BigRational> {
        Some(match self {
            Self::Int(value) => BigRational::from_integer((*value).into()),
            Self::BigInt(value) => BigRational::from_integer(BigInt::clone(value)),
            Self::Ratio(value) => BigRational::clone(value),
            Self::Decimal(value) => decimal_to_ratio(value)?,
            Self::Float(value) => BigRational::from_float(*value)?,
        })
    }

    pub(crate) fn is_zero(&self) -> bool {
        match self {
            Self::Int(value) => *value == 0,
            Self::BigInt(value) => value.is_zero(),
            Self::Ratio(value) => value.is_zero(),
            Self::Decimal(value) => value.is_zero(),
            Self::Float(value) => *value == 0.0,
        }
    }

    /// -1, 0 or 1; NaN has no sign.
    pub(crate) fn sign(&self) -> Option<i32> {
        self.compare(&Number::Int(0)).map(|order| order as i32)
    }

    /// The order of two numbers by what they stand for, exactly, whatever their types. NaN has none.
    pub(crate) fn compare(&self, other: &Number<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Number::Int(b)) => Some(a.cmp(b)),
            (Self::Float(a), Number::Float(b)) => a.partial_cmp(b),
            (Self::Float(a), b) if !a.is_finite() => compare_infinite(*a, b),
            (a, Number::Float(b)) if !b.is_finite() => compare_infinite(*b, a).map(Ordering::reverse),
            (Self::Decimal(a), Number::Decimal(b)) => Some(a.cmp(b)),
            (a, b) => Some(match (small_exact(a), small_exact(b)) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => compare_exactly(a, b)?,
            }),
        }
    }

    pub(crate) fn add(&self, other: &Number<'_>) -> Result<Number<'static>> {
        Ok(match self.pair(other)? {
            Pair::Int(a, b) => Number::Int(a.checked_add(b).ok_or(NumberError::Overflow)?),
            Pair::BigInt(a, b) => big(a + b),
            Pair::Ratio(a, b) => whole_or_ratio(a + b),
            Pair::Decimal(a, b) => decimal(a + b),
            Pair::Float(a, b) => Number::Float(a + b),
        })
    }

    pub(crate) fn subtract(&self, other: &Number<'_>) -> Result<Number<'static>> {
        Ok(match self.pair(other)? {
            Pair::Int(a, b) => Number::Int(a.checked_sub(b).ok_or(NumberError::Overflow)?),
            Pair::BigInt(a, b) => big(a - b),
            Pair::Ratio(a, b) => whole_or_ratio(a - b),
            Pair::Decimal(a, b) => decimal(a - b),
            Pair::Float(a, b) => Number::Float(a - b),
        })
    }

    pub(crate) fn multiply(&self, other: &Number<'_>) -> Result<Number<'static>> {
        Ok(match self.pair(other)? {
            Pair::Int(a, b) => Number::Int(a.checked_mul(b).ok_or(NumberError::Overflow)?),
            Pair::BigInt(a, b) => big(a * b),
            Pair::Ratio(a, b) => whole_or_ratio(a * b),
            Pair::Decimal(a, b) => decimal(a * b),
            Pair::Float(a, b) => Number::Float(a * b),
        })
    }

    /// The exact quotient; of integers a ratio, unless it is whole.
    pub(crate) fn divide(&self, other: &Number<'_>) -> Result<Number<'static>> {
        if other.is_zero() {
            return Err(NumberError::DivideByZero);
        }
        Ok(match self.pair(other)? {
            Pair::Int(a, b) => match (a.checked_rem(b), a.checked_div(b)) {
                (Some(0), Some(quotient)) => Number::Int(quotient),
                _ => whole_or_ratio(BigRational::new(a.into(), b.into())),
            },
            Pair::BigInt(a, b) if (&a % &b).is_zero() => big(a / b),
            Pair::BigInt(a, b) => whole_or_ratio(BigRational::new(a, b)),
            Pair::Ratio(a, b) => whole_or_ratio(a / b),
            Pair::Decimal(a, b) => divide_decimals(&a, &b)?,
            Pair::Float(a, b) => Number::Float(a / b),
        })
    }

    /// The quotient without its fraction.
    pub(crate) fn quot(&self, other: &Number<'_>) -> Result<Number<'static>> {
        if other.is_zero() {
            return Err(NumberError::DivideByZero);
        }
        Ok(match self.pair(other)? {
            Pair::Int(a, b) => Number::Int(a.checked_div(b).ok_or(NumberError::Overflow)?),
            Pair::BigInt(a, b) => big(a / b),
            Pair::Ratio(a, b) => integer((a / b).to_integer()),
            Pair::Decimal(a, b) => decimal(decimal_quotient(&a, &b)?),
            Pair::Float(a, b) => Number::Float((a / b).trunc()),
        })
    }

    /// What [`quot`](Self::quot) leaves, with the sign of the dividend.
    pub(crate) fn rem(&self, other: &Number<'_>) -> Result<Number<'static>> {
        if other.is_zero() {
            return Err(NumberError::DivideByZero);
        }
        Ok(match self.pair(other)? {
            Pair::Int(a, b) => Number::Int(a.checked_rem(b).unwrap_or(0)),
            Pair::BigInt(a, b) => big(a % b),
            Pair::Ratio(a, b) => whole_or_ratio(a % b),
            Pair::Decimal(a, b) => {
                let quotient = decimal_quotient(&a, &b)?;
                decimal(a - quotient * b)
            }
            Pair::Float(a, b) => Number::Float(a % b),
        })
    }

    /// The remainder with the sign of the divisor.
    pub(crate) fn modulo(&self, other: &Number<'_>) -> Result<Number<'static>> {
        let rem = self.rem(other)?;
        match (rem.sign(), other.sign()) {
            (Some(rem_sign), Some(sign)) if rem_sign != 0 && rem_sign != sign => rem.add(other),
            _ => Ok(rem),
        }
    }

    fn pair(&self, other: &Number<'_>) -> Result<Pair> {
        let endless = |ratio: Option<BigDecimal>| ratio.ok_or(NumberError::Endless);
        Ok(match (self, other) {
            (Self::Int(a), Number::Int(b)) => Pair::Int(*a, *b),
            (Self::Float(_), _) | (_, Number::Float(_)) => Pair::Float(self.to_f64(), other.to_f64()),
            (Self::Decimal(_), _) | (_, Number::Decimal(_)) => {
                Pair::Decimal(endless(self.to_decimal())?, endless(other.to_decimal())?)
            }
            (Self::Ratio(_), _) | (_, Number::Ratio(_)) => {
                Pair::Ratio(self.to_ratio().unwrap_or_default(), other.to_ratio().unwrap_or_default())
            }
            _ => Pair::BigInt(self.to_bigint().unwrap_or_default(), other.to_bigint().unwrap_or_default()),
        })
    }

    fn to_bigint(&self) -> Option<BigInt> {
        match self {
            Self::Int(value) => Some((*value).into()),
            Self::BigInt(value) => Some(BigInt::clone(value)),
            _ => None,
        }
    }

    /// As an exact decimal, if it has one.
    pub(crate) fn to_decimal(&self) -> Option<BigDecimal> {
        match self {
            Self::Int(value) => Some((*value).into()),
            Self::BigInt(value) => Some(BigInt::clone(value).into()),
            Self::Decimal(value) => Some(BigDecimal::clone(value)),
            Self::Ratio(value) => ratio_to_decimal(value, 0),
            Self::Float(value) => ratio_to_decimal(&BigRational::from_float(*value)?, 0),
        }
    }

    /// Sums up numbers; an empty sum is the integer 0.
    pub(crate) fn sum<'n>(numbers: impl Iterator<Item = Number<'n>>) -> Result<Number<'static>> {
        let mut sum = Number::Int(0);
        for number in numbers {
            sum = sum.add(&number)?.into_owned();
        }
        Ok(sum)
    }
}

fn big(value: BigInt) -> Number<'static> {
    Number::BigInt(Cow::Owned(value))
}

fn decimal(value: BigDecimal) -> Number<'static> {
    Number::Decimal(Cow::Owned(value))
}

/// A whole number that came out of ratios: of 64 bits where it fits.
fn integer(value: BigInt) -> Number<'static> {
    value.to_i64().map_or_else(|| big(value), Number::Int)
}

fn whole_or_ratio(ratio: BigRational) -> Number<'static> {
    match ratio.is_integer() {
        true => integer(ratio.to_integer()),
        false => Number::Ratio(Cow::Owned(ratio)),
    }
}

/// A number as a double, if that loses nothing.
fn small_exact(number: &Number<'_>) -> Option<f64> {
    const EXACT: i64 = 1 << 53;
    match number {
        Number::Int(value) if (-EXACT..=EXACT).contains(value) => Some(*value as f64),
        Number::Float(value) => Some(if *value == 0.0 { 0.0 } else { *value }),
        _ => None,
    }
}

fn compare_infinite(infinite: f64, other: &Number<'_>) -> Option<Ordering> {
    match other {
        Number::Float(other) => infinite.partial_cmp(other),
        _ if infinite.is_nan() => None,
        _ if infinite > 0.0 => Some(Ordering::Greater),
        _ => Some(Ordering::Less),
    }
}

fn compare_exactly(a: &Number<'_>, b: &Number<'_>) -> Option<Ordering> {
    // Decimals with a huge exponent would be huge as ratios, but their order shows in sign and magnitude.
    if let (Some(order), true) = (decimal_magnitudes(a, b), has_wide_decimal(a) || has_wide_decimal(b)) {
        return Some(order);
    }
    Some(a.to_ratio()?.cmp(&b.to_ratio()?))
}

/// Digits beyond which a decimal's exponent is not written out.
const EXPONENT_MAX: i64 = 4096;

fn has_wide_decimal(number: &Number<'_>) -> bool {
    matches!(number, Number::Decimal(value) if value.fractional_digit_count().abs() > EXPONENT_MAX)
}

/// The order by sign and decimal magnitude, where these differ.
fn decimal_magnitudes(a: &Number<'_>, b: &Number<'_>) -> Option<Ordering> {
    let key = |number: &Number<'_>| -> Option<(i32, i64)> {
        let sign = match number {
            Number::Decimal(value) => value.sign() as i32 - 1,
            Number::BigInt(value) => value.sign() as i32 - 1,
            Number::Ratio(value) => value.numer().sign() as i32 - 1,
            Number::Int(value) => value.signum() as i32,
            Number::Float(value) => value.partial_cmp(&0.0)? as i32,
        };
        let magnitude = match number {
            Number::Decimal(value) => value.digits() as i64 - value.fractional_digit_count(),
            other => other.to_f64().abs().log10().floor() as i64 + 1,
        };
        Some((sign, magnitude))
    };
    let ((a_sign, a_size), (b_sign, b_size)) = (key(a)?, key(b)?);
    match a_sign.cmp(&b_sign) {
        Ordering::Equal if a_sign < 0 => Some(b_size.cmp(&a_size)),
        Ordering::Equal => Some(a_size.cmp(&b_size)),
        order => Some(order),
    }
}

fn decimal_to_ratio(value: &BigDecimal) -> Option<BigRational> {
    let (digits, scale) = value.as_bigint_and_exponent();
    let power = |exponent: i64| Some(BigInt::from(10).pow(u32::try_from(exponent).ok()?));
    Some(match scale {
        0 => BigRational::from_integer(digits),
        scale if scale > 0 => BigRational::new(digits, power(scale)?),
        scale => BigRational::from_integer(digits * power(scale.checked_neg()?)?),
    })
}

/// The decimal that equals `ratio`, with at least `scale` fractional digits; none if it has no end.
fn ratio_to_decimal(ratio: &BigRational, scale: i64) -> Option<BigDecimal> {
    let mut rest = ratio.denom().clone();
    let mut count = |prime: u32| {
        let prime = BigInt::from(prime);
        let mut times = 0_i64;
        while (&rest % &prime).is_zero() {
            rest /= &prime;
            times += 1;
        }
        times
    };
    let needed = count(2).max(count(5));
    if !rest.is_one() {
        return None;
    }
    let scale = needed.max(scale);
    let power = BigInt::from(10).pow(u32::try_from(scale).ok()?);
    Some(BigDecimal::new(ratio.numer() * power / ratio.denom(), scale))
}

fn divide_decimals(a: &BigDecimal, b: &BigDecimal) -> Result<Number<'static>> {
    let preferred = a.fractional_digit_count().saturating_sub(b.fractional_digit_count());
    if preferred.abs() > EXPONENT_MAX {
        return Err(NumberError::Overflow);
    }
    let (a, b) = (decimal_to_ratio(a), decimal_to_ratio(b));
    let (a, b) = (a.ok_or(NumberError::Overflow)?, b.ok_or(NumberError::Overflow)?);
    ratio_to_decimal(&(a / b), preferred.max(0)).map(decimal).ok_or(NumberError::Endless)
}

fn decimal_quotient(a: &BigDecimal, b: &BigDecimal) -> Result<BigDecimal> {
    if a.fractional_digit_count().abs().max(b.fractional_digit_count().abs()) > EXPONENT_MAX {
        return Err(NumberError::Overflow);
    }
    let (a, b) = (decimal_to_ratio(a), decimal_to_ratio(b));
    let (a, b) = (a.ok_or(NumberError::Overflow)?, b.ok_or(NumberError::Overflow)?);
    Ok((a / b).to_integer().into())
}

/// The integers closest to a number from below and from above, equal if it is whole.
pub(crate) fn floor_and_ceiling(number: &Number<'_>) -> Option<(BigInt, BigInt)> {
    let ratio = number.to_ratio()?;
    Some((ratio.floor().to_integer(), ratio.ceil().to_integer()))
}

/// The value as an exact double, or the doubles next to it from below and above.
pub(crate) fn neighbouring_doubles(number: &Number<'_>) -> Option<(f64, f64)> {
    let ratio = number.to_ratio()?;
    let near = number.to_f64();
    if !near.is_finite() {
        return Some(if ratio.is_negative() {
            (f64::NEG_INFINITY, f64::MIN)
        } else {
            (f64::MAX, f64::INFINITY)
        });
    }
    Some(match BigRational::from_f64(near)?.cmp(&ratio) {
        Ordering::Equal => (near, near),
        Ordering::Less => (near, near.next_up()),
        Ordering::Greater => (near.next_down(), near),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Value {
        edn::read(text).unwrap()
    }

    fn apply(
        operation: fn(&Number<'static>, &Number<'_>) -> Result<Number<'static>>,
        a: &str,
        b: &str,
    ) -> std::result::Result<Value, NumberError> {
        let (a, b) = (read(a), read(b));
        let a = Number::of(&a).unwrap().into_owned();
        operation(&a, &Number::of(&b).unwrap()).map(Number::into_value)
    }

    #[test]
    fn the_wider_type_wins() {
        for (a, b, sum) in [
            ("1", "2", "3"),
            ("1", "2N", "3N"),
            ("1/2", "1/2", "1"),
            ("1/2", "1", "3/2"),
            ("1.50M", "1", "2.50M"),
            ("1/4", "1.5M", "1.75M"),
            ("1.5M", "1.5", "3.0"),
            ("1/2", "0.25", "0.75"),
        ] {
            assert_eq!(apply(Number::add, a, b), Ok(read(sum)), "{a} + {b}");
            assert_eq!(apply(Number::add, b, a), Ok(read(sum)), "{b} + {a}");
        }
        assert_eq!(apply(Number::add, "1/3", "1M"), Err(NumberError::Endless));
    }

    #[test]
    fn division_is_exact_or_an_error() {
        for (a, b, quotient) in [
            ("6", "4", "3/2"),
            ("6", "3", "2"),
            ("6N", "3", "2N"),
            ("1.00M", "4", "0.25M"),
            ("1", "2.0", "0.5"),
        ] {
            assert_eq!(apply(Number::divide, a, b), Ok(read(quotient)), "{a} / {b}");
        }
        assert_eq!(apply(Number::divide, "1M", "3M"), Err(NumberError::Endless));
        for zero in ["0", "0N", "0.0", "0M"] {
            assert_eq!(apply(Number::divide, "1", zero), Err(NumberError::DivideByZero));
            assert_eq!(apply(Number::quot, "1", zero), Err(NumberError::DivideByZero));
            assert_eq!(apply(Number::modulo, "1.5", zero), Err(NumberError::DivideByZero));
        }
    }

    #[test]
    fn signs_of_quotient_remainder_and_modulus() {
        for (a, b, quot, rem, modulo) in [
            ("-7", "2", "-3", "-1", "1"),
            ("7", "-2", "-3", "1", "-1"),
            ("-7N", "2", "-3N", "-1N", "1N"),
            ("-7/2", "1", "-3", "-1/2", "1/2"),
            ("-7.5", "2", "-3.0", "-1.5", "0.5"),
            ("-7.5M", "2", "-3M", "-1.5M", "0.5M"),
            ("6", "3", "2", "0", "0"),
        ] {
            assert_eq!(apply(Number::quot, a, b), Ok(read(quot)), "quot {a} {b}");
            assert_eq!(apply(Number::rem, a, b), Ok(read(rem)), "rem {a} {b}");
            assert_eq!(apply(Number::modulo, a, b), Ok(read(modulo)), "mod {a} {b}");
        }
    }

    #[test]
    fn sixty_four_bits_overflow() {
        let (max, min) = ("9223372036854775807", "-9223372036854775808");
        assert_eq!(apply(Number::add, max, "1"), Err(NumberError::Overflow));
        assert_eq!(apply(Number::subtract, min, "1"), Err(NumberError::Overflow));
        assert_eq!(apply(Number::multiply, max, "2"), Err(NumberError::Overflow));
        assert_eq!(apply(Number::quot, min, "-1"), Err(NumberError::Overflow));
        assert_eq!(apply(Number::rem, min, "-1"), Ok(Value::Int(0)));
        assert_eq!(apply(Number::divide, min, "-1"), Ok(read("9223372036854775808N")));
        assert_eq!(apply(Number::add, max, "1N"), Ok(read("9223372036854775808N")));
    }

    #[test]
    fn numbers_compare_by_what_they_stand_for() {
        let ascending = [
            "##-Inf",
            "-1e300",
            "-1E+5000M",
            "-9007199254740993",
            "-9007199254740992.0",
            "-1/3",
            "0",
            "1E-5000M",
            "1/3",
            "0.5",
            "9007199254740992.0",
            "9007199254740993",
            "9223372036854775808N",
            "1e300",
            "1E+5000M",
            "##Inf",
        ];
        // The second is larger than the third, so put them right.
        let mut values: Vec<Value> = ascending.iter().map(|text| read(text)).collect();
        values.swap(1, 2);
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                let order = Number::of(a).unwrap().compare(&Number::of(b).unwrap());
                assert_eq!(order, Some(i.cmp(&j)), "{a} {b}");
            }
        }
        for equal in ["1", "1N", "1.0", "1M", "1.00M"] {
            assert_eq!(Number::Int(1).compare(&Number::of(&read(equal)).unwrap()), Some(Ordering::Equal));
        }
        assert_eq!(Number::Float(f64::NAN).compare(&Number::Int(1)), None);
        assert_eq!(Number::Int(1).compare(&Number::Float(f64::NAN)), None);
        assert_eq!(Number::Float(-0.0).compare(&Number::Int(0)), Some(Ordering::Equal));
    }

    #[test]
    fn doubles_around_a_number() {
        let around = |text: &str| neighbouring_doubles(&Number::of(&read(text)).unwrap());
        assert_eq!(around("3"), Some((3.0, 3.0)));
        assert_eq!(around("9007199254740993"), Some((9007199254740992.0, 9007199254740994.0)));
        let (below, above) = around("1/3").unwrap();
        assert_eq!(below.next_up(), above);
        let floors = |text: &str| floor_and_ceiling(&Number::of(&read(text)).unwrap()).unwrap();
        assert_eq!(floors("38.5"), (38.into(), 39.into()));
        assert_eq!(floors("-38.5"), ((-39).into(), (-38).into()));
        assert_eq!(floors("7M"), (7.into(), 7.into()));
    }
}
