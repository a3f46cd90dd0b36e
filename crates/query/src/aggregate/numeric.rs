//! Sums, means and the rest of arithmetic over a group.

use edn::{Symbol, Value};

use super::{BuiltIn, Result, number_order};
use crate::functions::FunctionError;
use crate::functions::number::{Number, NumberError};

fn number(aggregate: BuiltIn, value: &Value) -> Result<Number<'_>> {
    Number::of(value).ok_or_else(|| aggregate.bad(0, "numbers", value))
}

fn explain(aggregate: BuiltIn, error: NumberError) -> FunctionError {
    let function = Symbol::parse(aggregate.name());
    match error {
        NumberError::Overflow => FunctionError::Overflow { function },
        NumberError::DivideByZero => FunctionError::DivideByZero { function },
        NumberError::Endless => FunctionError::EndlessDecimal { function },
    }
}

pub(super) fn sum(values: &[Value]) -> Result<Value> {
    let numbers: Vec<Number<'_>> =
        values.iter().map(|value| number(BuiltIn::Sum, value)).collect::<Result<_>>()?;
    let sum = Number::sum(numbers.into_iter()).map_err(|error| explain(BuiltIn::Sum, error))?;
    Ok(sum.into_value())
}

fn doubles(aggregate: BuiltIn, values: &[Value]) -> Result<Vec<f64>> {
    values.iter().map(|value| Ok(number(aggregate, value)?.to_f64())).collect()
}

pub(super) fn mean(aggregate: BuiltIn, values: &[Value]) -> Result<f64> {
    // Integers are summed exactly, so that the mean of many large ones is right to the last bit.
    let integers: Option<i128> = values
        .iter()
        .map(|value| value.as_int().map(i128::from))
        .try_fold(0i128, |sum, value| Some(sum + value?));
    let sum = match integers {
        Some(sum) => sum as f64,
        None => doubles(aggregate, values)?.iter().sum(),
    };
    Ok(sum / values.len() as f64)
}

pub(super) fn variance(aggregate: BuiltIn, values: &[Value]) -> Result<f64> {
    let mean = mean(aggregate, values)?;
    let squares = doubles(aggregate, values)?.into_iter().map(|value| (value - mean).powi(2));
    Ok(squares.sum::<f64>() / values.len() as f64)
}

pub(super) fn median(mut values: Vec<Value>) -> Result<Value> {
    for value in &values {
        number(BuiltIn::Median, value)?;
    }
    values.sort_by(|a, b| number_order(a, b).unwrap_or_else(|| a.cmp(b)));
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        return Ok(values.swap_remove(middle));
    }
    let (low, high) =
        (number(BuiltIn::Median, &values[middle - 1])?, number(BuiltIn::Median, &values[middle])?);
    let mean = low.add(&high).and_then(|sum| sum.divide(&Number::Int(2)));
    Ok(mean.map_err(|error| explain(BuiltIn::Median, error))?.into_value())
}
