//! `= == not= < <= > >= compare min max`

use std::cmp::Ordering;

use edn::Value;

use super::compare::{equal as values_equal, numerically_equal, order};
use super::number::Number;
use super::{Args, Result};

pub(super) fn equal(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args.windows(2).all(|pair| values_equal(&pair[0], &pair[1]))))
}

pub(super) fn not_equal(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(!args.windows(2).all(|pair| values_equal(&pair[0], &pair[1]))))
}

pub(super) fn numeric_equal(args: &Args<'_>) -> Result<Value> {
    if let Some(position) = args.iter().position(|value| Number::of(value).is_none()) {
        return Err(args.unexpected(position, "a number"));
    }
    Ok(Value::Bool(args.windows(2).all(|pair| numerically_equal(&pair[0], &pair[1]) == Some(true))))
}

pub(super) fn less(args: &Args<'_>) -> Result<Value> {
    chain(args, Ordering::is_lt)
}

pub(super) fn less_eq(args: &Args<'_>) -> Result<Value> {
    chain(args, Ordering::is_le)
}

pub(super) fn greater(args: &Args<'_>) -> Result<Value> {
    chain(args, Ordering::is_gt)
}

pub(super) fn greater_eq(args: &Args<'_>) -> Result<Value> {
    chain(args, Ordering::is_ge)
}

/// Whether each neighbouring pair stands in the wanted order; NaN stands in none.
fn chain(args: &Args<'_>, wanted: fn(Ordering) -> bool) -> Result<Value> {
    Ok(Value::Bool(args.windows(2).all(|pair| order(&pair[0], &pair[1]).is_some_and(wanted))))
}

pub(super) fn compare_values(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Int(order(&args[0], &args[1]).map_or(0, |order| order as i64)))
}

pub(super) fn min(args: &Args<'_>) -> Result<Value> {
    Ok(extreme(args, Ordering::Less))
}

pub(super) fn max(args: &Args<'_>) -> Result<Value> {
    Ok(extreme(args, Ordering::Greater))
}

/// The first argument that no other beats; NaN beats all, as it does in arithmetic.
fn extreme(args: &Args<'_>, wanted: Ordering) -> Value {
    let nan = args.iter().find(|value| matches!(value, Value::Float(float) if float.is_nan()));
    let best = nan.unwrap_or_else(|| {
        args.iter()
            .reduce(|best, value| if order(value, best) == Some(wanted) { value } else { best })
            .unwrap_or(&Value::Nil)
    });
    best.clone()
}

/// Whether the first half of the arguments differs from the second half.
pub(super) fn differ(args: &Args<'_>) -> Result<Value> {
    let (first, second) = args.split_at(args.len() / 2);
    let same = first.len() == second.len() && first.iter().zip(second).all(|(a, b)| values_equal(a, b));
    Ok(Value::Bool(!same))
}

pub(super) fn identical(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(args[0] == args[1]))
}
