//! `+ - * / quot rem mod inc dec zero? pos? neg? even? odd? rand rand-int`

use edn::Value;
use num_bigint::BigInt;
use rand::Rng;

use super::number::{Number, NumberError};
use super::{Args, FunctionError, Result};

type Operation = for<'a, 'b, 'c> fn(&'a Number<'b>, &Number<'c>) -> Result<Number<'static>, NumberError>;

pub(super) fn add(args: &Args<'_>) -> Result<Value> {
    fold(args, 0, |a, b| a.add(b))
}

pub(super) fn multiply(args: &Args<'_>) -> Result<Value> {
    fold(args, 1, |a, b| a.multiply(b))
}

pub(super) fn subtract(args: &Args<'_>) -> Result<Value> {
    match args.len() {
        1 => fold_from(args, Number::Int(0), 0, |a, b| a.subtract(b)),
        _ => fold_from(args, args.number(0)?, 1, |a, b| a.subtract(b)),
    }
}

pub(super) fn divide(args: &Args<'_>) -> Result<Value> {
    match args.len() {
        1 => fold_from(args, Number::Int(1), 0, |a, b| a.divide(b)),
        _ => fold_from(args, args.number(0)?, 1, |a, b| a.divide(b)),
    }
}

pub(super) fn quot(args: &Args<'_>) -> Result<Value> {
    fold_from(args, args.number(0)?, 1, |a, b| a.quot(b))
}

pub(super) fn rem(args: &Args<'_>) -> Result<Value> {
    fold_from(args, args.number(0)?, 1, |a, b| a.rem(b))
}

pub(super) fn modulo(args: &Args<'_>) -> Result<Value> {
    fold_from(args, args.number(0)?, 1, |a, b| a.modulo(b))
}

pub(super) fn inc(args: &Args<'_>) -> Result<Value> {
    fold_from(args, Number::Int(1), 0, |a, b| b.add(a))
}

pub(super) fn dec(args: &Args<'_>) -> Result<Value> {
    fold_from(args, Number::Int(1), 0, |a, b| b.subtract(a))
}

fn fold(args: &Args<'_>, neutral: i64, operation: Operation) -> Result<Value> {
    match args.len() {
        0 => Ok(Value::Int(neutral)),
        _ => fold_from(args, args.number(0)?, 1, operation),
    }
}

fn fold_from<'a>(args: &Args<'a>, start: Number<'a>, from: usize, operation: Operation) -> Result<Value> {
    let mut result = start;
    for position in from..args.len() {
        let number = args.number(position)?;
        result = operation(&result, &number).map_err(|error| number_error(args, error))?;
    }
    Ok(result.into_value())
}

pub(super) fn number_error(args: &Args<'_>, error: NumberError) -> FunctionError {
    let function = args.function().clone();
    match error {
        NumberError::Overflow => FunctionError::Overflow { function },
        NumberError::DivideByZero => FunctionError::DivideByZero { function },
        NumberError::Endless => FunctionError::EndlessDecimal { function },
    }
}

pub(super) fn is_zero(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args.number(0)?.is_zero()))
}

pub(super) fn is_positive(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args.number(0)?.sign() == Some(1)))
}

pub(super) fn is_negative(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args.number(0)?.sign() == Some(-1)))
}

pub(super) fn is_even(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(!odd(args)?))
}

pub(super) fn is_odd(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(odd(args)?))
}

fn odd(args: &Args<'_>) -> Result<bool> {
    match &args[0] {
        Value::Int(value) => Ok(value % 2 != 0),
        Value::BigInt(value) => Ok(value % 2 != BigInt::ZERO),
        _ => Err(args.unexpected(0, "an integer")),
    }
}

pub(super) fn random(args: &Args<'_>) -> Result<Value> {
    let limit = if args.is_empty() { 1.0 } else { args.number(0)?.to_f64() };
    Ok(Value::Float(rand::rng().random::<f64>() * limit))
}

pub(super) fn random_int(args: &Args<'_>) -> Result<Value> {
    let limit = args.int(0)?;
    Ok(Value::Int(match limit {
        0 => 0,
        limit if limit > 0 => rand::rng().random_range(0..limit),
        limit => rand::rng().random_range(limit + 1..=0),
    }))
}
