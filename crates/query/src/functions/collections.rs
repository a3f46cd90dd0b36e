//! `vector list set hash-map count range not-empty empty? contains? get`

use std::collections::BTreeMap;

use edn::Value;

use super::compare::{equal, order};
use super::number::{Number, NumberError};
use super::{Args, FunctionError, Result, arithmetic};

/// The longest sequence that `range` makes.
const RANGE_MAX: usize = 10_000_000;

pub(super) fn vector(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Vector(args.to_vec()))
}

pub(super) fn list(args: &Args<'_>) -> Result<Value> {
    Ok(Value::List(args.to_vec()))
}

pub(super) fn set(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Set(
        elements(&args[0]).ok_or_else(|| args.unexpected(0, "a collection"))?.into_iter().collect(),
    ))
}

/// The elements of a collection; a map's are its entries, nil has none.
pub(crate) fn elements(value: &Value) -> Option<Vec<Value>> {
    Some(match value {
        Value::Nil => Vec::new(),
        Value::List(items) | Value::Vector(items) => items.clone(),
        Value::Set(items) => items.iter().cloned().collect(),
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| Value::Vector(vec![key.clone(), value.clone()])).collect()
        }
        _ => return None,
    })
}

pub(super) fn map(args: &Args<'_>) -> Result<Value> {
    if args.len() % 2 == 1 {
        return Err(args.unexpected(args.len() - 1, "a value behind every key"));
    }
    let entries: BTreeMap<Value, Value> =
        args.chunks_exact(2).map(|entry| (entry[0].clone(), entry[1].clone())).collect();
    Ok(Value::Map(entries))
}

fn length(args: &Args<'_>) -> Result<usize> {
    Ok(match &args[0] {
        Value::Nil => 0,
        Value::Str(text) => text.chars().count(),
        Value::List(items) | Value::Vector(items) => items.len(),
        Value::Set(items) => items.len(),
        Value::Map(entries) => entries.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => return Err(args.unexpected(0, "a collection or a string")),
    })
}

pub(super) fn count(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Int(length(args)? as i64))
}

pub(super) fn is_empty(args: &Args<'_>) -> Result<Value> {
    Ok(Value::Bool(length(args)? == 0))
}

pub(super) fn not_empty(args: &Args<'_>) -> Result<Value> {
    Ok(if length(args)? == 0 { Value::Nil } else { args[0].clone() })
}

/// `(range end)`, `(range start end)`, `(range start end step)`
pub(super) fn range(args: &Args<'_>) -> Result<Value> {
    let (mut current, end) = match args.len() {
        1 => (Value::Int(0), &args[0]),
        _ => (args[0].clone(), &args[1]),
    };
    for position in 0..args.len() {
        args.number(position)?;
    }
    let step = args.get(2).unwrap_or(&Value::Int(1));
    let ascending = match Number::of(step).and_then(|step| step.sign()) {
        Some(1) => true,
        Some(-1) => false,
        _ => return Err(args.unexpected(2, "a step other than 0")),
    };
    let mut items = Vec::new();
    while order(&current, end).is_some_and(|order| if ascending { order.is_lt() } else { order.is_gt() }) {
        if items.len() == RANGE_MAX {
            return Err(FunctionError::TooLarge { function: args.function().clone(), limit: RANGE_MAX });
        }
        let (Some(number), Some(step)) = (Number::of(&current), Number::of(step)) else { break };
        let next = number.add(&step);
        items.push(current);
        match next {
            Ok(next) => current = next.into_value(),
            // There is no integer past the last one, and so none before `end`.
            Err(NumberError::Overflow) => break,
            Err(error) => return Err(arithmetic::number_error(args, error)),
        }
    }
    Ok(Value::Vector(items))
}

pub(super) fn contains(args: &Args<'_>) -> Result<Value> {
    let inside = |len: usize| args[1].as_int().is_some_and(|index| (0..len as i64).contains(&index));
    Ok(Value::Bool(match &args[0] {
        Value::Nil => false,
        Value::Map(_) => lookup(&args[0], &args[1]).is_some(),
        Value::Set(items) => items.contains(&args[1]) || find_equal(items, &args[1]).is_some(),
        Value::Vector(items) => inside(items.len()),
        Value::Str(text) => inside(text.chars().count()),
        _ => return Err(args.unexpected(0, "a map, set, vector or string")),
    }))
}

pub(super) fn get(args: &Args<'_>) -> Result<Value> {
    let found = lookup(&args[0], &args[1]);
    Ok(found.or_else(|| args.get(2).cloned()).unwrap_or(Value::Nil))
}

/// What a collection holds under a key; anything that is no collection holds nothing.
pub(crate) fn lookup(collection: &Value, key: &Value) -> Option<Value> {
    let index = || key.as_int().and_then(|index| usize::try_from(index).ok());
    match collection {
        Value::Map(entries) => {
            entries.get(key).or_else(|| entries.get(find_equal(entries.keys(), key)?)).cloned()
        }
        Value::Set(items) => items.get(key).cloned(),
        Value::Vector(items) => items.get(index()?).cloned(),
        Value::Str(text) => text.chars().nth(index()?).map(Value::Char),
        _ => None,
    }
}

/// The element that equals `key` though it is another value: only integers, and what holds them, can.
fn find_equal<'a>(items: impl IntoIterator<Item = &'a Value>, key: &Value) -> Option<&'a Value> {
    let atom =
        matches!(key, Value::Str(_) | Value::Keyword(_) | Value::Symbol(_) | Value::Nil | Value::Bool(_));
    if atom { None } else { items.into_iter().find(|item| equal(item, key)) }
}
